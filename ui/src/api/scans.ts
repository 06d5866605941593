import { queryOptions } from '@tanstack/react-query';

import type { ModeId } from '../backups/modes';
import type { Client } from './client';
import { readEvents, type Timing } from './sse';
import { Wire } from './wire';

export interface Scan {
  id: string;
  /** YYYY-MM-DD; null where the server did not say. */
  scanDate: string | null;
  modes: string[];
  requestedAt: Date | null;
  requestedBy: string | null;
  progress: Progress;
}

export interface Progress {
  state: 'running' | 'complete' | 'broken';
  total: number;
  completed: number;
  success: number;
  failed: number;
  /** The outlet looked at last. */
  current: string | null;
  /** Why the scan broke off. */
  message: string | null;
}

export const noProgress: Progress = {
  state: 'running',
  total: 0,
  completed: 0,
  success: 0,
  failed: 0,
  current: null,
  message: null,
};

export const runningScansKey = ['scans', 'running'] as const;

export function runningScansQuery(client: Client) {
  return queryOptions({
    queryKey: runningScansKey,
    queryFn: async ({ signal }) => {
      const { body } = await client.json('/scans', { query: { state: 'running' }, signal });
      return body.objects('data').map(toScan);
    },
  });
}

export interface NewScan {
  modes: readonly ModeId[];
  /** YYYY-MM-DD; today, by the server, when it is null. */
  scanDate: string | null;
}

/** Asks for a scan of every outlet and gives its id. */
export async function startScan(client: Client, scan: NewScan): Promise<string> {
  const { body } = await client.json('/scans', {
    method: 'POST',
    body: { modes: scan.modes, ...(scan.scanDate === null ? {} : { scanDate: scan.scanDate }) },
  });
  return body.text('scanId');
}

export async function cancelScan(client: Client, id: string): Promise<void> {
  await client.json(scanPath(id), { method: 'DELETE' });
}

export interface Follow {
  signal: AbortSignal;
  from: Progress;
  timing?: Timing;
}

/** Yields the progress of a scan until it has ended. Ending the read does not end the scan. */
export async function* followScan(
  client: Client,
  id: string,
  { signal, from, timing }: Follow,
): AsyncGenerator<Progress, void> {
  const messages = readEvents({
    open: (opened, lastEventId) => client.stream(scanPath(id), { signal: opened, lastEventId }),
    signal,
    ...(timing && { timing }),
  });
  let progress = from;
  for await (const message of messages) {
    progress = advance(progress, Wire.parse(message.data));
    yield progress;
    if (progress.state !== 'running') return;
  }
}

/** The progress after one message of a scan stream. */
export function advance(progress: Progress, message: Wire): Progress {
  switch (message.textOrNull('type')) {
    case 'start':
      return { ...progress, total: message.number('total') };
    case 'progress':
      return {
        ...progress,
        total: message.number('total'),
        completed: message.number('completed'),
        success: message.number('success'),
        failed: message.number('failed'),
        current: message.textOrNull('current'),
      };
    case 'complete': {
      const success = message.number('success');
      const failed = message.number('failed');
      return {
        ...progress,
        state: 'complete',
        total: message.number('total'),
        completed: success + failed,
        success,
        failed,
        current: null,
      };
    }
    case 'error':
      return {
        ...progress,
        state: 'broken',
        message: message.textOrNull('message') ?? 'The scan broke off.',
      };
    default:
      return progress; // a newer server's message
  }
}

function scanPath(id: string): string {
  return `/scans/${encodeURIComponent(id)}`;
}

function toScan(wire: Wire): Scan {
  return {
    id: wire.text('scanId'),
    scanDate: wire.textOrNull('scanDate')?.slice(0, 10) ?? null,
    modes: wire.texts('modes'),
    requestedAt: wire.instantOrNull('requestedAt'),
    requestedBy: wire.textOrNull('requestedBy'),
    progress: {
      ...noProgress,
      total: wire.numberOrNull('total') ?? 0,
      completed: wire.numberOrNull('completed') ?? 0,
      success: wire.numberOrNull('success') ?? 0,
      failed: wire.numberOrNull('failed') ?? 0,
    },
  };
}
