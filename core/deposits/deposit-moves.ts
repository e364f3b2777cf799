import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Selectable } from 'kysely';
import { newId, type Id } from '../../lib/ids/ids.ts';
import type { Listing } from '../config/config.ts';
import type { Deposit } from '../db/tables.ts';
import { creditDeposit, finalizeDeposit, reverseDeposit } from '../ledger/ledger.ts';
import { placeOf } from './classify.ts';
import { mayMove, type DepositState } from './deposit-states.ts';
import type { Sighting, View } from './sightings.ts';
import type { Work } from './work.ts';

type Row = Selectable<Deposit>;

/** Why a deposit moved, as it stands in its timeline. */
export type DepositReason =
  | 'SEEN_IN_MEMPOOL'
  | 'SEEN_IN_BLOCK'
  | 'DEPTH_SAFE'
  | 'DEPTH_IRREVERSIBLE'
  | 'BLOCK_ORPHANED'
  | 'TRANSACTION_REPLACED';

/** A payment to a customer's address, seen for the first time. Nothing is credited yet. */
export async function createDeposit(
  work: Work,
  sighting: Sighting,
  { listing }: { readonly listing: Listing },
): Promise<void> {
  const { bound, view } = sighting;
  assert.ok(bound, `${sighting.address} is watched as a deposit address and belongs to nobody`);
  const row: Row = {
    id: paymentId('deposit', work, sighting),
    customer_id: bound.customer_id,
    address_id: bound.id,
    network: work.network.id,
    asset: listing.asset.id,
    tx_id: sighting.txId,
    position: sighting.position,
    units: sighting.units,
    state: 'seen',
    incarnation: 1,
    credited: false,
    final: false,
    written_off: false,
    ...blockOf(view),
    late: bound.retired_at !== null && bound.retired_at <= sighting.seenAt,
    seen_at: sighting.seenAt,
    updated_at: work.at,
  };
  await work.trx.insertInto('deposit').values(row).execute();
  tellStep(work, row, undefined, seenReason(view));
}

/** Brings a deposit to what the chain says now. Its depth is another matter: advanceDeposits. */
export async function followDeposit(work: Work, row: Row, view: View): Promise<void> {
  if (row.state === 'orphaned') return view.kind === 'gone' ? undefined : seeAgain(work, row, view);
  if (view.kind === 'mined' && view.blockHash === row.block_hash) return;
  if (row.block_hash === null && view.kind === 'mempool') return;
  if (row.block_hash === null && view.kind === 'mined') {
    await update(work, row, blockOf(view));
    return;
  }
  const orphaned = await orphan(work, row);
  if (view.kind !== 'gone') await seeAgain(work, orphaned, view);
}

/**
 * The height makes it safe, and perhaps irreversible at once. A deposit that was final before a reorg below it is
 * still in the books, and is not credited again.
 */
export async function deepen(
  work: Work,
  row: Row,
  reached: {
    readonly irreversible: boolean;
    readonly confirmations: number;
    /** What decided the depth: at least the deposit's own. */
    readonly unitsAtRisk: bigint;
  },
): Promise<void> {
  let current = row;
  const { confirmations, unitsAtRisk } = reached;
  const shared = unitsAtRisk === row.units ? {} : { at_risk_base: unitsAtRisk.toString() };
  const evidence = { confirmations, ...shared };
  if (current.state === 'seen') {
    if (!current.final) work.postings.push(creditOf(work, current));
    current = await move(work, current, 'safe', { reason: 'DEPTH_SAFE', set: { credited: true }, evidence });
  }
  if (!reached.irreversible) return;
  if (!current.final)
    work.postings.push(finalizeDeposit({ deposit: current.id, incarnation: current.incarnation }));
  const set = { final: true };
  await move(work, current, 'irreversible', { reason: 'DEPTH_IRREVERSIBLE', set, evidence });
}

function creditOf(work: Work, row: Row) {
  const into = placeOf(work.network, 'deposit', '');
  assert.ok(into === 'hot' || into === 'unswept', 'a deposit address holds customers coins');
  return creditDeposit({
    deposit: row.id,
    incarnation: row.incarnation,
    customer: row.customer_id,
    asset: row.asset,
    network: row.network,
    into,
    units: row.units,
  });
}

async function orphan(work: Work, row: Row): Promise<Row> {
  if (row.final) {
    const detail = `${row.id}: ${row.units} ${row.asset} of ${row.tx_id} left block ${row.block_hash}`;
    work.halts.push({ code: 'IRREVERSIBLE_DEPOSIT_ORPHANED', detail });
  } else if (row.credited) {
    work.postings.push(reverseDeposit({ deposit: row.id, incarnation: row.incarnation }));
  }
  return move(work, row, 'orphaned', {
    reason: row.block_hash === null ? 'TRANSACTION_REPLACED' : 'BLOCK_ORPHANED',
    set: { credited: row.final, block_hash: null, height: null },
    evidence: {},
  });
}

async function seeAgain(work: Work, row: Row, view: View): Promise<void> {
  await move(work, row, 'seen', {
    reason: seenReason(view),
    set: { ...blockOf(view), incarnation: row.incarnation + 1 },
    evidence: {},
  });
}

async function move(
  work: Work,
  row: Row,
  to: DepositState,
  change: { readonly reason: DepositReason; readonly set: Partial<Row>; readonly evidence: object },
): Promise<Row> {
  assert.ok(mayMove(row.state as DepositState, to), `${row.id}: ${row.state} to ${to}`);
  const moved = await update(work, row, { ...change.set, state: to });
  const last = to === 'orphaned' ? { block_hash: row.block_hash, height: row.height } : {};
  tellStep(work, moved, row.state, change.reason, { ...last, ...change.evidence });
  return moved;
}

async function update(work: Work, row: Row, set: Partial<Row>): Promise<Row> {
  const changed = { ...set, updated_at: work.at };
  await work.trx.updateTable('deposit').set(changed).where('id', '=', row.id).execute();
  return { ...row, ...changed };
}

/** The timeline's next entry and the event that tells of it. */
function tellStep(
  work: Work,
  row: Row,
  from: string | undefined,
  reason: DepositReason,
  more: object = {},
): void {
  const evidence = { tx_id: row.tx_id, block_hash: row.block_hash, height: row.height, ...more };
  work.steps.push({ deposit: row.id, from: from ?? null, to: row.state, reason, evidence });
  work.events.push({
    type: `deposit.${row.state}`,
    subject: row.id,
    data: {
      ...evidence,
      customer_id: row.customer_id,
      network: row.network,
      asset: row.asset,
      amount_base: row.units.toString(),
      incarnation: row.incarnation,
      late: row.late,
      reason,
    },
  });
}

function seenReason(view: View): DepositReason {
  return view.kind === 'mined' ? 'SEEN_IN_BLOCK' : 'SEEN_IN_MEMPOOL';
}

export function blockOf(view: View): { block_hash: string | null; height: number | null } {
  return view.kind === 'mined'
    ? { block_hash: view.blockHash, height: view.height }
    : { block_hash: null, height: null };
}

/** Made of the payment itself and not of chance, so that a step that is done again makes the same id. */
export function paymentId<Kind extends 'deposit' | 'stray'>(
  kind: Kind,
  { network }: Work,
  { txId, position, address, contract, units, seenAt }: Sighting,
): Id<Kind> {
  const text = [network.id, txId, position, address, contract, units].join(' ');
  const digest = createHash('sha256').update(text).digest();
  return newId(kind, {
    nowMs: () => seenAt.getTime(),
    randomBytes: (length) => digest.subarray(0, length),
  });
}
