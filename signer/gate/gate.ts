/**
 * The gate: HTTPS with mutual TLS in front of one vault. It holds no key of money; it lets only pinned client
 * certificates ask, bounds what they send, and hands it to the vault by a pipe, one request at a time.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { REQUEST_BYTES_MAX, type Call } from '../protocol/messages.ts';
import { roles, type GateClient, type GateConfig, type Role } from './config.ts';
import { openPeers, type PeerExchange } from './peers.ts';
import { GateError } from './gate-error.ts';
import { startVaultProcess } from './vault-process.ts';
import type { Witness } from '../witness/witness.ts';

export interface Gate {
  readonly host: string;
  readonly port: number;
  readonly vaultPid: number;
  /** Answers what was asked already, then ends the vault. */
  stop(): Promise<void>;
}

interface Route {
  readonly method: 'GET' | 'POST';
  readonly call: Call | 'livez';
  readonly roles: readonly Role[];
}

const EVERYBODY: readonly Role[] = roles.filter((role) => role !== 'peer');
const OPERATORS: readonly Role[] = ['operator'];
const WATCHERS: readonly Role[] = ['operator', 'sentinel'];
const PASSERS_ON: readonly Role[] = ['core', 'operator'];

/** Core never unseals, makes keys or pins; operators never ask for a payment, only for what goes to cold. Documents carry their own authority. */
const routes: Readonly<Record<string, Route>> = {
  '/livez': { method: 'GET', call: 'livez', roles: EVERYBODY },
  '/v1/identity': { method: 'GET', call: 'identity', roles: EVERYBODY },
  '/v1/status': { method: 'GET', call: 'status', roles: EVERYBODY },
  '/v1/journal': { method: 'GET', call: 'journal', roles: WATCHERS },
  '/v1/make-key': { method: 'POST', call: 'make-key', roles: OPERATORS },
  '/v1/prove': { method: 'POST', call: 'prove', roles: OPERATORS },
  '/v1/unseal': { method: 'POST', call: 'unseal', roles: OPERATORS },
  '/v1/manifest': { method: 'POST', call: 'manifest', roles: OPERATORS },
  '/v1/freeze': { method: 'POST', call: 'freeze', roles: EVERYBODY },
  '/v1/unfreeze': { method: 'POST', call: 'unfreeze', roles: PASSERS_ON },
  '/v1/policy': { method: 'POST', call: 'policy', roles: PASSERS_ON },
  '/v1/policies': { method: 'GET', call: 'policies', roles: EVERYBODY },
  '/v1/attestation': { method: 'POST', call: 'attestation', roles: ['sentinel'] },
  '/v1/enrolment': { method: 'POST', call: 'enrolment', roles: ['core'] },
  '/v1/certify': { method: 'POST', call: 'certify', roles: ['core'] },
  '/v1/deposits': { method: 'POST', call: 'deposits', roles: ['sentinel'] },
  '/v1/sign': { method: 'POST', call: 'sign', roles: ['core'] },
  '/v1/evacuate': { method: 'POST', call: 'evacuate', roles: OPERATORS },
  '/v1/countersign': { method: 'POST', call: 'countersign', roles: ['peer'] },
};

const CONNECTIONS_MAX = 256;
/** Of one client, so that no other is kept out: who has core could else keep freezes away. */
const CLIENT_CONNECTIONS_MAX = 48;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const HEADERS_TIMEOUT_MS = 5_000;
/** 6 MiB over a slow line. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Starts the vault, then listens. `onDeath` is told when the vault ends by itself: the process should end too. */
export async function startGate(
  config: GateConfig,
  witness: Witness,
  onDeath: (why: string) => void,
): Promise<Gate> {
  const vault = await startVaultProcess({
    signer: config.signer,
    data: config.data,
    timeoutMs: config.vaultTimeoutMs,
    onDeath,
    ...(config.token === undefined ? {} : { token: config.token }),
  });
  const peers = openPeers(vault, config.peers, config.tls);
  const server = makeServer(config, peers, witness);
  try {
    await listen(server, config);
  } catch (error) {
    await vault.stop();
    throw error;
  }
  const { address, port } = server.address() as AddressInfo;
  return {
    host: address,
    port,
    vaultPid: vault.pid,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await vault.stop();
      peers.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function makeServer({ tls, clients, signer }: GateConfig, peers: PeerExchange, witness: Witness): Server {
  const server = createServer(
    {
      key: tls.key,
      cert: tls.cert,
      ca: tls.clientCa,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      maxHeaderSize: 8192,
    },
    (request, response) => {
      answer(request, response, { clients, signer, peers, witness }).catch(() => response.destroy());
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  boundClients(server);
  // A failed handshake is the client's affair; without a listener it would end up as an uncaught error.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  return server;
}

function boundClients(server: Server): void {
  const open = new Map<string, number>();
  server.on('secureConnection', (socket: TLSSocket) => {
    const { fingerprint256: client } = socket.getPeerCertificate();
    const count = (open.get(client) ?? 0) + 1;
    open.set(client, count);
    socket.once('close', () => {
      const left = (open.get(client) ?? 1) - 1;
      if (left === 0) open.delete(client);
      else open.set(client, left);
    });
    if (count > CLIENT_CONNECTIONS_MAX) socket.destroy();
  });
}

interface Context {
  readonly clients: readonly GateClient[];
  readonly signer: string;
  readonly peers: PeerExchange;
  readonly witness: Witness;
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const [path, query] = splitOnce(request.url ?? '');
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  const client = clientOf(request, context.clients);
  if (client === undefined) return fail(response, 403, 'CLIENT_NOT_PINNED');
  if (route === undefined) return fail(response, 404, 'NOT_FOUND');
  if (!route.roles.includes(client.role)) return fail(response, 403, 'ROLE_REFUSED');
  if (route.method !== request.method) return fail(response, 405, 'METHOD_NOT_ALLOWED');
  if (route.call === 'livez') return send(response, 200, { ok: true, signer: context.signer });
  let body: unknown = {};
  if (route.call === 'journal') {
    const after = /^after=(0|[1-9][0-9]{0,19})$/.exec(query ?? '')?.[1];
    if (after === undefined) return fail(response, 400, 'QUERY_REFUSED');
    body = { after };
  } else if (query !== undefined) return fail(response, 404, 'NOT_FOUND');
  if (route.method === 'POST') {
    if (request.headers['content-type'] !== 'application/json') return fail(response, 415, 'NOT_JSON');
    const text = await readBody(request);
    if (text === undefined) return fail(response, 413, 'BODY_TOO_LARGE');
    const parsed = parseJson(text);
    if (parsed === undefined) return fail(response, 400, 'NOT_JSON');
    body = parsed.value;
  }
  try {
    send(response, 200, await decide(route.call, body, client.fingerprint, context));
  } catch (error) {
    fail(response, 503, error instanceof GateError ? error.code : 'VAULT_GONE');
  }
}

/** The vault's answer, unless the signer's own node stands against a payment; a status says which nodes there are. */
async function decide(call: Call, body: unknown, client: string, context: Context): Promise<object> {
  const { peers, witness, signer } = context;
  if (call === 'sign') {
    const refusal = await witness.check(body);
    if (refusal !== undefined) return { ok: false, signer, ...refusal };
  }
  const answer = await peers.ask(call, body, client);
  return call === 'status' && answer['ok'] === true ? { ...answer, witness: witness.networks } : answer;
}

function splitOnce(url: string): [path: string, query?: string] {
  const mark = url.indexOf('?');
  return mark < 0 ? [url] : [url.slice(0, mark), url.slice(mark + 1)];
}

/** Whose certificate it is; nobody's unless TLS has authorised it. */
function clientOf({ socket }: IncomingMessage, clients: readonly GateClient[]): GateClient | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { fingerprint256 } = socket.getPeerCertificate();
  if (typeof fingerprint256 !== 'string') return undefined;
  const asked = fingerprint256.replaceAll(':', '').toLowerCase();
  return clients.find(({ fingerprint }) => fingerprint === asked);
}

/** The whole body as text, or undefined when it is larger than a signer reads. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > REQUEST_BYTES_MAX) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // JSON.parse has no other way to say that the text is none.
    return undefined;
  }
}

function fail(response: ServerResponse, status: number, code: string): void {
  // What is left of the request is not read: the connection ends with the answer.
  response.setHeader('connection', 'close');
  send(response, status, { error: { code } });
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(value));
}

async function listen(server: Server, { listen: at }: GateConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
