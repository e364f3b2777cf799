// Proves on a real node with three real signers that orders of bitcoin whose time runs out while signers are away free
// their holds exactly once, and only when an irreversible transaction excludes all that may have been signed for them;
// that the others of their batch and later orders are paid meanwhile; and that what a thief broadcasts late pays once.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Id } from '../../lib/ids/ids.ts';
import type { BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import { supervise, type Supervised } from '../../world/supervisor.ts';
import { combineAndFinalize } from '../chain/bitcoin/bitcoin.ts';
import { executorOf } from '../db/db.ts';
import { trialBalance } from '../ledger/ledger.ts';
import { SignerUnreachableError } from '../signing/signing.ts';
import { withoutSigners } from './test/evm-kit.ts';
import {
  ask,
  available,
  BTC,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  settleDown,
  startStack,
  until,
} from './test/stack.ts';
import { cancelWithdrawal, withdrawalById } from './withdrawals.ts';

const restarted: Supervised[] = [];
after(async () => void (await Promise.all(restarted.map((again) => again.stop()))));
const BRIEF_SECONDS = 12;
const stack = await startStack({ after });
const brief = { ...stack.config, orderExpirySeconds: BRIEF_SECONDS };
const pipeline = await stack.pipeline({ config: brief });
const absent = await stack.pipeline({ config: brief, effects: withoutSigners(stack.effects) });
const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC, BTC]);
const bob = await fundBitcoin(stack, pipeline, 'bob', [BTC, BTC, BTC, BTC]);
const FEE = stack.listing('BTC', 'bitcoin').withdrawalFeeUnits;
const now = () => new Date();

interface Asked {
  readonly id: Id<'withdrawal'>;
  readonly to: string;
}

async function askFor(customer: Id<'customer'>, amount: string, config = stack.config): Promise<Asked> {
  const to = await outsideAddress(stack);
  const order = { customer, asset: 'BTC', network: 'bitcoin', destination: to, amount };
  return { to, id: await ask({ ...stack, config }, order) };
}

async function rowOf({ id }: Asked) {
  const found = await withdrawalById(stack.db, id);
  assert.ok(found);
  return found.row;
}

async function reasonsOf({ id }: Asked): Promise<string[]> {
  return ((await withdrawalById(stack.db, id))?.timeline ?? []).map(({ reason }) => reason);
}

async function attemptsOf(one: Asked) {
  const spend = (await rowOf(one)).spend_id ?? '';
  return stack.db
    .selectFrom('spend_attempt')
    .selectAll()
    .where('spend_id', '=', spend)
    .orderBy('n')
    .execute();
}

/** Asks signers, who sign and journal; no answer arrives. Gives what a thief on the wire can put together. */
async function signUnheard(one: Asked): Promise<string> {
  const psbts: string[] = [];
  let request: BitcoinPayRequest | undefined;
  const unheard = await stack.pipeline({
    config: brief,
    effects: {
      ...stack.effects,
      sign: async (signer, sent) => {
        const answer = await stack.effects.sign(signer, sent);
        if (answer.ok && answer.psbt !== undefined && sent.type === 'bitcoin-pay') {
          request = sent;
          psbts.push(answer.psbt);
        }
        throw new SignerUnreachableError(`${signer.id}: the answer was lost`);
      },
    },
  });
  const isSigned = async () => psbts.length >= 3 && (await rowOf(one)).state === 'signing';
  await until('signed', isSigned, unheard.step);
  assert.ok(request);
  const combined = combineAndFinalize(request, psbts.slice(0, 2));
  assert.ok(combined.ok);
  return combined.raw.toString('hex');
}

/** Signers refuse it now, and it says so: nothing is released. */
async function expired(one: Asked, customer: string, free: bigint): Promise<void> {
  await sleep(BRIEF_SECONDS * 1000);
  await until('the reason', async () => (await rowOf(one)).reason === 'ORDER_EXPIRED', pipeline.step);
  assert.ok((await reasonsOf(one)).includes('ORDER_EXPIRED'));
  await stack.mine(6);
  await settleDown(pipeline);
  assert.deepEqual([(await rowOf(one)).state, (await rowOf(one)).tx_id], ['signing', null]);
  assert.equal(await available(stack, customer, 'BTC'), free, 'held until nothing can pay it');
  const late = await cancelWithdrawal({ db: stack.db, now }, one.id, 'api');
  assert.deepEqual(late, { ok: false, reason: 'TOO_LATE_TO_CANCEL' });
}

async function ended(one: Asked, state: string, received: bigint): Promise<void> {
  await until(
    state,
    async () => (await rowOf(one)).state === state,
    async () => {
      await settleDown(pipeline);
      await stack.mine(1);
    },
  );
  assert.equal(await receivedBitcoin(stack, one.to), received);
}

/** The journal is whole, and the wallet has to the satoshi what the books say. */
async function booksAreTheChain(): Promise<void> {
  await stack.whole();
  const lines = await trialBalance(executorOf(stack.db));
  const hot = lines.find(({ kind, asset }) => kind === 'hot' && asset === 'BTC');
  const { rows } = await stack.pool.query<{ units: string }>(
    'select sum(units) as units from bitcoin_coin where spent_tx_id is null and height is not null',
  );
  assert.equal(-(hot?.balance ?? 0n), BigInt(rows[0]!.units));
}

test('no order left: a later one of another customer takes its coins, and then its hold is free, once', async () => {
  const before = [await available(stack, alice, 'BTC'), await available(stack, bob, 'BTC')];
  const old = await askFor(alice, '0.5', brief);
  const stolen = await signUnheard(old);
  await expired(old, alice, before[0]! - BTC / 2n - FEE);
  // More than the coins of the old one: others join them.
  const next = await askFor(bob, '1.7');
  const isMined = async () => (await rowOf(next)).state === 'confirming';
  await until('mined', isMined, async () => {
    await settleDown(pipeline);
    await stack.mine(1);
  });
  assert.equal((await rowOf(next)).spend_id, (await rowOf(old)).spend_id);
  assert.deepEqual([(await rowOf(old)).state, (await rowOf(old)).tx_id], ['signing', null]);
  assert.equal(
    await available(stack, alice, 'BTC'),
    before[0]! - BTC / 2n - FEE,
    'not before it is irreversible',
  );
  await ended(next, 'settled', (17n * BTC) / 10n);
  await ended(old, 'failed', 0n);
  assert.equal((await rowOf(old)).reason, 'ORDER_EXPIRED');
  await assert.rejects(stack.node.rpc('sendrawtransaction', stolen), /missingorspent/);
  await stack.mine(6);
  await settleDown(pipeline);
  assert.equal(await receivedBitcoin(stack, old.to), 0n);
  assert.equal(await available(stack, alice, 'BTC'), before[0]);
  assert.equal(await available(stack, bob, 'BTC'), before[1]! - (17n * BTC) / 10n - FEE);
  await booksAreTheChain();
});

test('signers stop past the time of one order of a batch and come back: the other is paid without it', async () => {
  const before = await available(stack, alice, 'BTC');
  const [a, b] = stack.signers.all;
  await Promise.all([a!.process.stop(), b!.process.stop()]);
  const short = await askFor(alice, '0.3', brief);
  const long = await askFor(alice, '0.2');
  const waits = async () => (await rowOf(long)).reason.startsWith('SIGNERS_WAITED_FOR');
  await until('asked', waits, pipeline.step);
  assert.equal((await rowOf(short)).spend_id, (await rowOf(long)).spend_id, 'one batch');
  await sleep(BRIEF_SECONDS * 1000);
  for (const signer of [a!, b!]) {
    const home = dirname(signer.dataFolder);
    const gate = { name: signer.id, main: 'signer/gate/main.ts', args: [join(home, 'gate.json')], env: {} };
    restarted.push(supervise({ ...gate, logFile: join(home, 'again.log') }));
  }
  await ended(long, 'settled', BTC / 5n);
  await ended(short, 'failed', 0n);
  assert.ok((await reasonsOf(short)).includes('ORDER_EXPIRED'));
  const attempts = await attemptsOf(long);
  assert.deepEqual(
    attempts.map(({ state }) => state),
    ['replaced', 'confirmed'],
  );
  assert.equal(await available(stack, alice, 'BTC'), before - BTC / 5n - FEE);
  await booksAreTheChain();
});

test('what was signed unheard is broadcast by a thief after another order joined: the first is paid, the other freed', async () => {
  const before = [await available(stack, alice, 'BTC'), await available(stack, bob, 'BTC')];
  const old = await askFor(alice, '0.4', brief);
  const stolen = await signUnheard(old);
  await expired(old, alice, before[0]! - (4n * BTC) / 10n - FEE);
  const next = await askFor(bob, '0.1');
  await until('joined', async () => (await rowOf(next)).state === 'signing', absent.step);
  assert.equal((await rowOf(next)).spend_id, (await rowOf(old)).spend_id);
  await stack.node.rpc('sendrawtransaction', stolen);
  await stack.mine(1);
  await ended(old, 'settled', (4n * BTC) / 10n);
  await ended(next, 'failed', 0n);
  assert.equal(await available(stack, alice, 'BTC'), before[0]! - (4n * BTC) / 10n - FEE);
  assert.equal(await available(stack, bob, 'BTC'), before[1]);
  await booksAreTheChain();
});
