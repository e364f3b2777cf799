import type { Selectable } from 'kysely';
import type { Deposit, DepositAddress, Stray } from '../db/tables.ts';
import type { Work } from './work.ts';

/** What the chain says of a payment now. */
export type View =
  | { readonly kind: 'mined'; readonly blockHash: string; readonly height: number }
  | { readonly kind: 'mempool' }
  | { readonly kind: 'gone' };

/** A payment: one movement of one transaction, all its receipts taken together, and what stands here for it. */
export interface Sighting {
  readonly txId: string;
  readonly position: string;
  readonly watchedId: bigint;
  readonly address: string;
  readonly purpose: string;
  readonly contract: string;
  readonly units: bigint;
  readonly seenAt: Date;
  readonly view: View;
  /** Made by a transaction of our own. */
  readonly own: boolean;
  /** For addresses of customers. */
  readonly bound: Selectable<DepositAddress> | undefined;
  readonly deposit: Selectable<Deposit> | undefined;
  readonly stray: Selectable<Stray> | undefined;
}

/** The payments that these receipts are about, in the order in which the first of each arrived. */
export async function sightingsOf(
  work: Work,
  changed: readonly { readonly tx_id: string }[],
): Promise<Sighting[]> {
  const txIds = [...new Set(changed.map((receipt) => receipt.tx_id))];
  const rows = await receiptRows(work, txIds);
  const [own, deposits, strays, addresses] = [
    await ownReceipts(work, rows),
    await lockDeposits(work, txIds),
    await lockStrays(work, txIds),
    await boundAddresses(
      work,
      rows.map((row) => row.watched_id),
    ),
  ];
  const groups = Map.groupBy(rows, (row) => paymentKey(row, row.address, row.contract));
  const sightings: Sighting[] = [];
  for (const [key, receipts] of groups) {
    const [first] = receipts;
    if (!first) continue;
    sightings.push({
      txId: first.tx_id,
      position: first.position,
      watchedId: first.watched_id,
      address: first.address,
      purpose: first.purpose,
      contract: first.contract,
      units: first.units,
      seenAt: first.seen_at,
      view: viewOf(receipts),
      own: receipts.some((receipt) => own.has(receipt.id)),
      bound: addresses.get(first.watched_id),
      deposit: deposits.get(key),
      stray: strays.get(key),
    });
  }
  return sightings;
}

type ReceiptRow = Awaited<ReturnType<typeof receiptRows>>[number];

async function receiptRows({ trx, network }: Work, txIds: readonly string[]) {
  return trx
    .selectFrom('receipt')
    .innerJoin('watched', 'watched.id', 'receipt.watched_id')
    .selectAll('receipt')
    .select(['watched.address', 'watched.purpose'])
    .where('receipt.network', '=', network.id)
    .where('receipt.tx_id', 'in', txIds)
    .orderBy('receipt.id')
    .execute();
}

/** A block that stands wins over a mempool, and both over what is no more. */
function viewOf(receipts: readonly ReceiptRow[]): View {
  const mined = receipts.find((receipt) => receipt.state === 'mined');
  if (mined?.block_hash != null && mined.height !== null)
    return { kind: 'mined', blockHash: mined.block_hash, height: mined.height };
  return { kind: receipts.some((receipt) => receipt.state === 'mempool') ? 'mempool' : 'gone' };
}

/**
 * Receipts at internal addresses that our own transactions made. Bitcoin: it spends a coin of ours. EVM: the
 * value comes from an address of ours, which only our vault or factory can move.
 */
async function ownReceipts(work: Work, rows: readonly ReceiptRow[]): Promise<Set<bigint>> {
  const internal = rows.filter((row) => row.purpose !== 'deposit');
  if (internal.length === 0) return new Set();
  const own =
    work.network.kind === 'bitcoin' ? await ownSpends(work, internal) : await ownSenders(work, internal);
  return new Set(internal.filter(own).map((row) => row.id));
}

type IsOwn = (row: ReceiptRow) => boolean;

async function ownSpends({ trx, network }: Work, rows: readonly ReceiptRow[]): Promise<IsOwn> {
  const txIds = [...new Set(rows.map((row) => row.tx_id))];
  const spends = await trx
    .selectFrom('bitcoin_coin')
    .select('spent_tx_id')
    .distinct()
    .where('network', '=', network.id)
    .where('spent_tx_id', 'in', txIds)
    .execute();
  const found = new Set(spends.map((spend) => spend.spent_tx_id));
  return (row) => found.has(row.tx_id);
}

async function ownSenders({ trx, network }: Work, rows: readonly ReceiptRow[]): Promise<IsOwn> {
  const contracts = network.kind === 'evm' ? [network.vault, network.factory, network.cold] : [];
  const found = new Set(contracts.map((address) => address.toLowerCase()));
  const senders = [...new Set(rows.flatMap((row) => (row.sender === null ? [] : [row.sender])))];
  if (senders.length > 0) {
    const watched = await trx
      .selectFrom('watched')
      .select('address')
      .where('network', '=', network.id)
      .where('address', 'in', senders)
      .execute();
    for (const { address } of watched) found.add(address.toLowerCase());
  }
  return (row) => row.sender !== null && found.has(row.sender.toLowerCase());
}

async function lockDeposits({ trx, network, listings }: Work, txIds: readonly string[]) {
  const rows = await trx
    .selectFrom('deposit')
    .innerJoin('deposit_address', 'deposit_address.id', 'deposit.address_id')
    .selectAll('deposit')
    .select('deposit_address.address')
    .where('deposit.network', '=', network.id)
    .where('deposit.tx_id', 'in', txIds)
    .forUpdate('deposit')
    .execute();
  const contractOf = new Map(listings.map((listing) => [listing.asset.id, listing.contract]));
  return new Map(
    rows.map((row) => [paymentKey(row, row.address, contractOf.get(row.asset) ?? row.asset), row]),
  );
}

async function lockStrays({ trx, network }: Work, txIds: readonly string[]) {
  const rows = await trx
    .selectFrom('stray')
    .selectAll()
    .where('network', '=', network.id)
    .where('tx_id', 'in', txIds)
    .forUpdate()
    .execute();
  return new Map(rows.map((row) => [paymentKey(row, row.address, row.contract), row]));
}

async function boundAddresses({ trx }: Work, watchedIds: readonly bigint[]) {
  const rows = await trx
    .selectFrom('deposit_address')
    .selectAll()
    .where('watched_id', 'in', [...new Set(watchedIds)])
    .execute();
  return new Map(rows.map((row) => [row.watched_id, row]));
}

/** The unique keys of deposit and stray, spelled alike. */
function paymentKey(
  row: { readonly tx_id: string; readonly position: string; readonly units: bigint },
  address: string,
  contract: string,
): string {
  return `${row.tx_id} ${row.position} ${address} ${contract} ${row.units}`;
}
