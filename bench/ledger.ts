/**
 * Measures the ledger on one real, durable PostgreSQL: ours through one lane against one transaction per transfer
 * with row locks (the peer), both on the same tables with the same constraints; and against inserting the same
 * journal rows with no balances kept (the limit). Every run is verified before its figure counts.
 *
 * `node bench/ledger.ts [--json] [--short]`
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Pool } from 'pg';
import { migrate } from '../core/db/migrate.ts';
import { openPool, type Executor } from '../core/db/db.ts';
import {
  auditLedger,
  recordStray,
  resolveStray,
  startLedgerLane,
  transfer,
  type LedgerLane,
  type Posting,
} from '../core/ledger/ledger.ts';
import { startPostgres } from '../world/parts/postgres.ts';
import { createLimitTables, insertOnly, peerTransfer } from './ledger-peers.ts';

export interface LedgerBenchOptions {
  /** Few accounts and short runs: a check that it works, no figures to quote. */
  readonly short: boolean;
}

export interface LedgerFigure {
  readonly what: 'peer' | 'lane' | 'limit';
  readonly load: 'uniform' | 'hot';
  /** Who each wait for their answer before they ask again; 0: postings arrive at a steady rate, answered or not. */
  readonly callers: number;
  /** The arrivals, where there are no callers. */
  readonly arrivalsPerSecond?: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refused: number;
  /** Against the peer at 16 connections on the same load. */
  readonly timesPeer: number;
  /** Against the limit on the same load. */
  readonly ofLimit: number;
}

const ASSET = 'BTC';
/** One transfer in so many asks for more than anybody has. */
const REFUSED_EVERY = 50;
const PEER_CONNECTIONS = 16;
/** What 256 waiting callers make for themselves is their number divided by the throughput; this is what users meet. */
const ARRIVALS_PER_SECOND = 5_000;

type Load = LedgerFigure['load'];
type Figure = Omit<LedgerFigure, 'timesPeer' | 'ofLimit'>;

interface Bench {
  readonly pool: Pool;
  readonly lane: LedgerLane;
  readonly customers: readonly string[];
  readonly ids: readonly bigint[];
  readonly runMs: number;
}

/** Runs all measurements; about a minute, or seconds when short. */
export async function benchLedger(options: LedgerBenchOptions): Promise<LedgerFigure[]> {
  const server = await startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '8GB' } });
  try {
    await migrate(server.url);
    const pool = openPool(server.url, PEER_CONNECTIONS + 2);
    try {
      const bench = await prepare(pool, options);
      const figures: Figure[] = [];
      for (const load of ['uniform', 'hot'] as const) {
        figures.push(await runPeer(bench, load));
        figures.push(await runLane(bench, load, 16));
        figures.push(await runLane(bench, load, 256));
        figures.push(await runArrivals(bench, load));
        figures.push(await runLimit(bench, load));
      }
      await bench.lane.stop();
      return figures.map((figure) => compare(figure, figures));
    } finally {
      await pool.end();
    }
  } finally {
    await server.stop();
  }
}

function compare(figure: Figure, all: readonly Figure[]): LedgerFigure {
  const rate = (what: Figure['what']): number =>
    all.find((other) => other.what === what && other.load === figure.load)?.perSecond ?? Number.NaN;
  return {
    ...figure,
    timesPeer: figure.perSecond / rate('peer'),
    ofLimit: figure.perSecond / rate('limit'),
  };
}

/** Customers with money, put there by the ledger's own postings. */
async function prepare(pool: Pool, { short }: LedgerBenchOptions): Promise<Bench> {
  const customers = Array.from({ length: short ? 2_000 : 100_000 }, (_, i) => `cus_${i}`);
  // As in production, the lane has known the accounts for a while.
  const lane = startLedgerLane(pool, { queueMax: customers.length + 2 });
  const stray = { asset: ASSET, units: 10n ** 9n } as const;
  const all = BigInt(customers.length) * stray.units;
  await lane.submit(recordStray({ key: 'all', asset: ASSET, network: 'bitcoin', units: all, into: 'hot' }));
  const outcomes = await Promise.all(
    customers.map((customer) => lane.submit(resolveStray({ ...stray, key: customer, to: { customer } }))),
  );
  assert.ok(outcomes.every((outcome) => outcome.status === 'applied'));
  await pool.query('vacuum analyze');
  const { rows } = await pool.query<{ id: bigint }>(
    `select id from account where kind = 'customer' order by substr(customer, 5)::int`,
  );
  return { pool, lane, customers, ids: rows.map((row) => row.id), runMs: short ? 400 : 4_000 };
}

interface Pick {
  readonly from: number;
  readonly to: number;
  readonly units: bigint;
}

/** Uniform: any two. Hot: customer 0 pays or is paid in every transfer. */
function picker(load: Load, accounts: number, seed: number): () => Pick {
  let state = seed;
  // Numerical Recipes' linear congruential generator: the same transfers in every run.
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let count = 0;
  return () => {
    count += 1;
    const units = count % REFUSED_EVERY === 0 ? 10n ** 30n : BigInt(1 + random(100));
    const a = load === 'hot' ? 0 : random(accounts);
    const b = (a + 1 + random(accounts - 1)) % accounts;
    return count % 2 === 0 ? { from: a, to: b, units } : { from: b, to: a, units };
  };
}

let runs = 0;

async function runLane(bench: Bench, load: Load, callers: number): Promise<Figure> {
  return drive(bench, { what: 'lane', load, callers, submit: byLane(bench) });
}

function byLane(bench: Bench): Drive['submit'] {
  const customer = (i: number): string => bench.customers[i] ?? '';
  return async (key, { from, to, units }) => {
    const movements = [{ from: customer(from), to: customer(to), asset: ASSET, units }];
    const posting: Posting = transfer({ transfer: key, movements });
    return (await bench.lane.submit(posting)).status === 'applied';
  };
}

/** Latency from when a posting was due, not from when a busy process got round to sending it. */
async function runArrivals(bench: Bench, load: Load): Promise<Figure> {
  const run = (runs += 1);
  const pick = picker(load, bench.customers.length, run);
  const submit = byLane(bench);
  const before = await postings(bench.pool);
  const latencies: number[] = [];
  const asked: Promise<void>[] = [];
  let [applied, refused] = [0, 0];
  const arrivals = Math.floor((ARRIVALS_PER_SECOND * bench.runMs * 1.25) / 1_000);
  const start = performance.now();
  const ask = async (n: number): Promise<void> => {
    const dueAt = start + (n * 1_000) / ARRIVALS_PER_SECOND;
    if (await submit(`${run}-${n}`, pick())) applied += 1;
    else refused += 1;
    if (n >= arrivals / 5) latencies.push(performance.now() - dueAt);
  };
  while (asked.length < arrivals) {
    const due = Math.min(arrivals, ((performance.now() - start) * ARRIVALS_PER_SECOND) / 1_000);
    while (asked.length < due) asked.push(ask(asked.length));
    await sleep(1);
  }
  await Promise.all(asked);
  const perSecond = (arrivals * 1_000) / (performance.now() - start);
  await verify(bench.pool, before + applied);
  const times = quantiles(latencies);
  return {
    what: 'lane',
    load,
    callers: 0,
    arrivalsPerSecond: ARRIVALS_PER_SECOND,
    perSecond,
    ...times,
    refused,
  };
}

function quantiles(latencies: readonly number[]): { readonly p50Ms: number; readonly p99Ms: number } {
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
  };
}

async function runPeer(bench: Bench, load: Load): Promise<Figure> {
  const submit = (key: string, pick: Pick): Promise<boolean> =>
    peerTransfer(bench.pool, {
      key,
      asset: ASSET,
      from: bench.ids[pick.from] ?? 0n,
      to: bench.ids[pick.to] ?? 0n,
      units: pick.units,
    });
  return drive(bench, { what: 'peer', load, callers: PEER_CONNECTIONS, submit });
}

interface Drive {
  readonly what: 'peer' | 'lane';
  readonly load: Load;
  readonly callers: number;
  readonly submit: (key: string, pick: Pick) => Promise<boolean>;
}

/** Callers that each wait for an answer before they ask again. Warmed up, then measured, then verified. */
async function drive(bench: Bench, { what, load, callers, submit }: Drive): Promise<Figure> {
  const run = (runs += 1);
  const pick = picker(load, bench.customers.length, run);
  const before = await postings(bench.pool);
  const latencies: number[] = [];
  let [next, applied, refused] = [0, 0, 0];
  const start = performance.now();
  const [measureAt, stopAt] = [start + bench.runMs / 4, start + bench.runMs * 1.25];
  const caller = async (): Promise<void> => {
    for (;;) {
      const askedAt = performance.now();
      if (askedAt >= stopAt) return;
      const ok = await submit(`${run}-${(next += 1)}`, pick());
      // Counted after the await: `n += await f()` would lose counts under concurrency.
      if (ok) applied += 1;
      else refused += 1;
      if (askedAt >= measureAt) latencies.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - measureAt) / 1_000;
  await verify(bench.pool, before + applied);
  assert.ok(refused >= Math.floor(next / REFUSED_EVERY), `${refused} of ${next} refused`);
  return { what, load, callers, perSecond: latencies.length / seconds, ...quantiles(latencies), refused };
}

async function postings(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ n: bigint }>('select count(*) as n from posting');
  return Number(rows[0]?.n ?? 0n);
}

async function verify(pool: Pool, expected: number): Promise<void> {
  assert.equal(await postings(pool), expected, 'as many postings as callers were told');
  const reader: Executor = {
    query: async <Row extends object>(text: string, values: readonly unknown[]) =>
      (await pool.query<Row>(text, [...values])).rows,
  };
  assert.deepEqual(await auditLedger(reader), []);
}

async function runLimit(bench: Bench, load: Load): Promise<Figure> {
  const pick = picker(load, bench.ids.length, 1);
  await createLimitTables(bench.pool);
  const latencies: number[] = [];
  const start = performance.now();
  let rows = 0;
  while (performance.now() < start + bench.runMs) {
    const askedAt = performance.now();
    const batch = Array.from({ length: 500 }, pick).map((one) => ({
      from: bench.ids[one.from] ?? 0n,
      to: bench.ids[one.to] ?? 0n,
      units: one.units,
    }));
    await insertOnly(bench.pool, { asset: ASSET, first: rows, batch });
    rows += batch.length;
    latencies.push(performance.now() - askedAt);
  }
  const perSecond = (rows * 1_000) / (performance.now() - start);
  return { what: 'limit', load, callers: 1, perSecond, ...quantiles(latencies), refused: 0 };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, short: { type: 'boolean' } } });
  const figures = await benchLedger({ short: values.short ?? false });
  process.stdout.write(table(figures));
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
}

function table(figures: readonly LedgerFigure[]): string {
  const head = ['load', 'what', 'callers', 'per second', 'p50 ms', 'p99 ms', 'x peer', 'of limit'];
  const lines = figures.map((figure) => [
    figure.load,
    figure.what,
    figure.arrivalsPerSecond === undefined ? String(figure.callers) : `${figure.arrivalsPerSecond}/s`,
    figure.perSecond.toFixed(0),
    figure.p50Ms.toFixed(1),
    figure.p99Ms.toFixed(1),
    figure.timesPeer.toFixed(1),
    figure.ofLimit.toFixed(2),
  ]);
  const rows = [head, ...lines].map((cells) => cells.map((cell) => cell.padStart(10)).join(' '));
  const legend = 'n/s: that many arrive a second, whether answered or not; latency from when each was due';
  return `${rows.join('\n')}\n${legend}\n${availableParallelism()} cores; the load runs on the same machine\n`;
}
