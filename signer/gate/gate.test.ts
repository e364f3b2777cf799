// Proves that a gate lets only its pinned clients ask, that its vault runs shut in, and that a kill at any moment
// loses no memory and gives no second payment. Real processes, real TLS.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { toHex } from '../protocol/canonical.ts';
import { parseJournalLine } from '../protocol/journal-entry.ts';
import {
  REQUEST_BYTES_MAX,
  parseIdentityAnswer,
  parseJournalAnswer,
  parseSignAnswer,
  parseStatusAnswer,
  type Identity,
  type JournalPage,
} from '../protocol/messages.ts';
import { testCertificate, writeFiles, type TestCertificate } from '../test/certificates.ts';
import { sha256 } from '../test/people.ts';
import {
  PASSPHRASE,
  REGTEST,
  bitcoinRequest,
  evmRequest,
  manifestOf,
  orderJson,
  payment,
  policyOf,
  signedManifest,
  signedPolicy,
} from '../test/quorum.ts';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-gate-'));
mkdirSync(join(folder, 'data'));
const authority = await testCertificate('authority');
const server = await testCertificate('signer-a', authority);
const core = await testCertificate('core', authority);
const operator = await testCertificate('operator', authority);
const sentinel = await testCertificate('sentinel', authority);
const stranger = await testCertificate('stranger', authority);
const foreign = await testCertificate('core');
writeFiles(folder, {
  'ca.pem': authority.certPem,
  'gate.cert.pem': server.certPem,
  'gate.key.pem': server.keyPem,
  'gate.json': JSON.stringify({
    signer: 'signer-a',
    listen: { host: '127.0.0.1', port: 0 },
    tls: { key: 'gate.key.pem', cert: 'gate.cert.pem', clientCa: 'ca.pem' },
    clients: [
      { fingerprint: core.fingerprint, role: 'core' },
      { fingerprint: operator.fingerprint, role: 'operator' },
      { fingerprint: sentinel.fingerprint, role: 'sentinel' },
    ],
    data: 'data',
  }),
});

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  readonly vaultPid: number;
  readonly exit: Promise<number | null>;
  readonly stderr: () => string;
}

async function start(config = 'gate.json'): Promise<Running> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, join(folder, config)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const first = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exit]);
  assert.ok(Array.isArray(first), `the gate came up: ${stderr}`);
  const { listening, vaultPid } = JSON.parse(String(first[0])) as {
    listening: { port: number };
    vaultPid: number;
  };
  return { child, port: listening.port, vaultPid, exit, stderr: () => stderr };
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

async function ask(
  running: Running,
  path: string,
  options: { body?: unknown; as?: TestCertificate | undefined; raw?: RequestOptions; text?: string } = {},
): Promise<Reply> {
  const { body, raw } = options;
  const as = 'as' in options ? options.as : core;
  const text = options.text ?? (body === undefined ? undefined : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(
      {
        host: '127.0.0.1',
        port: running.port,
        path,
        method: text === undefined ? 'GET' : 'POST',
        headers: text === undefined ? {} : { 'content-type': 'application/json' },
        ca: authority.certPem,
        ...(as === undefined ? {} : { key: as.keyPem, cert: as.certPem }),
        agent: false,
        ...raw,
      },
      (response) => {
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (received += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(received) }));
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(text);
  });
}

const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);
async function goes(pid: number): Promise<void> {
  for (let i = 0; i < 100 && alive(pid); i++) await sleep(50);
  assert.ok(!alive(pid), 'the vault is gone');
}

let running = await start();
let identity: Identity | undefined;
after(async () => {
  running.child.kill('SIGTERM');
  await running.exit;
  rmSync(folder, { recursive: true });
});

test('only the pinned client may ask; no certificate, another authority or old TLS gets no answer', async () => {
  assert.deepEqual(await ask(running, '/livez'), { status: 200, body: { ok: true, signer: 'signer-a' } });
  assert.equal((await ask(running, '/livez', { as: stranger })).status, 403);
  assert.equal((await ask(running, '/v1/status', { as: stranger })).status, 403);
  await assert.rejects(ask(running, '/livez', { as: undefined }));
  await assert.rejects(ask(running, '/livez', { as: foreign }));
  await assert.rejects(ask(running, '/livez', { raw: { maxVersion: 'TLSv1.2' } }));
});

test('unknown paths, methods, types and sizes are refused before the vault sees them', async () => {
  assert.equal((await ask(running, '/')).status, 404);
  assert.equal((await ask(running, '/v1/sign?x=1', { body: {} })).status, 404);
  assert.equal((await ask(running, '/__proto__')).status, 404);
  assert.equal((await ask(running, '/v1/sign')).status, 405);
  assert.equal((await ask(running, '/v1/status', { body: {} })).status, 405);
  assert.equal((await ask(running, '/v1/sign', { text: '{' })).status, 400);
  const plain = { headers: { 'content-type': 'text/plain' } };
  assert.equal((await ask(running, '/v1/sign', { text: '{}', raw: plain })).status, 415);
  const large = ask(running, '/v1/sign', { text: JSON.stringify('x'.repeat(REQUEST_BYTES_MAX)) });
  // The gate answers and hangs up while the client may still be sending.
  assert.equal(
    await large.then(
      ({ status }) => status,
      () => 413,
    ),
    413,
  );
  assert.equal((await ask(running, '/livez')).status, 200);
});

test('a key is made, a manifest pinned, orders signed; the wire is what the protocol says', async () => {
  const none = await ask(running, '/v1/identity');
  assert.equal((none.body as { code: string }).code, 'NO_KEY');
  const made = parseIdentityAnswer(
    (
      await ask(running, '/v1/make-key', {
        body: { passphrase: PASSPHRASE, epoch: 1, chain: 'test' },
        as: operator,
      })
    ).body,
  );
  assert.ok(made.ok && made.value.ok);
  identity = made.value;
  const manifest = manifestOf([identity], 1);
  assert.equal(
    (
      (await ask(running, '/v1/manifest', { body: signedManifest(manifest), as: operator })).body as {
        ok: boolean;
      }
    ).ok,
    true,
  );
  const policy = await ask(running, '/v1/policy', { body: signedPolicy(policyOf(manifest)), as: operator });
  assert.equal((policy.body as { ok: boolean }).ok, true);
  const status = parseStatusAnswer((await ask(running, '/v1/status')).body);
  assert.ok(status.ok && status.value.ok && status.value.ready && status.value.journal.sequence === '3');
  const answers = await Promise.all(
    [1, 2, 3, 4].map(async () => ask(running, '/v1/sign', { body: current(evmRequest()) })),
  );
  for (const { body } of answers) {
    const answer = parseSignAnswer(body);
    assert.ok(answer.ok && answer.value.ok && answer.value.address === manifest.signers[0]!.evmAddress);
  }
  const refusal = parseSignAnswer((await ask(running, '/v1/sign', { body: {} })).body);
  assert.ok(refusal.ok && !refusal.value.ok && refusal.value.code === 'MALFORMED');
});

test('core never unseals, makes keys, pins or evacuates; an operator never asks for a payment; both pass on a freeze', async () => {
  for (const path of ['/v1/make-key', '/v1/prove', '/v1/unseal', '/v1/manifest', '/v1/evacuate']) {
    const { status, body } = await ask(running, path, { body: {} });
    assert.deepEqual([status, (body as { error: { code: string } }).error.code], [403, 'ROLE_REFUSED']);
  }
  assert.equal((await ask(running, '/v1/sign', { body: {}, as: operator })).status, 403);
  for (const as of [core, operator])
    assert.equal((await ask(running, '/v1/attestation', { body: {}, as })).status, 403);
  assert.equal((await ask(running, '/v1/attestation', { body: {}, as: sentinel })).status, 200);
  for (const [path, may] of [
    ['/v1/certify', core],
    ['/v1/deposits', sentinel],
  ] as const)
    for (const as of [core, operator, sentinel])
      assert.equal((await ask(running, path, { body: {}, as })).status, as === may ? 200 : 403, path);
  for (const as of [core, operator, sentinel])
    assert.equal((await ask(running, '/v1/policies', { as })).status, 200);
  for (const as of [core, operator]) {
    const answer = await ask(running, '/v1/freeze', { body: {}, as });
    assert.equal((answer.body as { code: string }).code, 'MALFORMED');
  }
});

/** The process has the real clock. */
function current<T extends { orders: readonly { expiry: string }[] }>(request: T): T {
  const seconds = Math.floor(Date.now() / 1000);
  return {
    ...request,
    ...('deadline' in request ? { deadline: String(seconds + 600) } : {}),
    orders: request.orders.map((order) => ({ ...order, expiry: String(seconds + 3600) })),
  };
}

const connectAsCore = (): TLSSocket => {
  const socket = connect({
    host: '127.0.0.1',
    port: running.port,
    ca: authority.certPem,
    key: core.keyPem,
    cert: core.certPem,
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => undefined);
  return socket;
};

test('who has core’s certificate cannot keep a freeze away by connections', async () => {
  const sockets = Array.from({ length: 100 }, connectAsCore);
  await Promise.all(
    sockets.map(
      async (socket) =>
        new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve)),
    ),
  );
  const freeze = async (): Promise<number> =>
    (await ask(running, '/v1/freeze', { body: {}, as: sentinel })).status;
  assert.equal(await freeze(), 200, 'while core holds as many connections as it gets');
  for (const socket of sockets) socket.destroy();
});

test('operators and sentinels read the journal, page by page; core does not, and no other query is taken', async () => {
  const read = async (query: string, as = sentinel): Promise<Reply> =>
    ask(running, `/v1/journal${query}`, { as });
  const pageOf = async (query: string, as = sentinel): Promise<JournalPage> => {
    const parsed = parseJournalAnswer((await read(query, as)).body);
    assert.ok(parsed.ok && parsed.value.ok);
    return parsed.value;
  };
  const page = await pageOf('?after=0');
  const entries = page.lines.map((line) => {
    const parsed = parseJournalLine(line, sha256);
    assert.ok(parsed.ok && parsed.value.type === 'entry');
    return parsed.value;
  });
  assert.equal(entries[0]?.entry.kind, 'key');
  assert.ok(entries.some(({ entry }) => entry.kind === 'evm-pay'));
  assert.equal(toHex(entries.at(-1)?.hash ?? new Uint8Array()), page.journal.hash);
  assert.deepEqual((await pageOf('?after=1', operator)).lines, page.lines.slice(1));
  assert.deepEqual((await pageOf(`?after=${page.journal.sequence}`)).lines, []);
  assert.equal((await read('?after=0', core)).status, 403);
  for (const query of ['', '?', '?after=', '?after=01', '?after=-1', '?after=1&after=2', '?after=1e3'])
    assert.equal((await read(query)).status, 400, query);
  assert.equal((await ask(running, '/v1/status?after=0', { as: sentinel })).status, 404);
  for (const path of ['/v1/sign', '/v1/unseal', '/v1/unfreeze', '/v1/policy', '/v1/manifest'])
    assert.equal((await ask(running, path, { body: {}, as: sentinel })).status, 403, path);
});

test('a gate with a node of its own says so, and passes no payment on that the node was not asked about', async () => {
  const config = JSON.parse(readFileSync(join(folder, 'gate.json'), 'utf8')) as object;
  const witness = [{ network: REGTEST, url: 'http://127.0.0.1:1', depositDepth: 3, changeDepth: 1 }];
  mkdirSync(join(folder, 'data-witness'));
  writeFiles(folder, { 'witness.json': JSON.stringify({ ...config, data: 'data-witness', witness }) });
  const own = await start('witness.json');
  try {
    const status = parseStatusAnswer((await ask(own, '/v1/status')).body);
    assert.ok(status.ok && status.value.ok);
    assert.deepEqual(status.value.witness, [REGTEST]);
    const manifest = manifestOf([identity!], 1);
    const codeOf = async (body: unknown): Promise<string> =>
      ((await ask(own, '/v1/sign', { body })).body as { code: string }).code;
    assert.equal(await codeOf(bitcoinRequest(manifest, payment(manifest))), 'NODE_UNREACHABLE');
    assert.equal(await codeOf(evmRequest()), 'NO_KEY', 'the vault answers where it has no node');
  } finally {
    own.child.kill('SIGTERM');
    await own.exit;
  }
  const without = parseStatusAnswer((await ask(running, '/v1/status')).body);
  assert.ok(without.ok && without.value.ok);
  assert.deepEqual(without.value.witness, []);
});

test('the vault has no environment, no network, and only its own files', () => {
  assert.equal(readFileSync(`/proc/${running.vaultPid}/environ`, 'utf8'), '');
  const words = readFileSync(`/proc/${running.vaultPid}/cmdline`, 'utf8').split('\0');
  assert.ok(words.includes('--permission'));
  assert.deepEqual(
    words.filter((word) => word.startsWith('--allow')).map((word) => word.replace(/=.*\//, '=')),
    ['vault', 'protocol', 'package.json', '@noble', '@scure', 'micro-packed', 'data']
      .map((name) => `--allow-fs-read=${name}`)
      .concat('--allow-fs-write=data'),
  );
});

test('the gate killed: the vault ends too. The vault killed: the gate ends with 1 and says so', async () => {
  running.child.kill('SIGKILL');
  await running.exit;
  await goes(running.vaultPid);
  running = await start();
  process.kill(running.vaultPid, 'SIGKILL');
  assert.equal(await running.exit, 1);
  assert.match(running.stderr(), /the vault ended \(SIGKILL\)/);
  running = await start();
});

test('killed at any moment of signing: after the restart the same request gives the same signature', async () => {
  assert.ok(identity);
  const manifest = manifestOf([identity], 1);
  const parts = {
    ...payment(manifest),
    orders: [orderJson({ expiry: String(Math.floor(Date.now() / 1000) + 3600) })],
  };
  const body = bitcoinRequest(manifest, parts);
  const journal = join(folder, 'data', 'journal.jsonl');
  const entries = (): number => readFileSync(journal, 'utf8').split('"kind":"bitcoin-pay"').length - 1;
  const unseal = async () => ask(running, '/v1/unseal', { body: { passphrase: PASSPHRASE }, as: operator });
  for (const delayMs of [2, 12, 25, 60]) {
    await unseal();
    const lost = ask(running, '/v1/sign', { body }).catch(() => undefined);
    await sleep(delayMs);
    running.child.kill('SIGKILL');
    process.kill(running.vaultPid, 'SIGKILL');
    await Promise.all([lost, running.exit, goes(running.vaultPid)]);
    running = await start();
  }
  await unseal();
  const one = parseSignAnswer((await ask(running, '/v1/sign', { body })).body);
  const two = parseSignAnswer((await ask(running, '/v1/sign', { body })).body);
  assert.ok(one.ok && one.value.ok && two.ok && two.value.ok);
  assert.equal(one.value.psbt, two.value.psbt);
  assert.equal(entries(), 1, 'one decision, however many kills and retries');
  const rival = bitcoinRequest(manifest, { ...payment(manifest), orders: parts.orders });
  const refusal = parseSignAnswer((await ask(running, '/v1/sign', { body: rival })).body);
  assert.ok(refusal.ok && !refusal.value.ok && refusal.value.code === 'NOT_A_REPLACEMENT');
});

test('told to stop, both end in order; a bad configuration or journal ends the start with a reason', async () => {
  running.child.kill('SIGTERM');
  assert.equal(await running.exit, 0);
  await goes(running.vaultPid);
  writeFiles(folder, { 'bad.json': JSON.stringify({ signer: 'signer-a', pin: true }) });
  await assert.rejects(start('bad.json'), /a field that is not known/);
  const journal = join(folder, 'data', 'journal.jsonl');
  const text = readFileSync(journal, 'utf8');
  writeFiles(join(folder, 'data'), { 'journal.jsonl': text.replace('"at":"1', '"at":"2') });
  await assert.rejects(start(), /JOURNAL_BROKEN/);
  writeFiles(join(folder, 'data'), { 'journal.jsonl': text });
  running = await start();
});
