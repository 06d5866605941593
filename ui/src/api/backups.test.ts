import { QueryClient } from '@tanstack/react-query';
import { expect, test } from 'vitest';

import { modes, type Mode } from '../backups/modes';
import type { BackupRecord } from '../backups/record';
import { wireMissing, wireRecord, wireStats, wireUnreachable } from '../test/factories';
import { signedInClient } from '../test/render';
import { fakeServer, json } from '../test/server';
import { backupsQuery, rescan } from './backups';

const [dDrive] = modes as [Mode];

async function read(data: unknown[], advancedDate: unknown[] = [], scanDate: string | null = null) {
  const server = fakeServer({ 'GET /backup-stats': () => json(wireStats(data, advancedDate)) });
  const { client } = signedInClient();
  const list = await new QueryClient().query(backupsQuery(client, dDrive, scanDate));
  return { list, server };
}

async function readOne(fields: Record<string, unknown>): Promise<BackupRecord | undefined> {
  return (await read([wireRecord(fields)])).list.records[0];
}

test('maps a good record', async () => {
  expect(await readOne({})).toMatchObject({
    outlet: 'OUT0001',
    outletName: 'Harbour Street',
    outcome: 'ok',
    modified: new Date('2026-02-21T02:00:00Z'),
    size: '2.45 GB',
    details: null,
    age: 3 * 3_600_000,
  });
});

test('what could not be looked at is neither fine nor missing, whatever its status', async () => {
  expect((await readOne(wireUnreachable))?.outcome).toBe('unseen');
  expect((await readOne({ conclusive: false }))?.outcome).toBe('unseen');
  expect((await readOne({ status: 'Failed', cause: 'timeout', conclusive: null }))?.outcome).toBe(
    'unseen',
  );
  expect((await readOne({ status: 'Failed', cause: 'new_cause', conclusive: null }))?.outcome).toBe(
    'unseen',
  );
});

test('what was looked at and is not there has failed', async () => {
  expect(await readOne(wireMissing)).toMatchObject({
    outcome: 'failed',
    modified: null,
    file: null,
    size: null,
    age: null,
    details: 'No *.bak file in the folder.',
  });
});

test('a row from before causes were kept goes by its status', async () => {
  const old = { cause: undefined, conclusive: undefined, observedAt: undefined };
  expect((await readOne({ ...old, status: 'Failed' }))?.outcome).toBe('failed');
  expect((await readOne({ ...old, status: 'Successful' }))?.outcome).toBe('ok');
});

test("the age goes by the outlet's own clock", async () => {
  // The outlet's clock is an hour fast: its 06:00 is our 05:00.
  expect((await readOne({ clockSkewSeconds: 3600 }))?.age).toBe(4 * 3_600_000);
});

test('records dated after the scan date are in the list, and marked', async () => {
  const { list } = await read([wireRecord()], [wireRecord({ outletCode: 'OUT0002' })]);
  expect(list.records.map((each) => [each.outlet, each.afterScanDate])).toEqual([
    ['OUT0001', false],
    ['OUT0002', true],
  ]);
});

test('asks for one date, and knows which one came without asking', async () => {
  expect((await read([wireRecord()])).list.scanDate).toBe('2026-02-21');
  const { list, server } = await read([], [], '2026-02-20');
  expect(list.scanDate).toBe('2026-02-20');
  expect(server.seen[0]?.query.toString()).toBe('date_from=2026-02-20&date_to=2026-02-20');
});

test('refuses a record without an outlet', async () => {
  await expect(readOne({ outletCode: undefined })).rejects.toThrow('lacks "outletCode"');
});

test('a re-scan tells its outcome, or that it is still going on', async () => {
  const server = fakeServer({
    'POST /backup-status/sync': () =>
      json({ ...wireStats([]), syncedCount: 2, syncSuccessCount: 1, syncFailedCount: 1 }),
  });
  const { client } = signedInClient();
  const done = await rescan(client, dDrive, ['OUT0001', 'OUT0002'], null);
  expect(done.counts).toEqual({ total: 2, successful: 1, failed: 1 });
  expect(server.seen[0]?.body).toEqual({ outlets: ['OUT0001', 'OUT0002'] });

  server.on('POST /backup-status/sync', () => json({ status: 'success', scanId: 's1' }, 202));
  expect((await rescan(client, dDrive, ['OUT0001'], '2026-02-20')).counts).toBeNull();
  expect(server.seen[1]?.query.get('scan_date')).toBe('2026-02-20');
});
