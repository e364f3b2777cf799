// Proves on a real node with three real signers that a transaction which is stuck, and which signers will not replace
// because the time of its orders is over, is lifted by a child that spends its change back to us (CPFP): each order
// paid once, every fee in the books, and no harm where the parent or the child is replaced after all.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Id } from '../../lib/ids/ids.ts';
import type { BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import { combineAndFinalize } from '../chain/bitcoin/bitcoin.ts';
import type { Config } from '../config/config.ts';
import { executorOf } from '../db/db.ts';
import { trialBalance } from '../ledger/ledger.ts';
import { SignerUnreachableError } from '../signing/signing.ts';
import { withoutSigners } from './test/evm-kit.ts';
import {
  ask,
  BTC,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  settleDown,
  startStack,
  until,
} from './test/stack.ts';
import { withdrawalById } from './withdrawals.ts';

const BRIEF_SECONDS = 15;
const stack = await startStack({ after });
const brief = { ...stack.config, orderExpirySeconds: BRIEF_SECONDS };
const pipeline = await stack.pipeline({ config: brief });
/** What was given to the node, with a parent or without. */
const given: { readonly raw: Buffer; readonly parent: Buffer | undefined }[] = [];
const hasty = await stack.pipeline({
  config: withNetwork({ stuckAfterMs: 0 }),
  effects: {
    ...stack.effects,
    broadcast: (rpc, raw, parent) => {
      given.push({ raw, parent });
      return stack.effects.broadcast(rpc, raw, parent);
    },
  },
});
const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC, BTC, BTC, BTC]);

interface Asked {
  readonly id: Id<'withdrawal'>;
  readonly to: string;
}

/** The same wallet, configured otherwise. */
function withNetwork(change: object): Config {
  return { ...brief, networks: brief.networks.map((network) => ({ ...network, ...change })) };
}

/** Sent with the first fee, in no block. */
async function sent(): Promise<Asked & { readonly txId: string }> {
  const to = await outsideAddress(stack);
  const order = { customer: alice, asset: 'BTC', network: 'bitcoin', destination: to, amount: '0.3' };
  const one = { to, id: await ask({ ...stack, config: brief }, order) };
  await until('sent', async () => (await rowOf(one)).state === 'broadcast', pipeline.step);
  const { tx_id: txId } = await rowOf(one);
  assert.ok(txId);
  await until('seen', async () => (await spenderOf(one)) === txId);
  return { ...one, txId };
}

const isOver = () => sleep(BRIEF_SECONDS * 1000);

async function rowOf({ id }: Asked) {
  const found = await withdrawalById(stack.db, id);
  assert.ok(found);
  return found.row;
}

/** Who spends the coins of a withdrawal, as the watcher has seen it. */
async function spenderOf(one: Asked): Promise<string | undefined> {
  const { rows } = await stack.pool.query<{ id: string }>(
    `select c.spent_tx_id as id from spend_coin s join bitcoin_coin c on c.tx_id = s.tx_id and c.vout = s.vout
     where s.spend_id = $1`,
    [(await rowOf(one)).spend_id],
  );
  return rows[0]?.id;
}

const attemptsOf = (spend: string) =>
  stack.db.selectFrom('spend_attempt').selectAll().where('spend_id', '=', spend).orderBy('n').execute();

/** The children of all attempts of a withdrawal, with their attempts. */
async function childrenOf(one: Asked) {
  const parents = (await attemptsOf((await rowOf(one)).spend_id ?? '')).map(({ id }) => id);
  const spends = await stack.db.selectFrom('spend').selectAll().where('child_of', 'in', parents).execute();
  return Promise.all(spends.map(async (spend) => ({ ...spend, attempts: await attemptsOf(spend.id) })));
}

/** Until a child of the withdrawal is in the mempool, with so many attempts. */
async function childOf(one: Asked, attempts: number) {
  const isThere = async () => (await childrenOf(one))[0]?.attempts[attempts - 1]?.state === 'broadcast';
  await until('the child', isThere, hasty.step);
  const [child, ...more] = await childrenOf(one);
  assert.ok(child);
  assert.deepEqual(more, [], 'one child');
  const last = child.attempts.at(-1);
  assert.ok(last?.tx_id);
  return { ...child, last: { ...last, tx_id: last.tx_id } };
}

async function settled(one: Asked): Promise<void> {
  await until(
    'settled',
    async () =>
      (await rowOf(one)).state === 'settled' &&
      (await childrenOf(one)).every(({ state }) => state === 'settled'),
    async () => {
      await settleDown(pipeline);
      await stack.mine(1);
    },
  );
  await stack.mine(1);
  assert.equal(await receivedBitcoin(stack, one.to), (3n * BTC) / 10n, 'paid once');
  await stack.whole();
  await booksAreTheChain();
}

/** The wallet has to the satoshi what the books say, and the node says the same. */
async function booksAreTheChain(): Promise<void> {
  const lines = await trialBalance(executorOf(stack.db));
  const hot = lines.find(({ kind, asset }) => kind === 'hot' && asset === 'BTC');
  const watched = await stack.db.selectFrom('watched').select('address').execute();
  const places = watched.map(({ address }) => `addr(${address})`);
  const scan = await stack.node.rpc<{ total_amount: bigint }>('scantxoutset', 'start', places);
  assert.equal(-(hot?.balance ?? 0n), scan.total_amount);
}

const mempool = () => stack.node.rpc<string[]>('getrawmempool');

/** Drafts the next attempt; signers sign it, and no answer arrives. Gives what a thief on the wire puts together. */
async function signUnheard(one: Asked): Promise<string> {
  const psbts: string[] = [];
  let request: BitcoinPayRequest | undefined;
  const unheard = await stack.pipeline({
    config: withNetwork({ stuckAfterMs: 0 }),
    effects: {
      ...stack.effects,
      sign: async (signer, asked) => {
        const answer = await stack.effects.sign(signer, asked);
        if (answer.ok && answer.psbt !== undefined && asked.type === 'bitcoin-pay') {
          request = asked;
          psbts.push(answer.psbt);
        }
        throw new SignerUnreachableError(`${signer.id}: the answer was lost`);
      },
    },
  });
  await until('signed', async () => psbts.length >= 3 && (await rowOf(one)).tx_id !== null, unheard.step);
  assert.ok(request);
  const combined = combineAndFinalize(request, psbts.slice(0, 2));
  assert.ok(combined.ok);
  return combined.raw.toString('hex');
}

test('time over: its change lifts it, a second child outbids the first, and each fee is booked once', async () => {
  const one = await sent();
  await isOver();
  const first = await childOf(one, 1);
  assert.deepEqual((await mempool()).toSorted(), [one.txId, first.last.tx_id].toSorted());
  const entry = await stack.node.rpc<{ fees: { ancestor: bigint }; ancestorsize: number }>(
    'getmempoolentry',
    first.last.tx_id,
  );
  const [parent] = await attemptsOf((await rowOf(one)).spend_id ?? '');
  assert.equal(entry.fees.ancestor, parent!.fee_units + first.last.fee_units);
  assert.equal((await rowOf(one)).reason, 'CHILD_PAYS');
  const { parent: beside } = given.find(({ raw }) => first.last.raw?.equals(raw)) ?? {};
  assert.ok(parent!.raw && beside?.equals(parent!.raw), 'the node gets the parent with it');
  const second = await childOf(one, 2);
  assert.ok(second.last.fee_units > first.last.fee_units);
  assert.ok(!(await mempool()).includes(first.last.tx_id), 'they spend the same output');
  assert.equal((await attemptsOf((await rowOf(one)).spend_id ?? '')).length, 1, 'the parent is not replaced');
  await settled(one);
  const [child] = await childrenOf(one);
  const mined = child!.attempts.find(({ tx_id: txId }) => txId === child!.tx_id);
  assert.deepEqual([mined?.state, child!.cost_units], ['confirmed', mined?.fee_units]);
  assert.equal((await rowOf(one)).tx_id, one.txId);
});

test('a replacement that signers never answered: what was sent before it is lifted by a child', async () => {
  const one = await sent();
  const absent = await stack.pipeline({
    config: withNetwork({ stuckAfterMs: 0 }),
    effects: withoutSigners(stack.effects),
  });
  const spend = (await rowOf(one)).spend_id ?? '';
  await until('drafted', async () => (await attemptsOf(spend)).length === 2, absent.step);
  await isOver();
  const child = await childOf(one, 1);
  assert.equal(child.child_of, (await attemptsOf(spend))[0]?.id);
  await settled(one);
  assert.equal((await rowOf(one)).tx_id, one.txId);
});

test('a thief brings the replacement that excludes parent and child: paid once, and the child cost nothing', async () => {
  const one = await sent();
  const stolen = await signUnheard(one);
  await isOver();
  await childOf(one, 1);
  await stack.node.rpc('generateblock', await outsideAddress(stack), [stolen]);
  await stack.caughtUp();
  await settled(one);
  assert.notEqual((await rowOf(one)).tx_id, one.txId);
  const [over] = await childrenOf(one);
  assert.deepEqual([over!.tx_id, over!.cost_units], [null, 0n]);
});
