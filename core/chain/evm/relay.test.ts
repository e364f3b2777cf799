// Proves on real nodes that a call is brought to the chain exactly once: stuck, dropped, reorganised, or killed anywhere.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { parseTransaction, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { Anvil, AnvilOptions } from '../../../world/parts/anvil.ts';
import { testAnvil } from '../../../world/testing.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';
import { followStep } from '../chain.ts';
import { callOutcome, enqueueCall, type CallOutcome, type NewCall } from './calls.ts';
import { openEvmFollower } from './follow-evm.ts';
import { relayEffects, runRelayLane, type RelayEffects, type RelayLane, type RelayStep } from './relay.ts';
import { relayerOf, type Relayer } from './relayer.ts';
import { evmRpc } from './rpc.ts';
import { evmSource } from './source.ts';
import { keyOf, lyingProxy, testDb } from './test/evm-rig.ts';

const LONG = { timeout: 120_000 };
const IRREVERSIBLE = 3;
const STUCK_AFTER_MS = 60_000;
const NOBODY = '0x00000000000000000000000000000000000a11ce';
/** PUSH0 PUSH0 REVERT as the code of an account. */
const REVERTING = { address: '0x00000000000000000000000000000000000de7e1', code: '0x5f5ffd' };

interface Rig {
  readonly db: Database;
  readonly node: Anvil;
  readonly relayer: Relayer;
  readonly network: RelayLane['network'];
  readonly clock: { at: Date };
  readonly lane: (options?: { urls?: string[]; effects?: RelayEffects }) => RelayLane;
  /** One step with the true effects. */
  readonly step: () => Promise<RelayStep>;
  readonly enqueue: (key: string, call?: Partial<NewCall>) => Promise<string>;
  readonly outcome: (key: string) => Promise<CallOutcome>;
  readonly follow: () => Promise<void>;
  readonly mine: (blocks: number) => Promise<void>;
  /** What the node says that NOBODY has: each call of a test pays a wei of its own. */
  readonly paid: () => Promise<bigint>;
}

async function rig(
  t: TestContext,
  options: AnvilOptions & { readonly db?: Database; readonly feePerGasMaxGwei?: number } = {},
): Promise<Rig> {
  const { db: given, feePerGasMaxGwei = 100, ...nodeOptions } = options;
  const node = await testAnvil({ after: (fn) => t.after(fn) }, { mining: 'manual', ...nodeOptions });
  await node.rpc('anvil_setCode', REVERTING.address, REVERTING.code);
  const db = given ?? (await testDb(t));
  const network = {
    id: `evm-${node.chainId}`,
    chainId: node.chainId,
    reorgDepthMax: 8,
    vault: '0x0000000000000000000000000000000000000a01',
    factory: '0x0000000000000000000000000000000000000a02',
    stuckAfterMs: STUCK_AFTER_MS,
    feePerGasMaxGwei,
    listings: [
      {
        asset: 'ETH',
        depths: [{ from: '0', safe: 1, irreversible: IRREVERSIBLE }],
        depositMin: '0',
        withdrawalMin: '0',
        withdrawalFee: '0',
      },
    ],
  } satisfies RelayLane['network'] & { reorgDepthMax: number; vault: string; factory: string };
  const relayer = relayerOf(keyOf(node, 5));
  const clock = { at: new Date('2026-01-01T00:00:00Z') };
  const rpc = evmRpc({ urls: [node.url], timeoutMs: 10_000 });
  const follower = await openEvmFollower({ db, network, now: () => clock.at });
  const source = evmSource(rpc, network);
  const lane: Rig['lane'] = ({ urls = [node.url], effects } = {}) => {
    const asked = evmRpc({ urls, timeoutMs: 10_000 });
    return {
      db,
      network,
      relayer,
      rpc: asked,
      now: () => clock.at,
      effects: effects ?? relayEffects(db, asked),
    };
  };
  let calls = 0;
  return {
    db,
    node,
    relayer,
    network,
    clock,
    lane,
    step: () => runRelayLane(lane()),
    async enqueue(key, call = {}) {
      calls += 1;
      clock.at = new Date(clock.at.getTime() + 1);
      const made: NewCall = {
        id: `call_${node.chainId}_${key}`,
        network,
        key,
        target: NOBODY,
        data: '0x',
        value: 10n ** BigInt(calls - 1),
        gasLimit: 50_000,
        ...call,
      };
      return db.transaction().execute((trx) => enqueueCall(trx, made, clock.at));
    },
    async outcome(key) {
      const found = await callOutcome(db, network.id, key);
      assert.ok(found);
      return found;
    },
    async follow() {
      for (;;) {
        const done = await followStep({
          db,
          network,
          source,
          handler: follower.handler,
          now: () => clock.at,
          startHeight: 0,
        });
        if (done.kind === 'caught-up') return;
        assert.ok(done.kind === 'block' || done.kind === 'reorg', done.kind);
      }
    },
    mine: (blocks) => node.mine(blocks),
    paid: async () => BigInt(await node.rpc<string>('eth_getBalance', NOBODY, 'latest')),
  };
}

const later = (r: Rig, ms: number): void => {
  r.clock.at = new Date(r.clock.at.getTime() + ms);
};

async function attempts(r: Rig, key: string) {
  const rows = await executorOf(r.db).query<{ raw: Buffer; nonce: bigint }>(
    `select a.raw, c.nonce from evm_attempt a join evm_call c on c.id = a.call_id where c.key = $1 order by a.n`,
    [key],
  );
  return rows.map(({ raw, nonce }) => {
    const transaction = parseTransaction(`0x${raw.toString('hex')}`);
    assert.equal(BigInt(transaction.nonce ?? 0), nonce);
    return transaction;
  });
}

test('a call is sent, mined, and over only when it is irreversible, with what it cost', LONG, async (t) => {
  const r = await rig(t);
  await r.enqueue('pay');
  await r.enqueue('fails', { target: REVERTING.address, value: 0n });
  assert.deepEqual(await r.step(), { ended: 0, sent: 2, replaced: 0, wait: undefined });
  assert.equal((await r.outcome('pay')).state, 'sent');
  assert.deepEqual(
    [await attempts(r, 'pay'), await attempts(r, 'fails')]
      .flat()
      .map((tx) => [tx.nonce ?? 0, tx.chainId, tx.gas]),
    [
      [0, 31337, 50_000n],
      [1, 31337, 50_000n],
    ],
  );
  const before = BigInt(await r.node.rpc<string>('eth_getBalance', r.relayer.address, 'latest'));
  await r.mine(1);
  for (let depth = 1; depth < IRREVERSIBLE; depth += 1) {
    await r.follow();
    assert.deepEqual(await r.step(), { ended: 0, sent: 0, replaced: 0, wait: undefined });
    await r.mine(1);
  }
  assert.equal((await r.step()).ended, 0, 'our own chain decides, and it has not come that far');
  await r.follow();
  assert.equal((await r.step()).ended, 2);
  const [pay, fails] = [await r.outcome('pay'), await r.outcome('fails')];
  assert.deepEqual([pay.state, fails.state, pay.height, fails.height], ['succeeded', 'reverted', 1, 1]);
  assert.deepEqual(pay.txIds, [pay.txId]);
  const after = BigInt(await r.node.rpc<string>('eth_getBalance', r.relayer.address, 'latest'));
  assert.equal(before - after, 1n + pay.costWei! + fails.costWei!);
  assert.equal(await r.paid(), 1n);
});

test(
  'the same key again is the same call; other contents, and what no node takes, are refused',
  LONG,
  async (t) => {
    const r = await rig(t);
    const id = await r.enqueue('once', { value: 5n });
    assert.equal(await r.enqueue('once', { value: 5n, id: 'call_other' }), id);
    const refused = (code: string, key: string, call: Partial<NewCall>) =>
      assert.rejects(r.enqueue(key, call), { name: 'RelayError', code, retryable: false });
    await refused('CALL_KEY_REUSED', 'once', { value: 6n });
    await refused('CALL_KEY_REUSED', 'once', { value: 5n, data: '0x01' });
    await refused('CALL_GAS_INVALID', 'a', { gasLimit: 2 ** 24 + 1 });
    await refused('CALL_GAS_INVALID', 'b', { gasLimit: 20_999 });
    await refused('CALL_GAS_INVALID', 'c', { gasLimit: 22_000, data: `0x${'ff'.repeat(26)}` });
    await refused('CALL_TOO_LARGE', 'd', { gasLimit: 2 ** 24, data: `0x${'00'.repeat(130_049)}` });
    await refused('CALL_TARGET_INVALID', 'e', { target: '0x12' });
    await r.step();
    await r.mine(1);
    assert.equal(await r.paid(), 5n);
    assert.equal((await r.step()).sent, 0);
  },
);

test('more calls than fit go out in order, each nonce once', LONG, async (t) => {
  const r = await rig(t);
  for (let i = 0; i < 20; i += 1) await r.enqueue(`n${i}`, { value: 1n });
  assert.equal((await r.step()).sent, 16);
  await r.mine(1);
  await r.follow();
  assert.equal((await r.step()).sent, 0, 'no room until some are irreversible');
  await r.mine(IRREVERSIBLE);
  await r.follow();
  assert.deepEqual(await r.step(), { ended: 16, sent: 4, replaced: 0, wait: undefined });
  await r.mine(1);
  assert.equal(await r.paid(), 20n);
  const rows = await executorOf(r.db).query<{ key: string; nonce: bigint }>(
    'select key, nonce from evm_call order by nonce',
    [],
  );
  assert.deepEqual(
    rows,
    rows.map((_, i) => ({ key: `n${i}`, nonce: BigInt(i) })),
  );
});

test('one key on two networks is two lanes', LONG, async (t) => {
  const db = await testDb(t);
  const [one, two] = [await rig(t, { db }), await rig(t, { db, chainId: 31338 })];
  for (const r of [one, two]) {
    await r.enqueue('same-key');
    assert.equal((await r.step()).sent, 1);
    await r.mine(1);
    assert.equal(await r.paid(), 1n);
  }
  const chains = (await attempts(one, 'same-key')).map((tx) => tx.chainId);
  assert.deepEqual(new Set(chains), new Set([31337, 31338]));
});

test('stuck: replaced by the same nonce at fees that every node takes, until the limit', LONG, async (t) => {
  const r = await rig(t, { feePerGasMaxGwei: 6, args: ['--block-base-fee-per-gas=1000000000'] });
  await r.enqueue('stuck');
  await r.enqueue('behind');
  await r.step();
  later(r, STUCK_AFTER_MS - 1);
  assert.deepEqual(await r.step(), { ended: 0, sent: 0, replaced: 0, wait: undefined });
  let replaced = 0;
  for (;;) {
    later(r, STUCK_AFTER_MS);
    const step = await r.step();
    if (step.replaced === 0) {
      assert.equal(step.wait, 'FEE_ABOVE_MAX');
      break;
    }
    replaced += step.replaced;
    assert.ok(replaced < 20);
  }
  const sent = await attempts(r, 'stuck');
  assert.ok(replaced >= 3);
  assert.equal(sent.length, replaced + 1);
  for (const [i, next] of sent.entries()) {
    const last = sent[i - 1];
    if (!last) continue;
    assert.deepEqual(
      [next.nonce, next.to, next.value, next.gas],
      [last.nonce, last.to, last.value, last.gas],
    );
    assert.ok(next.maxFeePerGas! * 8n >= last.maxFeePerGas! * 9n);
    assert.ok(next.maxPriorityFeePerGas! * 8n >= last.maxPriorityFeePerGas! * 9n);
    assert.ok(next.maxFeePerGas! <= 6_000_000_000n);
  }
  assert.equal((await attempts(r, 'behind')).length, 1, 'what waits behind it is not stuck itself');
  await r.mine(IRREVERSIBLE);
  await r.follow();
  assert.equal((await r.step()).ended, 2);
  const outcome = await r.outcome('stuck');
  assert.equal(outcome.txIds.length, sent.length);
  assert.equal(outcome.txId, outcome.txIds.at(-1));
  assert.equal(await r.paid(), 11n);
});

test('an earlier attempt that is mined after all ends the call', LONG, async (t) => {
  const r = await rig(t);
  await r.enqueue('late');
  await r.step();
  const first = (await r.outcome('late')).txIds[0]!;
  later(r, STUCK_AFTER_MS);
  const { effects } = r.lane();
  // The replacement is stored, and lost on its way.
  await runRelayLane(r.lane({ effects: { ...effects, sendRawTransaction: async () => undefined } }));
  assert.equal((await r.outcome('late')).txIds.length, 2);
  await r.mine(IRREVERSIBLE);
  await r.follow();
  assert.equal((await r.step()).ended, 1);
  assert.equal((await r.outcome('late')).txId, first);
  assert.equal(await r.paid(), 1n);
});

test('dropped by the node, or undone by a reorg: the same bytes are sent again', LONG, async (t) => {
  const r = await rig(t);
  await r.enqueue('dropped');
  await r.step();
  const [txId] = (await r.outcome('dropped')).txIds;
  await r.node.rpc('anvil_dropTransaction', txId);
  assert.deepEqual(await r.step(), { ended: 0, sent: 1, replaced: 0, wait: undefined });
  await r.mine(2);
  await r.follow();
  assert.equal((await r.step()).ended, 0);
  await r.node.reorg(2);
  assert.equal(await r.paid(), 0n);
  assert.equal((await r.step()).sent, 1);
  await r.mine(IRREVERSIBLE);
  await r.follow();
  assert.equal((await r.step()).ended, 1);
  assert.deepEqual((await r.outcome('dropped')).txIds, [txId]);
  assert.equal(await r.paid(), 1n);
});

test(
  'a node that is dead, or whose answer to the broadcast is lost: the next step goes on',
  LONG,
  async (t) => {
    const r = await rig(t);
    await r.enqueue('lost');
    let how: 'dead' | 'deaf' | 'well' = 'dead';
    const url = await lyingProxy(t, r.node, ({ method }) =>
      how === 'dead' || (how === 'deaf' && method === 'eth_sendRawTransaction') ? 'BREAK' : undefined,
    );
    const unreachable = { name: 'ChainError', code: 'NODE_UNREACHABLE', retryable: true };
    await assert.rejects(runRelayLane(r.lane({ urls: [url] })), unreachable);
    assert.equal((await r.outcome('lost')).state, 'queued');
    how = 'deaf';
    await assert.rejects(runRelayLane(r.lane({ urls: [url] })), unreachable);
    assert.equal((await r.outcome('lost')).state, 'sent', 'stored before it was sent');
    how = 'well';
    assert.equal((await runRelayLane(r.lane({ urls: [url] }))).sent, 0, 'the node had it');
    await r.mine(1);
    assert.equal(await r.paid(), 1n);
    assert.equal((await r.outcome('lost')).txIds.length, 1);
  },
);

test('without funds calls wait, and go on when there are some', LONG, async (t) => {
  const r = await rig(t);
  await r.node.rpc('anvil_setBalance', r.relayer.address, '0x1');
  await r.enqueue('poor');
  await r.enqueue('poorer');
  assert.deepEqual(await r.step(), { ended: 0, sent: 0, replaced: 0, wait: 'FUNDS_LOW' });
  assert.equal((await r.outcome('poorer')).state, 'queued', 'no further nonce is given');
  assert.equal((await r.step()).wait, 'FUNDS_LOW');
  await r.node.rpc('anvil_setBalance', r.relayer.address, `0x${(10n ** 18n).toString(16)}`);
  assert.equal((await r.step()).sent, 2);
  await r.mine(1);
  assert.equal(await r.paid(), 11n);
});

test('a base fee above the limit: calls wait without a nonce', LONG, async (t) => {
  const r = await rig(t, { feePerGasMaxGwei: 1 });
  await r.enqueue('dear');
  await r.node.rpc('anvil_setNextBlockBaseFeePerGas', '0x77359400');
  await r.mine(1);
  assert.deepEqual(await r.step(), { ended: 0, sent: 0, replaced: 0, wait: 'FEE_ABOVE_MAX' });
  assert.equal((await r.outcome('dear')).state, 'queued');
});

const FOREIGN = { name: 'RelayError', code: 'RELAYER_NONCE_FOREIGN', retryable: false };

async function sendForeign(r: Rig, nonce: number): Promise<void> {
  const thief = privateKeyToAccount(keyOf(r.node, 5));
  const raw = await thief.signTransaction({
    type: 'eip1559',
    chainId: r.node.chainId,
    nonce,
    gas: 21_000n,
    maxFeePerGas: 50_000_000_000n,
    maxPriorityFeePerGas: 40_000_000_000n,
    to: NOBODY,
    value: 1_000_000n,
  });
  await r.node.rpc('eth_sendRawTransaction', raw);
}

test('a key with a past starts at its next nonce; used by another later, it is refused', LONG, async (t) => {
  const r = await rig(t);
  await sendForeign(r, 0);
  await r.mine(1);
  await r.enqueue('mine');
  assert.equal((await r.step()).sent, 1);
  assert.equal((await attempts(r, 'mine'))[0]?.nonce, 1);
  await r.mine(1);
  await sendForeign(r, 2);
  await r.mine(1);
  await assert.rejects(r.step(), FOREIGN);
});

test(
  'a nonce of ours that another transaction took is refused once that is irreversible',
  LONG,
  async (t) => {
    const r = await rig(t);
    await r.enqueue('robbed');
    await r.step();
    await sendForeign(r, 0);
    await r.mine(1);
    await r.follow();
    await r.step();
    await r.mine(IRREVERSIBLE);
    await r.follow();
    await assert.rejects(r.step(), FOREIGN);
    assert.equal((await r.outcome('robbed')).state, 'sent');
  },
);

class Killed extends Error {}
type When = 'before' | 'inside' | 'after';

/** Ends the run at the k-th effect, as a kill would: what is not committed is undone, what is sent stays sent. */
function killedAt(
  effects: RelayEffects,
  k: number,
  when: When,
): { effects: RelayEffects; count: () => number } {
  let n = 0;
  const around = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    n += 1;
    const mine = n === k;
    if (mine && when === 'before') throw new Killed();
    const result = await run();
    if (mine && when === 'after') throw new Killed();
    return result;
  };
  return {
    count: () => n,
    effects: {
      commit: (name, work) =>
        around(() =>
          effects.commit(name, async (trx: DatabaseTransaction) => {
            const result = await work(trx);
            if (n === k && when === 'inside') throw new Killed();
            return result;
          }),
        ),
      // There is no inside of a broadcast.
      sendRawTransaction: (raw) =>
        when === 'inside' ? effects.sendRawTransaction(raw) : around(() => effects.sendRawTransaction(raw)),
    },
  };
}

/** Two calls, one of them replaced and undone by a reorg, to the end. Answers how many effects that took. */
async function wholeLife(
  r: Rig,
  kill: { k: number; when: When },
  keys: readonly [string, string],
): Promise<number> {
  const { count, effects } = killedAt(r.lane().effects, kill.k, kill.when);
  const step = async (): Promise<void> => {
    try {
      await runRelayLane(r.lane({ effects }));
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      await runRelayLane(r.lane({ effects }));
    }
  };
  await r.enqueue(keys[0], { value: 1n });
  await step();
  later(r, STUCK_AFTER_MS);
  await r.enqueue(keys[1], { value: 1n });
  await step();
  await r.mine(1);
  await r.follow();
  await step();
  await r.node.reorg(1);
  await r.follow();
  await step();
  await r.mine(IRREVERSIBLE);
  await r.follow();
  await step();
  return count();
}

test('killed before, inside and after each effect, every call is carried out once', LONG, async (t) => {
  const r = await rig(t);
  await r.mine(3);
  let paid = 0n;
  let runs = 0;
  for (const when of ['before', 'inside', 'after'] as const) {
    let effects = Infinity;
    for (let k = 1; k <= effects; k += 1) {
      const keys = [`${when}-${k}-a`, `${when}-${k}-b`] as const;
      const count = await wholeLife(r, { k, when }, keys);
      effects = Math.min(effects, count);
      runs += 1;
      paid += 2n;
      assert.equal(await r.paid(), paid, `${when} ${k}`);
      for (const key of keys) assert.equal((await r.outcome(key)).state, 'succeeded', key);
    }
  }
  assert.ok(runs >= 20, `${runs} runs`);
  const [nonces] = await executorOf(r.db).query<{ calls: bigint; last: bigint }>(
    'select count(*) as calls, max(nonce) as last from evm_call',
    [],
  );
  assert.equal(nonces?.last, nonces!.calls - 1n, 'no nonce is left out');
});

test('a relayer key that is none is refused without showing it', () => {
  for (const key of ['', '0x12', `0x${'0'.repeat(64)}`, `0x${'f'.repeat(64)}`, 'ab'.repeat(32)]) {
    assert.throws(
      () => relayerOf(key),
      (error: Error & { code?: string }) =>
        error.code === 'RELAYER_KEY_INVALID' && (key === '' || !error.message.includes(key)),
    );
  }
  const key: Hex = `0x${'ab'.repeat(32)}`;
  assert.equal(relayerOf(`${key}\n`).address, privateKeyToAccount(key).address);
});
