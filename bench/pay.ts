/**
 * What a payment costs in time and on the chain: `node bench/pay.ts [--short] [--json]`. A whole local system of
 * real parts; orders wait behind a closed gate, the gate opens, and the clock stops when the last of them is given
 * to a node. In batches, and beside it in the same run the peer: every order in a transaction of its own.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parse, stringify } from 'smol-toml';
import type { Pool } from 'pg';
import { privateKeyToAccount } from 'viem/accounts';
import { newId, type Id } from '../lib/ids/ids.ts';
import { listingsOf, parseConfig, type Config } from '../core/config/config.ts';
import { setGate } from '../core/controls/controls.ts';
import { createCustomer, issueAddress } from '../core/customers/customers.ts';
import { executorOf, openDatabase, openPool, type Database } from '../core/db/db.ts';
import { auditLedger, balancesOf } from '../core/ledger/ledger.ts';
import { requestWithdrawal } from '../core/withdrawals/withdrawals.ts';
import { startSystem, type System } from '../world/system.ts';

export interface PayFigure {
  readonly asset: string;
  /** Orders that share a transaction, at most. */
  readonly batchOrdersMax: number;
  readonly orders: number;
  readonly transactions: number;
  /** From the opening of the gate until the last is broadcast. */
  readonly ordersPerSecond: number;
  /** Virtual bytes of Bitcoin, gas of an EVM network. */
  readonly chainCostPerOrder: number;
  readonly chainCostUnit: 'vB' | 'gas';
}

interface Bench {
  readonly system: System;
  readonly pool: Pool;
  readonly db: Database;
  readonly config: Config;
  readonly customer: Id<'customer'>;
}

const WITHIN_MS = 300_000;
let asked = 0;

export async function benchPay({ short }: { readonly short: boolean }): Promise<PayFigure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
  const system = await startSystem({ folder, pollMs: 50, stuckAfterMs: 3_600_000 });
  const pool = openPool(system.world.postgres.url, 8);
  try {
    // A relayer has at most 16 transactions on their way; no block comes while the clock runs.
    const singles = short ? 10 : 15;
    const batched = short ? 50 : 300;
    const config = parseConfig(readFileSync(system.world.configuration, 'utf8'));
    const db = openDatabase(pool);
    const customer = newId('customer', { nowMs: Date.now, randomBytes });
    await db
      .transaction()
      .execute((trx) => createCustomer(trx, { id: customer, externalId: 'bench', at: new Date() }));
    const bench: Bench = { system, pool, db, config, customer };
    // One coin for each single payment: change is spent again only once it is irreversible.
    await fund(bench, singles + 20);
    const figures: PayFigure[] = [];
    for (const asset of ['BTC', 'ETH'] as const) {
      figures.push(await measure(bench, { asset, orders: singles, batchOrdersMax: 1 }));
      figures.push(await measure(bench, { asset, orders: batched, batchOrdersMax: 100 }));
    }
    assert.deepEqual(await auditLedger(executorOf(db)), []);
    return figures;
  } finally {
    await pool.end();
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Coins of 1 BTC, and 1,000 ether in the vault, irreversible. */
async function fund(bench: Bench, coins: number): Promise<void> {
  const { system, db, config, customer } = bench;
  const address = async (kind: 'bitcoin' | 'evm') => {
    const network = config.networks.find((one) => one.kind === kind);
    assert.ok(network, kind);
    return (await issueAddress({ db, config, now: () => new Date() }, { customer, network })).address;
  };
  const bitcoin = await address('bitcoin');
  for (let i = 0; i < coins; i += 1) await system.bitcoind.send(bitcoin, 100_000_000n);
  const [anvil] = system.anvils.values();
  assert.ok(anvil, 'an EVM node');
  const [from, to] = [anvil.accounts[4]?.address, await address('evm')];
  const value = `0x${(1_000n * 10n ** 18n).toString(16)}`;
  await anvil.rpc('eth_sendTransaction', { from, to, value });
  const [vault] = config.networks.flatMap((one) => (one.kind === 'evm' ? [one.vault] : []));
  await until('funds', async () => {
    await system.miner.mine(1);
    const lines = await balancesOf(executorOf(db), customer);
    const free = (asset: string) => lines.find((line) => line.asset === asset)?.available ?? 0n;
    const swept = BigInt(await anvil.rpc<string>('eth_getBalance', vault, 'latest')) >= 1_000n * 10n ** 18n;
    return free('BTC') === BigInt(coins) * 100_000_000n && free('ETH') >= 1_000n * 10n ** 18n && swept;
  });
}

async function measure(
  bench: Bench,
  { asset, orders, batchOrdersMax }: { asset: 'BTC' | 'ETH'; orders: number; batchOrdersMax: number },
): Promise<PayFigure> {
  const { system, pool, db } = bench;
  await restartWith(system, batchOrdersMax);
  await gate(bench, asset, 'closed');
  const before = asked;
  await ask(bench, asset, orders);
  await gate(bench, asset, 'open');
  const start = performance.now();
  const sent = `select count(*)::int as n, count(distinct tx_id)::int as transactions from withdrawal
    where asset = $1 and external_id >= $2 and tx_id is not null and state in ('broadcast', 'confirming', 'settled')`;
  const sentNow = async () =>
    (await pool.query<{ n: number; transactions: number }>(sent, [asset, nameOf(before)])).rows[0];
  await until('all are sent', async () => (await sentNow())?.n === orders, 10);
  const seconds = (performance.now() - start) / 1000;
  const transactions = (await sentNow())?.transactions ?? 0;
  const settled = db.selectFrom('withdrawal').select('id').where('state', '<>', 'settled');
  await until('all are settled', async () => {
    await system.miner.mine(1);
    return (await settled.execute()).length === 0;
  });
  const chainCost = await costOf(bench, asset, before);
  return {
    asset,
    batchOrdersMax,
    orders,
    transactions,
    ordersPerSecond: orders / seconds,
    chainCostPerOrder: chainCost / orders,
    chainCostUnit: asset === 'BTC' ? 'vB' : 'gas',
  };
}

/** The pipeline is killed and comes back with the new configuration. */
async function restartWith(system: System, batchOrdersMax: number): Promise<void> {
  const path = system.world.configuration;
  const raw = parse(readFileSync(path, 'utf8')) as { networks: Record<string, unknown>[] };
  const networks = raw.networks.map((network) => ({ ...network, batchOrdersMax, batchWaitMs: 0 }));
  writeFileSync(path, stringify({ ...raw, networks }));
  const pipeline = system.processes.find(({ name }) => name === 'pipeline');
  assert.ok(pipeline, 'a pipeline');
  const old = pipeline.pid();
  pipeline.kill();
  await until('the new pipeline', async () => pipeline.pid() !== undefined && pipeline.pid() !== old);
  await sleep(3_000);
}

async function gate(bench: Bench, asset: string, state: 'open' | 'closed'): Promise<void> {
  for (const { network } of listingsOf(bench.config).filter((one) => one.asset.id === asset)) {
    const row = {
      asset,
      network: network.id,
      direction: 'withdrawals',
      state,
      reason: 'bench',
      since: new Date(),
    } as const;
    await bench.db.transaction().execute((trx) => setGate(trx, row));
  }
}

const nameOf = (n: number): string => `bench-${String(n).padStart(8, '0')}`;

async function ask({ db, config, customer, system }: Bench, asset: string, orders: number): Promise<void> {
  const listing = listingsOf(config).find((one) => one.asset.id === asset);
  assert.ok(listing, asset);
  const deps = { db, config, now: () => new Date(), randomBytes };
  for (let i = 0; i < orders; i += 1) {
    const destination =
      asset === 'BTC'
        ? await system.bitcoind.walletRpc<string>(
            (await system.bitcoind.rpc<string[]>('listwallets'))[0] ?? '',
            'getnewaddress',
          )
        : privateKeyToAccount(`0x${randomBytes(32).toString('hex')}`).address;
    const externalId = nameOf(asked);
    asked += 1;
    const result = await requestWithdrawal(deps, {
      customer,
      listing,
      destination,
      amount: '0.01',
      externalId,
    });
    assert.ok(result.ok, result.ok ? '' : result.reason);
  }
}

async function costOf({ pool, system }: Bench, asset: string, before: number): Promise<number> {
  const { rows } = await pool.query<{ tx_id: string }>(
    'select distinct tx_id from withdrawal where asset = $1 and external_id >= $2',
    [asset, nameOf(before)],
  );
  const [anvil] = system.anvils.values();
  let total = 0;
  for (const { tx_id: txId } of rows) {
    if (asset === 'BTC') {
      const hash = await blockOf(pool, txId);
      total += (await system.bitcoind.rpc<{ vsize: number }>('getrawtransaction', txId, true, hash)).vsize;
    } else if (anvil) {
      total += Number((await anvil.rpc<{ gasUsed: string }>('eth_getTransactionReceipt', txId)).gasUsed);
    }
  }
  return total;
}

async function blockOf(pool: Pool, txId: string): Promise<string> {
  const { rows } = await pool.query<{ hash: string }>(
    'select spent_block_hash as hash from bitcoin_coin where spent_tx_id = $1 limit 1',
    [txId],
  );
  return rows[0]?.hash ?? '';
}

async function until(what: string, holds: () => Promise<boolean>, everyMs = 150): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `in time: ${what}`);
    await sleep(everyMs);
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, short: { type: 'boolean' } } });
  const figures = await benchPay({ short: values.short ?? false });
  const head = ['asset', 'batch', 'orders', 'txs', 'orders/s', 'cost/order', 'unit'];
  const lines = figures.map((figure) => [
    figure.asset,
    figure.batchOrdersMax === 1 ? 'one by one' : `to ${figure.batchOrdersMax}`,
    String(figure.orders),
    String(figure.transactions),
    figure.ordersPerSecond.toFixed(1),
    figure.chainCostPerOrder.toFixed(1),
    figure.chainCostUnit,
  ]);
  const rows = [head, ...lines].map((cells) => cells.map((cell) => cell.padStart(11)).join(' '));
  process.stdout.write(`${rows.join('\n')}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
}
