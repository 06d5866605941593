import { expect, test, vi } from 'vitest';

import { signedInClient } from '../test/render';
import { fakeServer, json, problem } from '../test/server';

test('sends the token and the query, and leaves out what is not set', async () => {
  const server = fakeServer({ 'GET /outlets': () => json({ data: [] }) });
  const { client } = signedInClient();
  await client.json('/outlets', { query: { outlet: 'A & B', cause: undefined, status: '' } });
  expect(server.seen[0]?.headers.get('Authorization')).toBe('Bearer token-1');
  expect([...(server.seen[0]?.query ?? [])]).toEqual([['outlet', 'A & B']]);
});

test("gives the server's own words for a failure", async () => {
  fakeServer({ 'POST /auth/login': () => problem(429, 'Too many attempts. Wait 60 s.') });
  const { client } = signedInClient();
  await expect(client.json('/auth/login', { method: 'POST', body: {} })).rejects.toMatchObject({
    status: 429,
    message: 'Too many attempts. Wait 60 s.',
  });
});

test('names the status where the server sent no words', async () => {
  fakeServer({ 'GET /outlets': () => new Response('<h1>Bad gateway</h1>', { status: 502 }) });
  await expect(signedInClient().client.json('/outlets')).rejects.toThrow('The server answered 502');
});

test('refuses a page of HTML in place of an answer', async () => {
  const page = new Response('<html>', { headers: { 'Content-Type': 'text/html' } });
  fakeServer({ 'GET /outlets': () => page });
  await expect(signedInClient().client.json('/outlets')).rejects.toThrow('Something other than');
});

test('says so when the server cannot be reached', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  await expect(signedInClient().client.json('/outlets')).rejects.toMatchObject({ status: 0 });
});

test('a 401 ends the session, and tells why', async () => {
  fakeServer({ 'GET /outlets': () => problem(401, 'The token has expired') });
  const { client, session } = signedInClient();
  await expect(client.json('/outlets')).rejects.toThrow('The token has expired');
  expect(session.state()).toEqual({
    token: null,
    notice: 'Your session has ended. Sign in again.',
  });
  expect(localStorage.length).toBe(0);
});

test('a late 401 to an older session leaves the present one alone', async () => {
  const { client, session } = signedInClient();
  fakeServer({
    'GET /outlets': () => {
      session.begin('token-2');
      return problem(401, 'The token has expired');
    },
  });
  await expect(client.json('/outlets')).rejects.toThrow();
  expect(session.state().token).toBe('token-2');
});

test('a wrong password is not the end of a session', async () => {
  fakeServer({ 'POST /auth/login': () => problem(401, 'Wrong user ID or password') });
  const { client, session } = signedInClient();
  session.end();
  await expect(client.json('/auth/login', { method: 'POST' })).rejects.toThrow('Wrong user ID');
  expect(session.state().notice).toBeNull();
});
