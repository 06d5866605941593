import { expect, test } from 'vitest';

import { signedInClient } from '../test/render';
import { fakeServer, json, stream } from '../test/server';
import { advance, followScan, noProgress, startScan, type Progress } from './scans';
import { Wire } from './wire';

const timing = { firstPause: 1, longestPause: 4, silence: 10_000 };

test('follows a scan over a lost connection to its end', async () => {
  const first = stream();
  first.send({ type: 'start', total: 3 }, 'scan-1');
  first.send(
    { type: 'progress', completed: 1, total: 3, success: 1, failed: 0, current: 'A' },
    'scan-1',
  );
  first.end();
  const second = stream();
  second.send({ type: 'complete', total: 3, success: 2, failed: 1 }, 'scan-1');
  const streams = [first, second];
  const server = fakeServer({
    'GET /scans/scan-1': () => streams.shift()?.response ?? json({}, 500),
  });

  const seen: Progress[] = [];
  const { client } = signedInClient();
  const { signal } = new AbortController();
  for await (const progress of followScan(client, 'scan-1', { signal, from: noProgress, timing })) {
    seen.push(progress);
  }
  expect(seen.map(({ state, completed, total }) => [state, completed, total])).toEqual([
    ['running', 0, 3],
    ['running', 1, 3],
    ['complete', 3, 3],
  ]);
  expect(seen[1]?.current).toBe('A');
  expect(server.seen.map(({ headers }) => headers.get('Last-Event-ID'))).toEqual([null, 'scan-1']);
});

test('an error message is an end', () => {
  const stopped = advance(noProgress, new Wire({ type: 'error', message: 'No outlets.' }));
  expect(stopped).toMatchObject({ state: 'stopped', message: 'No outlets.' });
});

test("a newer server's message changes nothing", () => {
  expect(advance(noProgress, new Wire({ type: 'weather' }))).toBe(noProgress);
});

test('starting a scan leaves the date to the server unless one is chosen', async () => {
  const server = fakeServer({
    'POST /scans': () =>
      json({ status: 'success', scanId: 's1', scanDate: '2026-02-21', modes: ['d_drive'] }, 202),
  });
  const { client } = signedInClient();
  const scan = await startScan(client, { modes: ['d_drive'], scanDate: null });
  expect(scan).toMatchObject({ id: 's1', scanDate: '2026-02-21', modes: ['d_drive'], full: true });
  await startScan(client, { modes: ['d_drive', 'ib_storage'], scanDate: '2026-02-20' });
  expect(server.seen.map(({ body }) => body)).toEqual([
    { modes: ['d_drive'] },
    { modes: ['d_drive', 'ib_storage'], scanDate: '2026-02-20' },
  ]);
});
