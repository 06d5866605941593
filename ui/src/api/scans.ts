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
  /** Of every active outlet, not of chosen ones. */
  full: boolean;
  /** Why it was started: cron, api, sync or cli. */
  trigger: string | null;
  requestedBy: string | null;
  progress: Progress;
}

export interface Progress {
  /** "stopped" is an end before the last look; "lost" says nothing of the scan itself. */
  state: 'running' | 'complete' | 'stopped' | 'lost';
  /** In looks: an outlet counts once in each mode. 0 before the scan has begun. */
  total: number;
  completed: number;
  success: number;
  /** Includes notObserved. */
  failed: number;
  /** Nobody could look. */
  notObserved: number;
  /** The outlet looked at last. */
  current: string | null;
  /** Why the scan stopped, or is lost from sight. */
  message: string | null;
}

export const noProgress: Progress = {
  state: 'running',
  total: 0,
  completed: 0,
  success: 0,
  failed: 0,
  notObserved: 0,
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

/** Asks for a scan of every outlet. */
export async function startScan(client: Client, scan: NewScan): Promise<Scan> {
  const { body } = await client.json('/scans', {
    method: 'POST',
    body: { modes: scan.modes, ...(scan.scanDate === null ? {} : { scanDate: scan.scanDate }) },
  });
  return { ...toScan(body), full: true, trigger: 'api', requestedBy: null };
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
        notObserved: message.numberOrNull('notObserved') ?? 0,
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
        notObserved: message.numberOrNull('notObserved') ?? 0,
        current: null,
      };
    }
    case 'error':
      return {
        ...progress,
        state: 'stopped',
        current: null,
        message: message.textOrNull('message') ?? 'The scan stopped.',
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
    full: wire.booleanOrNull('full') ?? true,
    trigger: wire.textOrNull('trigger'),
    requestedBy: wire.textOrNull('requestedBy'),
    progress: {
      ...noProgress,
      total: wire.numberOrNull('total') ?? 0,
      completed: wire.numberOrNull('completed') ?? 0,
      success: wire.numberOrNull('success') ?? 0,
      failed: wire.numberOrNull('failed') ?? 0,
      notObserved: wire.numberOrNull('notObserved') ?? 0,
    },
  };
}
