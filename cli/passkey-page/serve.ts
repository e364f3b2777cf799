/** Serves one page on an origin of this machine until it has its answer, and is gone. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CeremonyError } from '../../signer/ceremony/files.ts';

export interface ServedPage<T> {
  /** `http://localhost:PORT`. */
  readonly origin: string;
  /** Whose style and script run by this nonce, and no others. */
  readonly page: (nonce: string) => string;
  /** Looks at what the page answers. Throws what is wrong with it; the page says it, and the person may try again. */
  readonly take: (body: Readonly<Record<string, unknown>>) => Taken<T>;
  /** Told the page's address once it is served. */
  readonly tell: (url: string) => void;
  readonly timeoutMs: number;
}

/** Without a value the page has more to say. */
export interface Taken<T> {
  readonly said: string;
  readonly value?: T;
}

/** The answer to a page is about 500 bytes. */
const BODY_BYTES_MAX = 16_384;

/** Rejects with CeremonyError: PASSKEY_PORT_BUSY, PASSKEY_CANCELLED, PASSKEY_TIMEOUT. */
export async function servePage<T>(served: ServedPage<T>): Promise<T> {
  const { origin, tell, timeoutMs } = served;
  const path = `/${randomBytes(24).toString('base64url')}`;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response, { served, path, resolve, reject }).catch(() => response.destroy());
  };
  const servers = await listenAtBoth(Number(new URL(origin).port), serve);
  const timer = setTimeout(() => {
    reject(new CeremonyError('PASSKEY_TIMEOUT', `nobody signed within ${Math.round(timeoutMs / 1000)} s`));
  }, timeoutMs);
  try {
    tell(`${origin}${path}`);
    return await promise;
  } finally {
    clearTimeout(timer);
    // What was answered last still reaches the page; idle connections go at once.
    await Promise.all(servers.map(closed));
  }
}

interface Asked<T> {
  readonly served: ServedPage<T>;
  readonly path: string;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

async function answer<T>(request: IncomingMessage, response: ServerResponse, asked: Asked<T>): Promise<void> {
  const { served, path, resolve, reject } = asked;
  const { host } = new URL(served.origin);
  // A name that was made to point here (DNS rebinding) arrives with its own Host.
  if (request.headers.host !== host) return send(response, 403, 'another host');
  if (request.url !== path) return send(response, 404, 'no such page');
  if (request.method === 'GET') return sendPage(response, served.page);
  if (request.method !== 'POST') return send(response, 405, 'not here');
  if (request.headers.origin !== served.origin) return send(response, 403, 'another origin');
  const body = await bodyOf(request);
  if (body === undefined) return send(response, 400, 'not an answer');
  if (body['cancelled'] === true) {
    response.once('close', () => reject(new CeremonyError('PASSKEY_CANCELLED', 'nothing was signed')));
    return send(response, 200, 'cancelled');
  }
  try {
    const { said, value } = served.take(body);
    if (value !== undefined) response.once('close', () => resolve(value));
    send(response, 200, said);
  } catch (error) {
    send(response, 422, `Refused: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function sendPage(response: ServerResponse, page: (nonce: string) => string): void {
  const nonce = randomBytes(18).toString('base64');
  response.setHeader(
    'content-security-policy',
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  send(response, 200, page(nonce), 'text/html');
}

function send(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    connection: 'close',
  });
  response.end(text);
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > BODY_BYTES_MAX) return undefined;
    parts.push(part);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A browser takes either address for localhost: were one left to somebody else, that page would be theirs. */
async function listenAtBoth(
  port: number,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server[]> {
  const servers: Server[] = [];
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer(serve);
    const code = await listening(server, { port, host });
    if (code === undefined) servers.push(server);
    else if (host !== '::1' || !['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(code)) {
      await Promise.all(servers.map(closed));
      throw new CeremonyError(
        'PASSKEY_PORT_BUSY',
        `${host} port ${port} cannot be had (${code}): end the other command that waits for a passkey`,
      );
    }
  }
  return servers;
}

const listening = (server: Server, at: { port: number; host: string }): Promise<string | undefined> =>
  new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'FAILED'));
    server.listen(at, () => resolve(undefined));
  });

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
