import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { localDate } from './backups/format';
import { monitor, open } from './test/monitor';
import { json, problem, stream } from './test/server';

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

test('starting a scan for today stays with the latest date, whichever way today was said', async () => {
  const server = monitor();
  const today = localDate(new Date());
  server.on('POST /scans', () =>
    json({ status: 'success', scanId: 's3', scanDate: today, modes: ['d_drive'] }, 202),
  );
  server.on('GET /scans/s3', () => stream().response);
  const user = open();
  const start = async (scanDate: string | null) => {
    await user.click(await screen.findByRole('button', { name: 'Start scan' }));
    const dialog = screen.getByRole('dialog', { name: 'Start a scan' });
    if (scanDate !== null) {
      await user.type(within(dialog).getByLabelText('Scan date'), scanDate);
    }
    await user.click(within(dialog).getByRole('button', { name: 'Start' }));
    await waitFor(() => {
      expect(screen.queryByRole('dialog')).toBeNull();
    });
  };
  for (const scanDate of [null, today]) {
    await start(scanDate);
    expect(screen.getByRole('combobox', { name: 'Scan date' })).toHaveValue('');
  }
  expect(server.requests('POST /scans').map(({ body }) => body)).toEqual([
    { modes: ['d_drive'] },
    { modes: ['d_drive'], scanDate: today },
  ]);
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
