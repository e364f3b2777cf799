// Proves that random postings, however batched, do what a simple model in memory says, and that the audit stays empty.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { testDatabase } from '../../world/testing.ts';
import { executorOfClient, openPool } from '../db/db.ts';
import {
  applyPostings,
  auditLedger,
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
  type Movement,
  voidHold,
  writeOffDeposit,
  type Posting,
  type PostingOutcome,
} from './ledger.ts';

const database = await testDatabase({ after });
const pool = openPool(database.url, 4);
after(() => pool.end());

interface ModelAccount {
  final: bigint;
  held: bigint;
  /** In order of arrival; what arrived by one posting in order of the deposits' names. */
  lots: { deposit: string; units: bigint; since: number }[];
}

interface ModelDeposit {
  said: string;
  customer: string;
  asset: string;
  into: string;
  units: bigint;
  incarnation: number;
  state: string;
}

/** The books as plainly as they can be said: no plan, no version, no batch. */
class Model {
  readonly accounts = new Map<string, ModelAccount>();
  readonly deposits = new Map<string, ModelDeposit>();
  readonly holds = new Map<string, { account: string; asset: string; units: bigint; state: string }>();
  readonly keys = new Map<string, string>();
  clock = 0;

  account(name: string): ModelAccount {
    const account = this.accounts.get(name) ?? { final: 0n, held: 0n, lots: [] };
    this.accounts.set(name, account);
    return account;
  }

  provisional(name: string): bigint {
    return this.account(name).lots.reduce((sum, lot) => sum + lot.units, 0n);
  }

  balance(name: string): bigint {
    return this.account(name).final + this.provisional(name);
  }

  free(name: string): bigint {
    return this.account(name).final - this.account(name).held;
  }

  lot(name: string, deposit: string): bigint {
    return this.account(name).lots.find((lot) => lot.deposit === deposit)?.units ?? 0n;
  }

  addLot(name: string, deposit: string, units: bigint): void {
    if (units === 0n) return;
    const account = this.account(name);
    const lot = account.lots.find((candidate) => candidate.deposit === deposit);
    if (lot) lot.units += units;
    else account.lots.push({ deposit, units, since: this.clock });
    account.lots = account.lots.filter((candidate) => candidate.units > 0n);
    account.lots.sort((x, y) => x.since - y.since || (x.deposit < y.deposit ? -1 : 1));
  }

  apply(posting: Posting): string {
    const said = JSON.stringify(posting, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    const before = this.keys.get(posting.key);
    if (before !== undefined) return before === said ? 'duplicate' : 'KEY_REUSED';
    this.clock += 1;
    const reason = this.post(posting);
    if (reason) return reason;
    this.keys.set(posting.key, said);
    return 'applied';
  }

  move(debit: string, credit: string, units: bigint): void {
    this.account(debit).final -= units;
    this.account(credit).final += units;
  }

  post(p: Posting): string | undefined {
    switch (p.kind) {
      case 'credit_deposit':
        return this.credit(p);
      case 'finalize_deposit': {
        const deposit = this.deposits.get(p.deposit);
        if (deposit?.incarnation !== p.incarnation) return 'DEPOSIT_NOT_CREDITED';
        if (deposit.state === 'final') return 'DEPOSIT_FINAL';
        if (deposit.state !== 'credited') return 'DEPOSIT_NOT_CREDITED';
        this.free4all(p.deposit);
        deposit.state = 'final';
        return undefined;
      }
      case 'reverse_deposit':
        return this.reverse(p.deposit, p.incarnation);
      case 'write_off_deposit':
        return this.writeOff(p.deposit);
      case 'transfer': {
        const before = structuredClone([...this.accounts]);
        for (const movement of p.movements) {
          const reason = this.pass(movement);
          if (reason === undefined) continue;
          this.accounts.clear();
          for (const [name, account] of before) this.accounts.set(name, account);
          return reason;
        }
        return undefined;
      }
      case 'hold_withdrawal': {
        const name = `customer ${p.asset} ${p.customer}`;
        if (this.free(name) + this.provisional(name) < p.units) return 'INSUFFICIENT_FUNDS';
        if (this.free(name) < p.units) return 'NOT_YET_FINAL';
        this.account(name).held += p.units;
        this.holds.set(p.withdrawal, { account: name, asset: p.asset, units: p.units, state: 'pending' });
        return undefined;
      }
      case 'void_hold':
      case 'settle_withdrawal': {
        const hold = this.holds.get(p.withdrawal);
        if (!hold) return 'UNKNOWN_HOLD';
        if (hold.state !== 'pending') return 'HOLD_NOT_PENDING';
        if (p.kind === 'settle_withdrawal') {
          if (p.amount + p.fee > hold.units) return 'HOLD_EXCEEDED';
          this.move(hold.account, `hot ${hold.asset} ${p.network}`, p.amount);
          this.move(hold.account, `fees ${hold.asset}`, p.fee);
        }
        this.account(hold.account).held -= hold.units;
        hold.state = 'done';
        return undefined;
      }
      case 'resolve_stray': {
        if (this.balance(`suspense ${p.asset}`) < p.units) return 'INSUFFICIENT_FUNDS';
        const to = p.to === 'house' ? `house ${p.asset}` : `customer ${p.asset} ${p.to.customer}`;
        this.move(`suspense ${p.asset}`, to, p.units);
        return undefined;
      }
      case 'record_network_cost':
        this.move(`network-costs ${p.asset} ${p.network}`, `${p.paidFrom} ${p.asset} ${p.network}`, p.units);
        return undefined;
      case 'record_sweep':
        this.move(`hot ${p.asset} ${p.network}`, `unswept ${p.asset} ${p.network}`, p.units);
        return undefined;
      case 'record_stray':
        this.move(`${p.into} ${p.asset} ${p.network}`, `suspense ${p.asset}`, p.units);
        return undefined;
      case 'record_house_funding':
        this.move(`${p.into} ${p.asset} ${p.network}`, `house ${p.asset}`, p.units);
        return undefined;
      case 'record_cold_move': {
        const kind = p.direction === 'cold_to_gas' ? 'gas' : 'hot';
        const [other, cold] = [`${kind} ${p.asset} ${p.network}`, `cold ${p.asset} ${p.network}`];
        if (p.direction === 'hot_to_cold') this.move(cold, other, p.units);
        else this.move(other, cold, p.units);
        return undefined;
      }
      default:
        return p satisfies never;
    }
  }

  pass(movement: Movement): string | undefined {
    const { asset, units: wanted } = movement;
    if (movement.from === movement.to) return 'SAME_ACCOUNT';
    const [from, to] = [`customer ${asset} ${movement.from}`, `customer ${asset} ${movement.to}`];
    if (this.free(from) + this.provisional(from) < wanted) return 'INSUFFICIENT_FUNDS';
    let left = wanted;
    const final = left < this.free(from) ? left : this.free(from);
    this.move(from, to, final);
    left -= final;
    for (const lot of this.account(from).lots) {
      const units = left < lot.units ? left : lot.units;
      this.addLot(from, lot.deposit, -units);
      this.addLot(to, lot.deposit, units);
      left -= units;
    }
    return undefined;
  }

  credit(p: Extract<Posting, { kind: 'credit_deposit' }>): string | undefined {
    const said = `${p.customer} ${p.asset} ${p.network} ${p.into} ${p.units}`;
    const before = this.deposits.get(p.deposit);
    if (before && before.said !== said) return 'DEPOSIT_CHANGED';
    if (before?.state === 'written_off') return 'DEPOSIT_WRITTEN_OFF';
    if (before && (before.state !== 'reversed' || before.incarnation >= p.incarnation))
      return 'DEPOSIT_ALREADY_CREDITED';
    const { customer, asset, units, incarnation } = p;
    const into = `${p.into} ${asset} ${p.network}`;
    const owed = -this.balance(`exposure ${asset} ${customer}`);
    const repaid = owed < units ? owed : units;
    this.account(into).final -= units;
    this.addLot(`exposure ${asset} ${customer}`, p.deposit, repaid);
    this.addLot(`customer ${asset} ${customer}`, p.deposit, units - repaid);
    this.deposits.set(p.deposit, { said, customer, asset, into, units, incarnation, state: 'credited' });
    return undefined;
  }

  reverse(id: string, incarnation: number): string | undefined {
    const deposit = this.deposits.get(id);
    if (deposit?.incarnation !== incarnation) return 'DEPOSIT_NOT_CREDITED';
    if (deposit.state === 'final') return 'DEPOSIT_FINAL';
    if (deposit.state !== 'credited') return 'DEPOSIT_NOT_CREDITED';
    const own = `customer ${deposit.asset} ${deposit.customer}`;
    const exposure = `exposure ${deposit.asset} ${deposit.customer}`;
    let missing = deposit.units;
    this.account(deposit.into).final += deposit.units;
    const takeLot = (name: string, lot: string): void => {
      const units = this.lot(name, lot) < missing ? this.lot(name, lot) : missing;
      this.addLot(name, lot, -units);
      missing -= units;
    };
    takeLot(exposure, id);
    takeLot(own, id);
    const final = this.free(own) < missing ? this.free(own) : missing;
    this.account(own).final -= final;
    missing -= final;
    for (const lot of this.account(own).lots) takeLot(own, lot.deposit);
    this.account(exposure).final -= missing;
    deposit.state = 'reversed';
    return undefined;
  }

  writeOff(id: string): string | undefined {
    const deposit = this.deposits.get(id);
    if (!deposit) return 'DEPOSIT_NOT_CREDITED';
    if (deposit.state === 'written_off') return 'DEPOSIT_WRITTEN_OFF';
    if (deposit.state !== 'reversed') return 'DEPOSIT_NOT_REVERSED';
    const own = `customer ${deposit.asset} ${deposit.customer}`;
    const exposure = `exposure ${deposit.asset} ${deposit.customer}`;
    let owed = -this.balance(exposure);
    const others = [...this.accounts.keys()].filter((name) => name !== own);
    const outside = others.reduce((sum, name) => sum + this.lot(name, id), 0n);
    const back = this.lot(own, id) < owed ? this.lot(own, id) : owed;
    this.addLot(own, id, -back);
    this.account(exposure).final += back;
    owed -= back;
    this.move(`house ${deposit.asset}`, exposure, outside < owed ? outside : owed);
    this.free4all(id);
    deposit.state = 'written_off';
    return undefined;
  }

  /** All lots of a deposit become final. */
  free4all(deposit: string): void {
    for (const name of this.accounts.keys()) {
      const units = this.lot(name, deposit);
      this.addLot(name, deposit, -units);
      this.account(name).final += units;
    }
  }

  /** Everything that is not zero, as lines of text. */
  lines(): string[] {
    return [...this.accounts]
      .map(([name, { final, held, lots }]) => {
        const text = lots.map((lot) => `${lot.deposit}=${lot.units}`).toSorted();
        return `${name}: ${final} ${held} ${text.join(' ')}`.trim();
      })
      .filter((line) => !line.endsWith(': 0 0'))
      .toSorted();
  }
}

async function booksLines(asset: string): Promise<string[]> {
  const { rows } = await pool.query<{ line: string }>(
    `select trim(concat_ws(' ', kind, asset, network, customer) || ': ' || final || ' ' || held || ' ' ||
            coalesce((select string_agg(deposit || '=' || units, ' ' order by deposit collate "C") from lot where account_id = a.id), '')) as line
       from account a where asset like $1 and (final <> 0 or provisional <> 0 or held <> 0)`,
    [`${asset}%`],
  );
  return rows.map((row) => row.line).toSorted();
}

/** Postings over a small world, in which everything meets everything. `run` keeps runs apart in one database. */
function arbitraryPosting(run: string): fc.Arbitrary<Posting> {
  const customer = fc.constantFrom('a', 'b', 'c').map((name) => `cus_${name}${run}`);
  const asset = fc.constantFrom(run, run, run, `${run}x`);
  const network = fc.constantFrom('n1', 'n2');
  const units = fc.bigInt(1n, 40n);
  const key = fc.nat(60).map((n) => `${n}${run}`);
  const deposit = fc.nat(4).map((n) => `dep_${n}${run}`);
  const withdrawal = fc.nat(5).map((n) => `wdr_${n}${run}`);
  const incarnation = fc.constantFrom(1, 1, 2, 3);
  const into = fc.constantFrom('hot', 'unswept');
  /** A deposit is nearly always the same one. */
  const sameDeposit = fc.tuple(fc.nat(4), incarnation).map(([n, i]) => ({
    deposit: `dep_${n}${run}`,
    incarnation: i,
    customer: `cus_${['a', 'b', 'c'][n % 3] ?? 'a'}${run}`,
    asset: run,
    network: 'n1',
    into: 'hot' as const,
    units: BigInt(10 + 7 * n),
  }));
  const to = fc.oneof(
    fc.constant('house' as const),
    customer.map((id) => ({ customer: id })),
  );
  const paidFrom = fc.constantFrom('hot', 'gas', 'unswept');
  const direction = fc.constantFrom('hot_to_cold', 'cold_to_hot', 'cold_to_gas');
  const rec = fc.record;
  const movement = rec({ from: customer, to: customer, asset, units });
  return fc.oneof(
    { weight: 6, arbitrary: sameDeposit.map(creditDeposit) },
    {
      weight: 1,
      arbitrary: rec({ deposit, incarnation, customer, asset, network, into, units }).map(creditDeposit),
    },
    { weight: 3, arbitrary: rec({ deposit, incarnation }).map(finalizeDeposit) },
    { weight: 4, arbitrary: rec({ deposit, incarnation }).map(reverseDeposit) },
    { weight: 3, arbitrary: rec({ deposit }).map(writeOffDeposit) },
    {
      weight: 8,
      arbitrary: rec({ transfer: key, movements: fc.tuple(movement) }).map(transfer),
    },
    {
      weight: 3,
      arbitrary: rec({
        transfer: key,
        movements: fc.array(movement, { minLength: 2, maxLength: 5 }),
      }).map(transfer),
    },
    { weight: 5, arbitrary: rec({ withdrawal, customer, asset, units }).map(holdWithdrawal) },
    { weight: 3, arbitrary: rec({ withdrawal }).map(voidHold) },
    {
      weight: 5,
      arbitrary: rec({ withdrawal, network, amount: fc.bigInt(1n, 20n), fee: fc.bigInt(0n, 3n) }).map(
        settleWithdrawal,
      ),
    },
    { weight: 1, arbitrary: rec({ key, network, asset, units, paidFrom }).map(recordNetworkCost) },
    { weight: 1, arbitrary: rec({ key, network, asset, units }).map(recordSweep) },
    { weight: 1, arbitrary: rec({ key, network, asset, units, into }).map(recordStray) },
    { weight: 2, arbitrary: rec({ key, asset, units, to }).map(resolveStray) },
    {
      weight: 1,
      arbitrary: rec({ key, network, asset, units, into: fc.constantFrom('hot', 'gas', 'cold') }).map(
        recordHouseFunding,
      ),
    },
    { weight: 1, arbitrary: rec({ key, network, asset, units, direction }).map(recordColdMove) },
  );
}

/** Mostly one posting; sometimes a whole life that single ones seldom make by chance, in the same small world. */
function arbitraryStory(run: string): fc.Arbitrary<Posting[]> {
  const asset = run;
  const network = 'n1';
  const customer = fc.constantFrom('a', 'b', 'c').map((name) => `cus_${name}${run}`);
  const id = fc.nat(99).map((n) => `s${n}${run}`);
  const hold = fc
    .tuple(id, customer, fc.bigInt(1n, 20n))
    .map(([key, holder, amount]): Posting[] => [
      recordStray({ key, asset, network, units: 25n, into: 'hot' }),
      resolveStray({ key, asset, units: 25n, to: { customer: holder } }),
      holdWithdrawal({ withdrawal: `wdr_${key}`, customer: holder, asset, units: 12n }),
      settleWithdrawal({ withdrawal: `wdr_${key}`, network, amount, fee: 1n }),
    ]);
  const deposit = fc.tuple(id, customer).map(([key, depositor]): Posting[] => {
    const credit = (incarnation: number) =>
      creditDeposit({
        deposit: `dep_${key}`,
        incarnation,
        customer: depositor,
        asset,
        network,
        into: 'hot',
        units: 9n,
      });
    return [
      credit(1),
      reverseDeposit({ deposit: `dep_${key}`, incarnation: 1 }),
      writeOffDeposit({ deposit: `dep_${key}` }),
      credit(2),
    ];
  });
  return fc.oneof(
    { weight: 60, arbitrary: arbitraryPosting(run).map((posting) => [posting]) },
    { weight: 1, arbitrary: hold },
    { weight: 1, arbitrary: deposit },
  );
}

async function inOwnTransaction(postings: Posting[]): Promise<PostingOutcome[]> {
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

test('random postings in random batches do what the model says', async () => {
  const seen = new Map<string, number>();
  const lane = startLedgerLane(pool, { batchMax: 7 });
  let runs = 0;
  const batches = fc.array(fc.record({ size: fc.integer({ min: 1, max: 20 }), byLane: fc.boolean() }), {
    minLength: 80,
    maxLength: 80,
  });
  // One in eight is said again.
  const said = fc.tuple(arbitraryStory('@'), fc.nat(7), fc.nat());
  const postings = fc.array(said, { minLength: 20, maxLength: 150, size: 'max' });
  await fc.assert(
    fc.asyncProperty(postings, batches, async (stories, splits) => {
      const general = stories.flatMap(([story, ...rest]) =>
        story.map((posting) => [posting, ...rest] as const),
      );
      const run = `R${(runs += 1)}_`;
      const first = general.map(
        ([posting]) =>
          JSON.parse(
            JSON.stringify(posting, (_, value: unknown) => (typeof value === 'bigint' ? `#${value}` : value)),
            (_, value: unknown) => {
              if (typeof value !== 'string') return value;
              return value.startsWith('#') ? BigInt(value.slice(1)) : value.replaceAll('@', run);
            },
          ) as Posting,
      );
      const all = general.map(([, again, which], i) => first[again === 0 ? which % (i + 1) : i]!);
      const model = new Model();
      for (let at = 0, i = 0; at < all.length; i += 1) {
        const { size, byLane } = splits[i % splits.length]!;
        const batch = all.slice(at, at + size);
        at += size;
        const outcomes = byLane
          ? await Promise.all(batch.map((posting) => lane.submit(posting)))
          : await inOwnTransaction(batch);
        const got = outcomes.map((outcome) =>
          outcome.status === 'refused' ? outcome.reason : outcome.status,
        );
        const expected = batch.map((posting) => model.apply(posting));
        assert.deepEqual(got, expected);
        batch.forEach((posting, n) => {
          const what = `${posting.kind} ${expected[n]}`;
          seen.set(what, (seen.get(what) ?? 0) + 1);
        });
      }
      assert.deepEqual(await booksLines(run), model.lines());
      assert.deepEqual(
        await auditLedger({
          query: async (text, values) => (await pool.query(text, [...values])).rows as never[],
        }),
        [],
      );
    }),
    // Shrinking a failure against a database takes its time: a minute is enough to find a short one.
    { numRuns: 60, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
  await lane.stop();
  // The sequences reach every kind, and the rules that are hard to reach.
  for (const what of [
    'credit_deposit applied',
    'credit_deposit DEPOSIT_WRITTEN_OFF',
    'credit_deposit DEPOSIT_CHANGED',
    'credit_deposit DEPOSIT_ALREADY_CREDITED',
    'finalize_deposit applied',
    'reverse_deposit applied',
    'reverse_deposit DEPOSIT_FINAL',
    'write_off_deposit applied',
    'write_off_deposit DEPOSIT_NOT_REVERSED',
    'transfer applied',
    'transfer duplicate',
    'transfer KEY_REUSED',
    'transfer INSUFFICIENT_FUNDS',
    'hold_withdrawal applied',
    'hold_withdrawal NOT_YET_FINAL',
    'void_hold applied',
    'settle_withdrawal applied',
    'settle_withdrawal HOLD_EXCEEDED',
    'resolve_stray applied',
    'record_network_cost applied',
    'record_sweep applied',
    'record_stray applied',
    'record_house_funding applied',
    'record_cold_move applied',
  ]) {
    assert.ok((seen.get(what) ?? 0) > 0, `no run reached: ${what}`);
  }
});
