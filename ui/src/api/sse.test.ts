import { expect, test, vi } from 'vitest';

import { stream, type FakeStream } from '../test/server';
import { ApiError } from './client';
import { readEvents, type StreamMessage } from './sse';

const timing = { firstPause: 1, longestPause: 4, silence: 10_000 };

function bodyOf({ response }: FakeStream): ReadableStream<Uint8Array> {
  if (!response.body) throw new Error('a stream has a body');
  return response.body;
}

async function take(events: AsyncGenerator<StreamMessage>, count: number) {
  const taken: string[] = [];
  for await (const { data } of events) {
    taken.push(data);
    if (taken.length === count) break;
  }
  return taken;
}

test('reads messages however the network cuts them', async () => {
  const source = stream();
  const events = readEvents({
    open: () => Promise.resolve(bodyOf(source)),
    signal: new AbortController().signal,
    timing,
  });
  const taken = take(events, 2);
  source.write(': hello\n\ndata: {"na');
  source.write('me":"Zürich"}\n');
  source.write('\ndata: two\n\n');
  expect(await taken).toEqual(['{"name":"Zürich"}', 'two']);
});

test('resumes after the last message when the connection ends', async () => {
  const opened: (string | undefined)[] = [];
  const connected: boolean[] = [];
  const events = readEvents({
    open: (_, lastEventId) => {
      opened.push(lastEventId);
      const source = stream();
      source.send(`from ${lastEventId ?? 'the start'}`, `s-${opened.length}`);
      source.end();
      return Promise.resolve(bodyOf(source));
    },
    signal: new AbortController().signal,
    onConnected: (now) => connected.push(now),
    timing,
  });
  expect(await take(events, 3)).toEqual(['"from the start"', '"from s-1"', '"from s-2"']);
  expect(opened).toEqual([undefined, 's-1', 's-2']);
  expect(connected).toEqual([true, false, true, false, true, false]);
});

test.each([0, 429, 500, 503])('tries again after a failure %i', async (status) => {
  let tries = 0;
  const source = stream();
  source.send('there');
  const events = readEvents({
    open: () => {
      tries += 1;
      return tries < 4
        ? Promise.reject(new ApiError(status, 'not now'))
        : Promise.resolve(bodyOf(source));
    },
    signal: new AbortController().signal,
    timing,
  });
  expect(await take(events, 1)).toEqual(['"there"']);
  expect(tries).toBe(4);
});

test.each([401, 403, 404])('gives up on a refusal %i', async (status) => {
  const open = vi.fn(() => Promise.reject(new ApiError(status, 'no')));
  const events = readEvents({ open, signal: new AbortController().signal, timing });
  await expect(events.next()).rejects.toMatchObject({ status });
  expect(open).toHaveBeenCalledOnce();
});

test('takes a stream that fell silent for dead', async () => {
  const second = stream();
  second.send('alive');
  const sources = [stream(), second];
  const events = readEvents({
    open: () => {
      const next = sources.shift();
      return next ? Promise.resolve(bodyOf(next)) : Promise.reject(new Error('no more'));
    },
    signal: new AbortController().signal,
    timing: { ...timing, silence: 20 },
  });
  expect(await take(events, 1)).toEqual(['"alive"']);
});

test('waits as long as the server asks, and longer each time', async () => {
  vi.useFakeTimers();
  try {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    let tries = 0;
    const stop = new AbortController();
    const events = readEvents({
      open: () => {
        tries += 1;
        const source = stream();
        if (tries === 1) source.write('retry: 3000\n\n');
        source.end();
        return Promise.resolve(bodyOf(source));
      },
      signal: stop.signal,
      timing: { firstPause: 1, longestPause: 60_000, silence: 60_000 },
    });
    const end = events.next();
    await vi.advanceTimersByTimeAsync(2_999);
    expect(tries).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(tries).toBe(2);
    await vi.advanceTimersByTimeAsync(5_999);
    expect(tries).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(tries).toBe(3);
    stop.abort();
    expect(await end).toEqual({ done: true, value: undefined });
  } finally {
    vi.useRealTimers();
  }
});

test('ends quietly when it is aborted, and closes the connection', async () => {
  const stop = new AbortController();
  let connection: AbortSignal | undefined;
  const events = readEvents({
    open: (signal) => {
      connection = signal;
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reject(new DOMException('aborted', 'AbortError'));
        });
      });
    },
    signal: stop.signal,
    timing,
  });
  const next = events.next();
  stop.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(connection?.aborted).toBe(true);
});
