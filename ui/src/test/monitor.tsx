import { render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { createSession } from '../api/session';
import { App } from '../App';
import { wireRecord, wireStats } from './factories';
import { fakeServer, json, type FakeServer } from './server';

export const admin = {
  userId: '1001',
  userName: 'Asha Rao',
  userType: 'A',
  designation: 'IT Admin',
};
export const support = { ...admin, userName: 'Sam Lee', userType: 'S' };

/** A server with one outlet's record and one user. */
export function monitor(user = admin, data: unknown[] = [wireRecord()]): FakeServer {
  return fakeServer({
    'GET /auth/me': () => json({ status: 'success', user }),
    'GET /backup-stats': () => json(wireStats(data)),
    'GET /ibstorage-stats': () => json(wireStats([])),
    'GET /backup-stats/daily-summary': () => json({ status: 'success', data: [] }),
    'GET /ibstorage-stats/daily-summary': () => json({ status: 'success', data: null }),
    'GET /outlets': () => json({ status: 'success', data: ['OUT0001', 'OUT0002'] }),
    'GET /scans': () => json({ status: 'success', data: [] }),
    'GET /system/state': () => json({ status: 'success', online: true, notices: [] }),
  });
}

/** Opens the page, signed in unless token is null. */
export function open(token: string | null = 'token-1') {
  const session = createSession(localStorage);
  if (token !== null) session.begin(token);
  render(<App session={session} />);
  return userEvent.setup();
}
