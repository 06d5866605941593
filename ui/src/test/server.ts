import { vi } from 'vitest';

export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
}

export type Handler = (request: Seen) => Response | Promise<Response>;

export interface FakeServer {
  /** Every request so far. */
  seen: Seen[];
  /** Adds or replaces a route, such as "GET /auth/me". */
  on: (route: string, handler: Handler) => void;
  requests: (route: string) => Seen[];
}

/** Answers fetch in the server's place. A route nobody set answers 404. */
export function fakeServer(routes: Record<string, Handler> = {}): FakeServer {
  const handlers = new Map(Object.entries(routes));
  const seen: Seen[] = [];

  vi.stubGlobal('fetch', async (input: string, init: RequestInit = {}) => {
    const url = new URL(input, 'http://monitor.example');
    const request: Seen = {
      method: init.method ?? 'GET',
      path: url.pathname.replace('/api/v1', ''),
      query: url.searchParams,
      headers: new Headers(init.headers),
      body: typeof init.body === 'string' ? JSON.parse(init.body) : null,
    };
    seen.push(request);
    const handler = handlers.get(`${request.method} ${request.path}`);
    const answer = handler ? handler(request) : problem(404, 'There is no such thing.');
    return abortable(await answer, init.signal);
  });

  return {
    seen,
    on: (route, handler) => handlers.set(route, handler),
    requests: (route) => seen.filter(({ method, path }) => `${method} ${path}` === route),
  };
}

export function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
  });
}

export function problem(status: number, message: string): Response {
  return json({ status: 'Error', message, timestamp: '2026-02-21T10:30:00Z' }, status);
}

export interface FakeStream {
  response: Response;
  write: (text: string) => void;
  send: (message: unknown, id?: string) => void;
  end: () => void;
}

/** A server-sent event stream under the test's control. */
export function stream(): FakeStream {
  const encoder = new TextEncoder();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const write = (text: string) => {
    // The reader may be gone by now, as a browser may.
    writer.write(encoder.encode(text)).catch(() => undefined);
  };
  return {
    response: new Response(readable, { headers: { 'Content-Type': 'text/event-stream' } }),
    write,
    send: (message, id) => {
      write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`);
    },
    end: () => {
      writer.close().catch(() => undefined);
    },
  };
}

/** Breaks the body off when the request is aborted, as fetch does. */
function abortable(response: Response, signal: AbortSignal | null | undefined): Response {
  signal?.throwIfAborted();
  if (!signal || !response.body) return response;
  const body = response.body.pipeThrough(new TransformStream(), { signal });
  return new Response(body, { status: response.status, headers: response.headers });
}
