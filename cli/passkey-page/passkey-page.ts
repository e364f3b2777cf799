/**
 * Serves one page on the operators' own origin, for one signature, and is gone (docs/decisions/0026-passkey-page.md).
 * Core has no part in it: what an operator is shown comes from the operator's own machine.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CeremonyError } from '../../signer/ceremony/files.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import { parseSigned, type DocumentSignature } from '../../signer/protocol/signatures.ts';
import { pageOf } from './page.ts';

export interface PasskeyQuestion {
  /** `http://localhost:PORT`: the only one that signers take operators' passkeys from. */
  readonly origin: string;
  /** Who is to sign. */
  readonly by: string;
  readonly title: string;
  /** In plain words, what the document does. */
  readonly lines: readonly string[];
  /** Canonical bytes, whose SHA-256 is signed. */
  readonly bytes: Uint8Array;
  /** Throws what is wrong with a signature; the page says it, and the person may try again. */
  readonly check: (signature: DocumentSignature) => void;
  /** Told the page's address once it is served. */
  readonly tell: (url: string) => void;
  readonly timeoutMs: number;
}

/** An assertion is about 500 bytes. */
const BODY_BYTES_MAX = 16_384;

/** Rejects with CeremonyError: PASSKEY_PORT_BUSY, PASSKEY_CANCELLED, PASSKEY_TIMEOUT. */
export async function askPasskey(question: PasskeyQuestion): Promise<DocumentSignature> {
  const { origin, tell, timeoutMs } = question;
  const path = `/${randomBytes(24).toString('base64url')}`;
  const { promise, resolve, reject } = Promise.withResolvers<DocumentSignature>();
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response, { question, path, resolve, reject }).catch(() => response.destroy());
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

interface Asked {
  readonly question: PasskeyQuestion;
  readonly path: string;
  readonly resolve: (signature: DocumentSignature) => void;
  readonly reject: (error: Error) => void;
}

async function answer(request: IncomingMessage, response: ServerResponse, asked: Asked): Promise<void> {
  const { question, path, resolve, reject } = asked;
  const { host } = new URL(question.origin);
  // A name that was made to point here (DNS rebinding) arrives with its own Host.
  if (request.headers.host !== host) return send(response, 403, 'another host');
  if (request.url !== path) return send(response, 404, 'no such page');
  if (request.method === 'GET') return sendPage(response, question);
  if (request.method !== 'POST') return send(response, 405, 'not here');
  if (request.headers.origin !== question.origin) return send(response, 403, 'another origin');
  const body = await bodyOf(request);
  if (body === undefined) return send(response, 400, 'not an answer');
  if (body['cancelled'] === true) {
    response.once('close', () => reject(new CeremonyError('PASSKEY_CANCELLED', 'nothing was signed')));
    return send(response, 200, 'cancelled');
  }
  const parsed = parseSigned({
    document: null,
    signatures: [{ ...body, kind: 'passkey', by: question.by }],
  });
  const [signature] = parsed.ok ? parsed.value.signatures : [];
  if (signature === undefined) return send(response, 400, 'not an assertion');
  try {
    question.check(signature);
  } catch (error) {
    return send(response, 422, `Refused: ${error instanceof Error ? error.message : String(error)}`);
  }
  response.once('close', () => resolve(signature));
  send(response, 200, 'signed');
}

function sendPage(response: ServerResponse, { origin, title, by, lines, bytes }: PasskeyQuestion): void {
  const nonce = randomBytes(18).toString('base64');
  const rpId = new URL(origin).hostname;
  response.setHeader(
    'content-security-policy',
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  send(response, 200, pageOf({ title, by, rpId, lines, bytes: toHex(bytes) }, nonce), 'text/html');
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
