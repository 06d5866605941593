import { screen, waitFor } from '@testing-library/react';
import { expect, test } from 'vitest';

import { monitor, open } from './test/monitor';
import { json, stream } from './test/server';

test('what concerns every outlet stands above the list, and goes when it is over', async () => {
  const server = monitor();
  const feed = stream();
  server.on('GET /events', () => feed.response);
  const offline = {
    code: 'offline',
    subject: 'monitor-1',
    since: '2026-02-21T10:30:00Z',
    message: 'None of 128 outlets can be reached.',
  };
  server.on('GET /system/state', () => json({ status: 'success', notices: [offline] }));
  open();

  const alert = await screen.findByRole('alert');
  expect(alert).toHaveTextContent('The monitor cannot reach any outlet, since');
  expect(alert).toHaveTextContent('None of 128 outlets can be reached.');

  server.on('GET /system/state', () => json({ status: 'success', notices: [] }));
  feed.write('id: log-2\nevent: prober.changed.v1\ndata: {"data":{}}\n\n');
  await waitFor(() => {
    expect(screen.queryByRole('alert')).toBeNull();
  });
});

test('a notice that this page does not know is shown all the same', async () => {
  const server = monitor();
  const unheard = { code: 'new', subject: 'x', since: null, message: 'Something new is wrong.' };
  server.on('GET /system/state', () => json({ status: 'success', notices: [unheard] }));
  open();
  expect(await screen.findByText('Something new is wrong.')).toBeVisible();
});
