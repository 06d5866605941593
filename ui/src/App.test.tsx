import { render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';

import { createSession } from './api/session';
import { App } from './App';
import { wireMissing, wireRecord, wireStats, wireUnreachable } from './test/factories';
import { fakeServer, json, problem, stream, type FakeServer } from './test/server';

const admin = { userId: '1001', userName: 'Asha Rao', userType: 'A', designation: 'IT Admin' };
const support = { ...admin, userName: 'Sam Lee', userType: 'S' };

function monitor(user = admin, data: unknown[] = [wireRecord()]): FakeServer {
  return fakeServer({
    'GET /auth/me': () => json({ status: 'success', user }),
    'GET /backup-stats': () => json(wireStats(data)),
    'GET /ibstorage-stats': () => json(wireStats([])),
    'GET /backup-stats/daily-summary': () => json({ status: 'success', data: [] }),
    'GET /ibstorage-stats/daily-summary': () => json({ status: 'success', data: null }),
    'GET /outlets': () => json({ status: 'success', data: ['OUT0001', 'OUT0002'] }),
    'GET /scans': () => json({ status: 'success', data: [] }),
  });
}

function open(token: string | null = 'token-1') {
  const session = createSession(localStorage);
  if (token !== null) session.begin(token);
  render(<App session={session} />);
  return userEvent.setup();
}

async function signIn(user: ReturnType<typeof userEvent.setup>, password: string) {
  await user.type(screen.getByLabelText('User ID'), ' 1001 ');
  await user.type(screen.getByLabelText('Password'), password);
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
}

test('signing in shows the refusal first, then the page', async () => {
  const server = monitor();
  server.on('POST /auth/login', ({ body }) =>
    JSON.stringify(body) === '{"userId":"1001","password":"right"}'
      ? json({ status: 'success', token: 'token-9', user: admin })
      : problem(401, 'Wrong user ID or password'),
  );
  const user = open(null);
  await signIn(user, 'wrong');
  expect(await screen.findByRole('alert')).toHaveTextContent('Wrong user ID or password');

  await user.clear(screen.getByLabelText('User ID'));
  await user.clear(screen.getByLabelText('Password'));
  await signIn(user, 'right');
  expect(await screen.findByText('Asha Rao')).toBeVisible();
  expect(server.requests('GET /auth/me')[0]?.headers.get('Authorization')).toBe('Bearer token-9');

  await user.click(screen.getByRole('button', { name: 'Sign out' }));
  expect(screen.getByLabelText('Password')).toHaveValue('');
  expect(localStorage.length).toBe(0);
});

test('an ended session leads back to signing in, with the reason', async () => {
  const server = monitor();
  server.on('GET /backup-stats', () => problem(401, 'The token has expired'));
  open();
  expect(await screen.findByText('Your session has ended. Sign in again.')).toBeVisible();
});

test('an account that cannot be read is not a sign-out', async () => {
  const server = monitor();
  server.on('GET /auth/me', () => problem(403, 'The account is locked'));
  const user = open();
  expect(await screen.findByRole('alert')).toHaveTextContent('The account is locked');
  server.on('GET /auth/me', () => json({ status: 'success', user: admin }));
  await user.click(screen.getByRole('button', { name: 'Try again' }));
  expect(await screen.findByText('Asha Rao')).toBeVisible();
});

test('the tiles, the coverage and the list keep "could not look" apart', async () => {
  monitor(admin, [
    wireRecord(),
    wireRecord({ outletCode: 'OUT0003', ...wireUnreachable }),
    wireRecord({ outletCode: 'OUT0004', ...wireMissing }),
  ]);
  open();
  const tiles = await screen.findByRole('list', { name: 'Summary' });
  const numbers = within(tiles)
    .getAllByRole('button')
    .map((tile) => tile.textContent);
  expect(numbers.map((text) => /^(.+?)(\d+)/.exec(text)?.slice(1))).toEqual([
    ['Total', '3'],
    ['Successful', '1'],
    ['Failed', '1'],
    ['Could not look', '1'],
  ]);
  // OUT0002 is an outlet of which the list says nothing.
  await waitFor(() => {
    expect(screen.getByTestId('coverage')).toHaveTextContent(
      '21 Feb 2026 · 2 of 4 outlets looked at · 1 could not be · 1 not tried on this date',
    );
  });
  const rows = screen.getAllByRole('row').slice(1);
  expect(rows.map((row) => row.dataset.outlet)).toEqual(['OUT0004', 'OUT0003', 'OUT0001']);
  expect(rows[0]).toHaveTextContent('FailedNo backupNo *.bak file in the folder.');
  expect(rows[1]).toHaveTextContent('Could not lookServer unreachable');
});

test('Support sees why there is no scan to start, and cannot select', async () => {
  monitor(support);
  open();
  expect(await screen.findByText('Only Admins can start a scan.')).toBeVisible();
  expect(await screen.findByRole('row', { name: /OUT0001/ })).toBeVisible();
  expect(screen.queryByRole('button', { name: 'Start scan' })).toBeNull();
  expect(screen.queryByRole('checkbox')).toBeNull();
});

test('before the first scan the page says so, and each mode has its own list', async () => {
  monitor(admin);
  const user = open();
  await screen.findByRole('row', { name: /OUT0001/ });
  await user.click(screen.getByRole('radio', { name: 'USB IBSTORAGE' }));
  expect(await screen.findByText('No scan yet')).toBeVisible();
  expect(screen.queryByRole('row', { name: /OUT0001/ })).toBeNull();
});

test('a list that cannot be refreshed stays, with a warning', async () => {
  const server = monitor();
  const feed = stream();
  server.on('GET /events', () => feed.response);
  open();
  await screen.findByRole('row', { name: /OUT0001/ });
  server.on('GET /backup-stats', () => problem(400, 'The database is being moved'));
  feed.write('event: reset\ndata: {}\n\n');
  expect(await screen.findByText('The list could not be refreshed')).toBeVisible();
  expect(screen.getByText('The database is being moved')).toBeVisible();
  expect(screen.getByRole('row', { name: /OUT0001/ })).toBeVisible();
});

test('the live feed brings a new look into the list', async () => {
  const server = monitor();
  const feed = stream();
  server.on('GET /events', () => feed.response);
  open();
  expect(await screen.findByText('Live')).toBeVisible();
  await screen.findByRole('row', { name: /OUT0001.*Successful/ });

  server.on('GET /backup-stats', () => json(wireStats([wireRecord(wireMissing)])));
  const observed = { data: { outlet: 'OUT0001', mode: 'd_drive', scanDate: '2026-02-21' } };
  feed.write(`event: backup.observed.v1\ndata: ${JSON.stringify(observed)}\n\n`);
  expect(await screen.findByRole('row', { name: /OUT0001.*Failed/ })).toBeVisible();
});

test('a scan that runs already is shown, followed to its end and cancellable', async () => {
  const server = monitor();
  const progress = stream();
  server.on('GET /scans', () =>
    json({
      status: 'success',
      data: [
        {
          scanId: 's1',
          scanDate: '2026-02-21',
          modes: ['d_drive'],
          total: 20,
          completed: 5,
          success: 5,
          failed: 0,
          requestedBy: 'cron',
        },
      ],
    }),
  );
  server.on('GET /scans/s1', () => progress.response);
  server.on('DELETE /scans/s1', () => json({ status: 'success' }, 202));
  const user = open();

  const card = await screen.findByRole('article', { name: 'Scan' });
  const bar = within(card).getByRole('progressbar');
  expect(bar).toHaveAttribute('aria-valuenow', '5');
  progress.send(
    { type: 'progress', completed: 9, total: 20, success: 8, failed: 1, current: 'OUT0002' },
    's1',
  );
  await waitFor(() => {
    expect(bar).toHaveAttribute('aria-valuenow', '9');
  });
  expect(card).toHaveTextContent('latest: OUT0002');

  await user.click(within(card).getByRole('button', { name: 'Cancel scan' }));
  expect(server.requests('DELETE /scans/s1')).toHaveLength(1);
  progress.send({ type: 'error', message: 'The scan was cancelled after 9 of 20 looks.' }, 's1');
  expect(await within(card).findByText('Scan stopped')).toBeVisible();
  expect(card).toHaveTextContent('The scan was cancelled after 9 of 20 looks.');
  expect(bar).toHaveAttribute('aria-valuenow', '9');

  // The list of running scans may still name it for a moment.
  await user.click(within(card).getByRole('button', { name: 'Dismiss' }));
  expect(screen.queryByRole('article', { name: 'Scan' })).toBeNull();
});

test('starting a scan for a date goes to that date and follows the scan', async () => {
  const server = monitor();
  const progress = stream();
  server.on('POST /scans', () =>
    json(
      { status: 'success', scanId: 's2', scanDate: '2026-02-20', modes: ['d_drive', 'ib_storage'] },
      202,
    ),
  );
  server.on('GET /scans/s2', () => progress.response);
  const user = open();
  await user.click(await screen.findByRole('button', { name: 'Start scan' }));
  const dialog = screen.getByRole('dialog', { name: 'Start a scan' });
  await user.click(within(dialog).getByRole('checkbox', { name: 'USB IBSTORAGE' }));
  await user.type(within(dialog).getByLabelText('Scan date'), '2026-02-20');
  await user.click(within(dialog).getByRole('button', { name: 'Start' }));

  expect(await screen.findByText('Scan starting')).toBeVisible();
  expect(
    screen.getByText(
      'D drive and USB IBSTORAGE · every outlet · for 20 Feb 2026 · started by 1001',
    ),
  ).toBeVisible();
  expect(server.requests('POST /scans')[0]?.body).toEqual({
    modes: ['d_drive', 'ib_storage'],
    scanDate: '2026-02-20',
  });
  expect(screen.getByRole('combobox', { name: 'Scan date' })).toHaveValue('2026-02-20');
  expect(server.requests('GET /backup-stats').at(-1)?.query.get('date_from')).toBe('2026-02-20');

  progress.send({ type: 'error', message: 'There are no active outlets.' }, 's2');
  expect(await screen.findByText('There are no active outlets.')).toBeVisible();
});

test('a full scan leaves its outcome behind, a re-scan of chosen outlets does not', async () => {
  const server = monitor();
  const both = { modes: ['d_drive'], scanDate: '2026-02-21', requestedBy: '1001', total: 4 };
  server.on('GET /scans', () =>
    json({
      status: 'success',
      data: [
        { ...both, scanId: 'again', full: false, trigger: 'sync' },
        { ...both, scanId: 'slot', full: true, trigger: 'cron' },
      ],
    }),
  );
  const streams = { again: stream(), slot: stream() };
  server.on('GET /scans/again', () => streams.again.response);
  server.on('GET /scans/slot', () => streams.slot.response);
  open();
  expect(await screen.findAllByRole('article', { name: 'Scan' })).toHaveLength(2);

  const end = { type: 'complete', total: 4, success: 1, failed: 3, notObserved: 2 };
  streams.slot.send(end, 'slot');
  const outcome = await screen.findByText('Scan complete');
  const card = outcome.closest('article');
  expect(card).toHaveTextContent('every outlet · for 21 Feb 2026 · on schedule');
  expect(card).toHaveTextContent('4 of 4 looks1 successful1 failed2 could not be seen');
  streams.again.send(end, 'again');
  await waitFor(() => {
    expect(screen.getAllByRole('article', { name: 'Scan' })).toEqual([card]);
  });
});

test('a scan that the server refuses to start says why', async () => {
  const server = monitor();
  server.on('POST /scans', () => problem(503, 'The log is full; no scan can start.'));
  const user = open();
  await user.click(await screen.findByRole('button', { name: 'Start scan' }));
  await user.click(screen.getByRole('button', { name: 'Start' }));
  expect(await screen.findByText('The log is full; no scan can start.')).toBeVisible();
});

test('selected outlets are looked at again', async () => {
  const server = monitor(admin, [wireRecord(), wireRecord({ outletCode: 'OUT0002' })]);
  server.on('POST /backup-status/sync', () =>
    json({ ...wireStats([]), syncedCount: 1, syncSuccessCount: 0, syncFailedCount: 1 }),
  );
  const user = open();
  await user.click(await screen.findByRole('checkbox', { name: 'Select OUT0002' }));
  await user.click(screen.getByRole('button', { name: 'Re-scan selected' }));
  expect(
    await screen.findByText('Looked again at 1 outlet: 0 successful, 1 failed or not seen.'),
  ).toBeVisible();
  expect(server.requests('POST /backup-status/sync')[0]?.body).toEqual({ outlets: ['OUT0002'] });
  expect(screen.getByRole('checkbox', { name: 'Select OUT0002' })).not.toBeChecked();
});
