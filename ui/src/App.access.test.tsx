import { screen, waitFor, within } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import { admin, monitor, open, support } from './test/monitor';
import { json, problem } from './test/server';

afterEach(() => {
  window.location.hash = '';
});

function wireAccount(fields: Record<string, unknown>) {
  return {
    userId: '2002',
    userName: 'Sam Lee',
    userType: 'S',
    designation: 'Night shift',
    avatar: '',
    active: true,
    locked: false,
    failures: 0,
    lastSignIn: null,
    ...fields,
  };
}

function wireToken(fields: Record<string, unknown>) {
  return {
    id: 'abc',
    name: 'Hall',
    scope: 'display',
    createdBy: '1001',
    createdAt: '2026-02-21T10:00:00Z',
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
    lastUsedFrom: null,
    ...fields,
  };
}

/** A server with the given users and tokens. */
function withAccess(users: unknown[], tokens: unknown[] = []) {
  const server = monitor();
  server.on('GET /users', () => json({ status: 'success', data: users }));
  server.on('GET /tokens', () => json({ status: 'success', data: tokens }));
  return server;
}

async function openAccess() {
  const user = open();
  await user.click(await screen.findByRole('link', { name: 'Access' }));
  window.location.hash = 'access'; // jsdom follows no link
  return user;
}

const rowOf = (name: string) =>
  screen.getByText(name).closest('li') ?? expect.fail(`no row of ${name}`);

test('an Admin sees the users, and does with each what it needs', async () => {
  const self = wireAccount({ ...admin, lastSignIn: '2026-02-21T10:00:00Z' });
  const locked = wireAccount({ locked: true, failures: 5 });
  const server = withAccess([self, locked]);
  server.on('POST /users/2002/unlock', () => {
    server.on('GET /users', () => json({ data: [self, wireAccount({})] }));
    return json({ status: 'success' });
  });
  server.on('PUT /users/2002', ({ body }) => {
    server.on('GET /users', () =>
      json({ data: [self, wireAccount(body as Record<string, unknown>)] }),
    );
    return json({ status: 'success' });
  });
  const user = await openAccess();

  expect(await screen.findByText('Locked')).toBeVisible();
  expect(rowOf('Sam Lee')).toHaveTextContent(
    '2002 · Support · Night shift · 5 failed sign-ins · never signed in',
  );
  expect(rowOf('Sam Lee')).toHaveTextContent('Locked');
  const mine = screen.getAllByRole('listitem')[0];
  expect(mine).toHaveTextContent('Asha Rao');
  expect(within(mine ?? document.body).queryByRole('button')).toBeNull();

  await user.click(screen.getByRole('button', { name: 'Unlock 2002' }));
  await waitFor(() => {
    expect(screen.queryByText('Locked')).toBeNull();
  });
  await user.click(screen.getByRole('button', { name: 'Disable 2002' }));
  expect(await screen.findByText('Disabled')).toBeVisible();
  expect(server.requests('PUT /users/2002').at(-1)?.body).toEqual({ active: false });
  await user.click(screen.getByRole('button', { name: 'Enable 2002' }));
  await waitFor(() => {
    expect(screen.queryByText('Disabled')).toBeNull();
  });
});

test('a user is added, and given another password, with the reason when it is refused', async () => {
  const server = withAccess([wireAccount({ userId: 'a/b' })]);
  server.on('POST /users', () => problem(400, 'The password cannot be used.'));
  const user = await openAccess();
  await user.click(await screen.findByRole('button', { name: 'Add user' }));
  const dialog = within(screen.getByRole('dialog', { name: 'Add a user' }));
  await user.type(dialog.getByLabelText('User ID'), '3003');
  await user.type(dialog.getByLabelText('Name'), 'Kim Park');
  await user.selectOptions(dialog.getByLabelText('Role'), 'A');
  await user.type(dialog.getByLabelText('First password'), 'blue kettle nine');
  await user.click(dialog.getByRole('button', { name: 'Add' }));
  expect(await dialog.findByText('The password cannot be used.')).toBeVisible();

  server.on('POST /users', () => json({ status: 'success' }, 201));
  await user.click(dialog.getByRole('button', { name: 'Add' }));
  await waitFor(() => {
    expect(screen.queryByRole('dialog')).toBeNull();
  });
  expect(server.requests('POST /users').at(-1)?.body).toEqual({
    userId: '3003',
    userName: 'Kim Park',
    designation: '',
    userType: 'A',
    password: 'blue kettle nine',
  });
  expect(server.requests('GET /users').length).toBeGreaterThan(1);

  server.on('PUT /users/a%2Fb/password', () => json({ status: 'success' }));
  await user.click(screen.getByRole('button', { name: 'Set password of a/b' }));
  const other = within(screen.getByRole('dialog', { name: 'New password for a/b' }));
  await user.type(other.getByLabelText('New password'), 'green kettle ten');
  await user.click(other.getByRole('button', { name: 'Set' }));
  await waitFor(() => {
    expect(screen.queryByRole('dialog')).toBeNull();
  });
  expect(server.requests('PUT /users/a%2Fb/password')[0]?.body).toEqual({
    password: 'green kettle ten',
  });
});

test('a user gets another name and role, with the reason when it is refused', async () => {
  const server = withAccess([wireAccount({ userId: 'a/b' })]);
  server.on('PUT /users/a%2Fb', () => problem(409, 'This is the last active Admin.'));
  const user = await openAccess();
  await user.click(await screen.findByRole('button', { name: 'Change a/b' }));
  const dialog = within(screen.getByRole('dialog', { name: 'Change a/b' }));
  expect(dialog.getByLabelText('Designation')).toHaveValue('Night shift');
  await user.clear(dialog.getByLabelText('Name'));
  await user.type(dialog.getByLabelText('Name'), 'Samantha Lee');
  await user.selectOptions(dialog.getByLabelText('Role'), 'A');
  await user.click(dialog.getByRole('button', { name: 'Change' }));
  expect(await dialog.findByText('This is the last active Admin.')).toBeVisible();

  server.on('PUT /users/a%2Fb', ({ body }) => {
    const changed = wireAccount({ userId: 'a/b', ...(body as Record<string, unknown>) });
    server.on('GET /users', () => json({ data: [changed] }));
    return json({ status: 'success' });
  });
  await user.click(dialog.getByRole('button', { name: 'Change' }));
  expect(await screen.findByText('Samantha Lee')).toBeVisible();
  expect(rowOf('Samantha Lee')).toHaveTextContent('a/b · Admin · Night shift');
  expect(screen.queryByRole('dialog')).toBeNull();
  expect(server.requests('PUT /users/a%2Fb').at(-1)?.body).toEqual({
    userName: 'Samantha Lee',
    userType: 'A',
  });
});

test('what the server refuses is said above the list', async () => {
  const server = withAccess([wireAccount({ userType: 'A' })]);
  server.on('PUT /users/2002', () => problem(409, 'This is the last active Admin.'));
  const user = await openAccess();
  await user.click(await screen.findByRole('button', { name: 'Disable 2002' }));
  expect(await screen.findByRole('alert')).toHaveTextContent('This is the last active Admin.');
});

test('a token is shown once, and can be revoked', async () => {
  const used = { lastUsedAt: '2026-02-21T10:30:00Z', lastUsedFrom: '192.0.2.7' };
  const server = withAccess([], [wireToken(used)]);
  server.on('POST /tokens', () =>
    json({ status: 'success', token: 'bmt_new_secret', details: wireToken({}) }, 201),
  );
  const user = await openAccess();
  expect(await screen.findByText(/last used 21 Feb 2026.* from 192\.0\.2\.7/)).toBeVisible();

  await user.click(screen.getByRole('button', { name: 'Create token' }));
  await user.type(screen.getByLabelText('What it is for'), 'Foyer');
  await user.click(screen.getByRole('button', { name: 'Create' }));
  expect(await screen.findByLabelText('Token')).toHaveValue('bmt_new_secret');
  expect(screen.getByLabelText('Address for the screen')).toHaveValue(
    `${window.location.origin}/#token=bmt_new_secret`,
  );
  expect(server.requests('POST /tokens')[0]?.body).toEqual({ name: 'Foyer', scope: 'display' });
  await user.click(screen.getByRole('button', { name: 'Done' }));
  expect(screen.queryByDisplayValue('bmt_new_secret')).toBeNull();

  server.on('DELETE /tokens/abc', () => {
    const revoked = wireToken({ revokedAt: '2026-02-21T11:00:00Z' });
    server.on('GET /tokens', () => json({ status: 'success', data: [revoked] }));
    return json({ status: 'success' });
  });
  await user.click(screen.getByRole('button', { name: 'Revoke Hall' }));
  await user.click(screen.getByRole('button', { name: 'Revoke' }));
  expect(await screen.findByText('Revoked')).toBeVisible();
  expect(screen.queryByRole('button', { name: 'Revoke Hall' })).toBeNull();
});

test('Support has no such page, also by its address', async () => {
  const server = monitor(support);
  window.location.hash = 'access';
  open();
  expect(await screen.findByRole('row', { name: /OUT0001/ })).toBeVisible();
  expect(screen.queryByRole('link', { name: 'Access' })).toBeNull();
  expect(server.requests('GET /users')).toHaveLength(0);
});

const paused = {
  code: 'credential_tripped',
  subject: 'SHOPS\\svc',
  since: '2026-02-21T10:30:00Z',
  message: 'The account is paused.',
};

test('an Admin has a paused account tried at once', async () => {
  const server = monitor();
  server.on('GET /system/state', () => json({ status: 'success', notices: [paused] }));
  server.on('POST /system/credentials/retry', () =>
    json({ status: 'success', message: 'The next look signs in with it, alone.' }, 202),
  );
  const user = open();
  await user.click(await screen.findByRole('button', { name: 'Try it now: SHOPS\\svc' }));
  expect(await screen.findByText('The next look signs in with it, alone.')).toBeVisible();
  expect(server.requests('POST /system/credentials/retry')[0]?.body).toEqual({
    account: 'SHOPS\\svc',
  });
});

test('Support sees that an account is paused, and cannot have it tried', async () => {
  const server = monitor(support);
  server.on('GET /system/state', () => json({ status: 'success', notices: [paused] }));
  open();
  expect(await screen.findByText('The account is paused.')).toBeVisible();
  expect(screen.queryByRole('button', { name: /Try/ })).toBeNull();
});
