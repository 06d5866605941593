import type { Session } from './session';
import { Wire } from './wire';

/** An answer other than success, with the server's own words where it sent any. */
export class ApiError extends Error {
  override name = 'ApiError';
  /** The HTTP status; 0 when no answer came. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Request {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  query?: Readonly<Record<string, string | undefined>>;
  body?: unknown;
  signal?: AbortSignal;
  lastEventId?: string | undefined;
}

export interface Answer {
  status: number;
  body: Wire;
}

export interface Client {
  /** Throws an ApiError, or what the signal was aborted with. */
  json: (path: string, request?: Request) => Promise<Answer>;
  blob: (path: string, request?: Request) => Promise<Blob>;
  /** The body of a server-sent event stream, open. */
  stream: (path: string, request?: Request) => Promise<ReadableStream<Uint8Array>>;
}

const prefix = '/api/v1';

/** The only place that talks to the server. A 401 ends the session that asked. */
export function createClient(session: Session): Client {
  async function send(path: string, accept: string, request: Request = {}): Promise<Response> {
    const { token } = session.state();
    const headers = new Headers({ Accept: accept });
    if (token !== null) headers.set('Authorization', `Bearer ${token}`);
    if (request.body !== undefined) headers.set('Content-Type', 'application/json');
    if (request.lastEventId) headers.set('Last-Event-ID', request.lastEventId);

    const response = await reach(prefix + path + search(request.query), {
      method: request.method ?? 'GET',
      headers,
      cache: 'no-store',
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal: request.signal ?? null,
    });
    if (response.ok) return response;

    const error = await failure(response);
    // A late answer to an older session must not end the present one.
    if (error.status === 401 && token !== null && session.state().token === token) {
      session.end('Your session has ended. Sign in again.');
    }
    throw error;
  }

  return {
    json: async (path, request) => {
      const response = await send(path, 'application/json', request);
      expectType(response, 'application/json');
      return { status: response.status, body: Wire.parse(await response.text()) };
    },
    blob: async (path, request) => {
      const response = await send(path, 'text/csv', request);
      expectType(response, 'text/csv');
      return response.blob();
    },
    stream: async (path, request) => {
      const response = await send(path, 'text/event-stream', request);
      expectType(response, 'text/event-stream');
      if (response.body === null) throw new ApiError(response.status, 'The stream is empty.');
      return response.body;
    },
  };
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    // eslint-disable-next-line no-restricted-globals -- the one place
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'The server cannot be reached. Check the network and try again.');
  }
}

function search(query: Request['query']): string {
  const pairs = Object.entries(query ?? {}).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '',
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

async function failure(response: Response): Promise<ApiError> {
  let message: string | null = null;
  if (isType(response, 'application/json')) {
    try {
      message = Wire.parse(await response.text()).textOrNull('message');
    } catch {
      message = null; // the status alone has to do
    }
  }
  return new ApiError(
    response.status,
    message ?? `The server answered ${response.status.toString()}. Try again later.`,
  );
}

/** Refuses, for one, a proxy's own HTML page sent with status 200. */
function expectType(response: Response, type: string): void {
  if (isType(response, type)) return;
  throw new ApiError(response.status, 'Something other than Backup Monitor answered.');
}

function isType(response: Response, type: string): boolean {
  return (response.headers.get('Content-Type') ?? '').toLowerCase().startsWith(type);
}
