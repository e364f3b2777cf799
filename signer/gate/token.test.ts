// Proves with real processes that the vault alone reaches its token: PIN and passphrase open it, a token's program that
// is killed is a refusal of a signer that stays up, a restart finds the key again, and all ends with the gate.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseIdentityAnswer, type Identity } from '../protocol/messages.ts';
import { testCertificate, writeFiles } from '../test/certificates.ts';
import {
  PASSPHRASE,
  evmRequest,
  manifestOf,
  policyOf,
  signedManifest,
  signedPolicy,
} from '../test/quorum.ts';
import { TOKEN_LABEL, makeToken } from '../test/softhsm.ts';

const PIN = 'a pin of a test';
const WAIT_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'portcullis-gate-token-'));
mkdirSync(join(folder, 'data'));
const softhsm = await makeToken(folder, PIN);
const authority = await testCertificate('authority');
const server = await testCertificate('signer-a', authority);
const client = {
  core: await testCertificate('core', authority),
  operator: await testCertificate('operator', authority),
};
writeFiles(folder, {
  'ca.pem': authority.certPem,
  'gate.cert.pem': server.certPem,
  'gate.key.pem': server.keyPem,
  'gate.json': JSON.stringify({
    signer: 'signer-a',
    listen: { host: '127.0.0.1', port: 0 },
    tls: { key: 'gate.key.pem', cert: 'gate.cert.pem', clientCa: 'ca.pem' },
    clients: [
      { fingerprint: client.core.fingerprint, role: 'core' },
      { fingerprint: client.operator.fingerprint, role: 'operator' },
    ],
    data: 'data',
    token: { module: softhsm.module, label: TOKEN_LABEL, env: softhsm.env },
  }),
});

interface Running {
  readonly gatePid: number;
  readonly port: number;
  readonly vaultPid: number;
  readonly tokenPid: number;
  readonly stop: (signal: 'SIGTERM' | 'SIGKILL') => Promise<number | null>;
}

async function start(): Promise<Running> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, join(folder, 'gate.json')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const first = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exit]);
  assert.ok(Array.isArray(first), `the gate came up: ${stderr}`);
  const { listening, vaultPid } = JSON.parse(String(first[0])) as {
    listening: { port: number };
    vaultPid: number;
  };
  const gatePid = child.pid ?? 0;
  const tokenPid = childrenOf(gatePid).find((pid) => pid !== vaultPid);
  assert.ok(tokenPid !== undefined && commandOf(tokenPid).includes('hsm/main.ts'));
  const stop: Running['stop'] = async (signal) => {
    child.kill(signal);
    return exit;
  };
  return { gatePid, port: listening.port, vaultPid, tokenPid, stop };
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');

async function goes(pid: number): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (existsSync(`/proc/${pid}`) && Date.now() < deadline) await sleep(50);
  assert.ok(!existsSync(`/proc/${pid}`), `${pid} is still there`);
}

async function ask(
  path: string,
  body: unknown,
  as: keyof typeof client = 'operator',
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const { keyPem: key, certPem: cert } = client[as];
    const asked = httpsRequest(
      {
        host: '127.0.0.1',
        port: running.port,
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        ca: authority.certPem,
        key,
        cert,
        agent: false,
      },
      (response) => {
        let received = '';
        response.on('data', (chunk: Buffer) => (received += chunk.toString()));
        response.on('end', () => resolve(JSON.parse(received) as Record<string, unknown>));
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(JSON.stringify(body));
  });
}

/** The processes have the real clock. */
function current(): ReturnType<typeof evmRequest> {
  const seconds = Math.floor(Date.now() / 1000);
  const request = evmRequest();
  const orders = request.orders.map((order) => ({ ...order, expiry: String(seconds + 3600) }));
  return { ...request, deadline: String(seconds + 600), orders };
}

let running = await start();
let identity: Identity | undefined;
after(async () => {
  await running.stop('SIGTERM');
  rmSync(folder, { recursive: true });
});

test('a key is made in the token and signs; neither PIN nor passphrase stands in any process’ arguments or environment', async () => {
  const key = { passphrase: PASSPHRASE, epoch: 1, chain: 'test' };
  assert.equal((await ask('/v1/make-key', { ...key, pin: 'another pin' }))['code'], 'PIN_REFUSED');
  const made = parseIdentityAnswer(await ask('/v1/make-key', { ...key, pin: PIN }));
  assert.ok(made.ok && made.value.ok, JSON.stringify(made));
  identity = made.value;
  const manifest = manifestOf([identity], 1);
  assert.ok((await ask('/v1/manifest', signedManifest(manifest)))['ok']);
  assert.ok((await ask('/v1/policy', signedPolicy(policyOf(manifest)), 'core'))['ok']);
  const answer = await ask('/v1/sign', current(), 'core');
  assert.ok(answer['ok'], JSON.stringify(answer));
  assert.equal(answer['address'], identity.evmAddress);
  for (const pid of [running.gatePid, running.vaultPid, running.tokenPid]) {
    const told = commandOf(pid) + readFileSync(`/proc/${pid}/environ`, 'utf8');
    for (const secret of [PIN, PASSPHRASE]) assert.ok(!told.includes(secret));
  }
  for (const name of readdirSync(join(folder, 'data')))
    for (const secret of [PIN, PASSPHRASE])
      assert.ok(!readFileSync(join(folder, 'data', name), 'utf8').includes(secret), name);
});

test('only the vault holds the token’s pipe: the gate that made it has closed its ends', () => {
  const ends = [3, 4].map((fd) => readlinkSync(`/proc/${running.vaultPid}/fd/${fd}`));
  const descriptors = `/proc/${running.gatePid}/fd`;
  const held = readdirSync(descriptors).flatMap((fd) => {
    const path = join(descriptors, fd);
    return existsSync(`/proc/${running.gatePid}/fdinfo/${fd}`) ? [readlinkSync(path)] : [];
  });
  for (const end of ends) {
    assert.match(end, /^(socket|pipe):/);
    assert.ok(!held.includes(end), `the gate still holds ${end}`);
  }
});

test('when the token’s program is killed the signer stays up and says so, and a restart finds the key again', async () => {
  process.kill(running.tokenPid, 'SIGKILL');
  await goes(running.tokenPid);
  const request = current();
  assert.equal((await ask('/v1/sign', request, 'core'))['code'], 'TOKEN_GONE');
  const journal = readFileSync(join(folder, 'data', 'journal.jsonl'), 'utf8');
  assert.ok(journal.includes(request.orders[0]!.orderNumber), 'what it would have signed is in the journal');
  assert.equal((await ask('/v1/unseal', { passphrase: PASSPHRASE, pin: PIN }))['code'], 'TOKEN_GONE');
  assert.equal(await running.stop('SIGTERM'), 0);
  running = await start();
  assert.equal((await ask('/v1/unseal', { passphrase: PASSPHRASE }))['code'], 'PIN_REFUSED');
  assert.equal(
    (await ask('/v1/unseal', { passphrase: PASSPHRASE, pin: 'another pin' }))['code'],
    'PIN_REFUSED',
  );
  assert.equal((await ask('/v1/sign', request, 'core'))['code'], 'SEALED');
  const opened = await ask('/v1/unseal', { passphrase: PASSPHRASE, pin: PIN });
  assert.equal(opened['evmAddress'], identity?.evmAddress);
  const answer = await ask('/v1/sign', request, 'core');
  assert.ok(answer['ok'], JSON.stringify(answer));
});

test('a token that is taken away under a session is a refusal, until it is back and somebody logs in', async () => {
  const tokens = join(folder, 'tokens');
  const [name] = readdirSync(tokens);
  assert.ok(name !== undefined);
  renameSync(join(tokens, name), join(folder, 'away'));
  const opened = await ask('/v1/unseal', { passphrase: PASSPHRASE, pin: PIN });
  assert.equal(opened['code'], 'TOKEN_GONE');
  assert.equal((await ask('/v1/sign', current(), 'core'))['code'], 'TOKEN_GONE');
  renameSync(join(folder, 'away'), join(tokens, name));
  assert.ok((await ask('/v1/unseal', { passphrase: PASSPHRASE, pin: PIN }))['ok']);
  assert.ok((await ask('/v1/sign', current(), 'core'))['ok']);
});

test('with the gate all ends, also when it is killed', async () => {
  const { vaultPid, tokenPid } = running;
  await running.stop('SIGKILL');
  await goes(vaultPid);
  await goes(tokenPid);
  running = await start();
});
