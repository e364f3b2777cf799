// Proves on a real node with three real signers, by the command itself, that everything a wallet holds goes to COLD
// under a freeze and only then; that a payment under way is let through and its change follows; that a thief who has two
// keys and broadcast first is replaced; and that dust and what blocks pass over are told.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  BTC,
  ask,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  startStack,
  stateOf,
  until,
} from '../core/withdrawals/test/stack.ts';
import { thiefWallet } from '../sentinel/test/thief.ts';
import { parseSignedManifest } from '../signer/protocol/manifest.ts';
import { liftFreezes } from '../world/operators.ts';
import { readFileSync } from 'node:fs';

const NETWORK = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const COINS = 230;
const stack = await startStack({ after });
const pipeline = await stack.pipeline();
const [alice] = stack.operators;
assert.ok(alice);
const manifest = parseSignedManifest(JSON.parse(readFileSync(stack.manifestFile, 'utf8')));
assert.ok(manifest.ok);
const cold = manifest.value.bitcoin[0]?.cold ?? '';
const program = fileURLToPath(new URL('../cli/portcullis.js', import.meta.url));
const node = ['--node', `${NETWORK}=${stack.node.url}`];

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function portcullis(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args, '--as', alice?.folder ?? ''], (error, out, err) => {
      const code = typeof error?.code === 'number' ? error.code : error ? 1 : 0;
      resolve({ code, out, err });
    });
  });
}

const evacuate = async (...args: string[]): Promise<Run> =>
  portcullis('--json', 'evacuate', 'bitcoin', ...node, '--index-max', '500', '--within', '120', ...args);

interface Network {
  readonly coins: number;
  readonly satoshi: string;
  readonly feeSatoshi: string;
  readonly transactions: readonly string[];
  readonly escalations: number;
  readonly left: readonly { readonly reason: string; readonly satoshi: string; readonly detail: string }[];
}

const resultIn = ({ out }: Run): Network => {
  const { networks } = JSON.parse(out) as { networks: Network[] };
  assert.ok(networks[0], out);
  return networks[0];
};

const pool = async (): Promise<string[]> => stack.node.rpc<string[]>('getrawmempool');

/** Blocks come beside until it ends, from when the pool is as it should be. */
async function mining<T>(work: Promise<T>, from: (txids: readonly string[]) => boolean): Promise<T> {
  const ended = new AbortController();
  const running = work.finally(() => ended.abort());
  await until('the pool', async () => ended.signal.aborted || from(await pool()));
  while (!ended.signal.aborted) {
    await stack.node.mine(1);
    await sleep(300);
  }
  return running;
}

async function freeze(): Promise<void> {
  const passphrase = ['--passphrase-file', alice?.passphraseFile ?? ''];
  const { code, err } = await portcullis('freeze', 'everything', '--reason', 'keys are out', ...passphrase);
  assert.equal(code, 0, err);
}

const customer = await fundBitcoin(stack, pipeline, 'carol', [3n * BTC, 2n * BTC, BTC]);
const address = await stack.address(customer, 'bitcoin');

test('without a freeze no signer signs; a plan asks for no signature; another chain is refused', async () => {
  const plan = resultIn(await evacuate('--plan'));
  assert.deepEqual([plan.coins, plan.satoshi, plan.left], [3, (6n * BTC).toString(), []]);
  const refused = await evacuate();
  assert.equal(refused.code, 1);
  const [first] = resultIn(refused).left;
  assert.equal(first?.reason, 'NOT_SIGNED');
  assert.match(first.detail, /NOT_FROZEN/);
  const other = await portcullis('evacuate', 'bitcoin', '--node', `eip155:1=${stack.node.url}`);
  assert.match(other.err, /no such network/);
  assert.equal(await receivedBitcoin(stack, cold), 0n);
});

test('under a freeze: a payment under way is paid, its change follows, dust is named, all else is at COLD', async () => {
  const order = { customer, asset: 'BTC', network: 'bitcoin', amount: '0.5' };
  const destination = await outsideAddress(stack);
  const id = await ask(stack, { ...order, destination });
  await until('the broadcast', async () => (await stateOf(stack, id)) === 'broadcast', pipeline.step);
  const [payment = ''] = await pool();
  await stack.node.send(address, 1_000n);
  // The payment stays out of the block: only what nobody of ours has signed is in it.
  await stack.node.rpc('prioritisetransaction', payment, 0, -100_000_000);
  await stack.node.mine(1);
  await stack.node.rpc('prioritisetransaction', payment, 0, 100_000_000);
  await freeze();
  const run = await mining(evacuate(), (txids) => txids.length === 2);
  const { left, satoshi, coins, transactions } = resultIn(run);
  assert.deepEqual(
    left.map(({ reason }) => reason),
    ['DUST'],
    run.out,
  );
  assert.equal(run.code, 0, run.err);
  assert.equal(coins, 3, 'the coins that nothing spent, and the change');
  assert.equal(transactions.length, 2);
  assert.equal(await receivedBitcoin(stack, cold), BigInt(satoshi));
  assert.equal(await receivedBitcoin(stack, destination), BTC / 2n);
});

test('a thief with two keys broadcast first: the evacuation replaces it and wins', async () => {
  const before = await receivedBitcoin(stack, cold);
  await stack.node.send(address, 2n * BTC);
  await stack.node.mine(1);
  const steal = await thiefWallet(stack);
  const loot = await outsideAddress(stack);
  const theft = await steal(loot, (19n * BTC) / 10n);
  assert.ok((await stack.node.rpc<string[]>('getrawmempool')).includes(theft));
  const run = await mining(evacuate(), (txids) => txids.length > 0 && !txids.includes(theft));
  assert.equal(run.code, 0, run.out);
  assert.ok((await receivedBitcoin(stack, cold)) > before + (199n * BTC) / 100n, run.out);
  assert.equal(await receivedBitcoin(stack, loot), 0n);
});

test(`${COINS} coins go in three transactions, the largest first; nothing is left`, async (t) => {
  const outputs = Object.fromEntries(
    await Promise.all(
      Array.from({ length: COINS }, async (_, i) => {
        const one = await stack.address(await stack.customer(`many-${i}`), 'bitcoin');
        return [one, '0.01'] as const;
      }),
    ),
  );
  const wallets = await stack.node.rpc<string[]>('listwallets');
  const payer = wallets.find((name) => !name.startsWith('thief')) ?? '';
  await stack.node.walletRpc(payer, 'sendmany', '', outputs);
  await stack.node.mine(1);
  const began = performance.now();
  const run = await mining(evacuate(), (txids) => {
    if (txids.length === 3)
      t.diagnostic(`${COINS} coins: ${Math.round(performance.now() - began)} ms to the last broadcast`);
    return txids.length === 3;
  });
  assert.equal(run.code, 0, run.out);
  const { coins, transactions, left } = resultIn(run);
  assert.deepEqual([coins, transactions.length], [COINS, 3]);
  assert.deepEqual(
    left.map(({ reason }) => reason),
    ['DUST'],
  );
  assert.equal(await liftFreezes(stack.people, stack.signers.all), 1);
});
