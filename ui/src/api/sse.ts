import { createParser, type EventSourceMessage } from 'eventsource-parser';

import { ApiError } from './client';

export interface StreamMessage {
  /** "message" when the server named none. */
  event: string;
  data: string;
}

export interface EventStream {
  /** Opens the stream; a later call resumes after lastEventId. */
  open: (
    signal: AbortSignal,
    lastEventId: string | undefined,
  ) => Promise<ReadableStream<Uint8Array>>;
  signal: AbortSignal;
  /** Told of each change between connected and not. */
  onConnected?: (connected: boolean) => void;
  timing?: Timing;
}

export interface Timing {
  /** First pause before reconnecting; it doubles up to the longest. In ms. */
  firstPause: number;
  longestPause: number;
  /** A stream silent for so long is taken for dead. The server's heartbeat is every 15 s. */
  silence: number;
}

const defaultTiming: Timing = { firstPause: 500, longestPause: 30_000, silence: 45_000 };

/**
 * Yields the messages of a server-sent event stream for as long as it is read:
 * reconnects where it left off when the connection ends, with a growing pause,
 * and ends quietly when the signal is aborted. An answer that another try cannot
 * better is thrown as an ApiError.
 */
export async function* readEvents(stream: EventStream): AsyncGenerator<StreamMessage, void> {
  const { signal } = stream;
  const timing = stream.timing ?? defaultTiming;
  let lastEventId: string | undefined;
  let { firstPause } = timing;
  let pause = firstPause;

  while (!signal.aborted) {
    const connection = new AbortController();
    const abort = () => {
      connection.abort();
    };
    signal.addEventListener('abort', abort);
    try {
      const body = await stream.open(connection.signal, lastEventId);
      stream.onConnected?.(true);
      for await (const message of parse(body, timing.silence)) {
        if (message.retry !== undefined) {
          firstPause = pause = message.retry; // the server asks for it
          continue;
        }
        lastEventId = message.id ?? lastEventId;
        pause = firstPause;
        yield { event: message.event ?? 'message', data: message.data };
      }
    } catch (error) {
      if (aborted(signal)) return;
      if (error instanceof ApiError && !worthRetrying(error.status)) throw error;
    } finally {
      signal.removeEventListener('abort', abort);
      connection.abort();
      stream.onConnected?.(false);
    }
    await rest(pause * (0.75 + Math.random() / 2), signal);
    pause = Math.min(pause * 2, timing.longestPause);
  }
}

type Parsed = Partial<EventSourceMessage> & { data: string; retry?: number };

async function* parse(body: ReadableStream<Uint8Array>, silence: number): AsyncGenerator<Parsed> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const ready: Parsed[] = [];
  const parser = createParser({
    onEvent: (message) => ready.push(message),
    onRetry: (retry) => ready.push({ data: '', retry }),
  });
  try {
    for (;;) {
      const chunk = await within(silence, reader.read());
      if (chunk.done) return;
      parser.feed(decoder.decode(chunk.value, { stream: true }));
      yield* ready.splice(0);
    }
  } finally {
    // A broken stream refuses to be cancelled; it is over all the same.
    reader.cancel().catch(() => undefined);
  }
}

function worthRetrying(status: number): boolean {
  return status < 400 || status >= 500 || status === 408 || status === 429;
}

// Read through a function, because the compiler takes the property for constant.
function aborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silent = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error('The stream fell silent.'));
    }, ms);
  });
  try {
    return await Promise.race([work, silent]);
  } finally {
    clearTimeout(timer);
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
