import { expect, test, vi } from 'vitest';

import { createSession } from './session';

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
