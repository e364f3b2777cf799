// Proves that many writers at once neither lose, double nor half-write a posting, also when PostgreSQL is killed.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { startPostgres } from '../../world/parts/postgres.ts';
import { testDatabase } from '../../world/testing.ts';
import { executorOfClient, openPool, type Executor } from '../db/db.ts';
import { migrate } from '../db/migrate.ts';
import {
  applyPostings,
  auditLedger,
  balancesOf,
  creditDeposit,
  finalizeDeposit,
  holdWithdrawal,
  LedgerError,
  recordStray,
  resolveStray,
  reverseDeposit,
  startLedgerLane,
  transfer,
  type Posting,
  type PostingOutcome,
} from './ledger.ts';

const database = await testDatabase({ after });
const pool = openPool(database.url, 12);
after(() => pool.end());

const asset = 'BTC';
const network = 'bitcoin';

function readerOf(of: Pool): Executor {
  return {
    query: async <Row extends object>(text: string, values: readonly unknown[]) =>
      (await of.query<Row>(text, [...values])).rows,
  };
}
const reader = readerOf(pool);

const credit = (deposit: string, customer: string, units: bigint) =>
  creditDeposit({ deposit, incarnation: 1, customer, asset, network, into: 'hot', units });
const send = (id: string, from: string, to: string, units: bigint) =>
  transfer({ transfer: id, movements: [{ from, to, asset, units }] });

/** As a worker does: its own transaction, and once more after a conflict. */
async function work(postings: Posting[]): Promise<PostingOutcome[]> {
  for (;;) {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const outcomes = await applyPostings(executorOfClient(client), postings);
      await client.query('commit');
      return outcomes;
    } catch (error) {
      await client.query('rollback');
      if (!(error instanceof LedgerError && error.code === 'LEDGER_CONFLICT')) throw error;
    } finally {
      client.release();
    }
  }
}

const count = (outcomes: PostingOutcome[], what: string): number =>
  outcomes.filter((outcome) => (outcome.status === 'refused' ? outcome.reason : outcome.status) === what)
    .length;

test('500 holds of one balance at once: exactly what it allows', async () => {
  await work([credit('dep_h', 'cus_h', 1_234n), finalizeDeposit({ deposit: 'dep_h', incarnation: 1 })]);
  const lanes = [startLedgerLane(pool), startLedgerLane(pool, { batchMax: 10 })];
  const holds = Array.from({ length: 500 }, (_, i) =>
    holdWithdrawal({ withdrawal: `wdr_h${i}`, customer: 'cus_h', asset, units: 10n }),
  );
  const outcomes = await Promise.all(
    holds.map((hold, i) => (i % 10 === 0 ? work([hold]).then(([one]) => one!) : lanes[i % 2]!.submit(hold))),
  );
  await Promise.all(lanes.map((lane) => lane.stop()));
  assert.equal(count(outcomes, 'applied'), 123);
  assert.equal(count(outcomes, 'INSUFFICIENT_FUNDS'), 377);
  assert.equal((await balancesOf(reader, 'cus_h'))[0]?.held, 1_230n);
  assert.deepEqual(await auditLedger(reader), []);
});

test('lanes and workers on the same accounts, which do not exist yet', async () => {
  const customers = Array.from({ length: 8 }, (_, i) => `cus_c${i}`);
  const lanes = [startLedgerLane(pool), startLedgerLane(pool)];
  const jobs: Promise<PostingOutcome>[] = [];
  for (let i = 0; i < 400; i += 1) {
    const [from, to] = [customers[i % 8]!, customers[(i * 5 + 3) % 8]!];
    const deposit = credit(`dep_c${i}`, from, 10n);
    jobs.push(i % 4 === 0 ? work([deposit]).then(([one]) => one!) : lanes[i % 2]!.submit(deposit));
    if (from !== to) jobs.push(lanes[(i + 1) % 2]!.submit(send(`c${i}`, from, to, 3n)));
  }
  await Promise.all(jobs);
  await Promise.all(lanes.map((lane) => lane.stop()));
  const balances = await Promise.all(customers.map((customer) => balancesOf(reader, customer)));
  assert.equal(
    balances.reduce((sum, [line]) => sum + (line?.total ?? 0n), 0n),
    4_000n,
  );
  assert.deepEqual(await auditLedger(reader), []);
});

test('one key from two lanes at once is applied once', async () => {
  const lanes = [startLedgerLane(pool), startLedgerLane(pool)];
  await work([credit('dep_k', 'cus_k', 1_000n)]);
  for (let i = 0; i < 40; i += 1) {
    const same = send(`k${i}`, 'cus_k', `cus_k${i}`, 1n);
    // The second says something else, of other accounts, so that no account lock orders the two.
    const other: Posting = recordStray({ key: 'x', asset, network, units: 1n, into: 'hot' });
    const outcomes = await Promise.all([
      lanes[0]!.submit(same),
      lanes[1]!.submit(same),
      lanes[0]!.submit({ ...other, key: `both${i}` }),
      lanes[1]!.submit({ ...other, key: `both${i}`, network: `n${i}`, asset: 'ETH' }),
    ]);
    assert.equal(count(outcomes.slice(0, 2), 'applied'), 1);
    assert.equal(count(outcomes.slice(0, 2), 'duplicate'), 1);
    assert.equal(count(outcomes.slice(2), 'applied'), 1);
    assert.equal(count(outcomes.slice(2), 'KEY_REUSED'), 1);
  }
  await Promise.all(lanes.map((lane) => lane.stop()));
  assert.deepEqual(await auditLedger(reader), []);
});

test('a worker that meets the same key half-way is told to try again', async () => {
  const [one, two] = [await pool.connect(), await pool.connect()];
  const at = (place: string) =>
    recordStray({ key: 'half-way', asset, network: place, units: 1n, into: 'cold' });
  await one.query('begin');
  await two.query('begin');
  // Suspense exists and would order the two by its lock, so the second goes by accounts of another asset.
  await applyPostings(executorOfClient(one), [at('n1')]);
  const second = assert.rejects(applyPostings(executorOfClient(two), [{ ...at('n2'), asset: 'ETC' }]), {
    name: 'LedgerError',
    code: 'LEDGER_CONFLICT',
    retryable: true,
  });
  await sleep(50);
  await one.query('commit');
  await second;
  await two.query('rollback');
  one.release();
  two.release();
  assert.deepEqual(await work([{ ...at('n2'), asset: 'ETC' }]), [
    { status: 'refused', reason: 'KEY_REUSED' },
  ]);
});

test('a deposit becomes final while its lots run from hand to hand', async () => {
  const lane = startLedgerLane(pool);
  const hands = Array.from({ length: 200 }, (_, i) => `cus_l${i}`);
  for (let round = 0; round < 15; round += 1) {
    const [deposit, gone] = [`dep_l${round}`, `dep_g${round}`];
    await work([credit(deposit, hands[0]!, 50n), credit(gone, hands[0]!, 50n)]);
    const passing = (async () => {
      for (let i = 0; i < 12; i += 1) {
        await lane.submit(send(`l${round}-${i}`, hands[i]!, hands[(i + 1 + round * 13) % 200]!, 40n));
        await lane.submit(send(`m${round}-${i}`, hands[(i + 1 + round * 13) % 200]!, hands[i + 1]!, 33n));
      }
    })();
    await sleep(round);
    const [final] = await work([finalizeDeposit({ deposit, incarnation: 1 })]);
    const [back] = await work([reverseDeposit({ deposit: gone, incarnation: 1 })]);
    await passing;
    assert.deepEqual([final?.status, back?.status], ['applied', 'applied']);
  }
  await lane.stop();
  assert.deepEqual(await auditLedger(reader), []);
  const { rows } = await pool.query(`select 1 from lot where deposit like 'dep_l%'`);
  assert.deepEqual(rows, []);
});

test('a batch that PostgreSQL refuses fails alone the posting at fault', async () => {
  const lane = startLedgerLane(pool);
  await work([recordStray({ key: 'p', asset, network, units: 100n, into: 'hot' })]);
  await pool.query(`alter table posting add constraint planted check (key <> 'resolve:bad')`);
  const answers = await Promise.allSettled(
    ['one', 'bad', 'two'].map((key) =>
      lane.submit(resolveStray({ key, asset, units: 1n, to: { customer: `cus_p${key}` } })),
    ),
  );
  await pool.query('alter table posting drop constraint planted');
  await lane.stop();
  assert.deepEqual(
    answers.map((answer) => answer.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(await auditLedger(reader), []);
});

test('PostgreSQL killed under load: every answer was true, no posting is half there, repeating is harmless', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-ledger-'));
  let server = await startPostgres({ folder });
  try {
    await migrate(server.url);
    const first = openPool(server.url, 4);
    const lane = startLedgerLane(first, { batchMax: 20 });
    await lane.submit(credit('dep_x', 'cus_x0', 1_000_000n));
    await lane.submit(finalizeDeposit({ deposit: 'dep_x', incarnation: 1 }));
    const sent: Posting[] = [];
    const told = new Map<string, bigint>();
    const callers = Array.from({ length: 24 }, async (_, caller) => {
      for (let i = 0; ; i += 1) {
        const posting = send(`x${caller}-${i}`, 'cus_x0', `cus_x${caller + 1}`, 1n);
        sent.push(posting);
        try {
          const outcome = await lane.submit(posting);
          assert.ok(outcome.status === 'applied');
          told.set(posting.key, outcome.posting);
        } catch (error) {
          assert.ok(error instanceof LedgerError && error.code === 'LEDGER_UNAVAILABLE', String(error));
          return;
        }
      }
    });
    await sleep(700);
    await server.kill();
    await Promise.all(callers);
    await lane.stop();
    await first.end();
    assert.ok(told.size > 50, `only ${told.size} before the kill`);

    server = await startPostgres({ folder });
    const second = openPool(server.url, 4);
    assert.deepEqual(await auditLedger(readerOf(second)), []);
    const again = startLedgerLane(second);
    const outcomes = await Promise.all(sent.map((posting) => again.submit(posting)));
    for (const [i, posting] of sent.entries()) {
      const outcome = outcomes[i];
      assert.ok(outcome && outcome.status !== 'refused');
      if (told.has(posting.key))
        assert.deepEqual(outcome, { status: 'duplicate', posting: told.get(posting.key) });
    }
    await again.stop();
    const left = (await balancesOf(readerOf(second), 'cus_x0'))[0]?.total;
    assert.equal(left, 1_000_000n - BigInt(sent.length));
    assert.deepEqual(await auditLedger(readerOf(second)), []);
    await second.end();
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
