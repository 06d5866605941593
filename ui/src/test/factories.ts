import type { BackupRecord } from '../backups/record';

/** A record as the API sends it: a good backup, unless told otherwise. */
export function wireRecord(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    outletCode: 'OUT0001',
    server: '192.0.2.1',
    status: 'Successful',
    lastModified: '2026-02-21T02:00:00Z',
    file: 'OUT0001_FULL.bak',
    backupsize: '2.45 GB',
    scanDate: '2026-02-21',
    errorDetails: '',
    cause: 'ok',
    conclusive: true,
    sizeBytes: 2630667264,
    duration: '0.31s',
    observedAt: '2026-02-21T05:00:00Z',
    clockSkewSeconds: 0,
    outletName: 'Harbour Street',
    ...fields,
  };
}

export const wireMissing = {
  status: 'Failed',
  cause: 'no_backup',
  lastModified: null,
  file: '',
  backupsize: '',
  sizeBytes: null,
  errorDetails: 'No *.bak file in the folder.',
};

export const wireUnreachable = {
  ...wireMissing,
  cause: 'unreachable',
  conclusive: false,
  errorDetails: 'Could not look: the connection was refused.',
};

export function wireStats(data: unknown[], advancedDate: unknown[] = []): Record<string, unknown> {
  return {
    status: 'success',
    data,
    advancedDate,
    count: data.length,
    advancedDateCount: advancedDate.length,
    processingTime: 0.01,
    timestamp: '2026-02-21T10:30:00Z',
  };
}

/** A record as the page has it: a good backup, unless told otherwise. */
export function record(fields: Partial<BackupRecord> = {}): BackupRecord {
  const outlet = fields.outlet ?? 'OUT0001';
  return {
    outlet,
    outletName: null,
    server: '192.0.2.1',
    outcome: 'ok',
    cause: 'ok',
    modified: new Date('2026-02-21T02:00:00Z'),
    file: `${outlet}_FULL.bak`,
    sizeBytes: 2630667264,
    size: '2.45 GB',
    scanDate: '2026-02-21',
    details: null,
    drive: null,
    duration: '0.31s',
    observed: new Date('2026-02-21T05:00:00Z'),
    clockSkew: 0,
    age: 3 * 3_600_000,
    afterScanDate: false,
    searchText: outlet.toLowerCase(),
    ...fields,
  };
}
