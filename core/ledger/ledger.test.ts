// Proves what each posting does to the books, what is refused, and that a batch is no different from single postings.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testDatabase } from '../../world/testing.ts';
import { executorOfClient, openPool } from '../db/db.ts';
import {
  accountBalance,
  applyPostings,
  auditLedger,
  balancesOf,
  creditDeposit,
  finalizeDeposit,
  holdWithdrawal,
  recordColdMove,
  recordHouseFunding,
  recordNetworkCost,
  recordStray,
  recordSweep,
  resolveStray,
  reverseDeposit,
  settleWithdrawal,
  startLedgerLane,
  transfer,
  trialBalance,
  voidHold,
  writeOffDeposit,
  type AccountRef,
  type Posting,
  type PostingOutcome,
} from './ledger.ts';

const database = await testDatabase({ after });
const pool = openPool(database.url, 4);
after(() => pool.end());

const asset = 'BTC';
const network = 'bitcoin';
let names = 0;
/** Every test has customers, deposits and withdrawals of its own. */
const fresh = (): string => `${(names += 1)}`;

async function apply(...postings: Posting[]): Promise<PostingOutcome[]> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const outcomes = await applyPostings(executorOfClient(client), postings);
    await client.query('commit');
    return outcomes;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

const statuses = (outcomes: PostingOutcome[]): string[] =>
  outcomes.map((outcome) => (outcome.status === 'refused' ? outcome.reason : outcome.status));

async function says(expected: string | string[], ...postings: Posting[]): Promise<void> {
  const outcomes = statuses(await apply(...postings));
  assert.deepEqual(outcomes, typeof expected === 'string' ? postings.map(() => expected) : expected);
  assert.deepEqual(await problems(), []);
}

const reader = {
  query: async <Row extends object>(text: string, values: readonly unknown[]) =>
    (await pool.query<Row>(text, [...values])).rows,
};
const problems = () => auditLedger(reader);
const balance = (ref: Omit<AccountRef, 'asset'>) => accountBalance(reader, { asset, ...ref });
const exposure = (customer: string) => balance({ kind: 'exposure', customer });

/** [final, provisional, held] */
async function parts(customer: string): Promise<[bigint, bigint, bigint]> {
  const found = (await balancesOf(reader, customer)).find((line) => line.asset === asset);
  return [found?.final ?? 0n, found?.provisional ?? 0n, found?.held ?? 0n];
}

async function lots(customer: string): Promise<Record<string, bigint>> {
  const rows = await reader.query<{ deposit: string; units: bigint }>(
    `select l.deposit, l.units from lot l join account a on a.id = l.account_id where a.customer = $1 and a.kind = 'customer'`,
    [customer],
  );
  return Object.fromEntries(rows.map((row) => [row.deposit, row.units]));
}

const credit = (deposit: string, customer: string, units: bigint, incarnation = 1) =>
  creditDeposit({ deposit, incarnation, customer, asset, network, into: 'hot', units });
const finalize = (deposit: string, incarnation = 1) => finalizeDeposit({ deposit, incarnation });
const reverse = (deposit: string, incarnation = 1) => reverseDeposit({ deposit, incarnation });
const send = (from: string, to: string, units: bigint) =>
  transfer({ transfer: fresh(), movements: [{ from, to, asset, units }] });
const hold = (withdrawal: string, customer: string, units: bigint) =>
  holdWithdrawal({ withdrawal, customer, asset, units });

/** A customer with final value. */
async function funded(units: bigint): Promise<string> {
  const [customer, deposit] = [`cus_${fresh()}`, `dep_${fresh()}`];
  await says('applied', credit(deposit, customer, units), finalize(deposit));
  return customer;
}

test('a deposit is provisional, then final, and only final value can be held', async () => {
  const [a, d, w] = [`cus_${fresh()}`, `dep_${fresh()}`, `wdr_${fresh()}`];
  const hotBefore = await balance({ kind: 'hot', network });
  await says('applied', credit(d, a, 100n));
  assert.deepEqual(await parts(a), [0n, 100n, 0n]);
  assert.equal(await balance({ kind: 'hot', network }), hotBefore - 100n);
  await says('NOT_YET_FINAL', hold(w, a, 100n));
  await says('INSUFFICIENT_FUNDS', hold(w, a, 101n));
  await says('applied', finalize(d));
  await says('applied', hold(w, a, 70n));
  assert.deepEqual(await parts(a), [100n, 0n, 70n]);
  assert.deepEqual((await balancesOf(reader, a))[0], {
    asset,
    final: 100n,
    provisional: 0n,
    held: 70n,
    available: 30n,
    total: 100n,
  });
  await says('INSUFFICIENT_FUNDS', hold(`wdr_${fresh()}`, a, 31n), send(a, 'cus_x', 31n));
  assert.deepEqual(
    await reader.query(
      'select e.amount, e.provisional, e.balance_after from entry e join account a on a.id = e.account_id where a.customer = $1 order by e.version',
      [a],
    ),
    [
      { amount: 100n, provisional: 100n, balance_after: 100n },
      { amount: 0n, provisional: -100n, balance_after: 100n },
    ],
  );
});

test('a hold is settled or voided, once', async () => {
  const a = await funded(100n);
  const [w1, w2] = [`wdr_${fresh()}`, `wdr_${fresh()}`];
  const settle = settleWithdrawal({ withdrawal: w1, network, amount: 40n, fee: 3n });
  const [hotBefore, feesBefore] = [await balance({ kind: 'hot', network }), await balance({ kind: 'fees' })];
  await says('UNKNOWN_HOLD', settle, voidHold({ withdrawal: w1 }));
  await says('applied', hold(w1, a, 45n), hold(w2, a, 10n));
  await says('HOLD_EXCEEDED', settleWithdrawal({ withdrawal: w1, network, amount: 43n, fee: 3n }));
  await says('applied', settle);
  assert.deepEqual(await parts(a), [57n, 0n, 10n]);
  assert.equal(await balance({ kind: 'hot', network }), hotBefore + 40n);
  assert.equal(await balance({ kind: 'fees' }), feesBefore + 3n);
  await says('duplicate', settle);
  await says('HOLD_NOT_PENDING', voidHold({ withdrawal: w1 }));
  await says('applied', voidHold({ withdrawal: w2 }));
  assert.deepEqual(await parts(a), [57n, 0n, 0n]);
  await says('HOLD_NOT_PENDING', settleWithdrawal({ withdrawal: w2, network, amount: 10n, fee: 0n }));
});

test('a hold made, settled and one voided inside one batch; a fee of zero makes no leg', async () => {
  const a = await funded(100n);
  const [w1, w2] = [`wdr_${fresh()}`, `wdr_${fresh()}`];
  await says(
    'applied',
    hold(w1, a, 60n),
    settleWithdrawal({ withdrawal: w1, network, amount: 60n, fee: 0n }),
    hold(w2, a, 40n),
    voidHold({ withdrawal: w2 }),
  );
  assert.deepEqual(await parts(a), [40n, 0n, 0n]);
});

test('value that is not yet irreversible stays so in a receiver’s hands, oldest first', async () => {
  const a = await funded(10n);
  const [b, d1, d2] = [`cus_${fresh()}`, `dep_${fresh()}`, `dep_${fresh()}`];
  await says('applied', credit(d2, a, 20n), credit(d1, a, 30n));
  await says('applied', send(a, b, 35n));
  assert.deepEqual(await lots(b), { [d2]: 20n, [d1]: 5n });
  assert.deepEqual(await parts(b), [10n, 25n, 0n]);
  assert.deepEqual(await lots(a), { [d1]: 25n });
  await says('NOT_YET_FINAL', hold(`wdr_${fresh()}`, b, 11n));
  await says('applied', finalize(d1));
  assert.deepEqual(await parts(b), [15n, 20n, 0n]);
  assert.deepEqual(await parts(a), [25n, 0n, 0n]);
});

test('both sides of a trade stand in one transfer: all or none, in order, lots included', async () => {
  const [a, b] = [await funded(100n), await funded(50n)];
  const d = `dep_${fresh()}`;
  await says('applied', credit(d, a, 30n));
  const trade = (id: string, units: bigint, back: bigint) =>
    transfer({
      transfer: id,
      movements: [
        { from: a, to: b, asset, units },
        { from: b, to: a, asset, units: back },
      ],
    });
  // The way back may spend what the way there brought: b has 50 of its own, 110 come.
  await says('applied', trade(fresh(), 110n, 160n));
  assert.deepEqual(await parts(a), [150n, 30n, 0n]);
  assert.deepEqual(await parts(b), [0n, 0n, 0n]);
  const key = fresh();
  await says('INSUFFICIENT_FUNDS', trade(key, 100n, 101n));
  await says('SAME_ACCOUNT', transfer({ transfer: key, movements: [{ from: a, to: a, asset, units: 1n }] }));
  assert.deepEqual(await parts(a), [150n, 30n, 0n], 'the first side moved nothing');
  await says(
    ['applied', 'duplicate', 'KEY_REUSED'],
    trade(key, 5n, 5n),
    trade(key, 5n, 5n),
    trade(key, 5n, 4n),
  );
  const one = { from: a, to: b, asset, units: 1n };
  const many = Array.from({ length: 21 }, () => one);
  await says('MALFORMED', transfer({ transfer: fresh(), movements: [] }));
  await says('MALFORMED', transfer({ transfer: fresh(), movements: many }));
  await says('UNITS_OUT_OF_RANGE', transfer({ transfer: fresh(), movements: [one, { ...one, units: 0n }] }));
  await says('MALFORMED', transfer({ transfer: fresh(), movements: [one, { ...one, to: '\u0000' }] }));
  await says('applied', transfer({ transfer: fresh(), movements: many.slice(1) }));
  assert.deepEqual(await parts(b), [20n, 0n, 0n]);
});

test('held value is not spent by a transfer, lots are', async () => {
  const a = await funded(10n);
  const [b, d] = [`cus_${fresh()}`, `dep_${fresh()}`];
  await says('applied', credit(d, a, 20n), hold(`wdr_${fresh()}`, a, 8n));
  await says('INSUFFICIENT_FUNDS', send(a, b, 23n));
  await says('applied', send(a, b, 22n));
  assert.deepEqual(await parts(a), [8n, 0n, 8n]);
  assert.deepEqual(await parts(b), [2n, 20n, 0n]);
});

test('a reversal takes the own lot, then free final value, then other lots, then the house bears it', async () => {
  const a = await funded(10n);
  const [b, d, other] = [`cus_${fresh()}`, `dep_${fresh()}`, `dep_${fresh()}`];
  // 10 final of which 4 held, lot 40, then 36 of it away, another deposit's lot of 5.
  await says(
    'applied',
    credit(d, a, 40n),
    hold(`wdr_${fresh()}`, a, 4n),
    send(a, b, 42n),
    credit(other, a, 5n),
  );
  assert.deepEqual(await parts(a), [4n, 9n, 4n]);
  const top = await funded(3n);
  await says('applied', send(top, a, 3n));
  const hotBefore = await balance({ kind: 'hot', network });
  await says('applied', reverse(d));
  // Missing: 40 = lot 4 + final 3 + other lot 5 + 28.
  assert.deepEqual(await parts(a), [4n, 0n, 4n]);
  assert.equal(await exposure(a), -28n);
  assert.equal(await balance({ kind: 'hot', network }), hotBefore + 40n);
  assert.deepEqual(await lots(b), { [d]: 36n });
  const legs = await reader.query<{ units: bigint }>(
    `select units from leg join posting on posting.id = posting_id where key = $1 order by n`,
    [reverse(d).key],
  );
  assert.deepEqual(
    legs.map((leg) => leg.units),
    [4n, 3n, 5n, 28n],
  );
  await says('NOT_YET_FINAL', hold(`wdr_${fresh()}`, b, 7n));
  await says('DEPOSIT_NOT_CREDITED', finalize(d), reverse(d, 2));
});

test('a later deposit repays the exposure first, and takes that back when it is reversed too', async () => {
  const [a, b, d1, d2] = [`cus_${fresh()}`, `cus_${fresh()}`, `dep_${fresh()}`, `dep_${fresh()}`];
  await says('applied', credit(d1, a, 50n), send(a, b, 50n), reverse(d1));
  assert.equal(await exposure(a), -50n);
  await says('applied', credit(d2, a, 70n));
  assert.equal(await exposure(a), 0n);
  assert.deepEqual(await parts(a), [0n, 20n, 0n]);
  await says('applied', reverse(d2));
  assert.equal(await exposure(a), -50n);
  assert.deepEqual(await parts(a), [0n, 0n, 0n]);
  await says('applied', credit(d2, a, 70n, 2), finalize(d2, 2));
  assert.equal(await exposure(a), 0n);
  assert.deepEqual(await parts(a), [20n, 0n, 0n]);
  assert.deepEqual(await lots(b), { [d1]: 50n });
});

test('mined again, a deposit repays its own exposure and frees the lots in other hands', async () => {
  const [a, b, d] = [`cus_${fresh()}`, `cus_${fresh()}`, `dep_${fresh()}`];
  await says('applied', credit(d, a, 50n), send(a, b, 30n), reverse(d), credit(d, a, 50n, 2));
  assert.equal(await exposure(a), 0n);
  assert.deepEqual(await parts(a), [0n, 20n, 0n]);
  await says('applied', finalize(d, 2));
  assert.deepEqual(await parts(a), [20n, 0n, 0n]);
  assert.deepEqual(await parts(b), [30n, 0n, 0n]);
});

test('written off, the house pays for the lots in other hands and the depositor’s own make up for him', async () => {
  const [a, b, d] = [`cus_${fresh()}`, `cus_${fresh()}`, `dep_${fresh()}`];
  const writeOff = writeOffDeposit({ deposit: d });
  await says('DEPOSIT_NOT_CREDITED', writeOff);
  await says('applied', credit(d, a, 50n), send(a, b, 50n));
  await says('DEPOSIT_NOT_REVERSED', writeOff);
  await says('applied', reverse(d), send(b, a, 10n));
  const houseBefore = await balance({ kind: 'house' });
  await says('applied', writeOff);
  assert.equal(await exposure(a), 0n);
  assert.equal(await balance({ kind: 'house' }), houseBefore - 40n);
  assert.deepEqual(await parts(a), [0n, 0n, 0n]);
  assert.deepEqual(await parts(b), [40n, 0n, 0n]);
  await says('duplicate', writeOff);
  await says('DEPOSIT_WRITTEN_OFF', credit(d, a, 50n, 2));
});

test('the house pays nothing for what the depositor has paid himself', async () => {
  const a = await funded(50n);
  const [b, d] = [`cus_${fresh()}`, `dep_${fresh()}`];
  await says('applied', credit(d, a, 50n), send(a, b, 80n), reverse(d));
  assert.deepEqual(await parts(a), [0n, 0n, 0n]);
  assert.equal(await exposure(a), -30n);
  const payer = await funded(30n);
  const again = `dep_${fresh()}`;
  await says('applied', send(payer, a, 30n), credit(again, a, 30n), finalize(again));
  assert.equal(await exposure(a), 0n);
  const houseBefore = await balance({ kind: 'house' });
  await says('applied', writeOffDeposit({ deposit: d }));
  assert.equal(await balance({ kind: 'house' }), houseBefore);
  assert.deepEqual(await parts(b), [80n, 0n, 0n]);
});

test('an irreversible deposit is never reversed, and no deposit stands twice', async () => {
  const [a, d] = [`cus_${fresh()}`, `dep_${fresh()}`];
  await says('applied', credit(d, a, 50n));
  await says('DEPOSIT_ALREADY_CREDITED', credit(d, a, 50n, 2));
  await says('DEPOSIT_CHANGED', credit(d, a, 51n, 2), credit(d, `${a}x`, 50n, 2));
  await says('DEPOSIT_NOT_CREDITED', finalize(d, 2), reverse(d, 2));
  await says('applied', finalize(d));
  await says('DEPOSIT_FINAL', reverse(d));
  await says('DEPOSIT_ALREADY_CREDITED', credit(d, a, 50n, 2));
});

test('what happens on chain beside customers is booked', async () => {
  const net = `net${fresh()}`;
  const at = (kind: AccountRef['kind']) => balance({ kind, network: net });
  const [house, suspense] = [await balance({ kind: 'house' }), await balance({ kind: 'suspense' })];
  const fact = { network: net, asset };
  await says(
    'applied',
    recordHouseFunding({ ...fact, key: fresh(), units: 100n, into: 'gas' }),
    recordNetworkCost({ ...fact, key: fresh(), units: 7n, paidFrom: 'gas' }),
    recordStray({ ...fact, key: fresh(), units: 20n, into: 'unswept' }),
    recordSweep({ ...fact, key: fresh(), units: 15n }),
    recordColdMove({ ...fact, key: fresh(), units: 12n, direction: 'hot_to_cold' }),
    recordColdMove({ ...fact, key: fresh(), units: 2n, direction: 'cold_to_hot' }),
  );
  assert.deepEqual(
    [await at('gas'), await at('network-costs'), await at('unswept'), await at('hot'), await at('cold')],
    [-93n, -7n, -5n, -5n, -10n],
  );
  assert.equal(await balance({ kind: 'house' }), house + 100n);
  assert.equal(await balance({ kind: 'suspense' }), suspense + 20n);
  const a = `cus_${fresh()}`;
  await says(
    ['applied', 'applied', 'INSUFFICIENT_FUNDS'],
    resolveStray({ key: fresh(), asset, units: 12n, to: { customer: a } }),
    resolveStray({ key: fresh(), asset, units: 8n, to: 'house' }),
    resolveStray({ key: fresh(), asset, units: suspense + 1n, to: 'house' }),
  );
  assert.deepEqual(await parts(a), [12n, 0n, 0n]);
  const sums = new Map<string, bigint>();
  for (const line of await trialBalance(reader))
    sums.set(line.asset, (sums.get(line.asset) ?? 0n) + line.balance);
  assert.deepEqual([...sums.values()], [0n]);
});

test('inside a batch: order counts, one bad posting fails alone, a duplicate answers like one', async () => {
  const a = await funded(10n);
  const [b, c] = [`cus_${fresh()}`, `cus_${fresh()}`];
  const first = send(a, b, 4n);
  await says(
    ['INSUFFICIENT_FUNDS', 'applied', 'duplicate', 'KEY_REUSED', 'applied', 'INSUFFICIENT_FUNDS'],
    send(b, c, 1n),
    first,
    first,
    { ...first, movements: [{ from: a, to: b, asset, units: 5n }] },
    send(b, c, 4n),
    send(b, c, 1n),
  );
  const elsewhere = { ...first, movements: [{ from: a, to: c, asset, units: 4n }] };
  await says(['duplicate', 'KEY_REUSED'], first, elsewhere);
  const [once, twice, later] = await apply(send(a, b, 1n), first, first);
  assert.ok(once?.status === 'applied' && twice?.status === 'duplicate' && later?.status === 'duplicate');
  assert.ok(twice.posting < once.posting && twice.posting === later.posting);
  assert.deepEqual(await parts(a), [5n, 0n, 0n]);
});

test('a refused posting leaves nothing: no key, no account', async () => {
  const [a, b] = [`cus_${fresh()}`, `cus_${fresh()}`];
  const count = () =>
    reader.query('select (select count(*) from account), (select count(*) from posting) as postings', []);
  const before = await count();
  const refused = send(a, b, 1n);
  await says('INSUFFICIENT_FUNDS', refused);
  assert.deepEqual(await count(), before);
  const d = `dep_${fresh()}`;
  await says('applied', credit(d, a, 1n), refused);
});

test('bad input is refused with a code and disturbs no neighbour', async () => {
  const a = await funded(10n);
  const b = `cus_${fresh()}`;
  await says(
    ['MALFORMED', 'MALFORMED', 'MALFORMED', 'MALFORMED', 'MALFORMED', 'applied'],
    send(a, '', 1n),
    send(a, 'zero\0byte', 1n),
    send(a, 'x'.repeat(201), 1n),
    credit(`dep_${fresh()}`, b, 1n, 0),
    resolveStray({ key: fresh(), asset, units: 1n, to: { customer: 'ö' } }),
    send(a, b, 1n),
  );
  await says('SAME_ACCOUNT', send(a, a, 1n));
  await says('UNITS_OUT_OF_RANGE', send(a, b, 0n), send(a, b, -1n), send(a, b, 2n ** 256n));
  const whale = `cus_${fresh()}`;
  const most = 2n ** 256n - 1n;
  const huge = { asset: 'HUGE', network, customer: whale, into: 'hot', units: most, incarnation: 1 } as const;
  const outcomes = statuses(
    await apply(...Array.from({ length: 10 }, () => creditDeposit({ ...huge, deposit: `dep_${fresh()}` }))),
  );
  assert.equal(outcomes.filter((status) => status === 'applied').length, 8);
  assert.equal(outcomes.at(-1), 'UNITS_OUT_OF_RANGE');
  assert.equal((await balancesOf(reader, whale))[0]?.total, 8n * most);
});

test('the caller’s rows and the books change together, or not at all', async () => {
  const [a, b] = [await funded(10n), `cus_${fresh()}`];
  const client = await pool.connect();
  await client.query('begin');
  assert.deepEqual(statuses(await applyPostings(executorOfClient(client), [send(a, b, 10n)])), ['applied']);
  await client.query('rollback');
  client.release();
  assert.deepEqual(await parts(a), [10n, 0n, 0n]);
  assert.deepEqual(await balancesOf(reader, b), []);
  await says('applied', send(a, b, 10n));
});

test('a lane answers each caller, drains on stop, and refuses afterwards', async () => {
  const a = await funded(10n);
  const lane = startLedgerLane(pool, { batchMax: 3, queueMax: 12 });
  const receivers = Array.from({ length: 12 }, () => `cus_${fresh()}`);
  const answers = receivers.map((b) => lane.submit(send(a, b, 1n)));
  await assert.rejects(lane.submit(send(a, 'cus_x', 1n)), { code: 'LEDGER_OVERLOADED', retryable: true });
  const stopping = lane.stop();
  await assert.rejects(lane.submit(send(a, 'cus_x', 1n)), { code: 'LEDGER_STOPPED', retryable: false });
  const outcomes = statuses(await Promise.all(answers));
  await stopping;
  assert.deepEqual(outcomes, [
    ...Array.from({ length: 10 }, () => 'applied'),
    ...Array.from({ length: 2 }, () => 'INSUFFICIENT_FUNDS'),
  ]);
  assert.deepEqual(await problems(), []);
});
