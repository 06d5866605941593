import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, type RenderResult } from '@testing-library/react';
import type { ReactNode } from 'react';

import { createClient, type Client } from '../api/client';
import { createSession, type Session } from '../api/session';
import { ClientContext } from '../hooks/useClient';

/** A client of a signed-in session. */
export function signedInClient(): { client: Client; session: Session } {
  const session = createSession(localStorage);
  session.begin('token-1');
  return { client: createClient(session), session };
}

/** Renders a part of the page with what it finds around it. */
export function renderWithin(part: ReactNode): RenderResult {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <ClientContext value={signedInClient().client}>
      <QueryClientProvider client={queries}>{part}</QueryClientProvider>
    </ClientContext>,
  );
}
