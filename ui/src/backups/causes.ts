interface CauseWords {
  name: string;
  /** The look answered the question; otherwise nobody could look. */
  conclusive: boolean;
}

const causes: ReadonlyMap<string, CauseWords> = new Map([
  ['ok', { name: 'Recent backup found', conclusive: true }],
  ['stale', { name: 'Backup too old', conclusive: true }],
  ['no_backup', { name: 'No backup', conclusive: true }],
  ['too_small', { name: 'Backup too small', conclusive: true }],
  ['folder_missing', { name: 'Folder missing', conclusive: true }],
  ['share_missing', { name: 'Share missing', conclusive: true }],
  ['drive_missing', { name: 'Drive missing', conclusive: true }],
  ['unreachable', { name: 'Server unreachable', conclusive: false }],
  ['timeout', { name: 'No answer in time', conclusive: false }],
  ['auth_failed', { name: 'Sign-in refused', conclusive: false }],
  ['access_denied', { name: 'Access denied', conclusive: false }],
  ['protocol_error', { name: 'Protocol error', conclusive: false }],
  ['paused', { name: 'Look put off', conclusive: false }],
  ['expired', { name: 'Nobody looked', conclusive: false }],
]);

const places = new Map([...causes.keys()].map((cause, index) => [cause, index]));

/** A cause in words; one that this page does not know keeps the server's word. */
export function causeName(cause: string | null): string {
  if (cause === null) return '';
  return causes.get(cause)?.name ?? cause.replaceAll('_', ' ');
}

/** Whether a cause says something about the backup; null for one not known here. */
export function causeIsConclusive(cause: string): boolean | null {
  return causes.get(cause)?.conclusive ?? null;
}

/** Causes in the order in which they are listed, those unknown here last. */
export function compareCauses(a: string, b: string): number {
  return place(a) - place(b) || a.localeCompare(b);
}

function place(cause: string): number {
  return places.get(cause) ?? causes.size;
}
