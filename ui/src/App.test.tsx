import { screen, waitFor, within } from '@testing-library/react';
import type { UserEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';

import { wireMissing, wireRecord, wireStats, wireUnreachable } from './test/factories';
import { admin, monitor, open, support } from './test/monitor';
import { json, problem, stream } from './test/server';

async function signIn(user: UserEvent, password: string) {
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

test('a new password ends the old session and begins another', async () => {
  const server = monitor();
  server.on('PUT /auth/password', ({ body }) =>
    JSON.stringify(body) === '{"currentPassword":"old one","newPassword":"blue kettle nine"}'
      ? json({ status: 'success', token: 'token-2', user: admin })
      : problem(403, 'The present password is not accepted.'),
  );
  const user = open();
  await user.click(await screen.findByRole('button', { name: 'Password' }));
  const dialog = await screen.findByRole('dialog', { name: 'Change your password' });
  const fill = async (label: string, text: string) => {
    await user.clear(within(dialog).getByLabelText(label));
    await user.type(within(dialog).getByLabelText(label), text);
  };
  const change = within(dialog).getByRole('button', { name: 'Change' });
  await fill('Present password', 'wrong');
  await fill('New password', 'blue kettle nine');
  await fill('New password once more', 'blue kettle ten');
  await user.click(change);
  expect(await within(dialog).findByRole('alert')).toHaveTextContent('The new passwords differ');
  expect(server.requests('PUT /auth/password')).toHaveLength(0);

  await fill('New password once more', 'blue kettle nine');
  await user.click(change);
  expect(await within(dialog).findByText('The present password is not accepted.')).toBeVisible();

  await fill('Present password', 'old one');
  await user.click(change);
  await waitFor(() => {
    expect(screen.queryByRole('dialog')).toBeNull();
  });
  await screen.findByRole('row', { name: /OUT0001/ });
  expect(server.requests('GET /auth/me').at(-1)?.headers.get('Authorization')).toBe(
    'Bearer token-2',
  );
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
