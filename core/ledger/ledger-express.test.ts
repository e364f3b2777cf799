// Proves that a lane which decides before it asks answers as the books would, whatever others wrote meanwhile.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { testDatabase } from '../../world/testing.ts';
import { executorOfClient, openPool, type Executor } from '../db/db.ts';
import {
  applyPostings,
  auditLedger,
  balancesOf,
  creditDeposit,
  finalizeDeposit,
  holdWithdrawal,
  recordStray,
  resolveStray,
  startLedgerLane,
  transfer,
  voidHold,
  type Posting,
  type PostingOutcome,
} from './ledger.ts';

const database = await testDatabase({ after });
const pool = openPool(database.url, 8);
after(() => pool.end());

/** How the lanes of this file went: asked by one statement, and of these how often the books were other than thought. */
const express = { sent: 0, stale: 0, failed: 0 };
pool.on('connect', (client) => {
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<{ rows: { holds?: boolean }[] }>;
  Object.assign(client, {
    query: (...args: unknown[]) => {
      const result = query(...args);
      if ((args[0] as { name?: string }).name !== 'ledger_express') return result;
      express.sent += 1;
      return result.then(
        (answer) => {
          if (!answer.rows[0]?.holds) express.stale += 1;
          return answer;
        },
        (error: unknown) => {
          express.failed += 1;
          throw error;
        },
      );
    },
  });
});

const asset = 'BTC';
const network = 'bitcoin';
const reader: Executor = {
  query: async <Row extends object>(text: string, values: readonly unknown[]) =>
    (await pool.query<Row>(text, [...values])).rows,
};
const send = (id: string, from: string, to: string, units: bigint) =>
  transfer({ transfer: id, movements: [{ from, to, asset, units }] });
const total = async (customer: string) => (await balancesOf(reader, customer))[0]?.total ?? 0n;

/** Another process's transaction. */
async function outside(...postings: Posting[]): Promise<PostingOutcome[]> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const outcomes = await applyPostings(executorOfClient(client), postings);
    await client.query('commit');
    return outcomes;
  } finally {
    client.release();
  }
}

let strays = 0;
async function endow(units: bigint, ...customers: string[]): Promise<void> {
  for (const customer of customers) {
    const key = `s${(strays += 1)}`;
    await outside(
      recordStray({ key, asset, network, units, into: 'hot' }),
      resolveStray({ key, asset, units, to: { customer } }),
    );
  }
}

/** A lane that has just learned of these customers, who have `units` each. */
async function laneKnowing(units: bigint, ...customers: string[]) {
  await endow(units, ...customers);
  const lane = startLedgerLane(pool);
  const [first = ''] = customers;
  const run = (strays += 1);
  // Refused for want of funds, so that nothing changes; the long way, by which the lane learns.
  const much = 10n ** 20n;
  const asked = customers.map((to, i) =>
    lane.submit(send(`learn${run}-${i}`, first, to === first ? customers[1]! : to, much)),
  );
  await Promise.all(asked);
  return lane;
}

const told = (outcomes: readonly PostingOutcome[]) =>
  outcomes.map((outcome) => (outcome.status === 'refused' ? outcome.reason : outcome.status));

test('what the lane knows goes by one statement, in order, each refused by itself', async () => {
  const lane = await laneKnowing(100n, 'cus_a', 'cus_b', 'cus_c');
  const before = { ...express };
  const outcomes = await Promise.all(
    [
      send('a1', 'cus_a', 'cus_b', 150n),
      send('a2', 'cus_b', 'cus_a', 100n),
      send('a3', 'cus_a', 'cus_b', 150n),
      send('a3', 'cus_a', 'cus_b', 150n),
      send('a3', 'cus_a', 'cus_c', 150n),
      send('a4', 'cus_c', 'cus_c', 1n),
      send('a5', 'cus_c', 'cus_b', 0n),
      transfer({
        transfer: 'a"6\\',
        movements: [
          { from: 'cus_c', to: 'cus_a', asset, units: 100n },
          { from: 'cus_a', to: 'cus_b', asset, units: 150n },
        ],
      }),
    ].map((posting) => lane.submit(posting)),
  );
  await lane.stop();
  assert.deepEqual(told(outcomes), [
    'INSUFFICIENT_FUNDS',
    'applied',
    'applied',
    'duplicate',
    'KEY_REUSED',
    'SAME_ACCOUNT',
    'UNITS_OUT_OF_RANGE',
    'applied',
  ]);
  assert.deepEqual(express, { ...before, sent: before.sent + 1 });
  assert.deepEqual([await total('cus_a'), await total('cus_b'), await total('cus_c')], [0n, 300n, 0n]);
  const [, first, second, again] = outcomes as { posting: bigint }[];
  assert.ok(first!.posting < second!.posting && again!.posting === second!.posting);
  const { rows } = await pool.query(`select id from posting where key = 'transfer:a3'`);
  assert.deepEqual(rows, [{ id: second!.posting }]);
  assert.deepEqual(await auditLedger(reader), []);
});

test('a transfer said again is a duplicate, though what it moved is gone', async () => {
  const lane = await laneKnowing(100n, 'cus_d', 'cus_e');
  const all = send('d1', 'cus_d', 'cus_e', 100n);
  const one = await lane.submit(all);
  const before = { ...express };
  // Decided in memory this would be INSUFFICIENT_FUNDS: only the books know the key.
  const two = await lane.submit(all);
  assert.deepEqual([one.status, two], ['applied', { ...one, status: 'duplicate' }]);
  assert.deepEqual(express, { ...before, sent: before.sent + 1, stale: before.stale + 1 });
  // Here it would be applied again: the key's uniqueness stops it.
  await endow(200n, 'cus_d');
  await lane.submit(send('d2', 'cus_d', 'cus_e', 1n));
  const three = await lane.submit(all);
  assert.deepEqual(three, { ...one, status: 'duplicate' });
  const [other] = told([await lane.submit(send('d1', 'cus_d', 'cus_e', 7n))]);
  assert.equal(other, 'KEY_REUSED');
  assert.equal(express.failed, before.failed + 2);
  await lane.stop();
  assert.equal(await total('cus_e'), 201n);
  assert.deepEqual(await auditLedger(reader), []);
});

test('what others changed is seen: a hold, its end, a payment, a lot', async () => {
  const lane = await laneKnowing(100n, 'cus_f', 'cus_g');
  const at = async (posting: Posting) => told([await lane.submit(posting)])[0];
  await outside(holdWithdrawal({ withdrawal: 'wdr_f', customer: 'cus_f', asset, units: 60n }));
  assert.equal(await at(send('f1', 'cus_f', 'cus_g', 50n)), 'INSUFFICIENT_FUNDS');
  await outside(voidHold({ withdrawal: 'wdr_f' }));
  assert.equal(await at(send('f2', 'cus_f', 'cus_g', 50n)), 'applied');
  await outside(send('f3', 'cus_f', 'cus_g', 50n));
  assert.equal(await at(send('f4', 'cus_f', 'cus_g', 1n)), 'INSUFFICIENT_FUNDS');
  const deposit = { deposit: 'dep_f', incarnation: 1 };
  await outside(creditDeposit({ ...deposit, customer: 'cus_f', asset, network, into: 'hot', units: 30n }));
  // Spends the lot: it arrives as a lot, and what arrived cannot be held before it is final.
  assert.equal(await at(send('f5', 'cus_f', 'cus_g', 30n)), 'applied');
  assert.equal(
    await at(holdWithdrawal({ withdrawal: 'wdr_g', customer: 'cus_g', asset, units: 230n })),
    'NOT_YET_FINAL',
  );
  await outside(finalizeDeposit(deposit));
  assert.equal(await at(send('f6', 'cus_g', 'cus_f', 230n)), 'applied');
  await lane.stop();
  assert.deepEqual([await total('cus_f'), await total('cus_g')], [230n, 0n]);
  assert.deepEqual(await auditLedger(reader), []);
});

/**
 * Fills two batches, [first] and [second], the second decided on what the first would leave; meanwhile `meanwhile`
 * is what happened, in a transaction that holds the accounts of `customer` until both are sent.
 */
async function behindTheBack(customer: string, first: Posting, second: Posting, meanwhile: Posting) {
  const [lane] = [await laneKnowing(100n, customer, `${customer}2`)];
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query(`select 1 from account where customer = $1 for update`, [customer]);
  const filler = (name: string) =>
    Array.from({ length: 15 }, (_, i) =>
      send(`${name}-${customer}${i}`, customer, `${customer}2`, 10n ** 20n),
    );
  const sent = express.sent;
  const answers = [first, ...filler('a'), second, ...filler('b')].map((posting) => lane.submit(posting));
  while (express.sent < sent + 2) await sleep(1);
  assert.ok(
    (await applyPostings(executorOfClient(holder), [meanwhile])).every(({ status }) => status === 'applied'),
  );
  await holder.query('commit');
  holder.release();
  const outcomes = told(await Promise.all(answers));
  await lane.stop();
  assert.deepEqual(await auditLedger(reader), []);
  return {
    outcomes: [outcomes[0], outcomes[16]],
    balances: [await total(customer), await total(`${customer}2`)],
  };
}

test('what rested on a transfer that never was falls with it, also where the entries are as many', async () => {
  // Both would leave the accounts at the same version: only the balances tell them apart.
  const applied = await behindTheBack(
    'cus_h',
    send('h1', 'cus_h', 'cus_h2', 100n),
    send('h2', 'cus_h2', 'cus_h', 150n),
    send('h3', 'cus_h', 'cus_h2', 70n),
  );
  assert.deepEqual(applied, { outcomes: ['INSUFFICIENT_FUNDS', 'applied'], balances: [180n, 20n] });
  const refused = await behindTheBack(
    'cus_i',
    send('i1', 'cus_i', 'cus_i2', 100n),
    send('i2', 'cus_i', 'cus_i2', 20n),
    send('i3', 'cus_i', 'cus_i2', 30n),
  );
  assert.deepEqual(refused, { outcomes: ['INSUFFICIENT_FUNDS', 'applied'], balances: [50n, 150n] });
});

test('a lane needs one connection, whichever way it goes', async () => {
  const narrow = openPool(database.url, 1);
  after(() => narrow.end());
  await endow(100n, 'cus_k', 'cus_l');
  const lane = startLedgerLane(narrow);
  for (let i = 0; i < 4; i += 1) {
    const answers = [send(`k${i}`, 'cus_k', 'cus_l', 5n), send(`l${i}`, 'cus_l', `cus_l${i}`, 5n)].map(
      (posting) => lane.submit(posting),
    );
    assert.deepEqual(told(await Promise.all(answers)), ['applied', 'applied']);
  }
  await lane.stop();
});

test('random transfers by a lane beside writers it does not know of: answers and balances are a model’s', async () => {
  const before = { ...express };
  const customers = ['p', 'q', 'r', 's'];
  const who = fc.constantFrom(...customers);
  const step = fc.record({
    byLane: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
    moves: fc.array(fc.record({ from: who, to: who, units: fc.bigInt(0n, 90n), again: fc.nat(9) }), {
      minLength: 1,
      maxLength: 40,
    }),
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      const run = (runs += 1);
      const name = (customer: string) => `cus_${run}${customer}`;
      const lane = await laneKnowing(100n, ...customers.map(name));
      const balances = new Map(customers.map((customer) => [name(customer), 100n]));
      const said: { posting: Posting; from: string; to: string; units: bigint }[] = [];
      const applied = new Map<string, string>();
      for (const { byLane, moves } of steps) {
        const batch = moves.map(({ from, to, units, again }) => {
          const earlier = again === 0 ? said[(said.length * 7) >> 3] : undefined;
          const fresh = { from: name(from), to: name(to), units };
          const one = earlier ?? {
            ...fresh,
            posting: send(`${run}-${said.length}`, fresh.from, fresh.to, units),
          };
          said.push(one);
          return one;
        });
        const expected = batch.map(({ posting, from, to, units }) => {
          if (units === 0n) return 'UNITS_OUT_OF_RANGE';
          if (applied.has(posting.key)) return 'duplicate';
          if (from === to) return 'SAME_ACCOUNT';
          if (balances.get(from)! < units) return 'INSUFFICIENT_FUNDS';
          balances.set(from, balances.get(from)! - units);
          balances.set(to, balances.get(to)! + units);
          applied.set(posting.key, from);
          return 'applied';
        });
        const postings = batch.map(({ posting }) => posting);
        const outcomes = byLane
          ? await Promise.all(postings.map((posting) => lane.submit(posting)))
          : await outside(...postings);
        assert.deepEqual(told(outcomes), expected);
      }
      await lane.stop();
      for (const [customer, balance] of balances) assert.equal(await total(customer), balance);
    }),
    { numRuns: 25, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
  assert.deepEqual(await auditLedger(reader), []);
  assert.ok(express.sent > before.sent + 50, `${express.sent} sent`);
  assert.ok(express.stale > before.stale && express.failed > before.failed, 'both ways to go stale were met');
});

test('many callers of two lanes at once: every answer was true, and the books are whole', async () => {
  const before = express.sent;
  const customers = Array.from({ length: 12 }, (_, i) => `cus_m${i}`);
  const lanes = [await laneKnowing(1_000n, ...customers), startLedgerLane(pool)];
  const moved = new Map(customers.map((customer) => [customer, 1_000n]));
  const callers = Array.from({ length: 40 }, async (_, caller) => {
    for (let i = 0; i < 25; i += 1) {
      const [from, to] = [customers[(caller + i) % 12]!, customers[(caller * 5 + i * 7 + 1) % 12]!];
      const posting = send(`m${caller}-${i}`, from, to, BigInt(i + 1));
      const lane = lanes[caller % 8 === 0 ? 1 : 0]!;
      const [answer, twice] = await Promise.all([
        lane.submit(posting),
        i % 5 === 0 ? lane.submit(posting) : undefined,
      ]);
      if (answer.status === 'applied') {
        moved.set(from, moved.get(from)! - BigInt(i + 1));
        moved.set(to, moved.get(to)! + BigInt(i + 1));
        if (twice) assert.deepEqual(twice, { ...answer, status: 'duplicate' });
      } else assert.ok(answer.status === 'refused', answer.status);
    }
  });
  await Promise.all(callers);
  await Promise.all(lanes.map((lane) => lane.stop()));
  for (const [customer, balance] of moved) assert.equal(await total(customer), balance);
  assert.ok(express.sent > before + 10);
  assert.deepEqual(await auditLedger(reader), []);
});
