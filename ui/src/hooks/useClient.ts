import { createContext, use } from 'react';

import type { Client } from '../api/client';

export const ClientContext = createContext<Client | null>(null);

export function useClient(): Client {
  const client = use(ClientContext);
  if (!client) throw new Error('useClient needs a ClientContext around it');
  return client;
}
