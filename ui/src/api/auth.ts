import { queryOptions } from '@tanstack/react-query';

import type { Client } from './client';
import type { Wire } from './wire';

export interface User {
  id: string;
  name: string;
  designation: string;
  /** May start scans. Everybody may read. */
  admin: boolean;
  /** An API token, of a screen on a wall: nobody who has a password. */
  program: boolean;
}

export async function signIn(
  client: Client,
  credentials: { userId: string; password: string },
): Promise<{ token: string; user: User }> {
  const { body } = await client.json('/auth/login', { method: 'POST', body: credentials });
  return { token: body.text('token'), user: toUser(body.object('user')) };
}

/** Ends every session of the user and gives the token of a new one. */
export async function changePassword(
  client: Client,
  passwords: { currentPassword: string; newPassword: string },
): Promise<string> {
  const { body } = await client.json('/auth/password', { method: 'PUT', body: passwords });
  return body.text('token');
}

export const meKey = ['me'] as const;

export function meQuery(client: Client) {
  return queryOptions({
    queryKey: meKey,
    queryFn: async ({ signal }) => {
      const { body } = await client.json('/auth/me', { signal });
      return toUser(body.object('user'));
    },
    staleTime: Infinity,
  });
}

function toUser(wire: Wire): User {
  const id = wire.text('userId');
  return {
    id,
    name: nonEmpty(wire.textOrNull('userName')) ?? id,
    designation: wire.textOrNull('designation') ?? '',
    admin: wire.textOrNull('userType') === 'A',
    program: id.startsWith('token:'),
  };
}

function nonEmpty(text: string | null): string | null {
  return text === null || text.trim() === '' ? null : text.trim();
}
