import { queryOptions } from '@tanstack/react-query';

import type { Client } from './client';
import type { Wire } from './wire';

/** A user as Admins see them. */
export interface Account {
  id: string;
  name: string;
  designation: string;
  admin: boolean;
  active: boolean;
  /** By failed sign-ins in a row. */
  locked: boolean;
  failures: number;
  lastSignIn: Date | null;
}

export interface NewAccount {
  userId: string;
  userName: string;
  designation: string;
  userType: 'A' | 'S';
  password: string;
}

export const accountsKey = ['users'] as const;

export function accountsQuery(client: Client) {
  return queryOptions({
    queryKey: accountsKey,
    queryFn: async ({ signal }) => {
      const { body } = await client.json('/users', { signal });
      return body.objects('data').map(toAccount);
    },
  });
}

export async function addAccount(client: Client, account: NewAccount): Promise<void> {
  await client.json('/users', { method: 'POST', body: account });
}

/** What an Admin may change of a user besides whether they may sign in. */
export type AccountChange = Pick<NewAccount, 'userName' | 'designation' | 'userType'>;

/** What is not named stays as it is; another role ends every session of the user. */
export async function changeAccount(
  client: Client,
  id: string,
  change: Partial<AccountChange>,
): Promise<void> {
  await client.json(userPath(id), { method: 'PUT', body: change });
}

/** Disabling, like a new password, ends every session of the user. */
export async function setActive(client: Client, id: string, active: boolean): Promise<void> {
  await client.json(userPath(id), { method: 'PUT', body: { active } });
}

export async function unlock(client: Client, id: string): Promise<void> {
  await client.json(`${userPath(id)}/unlock`, { method: 'POST' });
}

export async function setPassword(client: Client, id: string, password: string): Promise<void> {
  await client.json(`${userPath(id)}/password`, { method: 'PUT', body: { password } });
}

function userPath(id: string): string {
  return `/users/${encodeURIComponent(id)}`;
}

function toAccount(wire: Wire): Account {
  const id = wire.text('userId');
  return {
    id,
    name: wire.textOrNull('userName') ?? '',
    designation: wire.textOrNull('designation') ?? '',
    admin: wire.textOrNull('userType') === 'A',
    active: wire.booleanOrNull('active') ?? false,
    locked: wire.booleanOrNull('locked') ?? false,
    failures: wire.numberOrNull('failures') ?? 0,
    lastSignIn: wire.instantOrNull('lastSignIn'),
  };
}

/** What is known of an API token; the token itself is kept nowhere. */
export interface ApiToken {
  id: string;
  name: string;
  /** read, display, or a newer server's. */
  scope: string;
  createdBy: string;
  createdAt: Date | null;
  expiresAt: Date | null;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
  lastUsedFrom: string | null;
}

export interface NewToken {
  name: string;
  scope: 'read' | 'display';
  /** Null: it does not end. */
  expiresAt: Date | null;
}

export const tokensKey = ['tokens'] as const;

export function tokensQuery(client: Client) {
  return queryOptions({
    queryKey: tokensKey,
    queryFn: async ({ signal }) => {
      const { body } = await client.json('/tokens', { signal });
      return body.objects('data').map(toToken);
    },
  });
}

/** Makes a token and gives its text, which nobody can ask for again. */
export async function addToken(client: Client, token: NewToken): Promise<string> {
  const expiresAt = token.expiresAt?.toISOString();
  const { body } = await client.json('/tokens', { method: 'POST', body: { ...token, expiresAt } });
  return body.text('token');
}

export async function revokeToken(client: Client, id: string): Promise<void> {
  await client.json(`/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

function toToken(wire: Wire): ApiToken {
  return {
    id: wire.text('id'),
    name: wire.text('name'),
    scope: wire.text('scope'),
    createdBy: wire.text('createdBy'),
    createdAt: wire.instantOrNull('createdAt'),
    expiresAt: wire.instantOrNull('expiresAt'),
    revokedAt: wire.instantOrNull('revokedAt'),
    lastUsedAt: wire.instantOrNull('lastUsedAt'),
    lastUsedFrom: wire.textOrNull('lastUsedFrom'),
  };
}
