import { expect, test } from 'vitest';

import { signedInClient } from '../test/render';
import { fakeServer, stream } from '../test/server';
import { readFeed, type FeedNews } from './feed';

test('tells what a message means to the page, and passes over the rest', async () => {
  const source = stream();
  fakeServer({ 'GET /events': () => source.response });
  const write = (event: string, data: unknown) => {
    const envelope = { id: 'x', type: event, data };
    source.write(`id: log-1\nevent: ${event}\ndata: ${JSON.stringify(envelope)}\n\n`);
  };
  write('audit.signed_in.v1', {});
  write('scan.started.v1', {});
  write('backup.observed.v1', { outlet: 'OUT0001', mode: 'd_drive', scanDate: '2026-02-21' });
  write('outlet.changed.v1', {});
  write('prober.changed.v1', {});
  source.write('event: reset\ndata: {}\n\n');

  const news: FeedNews[] = [];
  const feed = readFeed(signedInClient().client, {
    signal: new AbortController().signal,
    onConnected: () => undefined,
  });
  for await (const each of feed) {
    news.push(each);
    if (news.length === 5) break;
  }
  expect(news).toEqual([
    { kind: 'scans' },
    { kind: 'observed', mode: 'd_drive', scanDate: '2026-02-21' },
    { kind: 'outlets' },
    { kind: 'system' },
    { kind: 'reset' },
  ]);
});
