// Proves of three real signers that their gates carry journals to one another: a signature leaves once a peer holds
// its entry, with one of them dead too, and none while both peers are; only a signer may bring a journal.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openSigner, type AskSigner } from '../client/signer.ts';
import { identityIn } from './certificates.ts';
import { walletManifest } from './configuration.ts';
import { takeFolder } from './folder.ts';
import { installManifest, makeOperators, publicOperators } from './operators.ts';
import { startPeople } from './people/people.ts';
import { startSigners, type LocalSigner } from './signers.ts';

const CHAIN = 31_337;
const VAULT = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const USDT = '0xdAC17F958D2ee523a2206206994597C13D831ec7';
const USDC = '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48';
const DEADLINE = { timeout: 120_000 };

const path = mkdtempSync(join(tmpdir(), 'portcullis-peers-'));
after(() => rmSync(path, { recursive: true }));
const folder = takeFolder(path, true);
const people = await startPeople(folder.at('people.json'));
after(people.stop);
const operators = await makeOperators(folder);
const client = await identityIn(folder.at('secrets'), 'core');
const signers = await startSigners({
  folder,
  client,
  operators: operators.map((operator) => operator.client),
});
after(signers.stop);
const system = {
  chainId: CHAIN,
  vault: VAULT,
  tokens: { USDT, USDC },
  factory: VAULT,
  initCodeHash: `0x${'1c'.repeat(32)}`,
} as const;
const manifest = walletManifest(signers.all, publicOperators(operators, await people.introduce()), {
  bitcoinCaip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
  coldBitcoin: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk',
  evm: [{ system }] as unknown as Parameters<typeof walletManifest>[2]['evm'],
});
await installManifest({ manifest, manifestFile: folder.at('manifest.json'), people, operators, signers });
const [a, b, c] = signers.all;
assert.ok(a && b && c);

const asCore = ({ url, certificateFile }: LocalSigner): AskSigner =>
  openSigner({
    url,
    certificate: readFileSync(certificateFile, 'utf8'),
    client: {
      certificate: readFileSync(client.certificateFile, 'utf8'),
      key: readFileSync(client.keyFile, 'utf8'),
    },
  });

let orders = 0;
function pay(): object {
  const now = Math.floor(Date.now() / 1000);
  orders += 1;
  return {
    type: 'evm-pay',
    network: `eip155:${CHAIN}`,
    epoch: 1,
    vault: VAULT,
    token: `0x${'0'.repeat(40)}`,
    deadline: String(now + 600),
    generation: '0',
    orders: [
      {
        kind: 'customer',
        orderNumber: String(orders),
        customer: randomBytes(16).toString('hex'),
        credentialSetHash: '00'.repeat(32),
        epoch: 1,
        asset: `eip155:${CHAIN}/slip44:60`,
        destination: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
        amount: '1000',
        maxFee: '0',
        expiry: String(now + 3600),
      },
    ],
  };
}

const sign = async (signer: LocalSigner, request: object): Promise<Record<string, unknown>> =>
  asCore(signer)('POST', '/v1/sign', request);

/** Until it signs; tells what it said instead. */
async function signedInTime(signer: LocalSigner, request: object): Promise<void> {
  const said = new Set<unknown>();
  const end = performance.now() + 60_000;
  for (;;) {
    const answer = await sign(signer, request).catch((error: unknown) => ({
      ok: false,
      code: String(error),
    }));
    if (answer.ok === true) return;
    said.add('code' in answer ? answer.code : answer);
    assert.ok(performance.now() < end, `signer ${signer.id} signs nothing: ${[...said].join(', ')}`);
    await delay(100);
  }
}

test('one request to all at once: each signs, and holds the others’ entries', DEADLINE, async () => {
  const request = pay();
  await Promise.all(signers.all.map((signer) => signedInTime(signer, request)));
  for (const signer of signers.all) {
    const status = await signer.ask('GET', '/v1/status');
    assert.equal(status['confirmed'], true);
    const page = await signer.ask('GET', '/v1/journal?after=0');
    const kinds = (page['lines'] as string[]).map(
      (line) => (JSON.parse(line) as { entry: { kind: string } }).entry.kind,
    );
    assert.ok(kinds.includes('peer') && kinds.includes('evm-pay'), kinds.join(' '));
  }
});

test('different requests to all at once, many times: each leaves in the end', DEADLINE, async () => {
  await Promise.all(
    signers.all.flatMap((signer) => Array.from({ length: 10 }, async () => signedInTime(signer, pay()))),
  );
});

test('only a signer brings a journal', DEADLINE, async () => {
  for (const asked of [asCore(a), a.ask]) {
    const answer = await asked('POST', '/v1/countersign', {}).catch((error: unknown) => error);
    assert.match(JSON.stringify(answer) + String(answer), /ROLE_REFUSED|403/);
  }
});

test('with one dead two pay; with two dead nothing leaves; started again all pay', DEADLINE, async () => {
  const stopped = [c, b].map(({ process: { pid } }) => pid());
  const [pidC, pidB] = stopped;
  assert.ok(pidB !== undefined && pidC !== undefined);
  // Stopped and not killed: the supervisor would start it again while we look.
  process.kill(pidC, 'SIGSTOP');
  try {
    await signedInTime(a, pay());
    process.kill(pidB, 'SIGSTOP');
    try {
      const answer = await sign(a, pay());
      assert.equal(answer['code'], 'NOT_COUNTERSIGNED');
      assert.match(String(answer['detail']), /^0 of 1; .*no answer in time/);
    } finally {
      process.kill(pidB, 'SIGCONT');
    }
  } finally {
    process.kill(pidC, 'SIGCONT');
  }
  b.process.kill();
  await signedInTime(b, pay());
  await signedInTime(c, pay());
});
