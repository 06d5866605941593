const storageKey = 'backup-monitor.token';

/** API tokens, which may only read. */
const apiToken = /^#token=(bmt_[A-Za-z0-9_]+)$/;

/**
 * Begins a session with the API token in the page's address, for a screen on a
 * wall: …/backup-monitor/#token=bmt_…. A session that there is already stays, and
 * a person's token is never taken from an address, so that no link can sign its
 * reader in as somebody else.
 */
export function takeTokenFromAddress(session: Session, place: Location, past: History): void {
  const token = apiToken.exec(place.hash)?.[1];
  if (token === undefined) return;
  past.replaceState(null, '', place.pathname + place.search);
  if (session.state().token === null) session.begin(token);
}

export interface SessionState {
  readonly token: string | null;
  /** Why the last session ended, when the reader did not end it. */
  readonly notice: string | null;
}

export interface Session {
  state: () => SessionState;
  subscribe: (listener: () => void) => () => void;
  begin: (token: string) => void;
  end: (notice?: string) => void;
}

/**
 * The signed-in session. The token lives in `storage`, so that it survives a
 * reload and is shared by the tabs of one browser: signing out in one signs out
 * in all.
 */
export function createSession(storage: Storage): Session {
  const listeners = new Set<() => void>();
  let state: SessionState = { token: storage.getItem(storageKey), notice: null };

  const set = (next: SessionState) => {
    state = next;
    for (const listener of listeners) listener();
  };

  const onStorage = (event: StorageEvent) => {
    // A null key means that everything was cleared.
    if (event.storageArea !== storage || (event.key !== storageKey && event.key !== null)) return;
    set({ token: storage.getItem(storageKey), notice: null });
  };

  return {
    state: () => state,
    subscribe: (listener) => {
      if (listeners.size === 0) window.addEventListener('storage', onStorage);
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) window.removeEventListener('storage', onStorage);
      };
    },
    begin: (token) => {
      storage.setItem(storageKey, token);
      set({ token, notice: null });
    },
    end: (notice) => {
      storage.removeItem(storageKey);
      set({ token: null, notice: notice ?? null });
    },
  };
}
