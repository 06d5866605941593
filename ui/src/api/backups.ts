import { queryOptions } from '@tanstack/react-query';

import { causeIsConclusive } from '../backups/causes';
import type { Mode, ModeId } from '../backups/modes';
import type { BackupList, BackupRecord, DaySummary, Outcome } from '../backups/record';
import type { Client } from './client';
import type { Wire } from './wire';

/** Every query about a mode begins with this key, so that one call refreshes them. */
export function modeKey(mode: ModeId) {
  return ['backups', mode] as const;
}

/** The records of a scan date, YYYY-MM-DD; of the latest one when it is null. */
export function backupsQuery(client: Client, mode: Mode, scanDate: string | null) {
  return queryOptions({
    queryKey: [...modeKey(mode.id), 'records', scanDate],
    queryFn: async ({ signal }): Promise<BackupList> => {
      const query = dateQuery(scanDate);
      const { body } = await client.json(mode.statsPath, { query, signal });
      const records = [
        ...body.objects('data').map((wire) => toRecord(wire, false)),
        ...body.objectsOrNone('advancedDate').map((wire) => toRecord(wire, true)),
      ];
      return { records, scanDate: records[0]?.scanDate ?? scanDate };
    },
  });
}

/** The days that were scanned, newest first. */
export function daysQuery(client: Client, mode: Mode) {
  return queryOptions({
    queryKey: [...modeKey(mode.id), 'days'],
    queryFn: async ({ signal }): Promise<DaySummary[]> => {
      const { body } = await client.json(`${mode.statsPath}/daily-summary`, { signal });
      return body.objects('data').map((wire) => ({
        scanDate: wire.text('scanDate').slice(0, 10),
        total: wire.number('total'),
        successful: wire.number('successful'),
        failed: wire.number('failed'),
        notObserved: wire.numberOrNull('notObserved') ?? 0,
      }));
    },
  });
}

/** The codes of the outlets that scans are about. */
export function outletsQuery(client: Client) {
  return queryOptions({
    queryKey: ['outlets'],
    queryFn: async ({ signal }) => {
      const { body } = await client.json('/outlets', { signal });
      return body.texts('data');
    },
  });
}

/** The records of a date as a CSV file. */
export function downloadCsv(client: Client, mode: Mode, scanDate: string | null): Promise<Blob> {
  return client.blob(mode.statsPath, { query: { ...dateQuery(scanDate), format: 'csv' } });
}

export interface RescanResult {
  /** Null while the looks are still going on. */
  counts: { total: number; successful: number; failed: number } | null;
}

/** Looks again at the given outlets and waits, up to a minute, for the outcome. */
export async function rescan(
  client: Client,
  mode: Mode,
  outlets: readonly string[],
  scanDate: string | null,
): Promise<RescanResult> {
  const { status, body } = await client.json(`${mode.statusPath}/sync`, {
    method: 'POST',
    query: scanDate === null ? {} : { scan_date: scanDate },
    body: { outlets },
  });
  if (status === 202) return { counts: null };
  return {
    counts: {
      total: body.number('syncedCount'),
      successful: body.number('syncSuccessCount'),
      failed: body.number('syncFailedCount'),
    },
  };
}

function dateQuery(scanDate: string | null): Record<string, string> {
  return scanDate === null ? {} : { date_from: scanDate, date_to: scanDate };
}

function toRecord(wire: Wire, afterScanDate: boolean): BackupRecord {
  const outlet = wire.text('outletCode');
  const outletName = textOrNone(wire, 'outletName');
  const server = wire.textOrNull('server') ?? '';
  const cause = textOrNone(wire, 'cause');
  const modified = wire.instantOrNull('lastModified');
  const observed = wire.instantOrNull('observedAt');
  const clockSkew = wire.numberOrNull('clockSkewSeconds');
  const file = textOrNone(wire, 'file');
  const details = textOrNone(wire, 'errorDetails');
  return {
    outlet,
    outletName,
    server,
    outcome: toOutcome(wire.text('status'), cause, wire.booleanOrNull('conclusive')),
    cause,
    modified,
    file,
    sizeBytes: wire.numberOrNull('sizeBytes'),
    size: textOrNone(wire, 'backupsize'),
    scanDate: wire.text('scanDate').slice(0, 10),
    details,
    drive: textOrNone(wire, 'driveLetter'),
    duration: textOrNone(wire, 'duration'),
    observed,
    clockSkew,
    age: modified && observed ? ageAt(modified, observed, clockSkew) : null,
    afterScanDate,
    searchText: [outlet, outletName, server, file, details].join('\n').toLowerCase(),
  };
}

function ageAt(modified: Date, observed: Date, clockSkew: number | null): number {
  return observed.getTime() + (clockSkew ?? 0) * 1000 - modified.getTime();
}

/** A row from before causes were kept has only its status to go by. */
function toOutcome(status: string, cause: string | null, conclusive: boolean | null): Outcome {
  const answered = conclusive ?? (cause === null ? true : causeIsConclusive(cause));
  if (answered === false) return 'unseen';
  if (status === 'Successful') return 'ok';
  return status === 'Failed' && answered !== null ? 'failed' : 'unseen';
}

function textOrNone(wire: Wire, key: string): string | null {
  const text = wire.textOrNull(key)?.trim();
  return text === undefined || text === '' ? null : text;
}
