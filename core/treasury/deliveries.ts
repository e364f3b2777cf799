import type { ExpressionBuilder, Selectable } from 'kysely';
import { recordEvent } from '../audit/audit.ts';
import { tipOf } from '../chain/chain.ts';
import { irreversibleDepth } from '../chain/evm/evm.ts';
import type { Listing } from '../config/config.ts';
import { executorOf } from '../db/db.ts';
import type { BookedDelivery, EvmDelivery, Tables } from '../db/tables.ts';
import {
  applyPostings,
  recordColdMove,
  recordNetworkCost,
  recordStray,
  recordSweep,
  type Posting,
} from '../ledger/ledger.ts';
import { coldMovesIn } from './cold-moves.ts';
import { lockCursor, moveCursor } from './cursor.ts';
import type { TreasuryWork } from './treasury.ts';
import { recount } from './unswept.ts';

/** Blocks in one transaction, where they have deliveries. */
const BLOCKS_MAX = 20;

/** Customers' money was delivered to an address that the configuration does not know. */
export class DestinationUnknownError extends Error {
  override readonly name = 'DestinationUnknownError';
  readonly code = 'SWEEP_DESTINATION_UNKNOWN';
  readonly retryable = false;
}

/**
 * Books what the factory delivered from addresses of ours, once it is irreversible, in the order of the chain.
 * The factory's own event says how much arrived; who called it does not matter.
 */
export async function bookDeliveries(work: TreasuryWork): Promise<number> {
  const { trx, network } = work;
  const name = `deliveries:${network.id}`;
  const cursor = await lockCursor(trx, name, -1n);
  const tip = await tipOf(trx, network.id);
  // As deep as the deepest: one order for all amounts, and every block is read once.
  const reach = (tip?.height ?? 0) - irreversibleDepth(network) + 1;
  if (reach <= Number(cursor)) return 0;
  const { deliveries, height } = await deliveriesIn(work, Number(cursor), reach);
  const booked: Selectable<BookedDelivery>[] = [];
  const postings: Posting[] = [];
  const unexplained: object[] = [];
  for (const delivery of deliveries) {
    const listing = work.listings.find((candidate) => candidate.contract === delivery.contract);
    const accounts = await accountFor(work, delivery, booked);
    booked.push(accounts.row);
    if (!listing) continue;
    const { explained } = accounts;
    postings.push(...postingsOf(work, delivery, { listing, explained, row: accounts.row }));
    if (explained < delivery.units)
      unexplained.push({ ...keyOf(delivery), units: `${delivery.units - explained}` });
  }
  postings.push(...(await coldMovesIn(work, Number(cursor), height)));
  if (booked.length > 0) await trx.insertInto('booked_delivery').values(booked).execute();
  await recount(
    work,
    booked.map((row) => row.address),
  );
  await moveCursor(trx, name, BigInt(height));
  await apply(work, postings);
  for (const data of unexplained)
    await recordEvent(trx, { at: work.at, type: 'sweep.unexplained', subject: network.id, data });
  return postings.length;
}

/**
 * Those of addresses that are bound. Where what the vault got was taken as a stray, because nobody had the address
 * then, that stray books it: addresses can be computed, paid and emptied before they are given out.
 */
async function deliveriesIn({ trx, network }: TreasuryWork, above: number, reach: number) {
  const heights = await trx
    .selectFrom('evm_delivery')
    .select('height')
    .distinct()
    .where('network', '=', network.id)
    .where('canonical', '=', true)
    .where('height', '>', above)
    .where('height', '<=', reach)
    .orderBy('height')
    .limit(BLOCKS_MAX)
    .execute();
  const height = heights.length < BLOCKS_MAX ? reach : (heights.at(-1)?.height ?? reach);
  const deliveries = await trx
    .selectFrom('evm_delivery')
    .innerJoin('deposit_address', (join) =>
      join
        .onRef('deposit_address.network', '=', 'evm_delivery.network')
        .onRef('deposit_address.address', '=', 'evm_delivery.deposit'),
    )
    .selectAll('evm_delivery')
    .select('deposit_address.watched_id')
    .where('evm_delivery.network', '=', network.id)
    .where('canonical', '=', true)
    .where('height', '>', above)
    .where('height', '<=', height)
    .where('units', '>', 0n)
    .where((eb) => eb.not(eb.exists(strayOf(eb))))
    .orderBy('height')
    .orderBy('tx_id')
    .orderBy('evm_delivery.position')
    .execute();
  return { deliveries, height };
}

/** The same movement as the vault, or cold, saw it arrive. */
function strayOf(eb: ExpressionBuilder<Tables, 'evm_delivery'>) {
  return eb
    .selectFrom('stray')
    .innerJoin('watched', (join) =>
      join.onRef('watched.network', '=', 'stray.network').onRef('watched.address', '=', 'stray.address'),
    )
    .innerJoin('receipt', (join) =>
      join
        .onRef('receipt.watched_id', '=', 'watched.id')
        .onRef('receipt.tx_id', '=', 'stray.tx_id')
        .onRef('receipt.position', '=', 'stray.position'),
    )
    .select('stray.id')
    .whereRef('stray.network', '=', 'evm_delivery.network')
    .whereRef('stray.tx_id', '=', 'evm_delivery.tx_id')
    .whereRef('stray.contract', '=', 'evm_delivery.contract')
    .whereRef('receipt.sender', '=', 'evm_delivery.deposit')
    .where('watched.purpose', 'in', ['vault', 'cold']);
}

type Delivery = Selectable<EvmDelivery> & { readonly watched_id: bigint };

/**
 * What left the address, which a delivery always empties: all that came before its block and had not left yet.
 * More than arrived is a fee that the token took. Less is explained by payments of the same block, or by ether
 * that no transaction carried (a validator's reward); `explained` says up to where receipts account for it.
 */
async function accountFor(
  work: TreasuryWork,
  delivery: Delivery,
  inBatch: readonly Selectable<BookedDelivery>[],
): Promise<{ readonly row: Selectable<BookedDelivery>; readonly explained: bigint }> {
  const { trx, network } = work;
  const sums = await trx
    .selectFrom('receipt')
    .select((eb) => [
      eb.fn
        .coalesce(eb.fn.sum<bigint>('units').filterWhere('height', '<', delivery.height), eb.val(0n))
        .as('before'),
      eb.fn.coalesce(eb.fn.sum<bigint>('units'), eb.val(0n)).as('within'),
    ])
    .where('network', '=', network.id)
    .where('watched_id', '=', delivery.watched_id)
    .where('contract', '=', delivery.contract)
    .where('state', '=', 'mined')
    .where('height', '<=', delivery.height)
    .executeTakeFirstOrThrow();
  const earlier = await trx
    .selectFrom('booked_delivery')
    .select((eb) => eb.fn.coalesce(eb.fn.sum<bigint>('removed'), eb.val(0n)).as('removed'))
    .where('network', '=', network.id)
    .where('address', '=', delivery.deposit)
    .where('contract', '=', delivery.contract)
    .executeTakeFirstOrThrow();
  const removedBefore = inBatch
    .filter((row) => row.address === delivery.deposit && row.contract === delivery.contract)
    .reduce((sum, row) => sum + row.removed, earlier.removed);
  const there = sums.before - removedBefore;
  const row = {
    network: network.id,
    tx_id: delivery.tx_id,
    position: delivery.position,
    address: delivery.deposit,
    contract: delivery.contract,
    delivered: delivery.units,
    removed: there > delivery.units ? there : delivery.units,
  };
  return { row, explained: sums.within - removedBefore };
}

function postingsOf(
  { network }: TreasuryWork,
  delivery: Delivery,
  facts: {
    readonly listing: Listing;
    readonly explained: bigint;
    readonly row: Selectable<BookedDelivery>;
  },
): Posting[] {
  const named = {
    key: `${network.id}:${delivery.tx_id}:${delivery.position}`,
    network: network.id,
    asset: facts.listing.asset.id,
  };
  const postings: Posting[] = [];
  const unexplained = delivery.units - (facts.explained > 0n ? facts.explained : 0n);
  if (unexplained > 0n) postings.push(recordStray({ ...named, units: unexplained, into: 'unswept' }));
  postings.push(recordSweep({ ...named, units: delivery.units }));
  const destination = delivery.destination.toLowerCase();
  if (destination === network.cold.toLowerCase())
    postings.push(recordColdMove({ ...named, units: delivery.units, direction: 'hot_to_cold' }));
  else if (destination !== network.vault.toLowerCase())
    throw new DestinationUnknownError(`${delivery.tx_id} delivered to ${delivery.destination}`);
  const feeUnits = facts.row.removed - delivery.units;
  if (feeUnits > 0n) postings.push(recordNetworkCost({ ...named, units: feeUnits, paidFrom: 'unswept' }));
  return postings;
}

/** What the chain did is never refused for want of funds: a refusal is a fault of ours. */
async function apply({ trx }: TreasuryWork, postings: readonly Posting[]): Promise<void> {
  if (postings.length === 0) return;
  const outcomes = await applyPostings(executorOf(trx), postings);
  const refused = outcomes.findIndex((outcome) => outcome.status === 'refused');
  if (refused >= 0) throw new Error(`the books refuse ${postings[refused]?.key}`);
}

function keyOf(delivery: Delivery): object {
  const { tx_id, position, deposit, contract } = delivery;
  return { tx_id, position, deposit, contract };
}
