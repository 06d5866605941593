import type { Client } from './client';
import { readEvents, type Timing } from './sse';
import { Wire } from './wire';

/** What a message of the live feed means to this page. */
export type FeedNews =
  | { kind: 'observed'; mode: string; scanDate: string | null }
  | { kind: 'scans' }
  | { kind: 'outlets' }
  | { kind: 'system' }
  /** Messages may have been missed: nothing shown can be trusted to be current. */
  | { kind: 'reset' };

export interface FeedOptions {
  signal: AbortSignal;
  onConnected: (connected: boolean) => void;
  timing?: Timing;
}

/** Yields the news of the live feed; resumes by itself where it left off. */
export async function* readFeed(
  client: Client,
  { signal, onConnected, timing }: FeedOptions,
): AsyncGenerator<FeedNews, void> {
  const messages = readEvents({
    open: (opened, lastEventId) => client.stream('/events', { signal: opened, lastEventId }),
    signal,
    onConnected,
    ...(timing && { timing }),
  });
  for await (const { event, data } of messages) {
    const news = toNews(event, data);
    if (news) yield news;
  }
}

function toNews(event: string, data: string): FeedNews | null {
  if (event === 'reset') return { kind: 'reset' };
  if (event.startsWith('scan.')) return { kind: 'scans' };
  if (event.startsWith('outlet.')) return { kind: 'outlets' };
  if (event.startsWith('prober.') || event.startsWith('credential.')) return { kind: 'system' };
  if (!event.startsWith('backup.observed.') && !event.startsWith('history.imported.')) return null;
  const wire = Wire.parse(data).object('data'); // the rest is the envelope
  const mode = wire.textOrNull('mode');
  return mode === null
    ? { kind: 'reset' }
    : { kind: 'observed', mode, scanDate: wire.textOrNull('scanDate') };
}
