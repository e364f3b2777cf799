import type { Selectable } from 'kysely';
import { recordEvent } from '../audit/audit.ts';
import { executorOf } from '../db/db.ts';
import type { EvmCall, Sweep, SweepItem } from '../db/tables.ts';
import { applyPostings, recordNetworkCost, type Posting } from '../ledger/ledger.ts';
import type { TreasuryWork } from './treasury.ts';

const SWEEPS_MAX = 20;
/** After a failure an address waits this long, twice as long after each further one, at most a day. */
const BACKOFF_MS = 10 * 60_000;
const BACKOFF_MAX_MS = 24 * 3_600_000;

/**
 * Settles calls of ours that are irreversible: their gas is booked once, and each item learns what was delivered.
 * What was not delivered is still at its address and is tried again later.
 */
export async function settleSweeps(work: TreasuryWork): Promise<number> {
  const { trx, network, at } = work;
  const ended = await endedSweeps(work);
  const postings: Posting[] = [];
  const coin = work.listings.find((listing) => listing.contract === '');
  for (const sweep of ended) {
    const state = sweep.call_state === 'succeeded' ? 'settled' : 'failed';
    await trx.updateTable('sweep').set({ state }).where('id', '=', sweep.id).execute();
    for (const item of await itemsOf(work, sweep)) await settleItem(work, item);
    const cost = sweep.cost_wei ?? 0n;
    if (coin && cost > 0n) {
      const named = { key: `sweep:${sweep.id}`, network: network.id, asset: coin.asset.id };
      postings.push(recordNetworkCost({ ...named, units: cost, paidFrom: 'gas' }));
    }
  }
  if (postings.length > 0) {
    const outcomes = await applyPostings(executorOf(trx), postings);
    const refused = outcomes.findIndex((outcome) => outcome.status === 'refused');
    if (refused >= 0) throw new Error(`the books refuse ${postings[refused]?.key}`);
  }
  for (const sweep of ended) {
    const type = sweep.call_state === 'succeeded' ? 'sweep.settled' : 'sweep.failed';
    const data = { network: network.id, tx_id: sweep.tx_id, cost_wei: `${sweep.cost_wei ?? 0n}` };
    await recordEvent(trx, { at, type, subject: sweep.id, data });
  }
  return ended.length;
}

type Ended = Selectable<Sweep> & {
  readonly call_state: string;
  readonly tx_id: string | null;
  readonly cost_wei: Selectable<EvmCall>['cost_wei'];
};

/** Calls whose outcome is irreversible and whose deliveries are booked already. */
async function endedSweeps({ trx, network }: TreasuryWork): Promise<Ended[]> {
  return trx
    .selectFrom('sweep')
    .innerJoin('evm_call', 'evm_call.id', 'sweep.call_id')
    .innerJoin('treasury_cursor', (join) => join.on('treasury_cursor.name', '=', `deliveries:${network.id}`))
    .selectAll('sweep')
    .select(['evm_call.state as call_state', 'evm_call.tx_id', 'evm_call.cost_wei'])
    .where('sweep.network', '=', network.id)
    .where('sweep.state', '=', 'sent')
    .where('evm_call.state', 'in', ['succeeded', 'reverted'])
    .whereRef('evm_call.height', '<=', 'treasury_cursor.at')
    .orderBy('sweep.id')
    .limit(SWEEPS_MAX)
    .forUpdate('sweep')
    .execute();
}

type Item = Selectable<SweepItem> & { readonly arrived: bigint | null };

async function itemsOf({ trx }: TreasuryWork, sweep: Ended): Promise<Item[]> {
  return trx
    .selectFrom('sweep_item as item')
    .selectAll('item')
    .select((eb) =>
      eb
        .selectFrom('booked_delivery as delivery')
        .select((inner) => inner.fn.sum<bigint>('delivery.delivered').as('units'))
        .whereRef('delivery.network', '=', 'item.network')
        .whereRef('delivery.address', '=', 'item.address')
        .whereRef('delivery.contract', '=', 'item.contract')
        .where('delivery.tx_id', '=', sweep.tx_id ?? '')
        .as('arrived'),
    )
    .where('item.sweep_id', '=', sweep.id)
    .execute();
}

async function settleItem({ trx, at }: TreasuryWork, item: Item): Promise<void> {
  await trx
    .updateTable('sweep_item')
    .set({ settled: true, delivered: item.arrived })
    .where('sweep_id', '=', item.sweep_id)
    .where('address', '=', item.address)
    .where('contract', '=', item.contract)
    .execute();
  const row = await trx
    .selectFrom('unswept')
    .select('failures')
    .where('network', '=', item.network)
    .where('address', '=', item.address)
    .where('contract', '=', item.contract)
    .executeTakeFirst();
  const failures = item.arrived === null ? (row?.failures ?? 0) + 1 : 0;
  const waitMs = Math.min(BACKOFF_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
  const next_sweep_at = failures === 0 ? null : new Date(at.getTime() + waitMs);
  await trx
    .updateTable('unswept')
    .set({ failures, next_sweep_at })
    .where('network', '=', item.network)
    .where('address', '=', item.address)
    .where('contract', '=', item.contract)
    .execute();
}
