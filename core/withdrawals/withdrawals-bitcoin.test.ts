// Proves withdrawals of bitcoin on a real node with three real signers: one transaction for many orders, paid once
// and booked to the satoshi; cancelling; signers that are down; a wire that is cut; a transaction that is stuck.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import type { Id } from '../../lib/ids/ids.ts';
import { supervise, type Supervised } from '../../world/supervisor.ts';
import { haltOf, clearHalt, setGate } from '../controls/controls.ts';
import type { Config } from '../config/config.ts';
import { executorOf } from '../db/db.ts';
import { accountBalance } from '../ledger/ledger.ts';
import { proxyOf } from './test/node-proxy.ts';
import {
  ask,
  available,
  BTC,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  settleDown,
  startStack,
  stateOf,
  timeline,
  until,
} from './test/stack.ts';
import { cancelWithdrawal, withdrawalById } from './withdrawals.ts';

const restarted: Supervised[] = [];
after(async () => void (await Promise.all(restarted.map((again) => again.stop()))));
const stack = await startStack({ after });
const pipeline = await stack.pipeline();
const coins = Array.from({ length: 40 }, () => BTC / 2n);
const alice = await fundBitcoin(stack, pipeline, 'alice', coins);
const order = { customer: alice, asset: 'BTC', network: 'bitcoin' };
const now = () => new Date();
const PAID = ['requested', 'approved', 'batched', 'signing', 'broadcast', 'confirming', 'settled'];

/** The same wallet, configured otherwise. */
function withNetwork(change: object): Config {
  const networks = stack.config.networks.map((network) => ({ ...network, ...change }));
  return { ...stack.config, networks };
}

async function askOne(amount = '0.1') {
  const destination = await outsideAddress(stack);
  return { destination, id: await ask(stack, { ...order, destination, amount }) };
}

async function txIdOf(id: Id<'withdrawal'>): Promise<string> {
  return (await withdrawalById(stack.db, id))?.row.tx_id ?? '';
}

async function attemptsOf(id: Id<'withdrawal'>) {
  const spend = (await withdrawalById(stack.db, id))?.row.spend_id ?? '';
  return stack.db
    .selectFrom('spend_attempt')
    .selectAll()
    .where('spend_id', '=', spend)
    .orderBy('n')
    .execute();
}

async function spendReason(id: Id<'withdrawal'>): Promise<string> {
  const spend = (await withdrawalById(stack.db, id))?.row.spend_id ?? '';
  const row = await stack.db.selectFrom('spend').select('reason').where('id', '=', spend).executeTakeFirst();
  return row?.reason ?? '';
}

/** Mines until it is settled; the recipient has it exactly once, and the books are whole. */
async function paidOnce(one: { id: Id<'withdrawal'>; destination: string }, units = BTC / 10n) {
  await until(
    'settled',
    async () => (await stateOf(stack, one.id)) === 'settled',
    async () => {
      await settleDown(pipeline);
      await stack.mine(1);
    },
  );
  assert.equal(await receivedBitcoin(stack, one.destination), units);
  await stack.whole();
}

test('many orders in one transaction, each paid once, booked with its fee', async () => {
  const before = await available(stack, alice, 'BTC');
  const hot = { kind: 'hot', asset: 'BTC', network: 'bitcoin' } as const;
  const hotBefore = await accountBalance(executorOf(stack.db), hot);
  const orders = [await askOne(), await askOne(), await askOne()];
  await settleDown(pipeline);
  for (const { id } of orders) assert.equal(await stateOf(stack, id), 'broadcast');
  assert.equal(new Set(await Promise.all(orders.map(({ id }) => txIdOf(id)))).size, 1);
  await stack.mine(1);
  await settleDown(pipeline);
  assert.equal(await stateOf(stack, orders[0]!.id), 'confirming');
  for (const one of orders) await paidOnce(one);
  for (const { id } of orders) assert.deepEqual(await timeline(stack, id), PAID);
  assert.equal(await available(stack, alice, 'BTC'), before - 3n * (BTC / 10n + 5_000n));
  const [attempt] = await attemptsOf(orders[0]!.id);
  const entry = await stack.node.rpc<{ fee: bigint }>('getblockstats', await blockOf(orders[0]!.id), [
    'totalfee',
  ]);
  assert.ok(attempt!.fee_units > 0n && 'totalfee' in entry);
  const left = (await accountBalance(executorOf(stack.db), hot)) - hotBefore;
  assert.equal(left, 3n * (BTC / 10n) + attempt!.fee_units, 'what left the wallet: amounts and the fee');
});

async function blockOf(id: Id<'withdrawal'>): Promise<number> {
  return (await withdrawalById(stack.db, id))?.height ?? 0;
}

test('cancelled while held, approved or only planned; never once signers were asked', async () => {
  const before = await available(stack, alice, 'BTC');
  const gate = {
    asset: 'BTC',
    network: 'bitcoin',
    direction: 'withdrawals',
    reason: 'test',
    since: now(),
  } as const;
  const set = (state: 'open' | 'closed') =>
    stack.db.transaction().execute((trx) => setGate(trx, { ...gate, state }));
  await set('closed');
  const held = await askOne();
  const kept = await askOne();
  await settleDown(pipeline);
  assert.equal(await stateOf(stack, held.id), 'held');
  assert.deepEqual(await cancelWithdrawal({ db: stack.db, now }, held.id, 'api'), { ok: true });
  assert.deepEqual(await cancelWithdrawal({ db: stack.db, now }, held.id, 'api'), { ok: true });
  await set('open');
  const planned = await askOne();
  // The signers' side of the pipeline does not run: the plan is made, and nobody is asked.
  const stalled = await stack.pipeline({
    effects: {
      ...stack.effects,
      commit: (name, work) =>
        name === 'spend.signing' ? Promise.reject(new Error('stalled')) : stack.effects.commit(name, work),
    },
  });
  await until('planned', async () => (await stateOf(stack, planned.id)) === 'batched', stalled.step);
  assert.equal(await stateOf(stack, kept.id), 'batched');
  assert.deepEqual(await cancelWithdrawal({ db: stack.db, now }, planned.id, 'api'), { ok: true });
  assert.deepEqual(await timeline(stack, planned.id), [
    'requested',
    'approved',
    'batched',
    'approved',
    'cancelled',
  ]);
  assert.equal(await stateOf(stack, kept.id), 'approved', 'the others of the plan go on');
  await settleDown(pipeline);
  const late = await cancelWithdrawal({ db: stack.db, now }, kept.id, 'api');
  assert.deepEqual(late, { ok: false, reason: 'TOO_LATE_TO_CANCEL' });
  await paidOnce(kept);
  assert.equal(await available(stack, alice, 'BTC'), before - (BTC / 10n + 5_000n));
  assert.equal(await receivedBitcoin(stack, planned.destination), 0n);
});

test('cancelling races planning and signing: paid or cancelled, never both, never neither', async () => {
  const orders = [];
  for (let i = 0; i < 12; i += 1) orders.push(await askOne('0.01'));
  const stop = new AbortController();
  const stepping = (async () => {
    while (!stop.signal.aborted) await pipeline.step();
  })();
  const answers = await Promise.all(
    orders.map(async ({ id }, i) => {
      await new Promise((resolve) => setTimeout(resolve, i * 20));
      return cancelWithdrawal({ db: stack.db, now }, id, 'api');
    }),
  );
  stop.abort();
  await stepping;
  for (const [i, one] of orders.entries()) {
    if (!answers[i]!.ok) {
      await paidOnce(one, BTC / 100n);
      continue;
    }
    assert.equal(await stateOf(stack, one.id), 'cancelled');
    assert.equal(await receivedBitcoin(stack, one.destination), 0n);
  }
});

test('one signer down: two are enough. Two down: it waits and says for whom, and goes on by itself', async () => {
  const [a, b] = stack.signers.all;
  await a!.process.stop();
  await paidOnce(await askOne());
  await b!.process.stop();
  const waiting = await askOne();
  await until(
    'the reason',
    async () => (await spendReason(waiting.id)).startsWith('SIGNERS_WAITED_FOR'),
    pipeline.step,
  );
  assert.match(await spendReason(waiting.id), /a SIGNER_UNREACHABLE/);
  assert.match(await spendReason(waiting.id), /b SIGNER_UNREACHABLE/);
  await until(
    'its row',
    async () => (await withdrawalById(stack.db, waiting.id))!.row.reason.startsWith('SIGNERS_WAITED_FOR'),
    pipeline.step,
  );
  const late = await cancelWithdrawal({ db: stack.db, now }, waiting.id, 'api');
  assert.equal(late.ok, false, 'one signature exists');
  for (const signer of [a!, b!]) {
    const home = dirname(signer.dataFolder);
    const gate = { name: signer.id, main: 'signer/gate/main.ts', args: [join(home, 'gate.json')], env: {} };
    const again = supervise({ ...gate, logFile: join(home, 'again.log') });
    restarted.push(again);
  }
  await paidOnce(waiting);
  assert.equal((await attemptsOf(waiting.id)).length, 1, 'the same request, the same signatures');
});

test('a signer that lies does not count; a threshold that refuses is told and never answered by other coins', async () => {
  const { effects } = stack;
  const lying = await stack.pipeline({
    effects: {
      ...effects,
      sign: async (signer, request) => {
        const answer = await effects.sign(signer, request);
        // Its own request back, without a signature.
        return signer.id === 'a' && answer.ok && request.type === 'bitcoin-pay'
          ? { ...answer, psbt: request.psbt }
          : answer;
      },
    },
  });
  const lied = await askOne();
  await until('broadcast', async () => (await stateOf(stack, lied.id)) === 'broadcast', lying.step);
  const [attempt] = await attemptsOf(lied.id);
  const answers = await stack.db
    .selectFrom('signer_answer')
    .selectAll()
    .where('attempt_id', '=', attempt!.id)
    .execute();
  assert.ok(
    answers.every(({ ok, signer, code }) => ok === (signer !== 'a') && (ok || code === 'ANSWER_INVALID')),
  );
  await paidOnce(lied);

  const elsewhere = await stack.pipeline({
    effects: { ...effects, sign: (signer, request) => effects.sign(signer, { ...request, epoch: 2 }) },
  });
  const refused = await askOne();
  const told = 'SIGNERS_REFUSED: ';
  await until('the reason', async () => (await spendReason(refused.id)).startsWith(told), elsewhere.step);
  assert.match(await spendReason(refused.id), /WRONG_EPOCH/);
  assert.equal((await attemptsOf(refused.id)).length, 1);
  await paidOnce(refused);
  assert.equal((await attemptsOf(refused.id)).length, 1);
});

test('the answer to a broadcast is lost; the node is not there for a while: sent again, paid once', async () => {
  const proxy = await proxyOf(stack.node.url);
  const cut = await stack.pipeline({ config: withNetwork({ nodes: [proxy.url] }) });
  try {
    proxy.cut('sendrawtransaction', 'unanswered', 1);
    const unheard = await askOne();
    await until('broadcast', async () => (await stateOf(stack, unheard.id)) === 'broadcast', cut.step);
    assert.equal(proxy.cuts(), 1);
    proxy.cut('testmempoolaccept', 'lost', 3);
    const lost = await askOne();
    await until('the reason', async () => (await spendReason(lost.id)) === 'NODE_UNREACHABLE', cut.step);
    const [attempt] = await attemptsOf(lost.id);
    assert.ok(attempt!.raw, 'the bytes were stored first');
    await until('broadcast', async () => (await stateOf(stack, lost.id)) === 'broadcast', cut.step);
    await paidOnce(unheard);
    await paidOnce(lost);
  } finally {
    await proxy.stop();
  }
});

test('stuck: replaced at a higher fee with the same coins, and paid once', async () => {
  const one = await askOne();
  await settleDown(pipeline);
  const first = await txIdOf(one.id);
  await until('in the mempool', async () =>
    (await stack.node.rpc<string[]>('getrawmempool')).includes(first),
  );
  const hasty = await stack.pipeline({ config: withNetwork({ stuckAfterMs: 0 }) });
  await until(
    'replaced',
    async () => (await attemptsOf(one.id)).some(({ n, state }) => n === 2 && state === 'broadcast'),
    hasty.step,
  );
  const mempool = await stack.node.rpc<string[]>('getrawmempool');
  const attempts = await attemptsOf(one.id);
  const latest = attempts.at(-1)!;
  assert.ok(!mempool.includes(first), 'the node dropped the first');
  assert.ok(mempool.some((txId) => attempts.some((attempt) => attempt.tx_id === txId)));
  assert.ok(latest.fee_units > attempts[0]!.fee_units);
  await paidOnce(one);
  assert.notEqual(await txIdOf(one.id), first);
});

test('a reorg takes the block away: back to broadcast, mined again, paid once', async () => {
  const one = await askOne();
  await settleDown(pipeline);
  await stack.mine(1);
  await settleDown(pipeline);
  assert.equal(await stateOf(stack, one.id), 'confirming');
  await stack.node.reorg({ depth: 1, blocks: 2, empty: true });
  await stack.caughtUp();
  await until('back', async () => (await stateOf(stack, one.id)) === 'broadcast', pipeline.step);
  await paidOnce(one);
  assert.deepEqual((await timeline(stack, one.id)).slice(-4), [
    'confirming',
    'broadcast',
    'confirming',
    'settled',
  ]);
});

test('more than the wallet has at depth: the large one waits and says why, the small one is paid', async () => {
  const rich = await stack.customer('rich');
  const { rows } = await stack.pool.query<{ units: string }>(
    'select coalesce(sum(units), 0) as units from bitcoin_coin where spent_tx_id is null',
  );
  const hot = BigInt(rows[0]!.units);
  const { applyPostings, recordStray, resolveStray } = await import('../ledger/ledger.ts');
  const stray = { key: 'gift', asset: 'BTC', units: hot };
  await stack.db
    .transaction()
    .execute((trx) =>
      applyPostings(executorOf(trx), [
        recordStray({ ...stray, network: 'bitcoin', into: 'hot' }),
        resolveStray({ ...stray, to: { customer: rich } }),
      ]),
    );
  const large = await ask(stack, {
    ...order,
    customer: rich,
    destination: await outsideAddress(stack),
    amount: String(hot / BTC - 1n),
  });
  const small = await askOne();
  const taken = await askOne(String(2));
  await until('small', async () => (await stateOf(stack, small.id)) === 'broadcast', pipeline.step);
  const row = (await withdrawalById(stack.db, large))!.row;
  assert.deepEqual([row.state, row.reason], ['approved', 'LIQUIDITY_SHORT']);
  await paidOnce(small);
  await paidOnce(taken, 2n * BTC);
  assert.equal((await cancelWithdrawal({ db: stack.db, now }, large, 'api')).ok, true);
});

test('a coin of ours is spent by what we did not plan: the network halts, and nothing more leaves', async () => {
  const one = await askOne();
  await settleDown(pipeline);
  await until('seen', async () => {
    const found = await stack.db
      .selectFrom('bitcoin_coin')
      .select('tx_id')
      .where('spent_tx_id', '=', await txIdOf(one.id))
      .execute();
    return found.length > 0;
  });
  await stack.db
    .updateTable('spend_attempt')
    .set({ tx_id: 'ff'.repeat(32) })
    .where('tx_id', '=', await txIdOf(one.id))
    .execute();
  await until(
    'halted',
    async () => (await haltOf(stack.db, 'bitcoin'))?.code === 'UNKNOWN_SPEND',
    pipeline.step,
  );
  const next = await askOne();
  await settleDown(pipeline);
  assert.equal(await stateOf(stack, next.id), 'held');
  await stack.db.transaction().execute((trx) => clearHalt(trx, 'bitcoin', now()));
});
