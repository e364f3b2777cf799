import { Gauge, Histogram, Registry } from 'prom-client';
import { sql } from 'kysely';
import { formatAmount } from '../../lib/money/money.ts';
import { relayWaits } from '../chain/evm/evm.ts';
import { executorOf } from '../db/db.ts';
import { trialBalance } from '../ledger/ledger.ts';
import type { HttpDeps } from './deps.ts';
import type { Server } from './server.ts';

export interface RequestMetrics {
  readonly registry: Registry;
}

/** Counts requests and how long they took, by route and never by URL: an id is no label. */
export function observeRequests(app: Server): RequestMetrics {
  const registry = new Registry();
  const seconds = new Histogram({
    name: 'portcullis_http_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const labels = { method: request.method, route, status: String(reply.statusCode) };
    seconds.observe(labels, reply.elapsedTime / 1000);
  });
  return { registry };
}

/**
 * Prometheus text, read from the database at the moment of the scrape. Gauges are floats: for plots, never for
 * reconciliation. No customer and no address is a label.
 */
export async function renderMetrics(deps: HttpDeps, requests: RequestMetrics): Promise<string> {
  const registry = new Registry();
  await Promise.all([
    chainGauges(deps, registry),
    payGauges(deps, registry),
    stateGauges(deps, registry),
    bookGauges(deps, registry),
  ]);
  return Registry.merge([registry, requests.registry]).metrics();
}

async function chainGauges(deps: HttpDeps, registry: Registry): Promise<void> {
  const height = gauge(registry, 'chain_tip_height', 'Height of the last block followed', ['network']);
  const age = gauge(registry, 'chain_tip_age_seconds', 'Since a block was last followed', ['network']);
  const halted = gauge(registry, 'chain_halted', '1 while a network is halted', ['network', 'code']);
  for (const tip of await deps.db.selectFrom('chain_tip').selectAll().execute()) {
    height.set({ network: tip.network }, tip.height);
    age.set({ network: tip.network }, (deps.now().getTime() - tip.at.getTime()) / 1000);
  }
  for (const halt of await deps.db.selectFrom('halt').selectAll().execute()) {
    halted.set({ network: halt.network, code: halt.code }, 1);
  }
}

/** Payments on their way, and why they do not go on: the code of the reason alone. */
async function payGauges(deps: HttpDeps, registry: Registry): Promise<void> {
  const waits = gauge(registry, 'relayer_waiting', '1 while a relayer sends nothing', ['network', 'reason']);
  const spends = gauge(registry, 'spends', 'Open spends by state and reason', [
    'network',
    'status',
    'reason',
  ]);
  for (const { network, reason } of await relayWaits(deps.db)) waits.set({ network, reason }, 1);
  const rows = await sql<{ network: string; state: string; reason: string; count: string }>`
    select network, state, split_part(reason, ':', 1) as reason, count(*)::text as count from spend
    where state in ('planned', 'signing', 'broadcast') group by 1, 2, 3`.execute(deps.db);
  for (const { network, state, reason, count } of rows.rows) {
    spends.set({ network, status: state, reason }, Number(count));
  }
}

async function stateGauges(deps: HttpDeps, registry: Registry): Promise<void> {
  const withdrawals = gauge(registry, 'withdrawals', 'Withdrawals by state', ['asset', 'network', 'status']);
  const deposits = gauge(registry, 'deposits', 'Deposits by state', ['asset', 'network', 'status']);
  const strays = gauge(registry, 'strays', 'Strays by state', ['network', 'reason', 'status']);
  const count = sql<string>`count(*)::text`.as('count');
  for (const row of await deps.db
    .selectFrom('withdrawal')
    .select(['asset', 'network', 'state', count])
    .groupBy(['asset', 'network', 'state'])
    .execute()) {
    withdrawals.set({ asset: row.asset, network: row.network, status: row.state }, Number(row.count));
  }
  for (const row of await deps.db
    .selectFrom('deposit')
    .select(['asset', 'network', 'state', count])
    .groupBy(['asset', 'network', 'state'])
    .execute()) {
    deposits.set({ asset: row.asset, network: row.network, status: row.state }, Number(row.count));
  }
  for (const row of await deps.db
    .selectFrom('stray')
    .select(['network', 'reason', 'state', count])
    .groupBy(['network', 'reason', 'state'])
    .execute()) {
    strays.set({ network: row.network, reason: row.reason, status: row.state }, Number(row.count));
  }
}

async function bookGauges(deps: HttpDeps, registry: Registry): Promise<void> {
  const balances = gauge(registry, 'ledger_balance', 'Credits less debits, in units of the asset', [
    'asset',
    'account',
    'network',
  ]);
  for (const line of await trialBalance(executorOf(deps.db))) {
    const decimals = deps.config.assets.find((asset) => asset.id === line.asset)?.decimals ?? 0;
    balances.set(
      { asset: line.asset, account: line.kind, network: line.network ?? '' },
      Number(formatAmount(line.balance, decimals)),
    );
  }
}

function gauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: Label[],
): Gauge<Label> {
  return new Gauge({ name: `portcullis_${name}`, help, labelNames, registers: [registry] });
}
