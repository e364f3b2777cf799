// Proves that whatever blocks, reorgs, mempools and transfers come in whatever order, deposits stand where a simple
// model says, the wallet in the books holds exactly what is credited and booked, and the ledger's audit is empty.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { executorOf } from '../db/db.ts';
import { applyPostings, auditLedger, transfer, trialBalance } from '../ledger/ledger.ts';
import { listDeposits, listStrays, runDeposits, type DepositState } from './deposits.ts';
import {
  bindAddress,
  openTestDatabase,
  testClock,
  testConfig,
  testCustomer,
  writtenChain,
  type WrittenChain,
  type WrittenPayment,
} from './test/written-chain.ts';

const config = testConfig();
const PAYMENTS = 6;
const DUSTS = 4;
const UNITS = 1_000_000n;
const DUST_UNITS = 4_000n;
/** Of BTC below 0.1: see the configuration of the tests. */
const SAFE = 1;
const IRREVERSIBLE = 3;
/** A reorg of what is irreversible is another test. */
const REORG_MAX = IRREVERSIBLE - 1;

type Step =
  | { readonly kind: 'mine'; readonly which: readonly number[] }
  | { readonly kind: 'reorg'; readonly depth: number }
  | { readonly kind: 'announce' | 'replace'; readonly which: number }
  | { readonly kind: 'transfer'; readonly units: bigint }
  | { readonly kind: 'run' };

const index = fc.nat(PAYMENTS + DUSTS - 1);
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('mine' as const), which: fc.uniqueArray(index) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('reorg' as const),
        depth: fc.integer({ min: 1, max: REORG_MAX }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('announce', 'replace'), which: index }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('transfer' as const), units: fc.bigInt(1n, 2n * UNITS) }),
    },
    { weight: 4, arbitrary: fc.constant({ kind: 'run' as const }) },
  ),
  { minLength: 5, maxLength: 30 },
) as fc.Arbitrary<Step[]>;

interface Modelled {
  state: DepositState | undefined;
  /** Block that it was last seen in; undefined: a mempool. */
  block: string | undefined;
}

test('any order of blocks, reorgs, mempools, transfers and steps', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const closing: (() => Promise<void>)[] = [];
      try {
        await play(script, (fn) => closing.push(fn));
      } finally {
        for (const close of closing.toReversed()) await close();
      }
    }),
    { numRuns: Number(process.env['PORTCULLIS_MODEL_RUNS'] ?? 25) },
  );
});

async function play(script: readonly Step[], after: (fn: () => Promise<void>) => void): Promise<void> {
  const db = await openTestDatabase({ after });
  const clock = testClock();
  const customers = [await testCustomer(db, 'alice'), await testCustomer(db, 'bob')];
  const watched = await Promise.all(
    customers.map((customer, i) =>
      bindAddress(db, { network: 'bitcoin', address: `a${i}`, customer, position: BigInt(i) }),
    ),
  );
  const payments = Array.from({ length: PAYMENTS + DUSTS }, (_, i): WrittenPayment => {
    const dust = i >= PAYMENTS;
    const watchedId = watched[dust ? 0 : i % 2]!;
    return { txId: `t${i}`, position: '0', watchedId, contract: '', units: dust ? DUST_UNITS : UNITS };
  });
  const chain = writtenChain(db, 'bitcoin', clock);
  await chain.mine();
  const pool = new Set<number>();
  const model = payments.map((): Modelled => ({ state: undefined, block: undefined }));
  let highest = 0;
  let transfers = 0;
  for (const step of [...script, { kind: 'run' as const }]) {
    clock.ms += 1000;
    highest = Math.max(highest, chain.blocks.length);
    switch (step.kind) {
      case 'mine': {
        const free = step.which.filter((i) => placeOf(chain, payments[i]!) === undefined);
        await chain.mine(...free.map((i) => payments[i]!));
        for (const i of free) pool.delete(i);
        break;
      }
      case 'reorg':
        if (chain.blocks.length - step.depth > Math.max(0, highest - REORG_MAX - 1))
          await chain.reorg(step.depth);
        break;
      case 'announce':
        if (placeOf(chain, payments[step.which]!) === undefined && !pool.has(step.which)) {
          await chain.announce(payments[step.which]!);
          pool.add(step.which);
        }
        break;
      case 'replace':
        await chain.replace(payments[step.which]!);
        pool.delete(step.which);
        break;
      case 'transfer': {
        transfers += 1;
        const [from, to] = customers;
        const movement = { from: from!, to: to!, asset: 'BTC', units: step.units };
        const facts = { transfer: `x${transfers}`, movements: [movement] };
        await db.transaction().execute((trx) => applyPostings(executorOf(trx), [transfer(facts)]));
        break;
      }
      case 'run':
        await runDeposits({ db, config, now: clock.now });
        for (const [i, payment] of payments.entries())
          look(model[i]!, chain, { payment, inPool: pool.has(i), dust: i >= PAYMENTS });
        await compare(db, model);
    }
  }
}

function placeOf(chain: WrittenChain, payment: WrittenPayment) {
  return chain.blocks.find((block) => block.payments.includes(payment));
}

/** What a step of the deposits is to make of one payment. Dust is looked at only in blocks. */
function look(
  modelled: Modelled,
  chain: WrittenChain,
  { payment, inPool, dust }: { payment: WrittenPayment; inPool: boolean; dust: boolean },
): void {
  const block = placeOf(chain, payment);
  const there = block !== undefined || (inPool && !dust);
  if (!there) {
    if (modelled.state !== undefined) modelled.state = 'orphaned';
    return;
  }
  const moved = modelled.block !== undefined && modelled.block !== block?.hash;
  if (modelled.state === undefined || modelled.state === 'orphaned' || moved) modelled.state = 'seen';
  modelled.block = block?.hash;
  if (!block) return;
  const confirmations = (chain.blocks.at(-1)?.height ?? 0) - block.height + 1;
  if (modelled.state === 'seen' && confirmations >= SAFE) modelled.state = 'safe';
  if (modelled.state === 'safe' && confirmations >= IRREVERSIBLE) modelled.state = 'irreversible';
}

async function compare(db: Parameters<typeof listDeposits>[0], model: readonly Modelled[]): Promise<void> {
  assert.deepEqual(await auditLedger(executorOf(db)), []);
  assert.equal(await db.selectFrom('halt').selectAll().executeTakeFirst(), undefined);
  const rows = await listDeposits(db, { limit: 50 });
  const found = model.slice(0, PAYMENTS).map((_, i) => rows.find((row) => row.tx_id === `t${i}`)?.state);
  assert.deepEqual(
    found,
    model.slice(0, PAYMENTS).map((modelled) => modelled.state),
  );
  const strays = await listStrays(db, { limit: 50 });
  const dusts = model.slice(PAYMENTS);
  const wanted = dusts.map(({ state }) =>
    state === 'irreversible' ? 'booked' : state === 'safe' ? 'seen' : state,
  );
  assert.deepEqual(
    dusts.map((_, i) => {
      const stray = strays.find((row) => row.tx_id === `t${PAYMENTS + i}`);
      return stray?.booked === true ? 'booked' : stray?.state;
    }),
    wanted,
  );
  const dustBooked = BigInt(wanted.filter((state) => state === 'booked').length);
  const dustCredited = (dustBooked / 3n) * 3n;
  const credited = rows.filter((row) => row.state === 'safe' || row.state === 'irreversible').length;
  const lines = await trialBalance(executorOf(db));
  const sum = (...kinds: string[]): bigint =>
    lines.filter((line) => kinds.includes(line.kind)).reduce((total, line) => total + line.balance, 0n);
  assert.equal(-sum('hot'), BigInt(credited) * UNITS + dustBooked * DUST_UNITS);
  assert.equal(sum('suspense'), (dustBooked - dustCredited) * DUST_UNITS);
  assert.equal(sum('customer', 'exposure'), BigInt(credited) * UNITS + dustCredited * DUST_UNITS);
}
