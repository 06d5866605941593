import { expect, test, vi } from 'vitest';

import { createSession, takeTokenFromAddress } from './session';

test('a session survives a reload and ends for good', () => {
  createSession(localStorage).begin('token-1');
  const session = createSession(localStorage);
  expect(session.state().token).toBe('token-1');
  session.end();
  expect(createSession(localStorage).state().token).toBeNull();
});

test('signing out in one tab signs out in the others', () => {
  const session = createSession(localStorage);
  session.begin('token-1');
  const listener = vi.fn();
  const unsubscribe = session.subscribe(listener);

  localStorage.clear();
  window.dispatchEvent(new StorageEvent('storage', { key: null, storageArea: localStorage }));
  expect(session.state().token).toBeNull();
  expect(listener).toHaveBeenCalledOnce();

  unsubscribe();
  window.dispatchEvent(new StorageEvent('storage', { key: null, storageArea: localStorage }));
  expect(listener).toHaveBeenCalledOnce();
});

test('a screen on a wall signs in by an API token in its address, and nobody else does', () => {
  const visit = (hash: string) => {
    window.history.replaceState(null, '', `/backup-monitor/${hash}`);
    const session = createSession(localStorage);
    takeTokenFromAddress(session, window.location, window.history);
    return session.state().token;
  };
  expect(visit('#token=eyJhbGciOiJIUzI1NiJ9.e30.x')).toBeNull();
  expect(visit('#token=bmt_abc_DEF2')).toBe('bmt_abc_DEF2');
  expect(window.location.hash).toBe('');
  // Whoever is signed in stays who they are.
  expect(visit('#token=bmt_other_XYZ')).toBe('bmt_abc_DEF2');
});
