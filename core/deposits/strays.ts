import type { Selectable } from 'kysely';
import { recordEvent } from '../audit/audit.ts';
import type { Listing } from '../config/config.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import type { Stray } from '../db/tables.ts';
import * as ledger from '../ledger/ledger.ts';
import { placeOf } from './classify.ts';
import { paymentId } from './deposit-moves.ts';
import type { Sighting, View } from './sightings.ts';
import type { Work } from './work.ts';

export type StrayRow = Selectable<Stray>;

/** Why money that reached an address of ours is no deposit. */
export type StrayReason = 'UNSUPPORTED_TOKEN' | 'INTERNAL_ADDRESS' | 'BELOW_MINIMUM' | 'WRITTEN_OFF';

/** What can be done about a stray. */
export interface Remedy {
  readonly code:
    | 'WAIT'
    | 'ADDS_UP'
    | 'DECIDE_OWNER'
    | 'LIST_OR_RETURN'
    | 'REPAID'
    | 'NOT_RECOVERABLE'
    | 'NONE';
  readonly text: string;
}

export type ResolveStrayRefusal =
  | 'UNKNOWN_STRAY'
  | 'UNKNOWN_CUSTOMER'
  | 'STRAY_NOT_RECORDED'
  | 'STRAY_ALREADY_RESOLVED';

/** Strays that one new one may complete; more wait for the next. */
const ADDED_UP_MAX = 1000;

type MinedView = Extract<View, { kind: 'mined' }>;

export async function createStray(
  work: Work,
  sighting: Sighting,
  what: {
    readonly reason: StrayReason;
    readonly listing: Listing | undefined;
    readonly view: MinedView;
  },
): Promise<void> {
  const place = placeOf(work.network, sighting.purpose, sighting.contract);
  const row: StrayRow = {
    id: paymentId('stray', work, sighting),
    network: work.network.id,
    tx_id: sighting.txId,
    position: sighting.position,
    address: sighting.address,
    contract: sighting.contract,
    asset: place === undefined ? null : (what.listing?.asset.id ?? null),
    units: sighting.units,
    reason: what.reason,
    customer_id: sighting.bound?.customer_id ?? null,
    state: 'seen',
    booked: false,
    resolved_to: null,
    block_hash: what.view.blockHash,
    height: what.view.height,
    seen_at: sighting.seenAt,
  };
  await work.trx.insertInto('stray').values(row).execute();
  tell(work, row);
}

/** What was booked was irreversible: if it leaves the chain all the same, the network halts. */
export async function followStray(work: Work, row: StrayRow, view: View): Promise<void> {
  if (view.kind === 'mined' && view.blockHash === row.block_hash) return;
  const block = view.kind === 'mined' ? { block_hash: view.blockHash, height: view.height } : undefined;
  if (row.state === 'recorded' || row.state === 'resolved') {
    if (row.booked && row.block_hash !== null) {
      const detail = `${row.id}: ${row.units} ${row.asset} of ${row.tx_id} left block ${row.block_hash}`;
      work.halts.push({ code: 'IRREVERSIBLE_DEPOSIT_ORPHANED', detail });
    }
    await change(work, row, block ?? { block_hash: null, height: null });
    return;
  }
  if (block) {
    const again = await change(work, row, { state: 'seen', ...block });
    if (row.state === 'orphaned') tell(work, again);
  } else if (row.state !== 'orphaned') {
    tell(work, await change(work, row, { state: 'orphaned', block_hash: null, height: null }));
  }
}

/**
 * A stray became irreversible. What the books can hold goes to suspense until it is known whose it is; the
 * relayer's float is the house's own. Small payments of one customer that add up to a deposit become his.
 */
export async function recordIrreversible(
  work: Work,
  row: StrayRow & { readonly purpose: string },
): Promise<void> {
  const { purpose, ...stray } = row;
  const place = placeOf(work.network, purpose, stray.contract);
  if (stray.asset === null || place === undefined) {
    tell(work, await change(work, stray, { state: 'recorded' }));
    return;
  }
  const facts = { key: stray.id, network: stray.network, asset: stray.asset, units: stray.units };
  if (place === 'gas') {
    work.postings.push(ledger.recordHouseFunding({ ...facts, into: place }));
    tell(work, await change(work, stray, { state: 'resolved', resolved_to: 'house', booked: true }));
    return;
  }
  work.postings.push(ledger.recordStray({ ...facts, into: place }));
  tell(work, await change(work, stray, { state: 'recorded', booked: true }));
  if (stray.reason === 'BELOW_MINIMUM') await addUp(work, stray);
}

async function addUp(work: Work, added: StrayRow): Promise<void> {
  const { customer_id: customer, contract, network } = added;
  const listing = work.listings.find((candidate) => candidate.contract === contract);
  if (customer === null || !listing) return;
  const small = await work.trx
    .selectFrom('stray')
    .selectAll()
    .where('customer_id', '=', customer)
    .where('network', '=', network)
    .where('contract', '=', contract)
    .where('reason', '=', 'BELOW_MINIMUM')
    .where('state', '=', 'recorded')
    .where('booked', '=', true)
    .orderBy('id')
    .limit(ADDED_UP_MAX)
    .forUpdate()
    .execute();
  const total = small.reduce((sum, stray) => sum + stray.units, 0n);
  if (total < listing.depositMinUnits) return;
  for (const stray of small) {
    const { asset, units } = { asset: listing.asset.id, units: stray.units };
    work.postings.push(ledger.resolveStray({ key: stray.id, asset, units, to: { customer } }));
    tell(work, await change(work, stray, { state: 'resolved', resolved_to: customer }));
  }
}

/**
 * Somebody decided whose a recorded stray is: final value of a customer, or the house's. Doing it again says the
 * same. Call it last in a transaction: it locks the ledger's accounts and the event log.
 */
export async function resolveStray(
  trx: DatabaseTransaction,
  input: { readonly stray: string; readonly to: { readonly customer: string } | 'house'; readonly at: Date },
): Promise<{ readonly ok: true } | { readonly ok: false; readonly reason: ResolveStrayRefusal }> {
  const to = input.to === 'house' ? 'house' : input.to.customer;
  const row = await trx
    .selectFrom('stray')
    .selectAll()
    .where('id', '=', input.stray)
    .forUpdate()
    .executeTakeFirst();
  if (!row) return { ok: false, reason: 'UNKNOWN_STRAY' };
  if (row.resolved_to !== null)
    return row.resolved_to === to ? { ok: true } : { ok: false, reason: 'STRAY_ALREADY_RESOLVED' };
  if (row.state !== 'recorded' || !row.booked || row.asset === null)
    return { ok: false, reason: 'STRAY_NOT_RECORDED' };
  if (to !== 'house' && !(await customerExists(trx, to))) return { ok: false, reason: 'UNKNOWN_CUSTOMER' };
  const set = { state: 'resolved', resolved_to: to };
  await trx.updateTable('stray').set(set).where('id', '=', row.id).execute();
  const posting = ledger.resolveStray({ key: row.id, asset: row.asset, units: row.units, to: input.to });
  const [outcome] = await ledger.applyPostings(executorOf(trx), [posting]);
  if (outcome?.status !== 'applied') throw new Error(`${posting.key}: the books hold it and refuse it`);
  const event = eventOf({ ...row, ...set });
  await recordEvent(trx, { at: input.at, ...event });
  return { ok: true };
}

async function customerExists(trx: DatabaseTransaction, id: string): Promise<boolean> {
  const row = await trx.selectFrom('customer').select('id').where('id', '=', id).executeTakeFirst();
  return row !== undefined;
}

/** What can be done about it, for whoever is asked by the customer. */
export function remedyOf(stray: Pick<StrayRow, 'state' | 'reason' | 'booked' | 'asset'>): Remedy {
  if (stray.state === 'resolved') return { code: 'NONE', text: 'Nothing is left to do: it was resolved.' };
  if (stray.state === 'orphaned')
    return { code: 'NONE', text: 'The payment is no longer on the chain: nothing arrived.' };
  if (stray.state === 'seen')
    return { code: 'WAIT', text: 'Wait until it is irreversible; then it can be resolved.' };
  return remedies[remedyCode(stray)];
}

function remedyCode({ reason, booked }: Pick<StrayRow, 'reason' | 'booked'>): keyof typeof remedies {
  if (reason === 'BELOW_MINIMUM') return 'ADDS_UP';
  if (reason === 'WRITTEN_OFF') return 'REPAID';
  if (reason === 'UNSUPPORTED_TOKEN') return 'LIST_OR_RETURN';
  return booked ? 'DECIDE_OWNER' : 'NOT_RECOVERABLE';
}

const remedies = {
  ADDS_UP: {
    code: 'ADDS_UP',
    text: 'Credited by itself once the small payments of this customer and asset reach the minimum together; it can be resolved by hand before.',
  },
  LIST_OR_RETURN: {
    code: 'LIST_OR_RETURN',
    text: 'The token is safe at the deposit address and only ever goes to our own wallet. Check that its contract is genuine; then deliver it with the factory and return it, or list it and credit it by hand.',
  },
  REPAID: {
    code: 'REPAID',
    text: 'The house paid for this deposit when it was written off, and now it is on the chain after all. Resolve it to the house, or to the customer if he made the loss good.',
  },
  DECIDE_OWNER: {
    code: 'DECIDE_OWNER',
    text: 'It stands in suspense. Find out who paid, then resolve it to that customer or to the house.',
  },
  NOT_RECOVERABLE: {
    code: 'NOT_RECOVERABLE',
    text: 'It is at an address from which this system moves nothing of this kind; the books do not count it.',
  },
} as const satisfies Record<string, Remedy>;

async function change(work: Work, row: StrayRow, set: Partial<StrayRow>): Promise<StrayRow> {
  await work.trx.updateTable('stray').set(set).where('id', '=', row.id).execute();
  return { ...row, ...set };
}

function tell(work: Work, row: StrayRow): void {
  work.events.push(eventOf(row));
}

function eventOf(row: StrayRow) {
  return {
    type: `stray.${row.state}`,
    subject: row.id,
    data: {
      network: row.network,
      tx_id: row.tx_id,
      address: row.address,
      contract: row.contract,
      asset: row.asset,
      amount_base: row.units.toString(),
      reason: row.reason,
      customer_id: row.customer_id,
      resolved_to: row.resolved_to,
      remedy: remedyOf(row).code,
    },
  };
}
