import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { useMemo, useState, useSyncExternalStore } from 'react';

import { meQuery } from './api/auth';
import { ApiError, createClient } from './api/client';
import type { Session } from './api/session';
import { Button } from './components/Button';
import { Notice } from './components/Notice';
import { ClientContext, useClient } from './hooks/useClient';
import { MonitorPage } from './pages/MonitorPage';
import { SignInPage } from './pages/SignInPage';

export function App({ session }: { session: Session }) {
  const { token, notice } = useSyncExternalStore(session.subscribe, session.state);
  const client = useMemo(() => createClient(session), [session]);
  return (
    <ClientContext value={client}>
      {token === null ? (
        <SignInPage notice={notice} onSignedIn={session.begin} />
      ) : (
        <SignedIn
          key={token}
          onNewSession={session.begin}
          onSignOut={() => {
            session.end();
          }}
        />
      )}
    </ClientContext>
  );
}

interface SignedInProps {
  onNewSession: (token: string) => void;
  onSignOut: () => void;
}

function SignedIn(props: SignedInProps) {
  // A cache for each session: nothing of one user is ever shown to the next.
  const [queries] = useState(createQueryClient);
  return (
    <QueryClientProvider client={queries}>
      <Gate {...props} />
    </QueryClientProvider>
  );
}

function Gate({ onNewSession, onSignOut }: SignedInProps) {
  const me = useQuery(meQuery(useClient()));
  if (me.data) {
    return <MonitorPage user={me.data} onNewSession={onNewSession} onSignOut={onSignOut} />;
  }
  return (
    <main className="mx-auto max-w-md p-6">
      {me.error ? (
        <Notice tone="bad" title="Your account could not be read">
          <p>{me.error.message}</p>
          <div className="mt-3 flex gap-2">
            <Button onClick={() => void me.refetch()}>Try again</Button>
            <Button onClick={onSignOut}>Sign out</Button>
          </div>
        </Notice>
      ) : (
        <p role="status" className="text-center text-sm text-muted">
          Loading…
        </p>
      )}
    </main>
  );
}

function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        // What the server refused it will refuse again.
        retry: (failures, error) =>
          failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      },
    },
  });
}
