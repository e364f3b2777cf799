import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { idBytes, newId, type Id } from '../../lib/ids/ids.ts';
import { parseAmount, type AmountRefusal } from '../../lib/money/money.ts';
import { encodeOrder, orderToJson, type Order } from '../../signer/protocol/order.ts';
import { parseBitcoinAddress, type BitcoinAddressRefusal } from '../chain/bitcoin/bitcoin.ts';
import { parseEvmAddress, type EvmAddressRefusal } from '../chain/evm/evm.ts';
import type { Config, Listing } from '../config/config.ts';
import { isOwnAddress } from '../customers/customers.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';
import { applyPostings, holdWithdrawal, type PostingRefusal } from '../ledger/ledger.ts';
import { EVM_UNITS_MAX, isPayable } from './decide.ts';
import { tell, writeSteps } from './steps.ts';
import { withRetries } from './retries.ts';
import { rowById, type WithdrawalRow } from './queries.ts';

export interface WithdrawalDeps {
  readonly db: Database;
  readonly config: Config;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
}

export interface WithdrawalAsk {
  readonly customer: Id<'customer'>;
  readonly listing: Listing;
  readonly destination: string;
  /** Decimal string in units of the asset: what the recipient receives. */
  readonly amount: string;
}

export type WithdrawalRefusal =
  | AmountRefusal
  | BitcoinAddressRefusal
  | EvmAddressRefusal
  | 'OWN_ADDRESS'
  | 'TOKEN_CONTRACT_AS_DESTINATION'
  | 'BELOW_MINIMUM'
  | 'INSUFFICIENT_FUNDS'
  | 'NOT_YET_FINAL'
  | 'EXTERNAL_ID_REUSED'
  | 'QUOTE_EXPIRED'
  | 'QUOTE_MISMATCH'
  | 'QUOTE_USED'
  | 'UNKNOWN_CUSTOMER';

export interface Quote {
  readonly id: string;
  readonly units: bigint;
  readonly feeUnits: bigint;
  readonly document: Record<string, string | number>;
  readonly digest: Buffer;
  readonly expiresAt: Date;
}

export type QuoteResult =
  | { readonly ok: true; readonly quote: Quote }
  | { readonly ok: false; readonly reason: WithdrawalRefusal };

export type RequestResult =
  | { readonly ok: true; readonly created: boolean; readonly withdrawal: WithdrawalRow }
  | { readonly ok: false; readonly reason: WithdrawalRefusal };

/** A quote keeps its order number this long; the number is never used for anything else. */
const QUOTE_VALID_MS = 10 * 60_000;
const NO_CREDENTIALS = new Uint8Array(32);

class Refused extends Error {
  readonly reason: WithdrawalRefusal;
  constructor(reason: WithdrawalRefusal) {
    super(reason);
    this.reason = reason;
  }
}

/** What a withdrawal would debit, with the canonical order that it would be. Draws the order's number. */
export async function quoteWithdrawal(deps: WithdrawalDeps, ask: WithdrawalAsk): Promise<QuoteResult> {
  const checked = await checkAsk(deps, ask);
  if (!checked.ok) return checked;
  const at = deps.now();
  const order = orderOf(deps, ask, { ...checked, orderNumber: await drawOrderNumber(deps.db), at });
  const quote: Quote = {
    id: newId('quote', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes }),
    units: checked.units,
    feeUnits: ask.listing.withdrawalFeeUnits,
    document: { ...orderToJson(order) },
    digest: digestOf(order),
    expiresAt: new Date(at.getTime() + QUOTE_VALID_MS),
  };
  await deps.db
    .insertInto('quote')
    .values({
      id: quote.id,
      order_number: order.orderNumber,
      customer_id: ask.customer,
      document: JSON.stringify(quote.document),
      digest: quote.digest,
      fee_units: quote.feeUnits,
      expires_at: quote.expiresAt,
      used_by: null,
    })
    .execute();
  return { ok: true, quote };
}

/**
 * Records a withdrawal and holds its amount and fee, both or neither. The same external id with equal content is
 * the same withdrawal; with other content EXTERNAL_ID_REUSED. A refusal changes nothing.
 */
export async function requestWithdrawal(
  deps: WithdrawalDeps,
  ask: WithdrawalAsk & {
    readonly externalId: string;
    readonly quoteId?: string | undefined;
    readonly authorization?: object | undefined;
  },
): Promise<RequestResult> {
  const checked = await checkAsk(deps, ask);
  if (!checked.ok) return checked;
  try {
    return await withRetries(deps.db, async (trx) => {
      // One at a time for each customer, so that an external id is decided once.
      const customer = trx.selectFrom('customer').select('id').where('id', '=', ask.customer).forUpdate();
      if (!(await customer.executeTakeFirst())) throw new Refused('UNKNOWN_CUSTOMER');
      const known = await trx
        .selectFrom('withdrawal')
        .selectAll()
        .where('customer_id', '=', ask.customer)
        .where('external_id', '=', ask.externalId)
        .executeTakeFirst();
      if (known) return sameOrRefused(known, ask, checked);
      return insert(deps, trx, ask, checked);
    });
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.reason };
    throw error;
  }
}

interface Checked {
  readonly ok: true;
  readonly units: bigint;
  readonly destination: string;
}

type CheckResult = Checked | { readonly ok: false; readonly reason: WithdrawalRefusal };

async function checkAsk(deps: WithdrawalDeps, ask: WithdrawalAsk): Promise<CheckResult> {
  const { listing } = ask;
  const amount = parseAmount(ask.amount, listing.asset.decimals);
  if (!amount.ok) return amount;
  if (amount.units < listing.withdrawalMinUnits) return { ok: false, reason: 'BELOW_MINIMUM' };
  const address = readDestination(listing, ask.destination);
  if (!address.ok) return address;
  if (await isOwnAddress(deps.db, listing.network, address.canonical))
    return { ok: false, reason: 'OWN_ADDRESS' };
  const contracts = listing.network.listings.map((entry) => entry.contract?.toLowerCase());
  if (contracts.includes(address.canonical.toLowerCase()))
    return { ok: false, reason: 'TOKEN_CONTRACT_AS_DESTINATION' };
  const { canonical: destination } = address;
  if (listing.network.kind === 'evm' && amount.units > EVM_UNITS_MAX)
    return { ok: false, reason: 'AMOUNT_TOO_LARGE' };
  if (!isPayable(listing, destination, amount.units)) return { ok: false, reason: 'BELOW_MINIMUM' };
  return { ok: true, units: amount.units, destination };
}

/** The canonical form of a destination on the listing's network. */
function readDestination(
  { network }: Listing,
  text: string,
):
  | { readonly ok: true; readonly canonical: string }
  | { readonly ok: false; readonly reason: WithdrawalRefusal } {
  if (network.kind === 'bitcoin') return parseBitcoinAddress(text, network.chain);
  const parsed = parseEvmAddress(text);
  return parsed.ok ? { ok: true, canonical: parsed.address } : parsed;
}

function sameOrRefused(known: WithdrawalRow, ask: WithdrawalAsk, checked: Checked): RequestResult {
  const same =
    known.asset === ask.listing.asset.id &&
    known.network === ask.listing.network.id &&
    known.destination === checked.destination &&
    known.units === checked.units;
  return same ? { ok: true, created: false, withdrawal: known } : { ok: false, reason: 'EXTERNAL_ID_REUSED' };
}

async function insert(
  deps: WithdrawalDeps,
  trx: DatabaseTransaction,
  ask: Parameters<typeof requestWithdrawal>[1],
  checked: Checked,
): Promise<RequestResult> {
  const at = deps.now();
  const { listing } = ask;
  const id = newId('withdrawal', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
  const quoted =
    ask.quoteId === undefined
      ? undefined
      : await useQuote(trx, ask, checked, { id, at, quoteId: ask.quoteId });
  const order = quoted
    ? undefined
    : orderOf(deps, ask, { ...checked, orderNumber: await drawOrderNumber(trx), at });
  const row = {
    id,
    order_number: quoted?.order_number ?? (order as Order).orderNumber,
    customer_id: ask.customer,
    external_id: ask.externalId,
    asset: listing.asset.id,
    network: listing.network.id,
    destination: checked.destination,
    units: checked.units,
    fee_units: quoted?.fee_units ?? listing.withdrawalFeeUnits,
    document: JSON.stringify(quoted?.document ?? orderToJson(order as Order)),
    digest: quoted?.digest ?? digestOf(order as Order),
    authorization_document: ask.authorization === undefined ? null : JSON.stringify(ask.authorization),
    state: 'requested',
    reason: '',
    spend_id: null,
    tx_id: null,
    created_at: at,
    updated_at: at,
  };
  await trx.insertInto('withdrawal').values(row).execute();
  const step = { id, from: null, to: 'requested', actor: 'customer', reason: 'ASKED' } as const;
  const evidence = { order_number: row.order_number.toString() };
  await writeSteps(trx, [{ ...step, evidence }], at);
  const { asset, units, fee_units: fee } = row;
  const hold = holdWithdrawal({ withdrawal: id, customer: ask.customer, asset, units: units + fee });
  const [outcome] = await applyPostings(executorOf(trx), [hold]);
  if (outcome?.status === 'refused') throw new Refused(refusalOf(outcome.reason));
  await tell(trx, [{ ...step, evidence }], at);
  const withdrawal = await rowById(trx, id);
  if (!withdrawal) throw new Error(`withdrawal ${id} was not written`);
  return { ok: true, created: true, withdrawal };
}

function refusalOf(reason: PostingRefusal): WithdrawalRefusal {
  if (reason === 'INSUFFICIENT_FUNDS' || reason === 'NOT_YET_FINAL') return reason;
  if (reason === 'UNITS_OUT_OF_RANGE') return 'AMOUNT_TOO_LARGE';
  throw new Error(`the books refuse a hold: ${reason}`);
}

async function useQuote(
  trx: DatabaseTransaction,
  ask: WithdrawalAsk,
  checked: Checked,
  by: { readonly id: string; readonly at: Date; readonly quoteId: string },
) {
  const quote = await trx
    .selectFrom('quote')
    .selectAll()
    .where('id', '=', by.quoteId)
    .forUpdate()
    .executeTakeFirst();
  if (!quote || quote.customer_id !== ask.customer) throw new Refused('QUOTE_MISMATCH');
  if (quote.used_by !== null) throw new Refused('QUOTE_USED');
  if (quote.expires_at <= by.at) throw new Refused('QUOTE_EXPIRED');
  const document = quote.document as { asset?: string; destination?: string; amount?: string };
  const same =
    document.asset === ask.listing.assetId &&
    document.destination === checked.destination &&
    document.amount === checked.units.toString();
  if (!same) throw new Refused('QUOTE_MISMATCH');
  await trx.updateTable('quote').set({ used_by: by.id }).where('id', '=', quote.id).execute();
  return quote;
}

function orderOf(
  deps: WithdrawalDeps,
  ask: WithdrawalAsk,
  facts: {
    readonly units: bigint;
    readonly destination: string;
    readonly orderNumber: bigint;
    readonly at: Date;
  },
): Order {
  return {
    kind: 'customer',
    orderNumber: facts.orderNumber,
    customer: idBytes(ask.customer),
    credentialSetHash: NO_CREDENTIALS,
    epoch: deps.config.epoch,
    asset: ask.listing.assetId,
    destination: facts.destination,
    amount: facts.units,
    maxFee: ask.listing.withdrawalFeeUnits,
    expiry: BigInt(Math.floor(facts.at.getTime() / 1000) + deps.config.orderExpirySeconds),
  };
}

function digestOf(order: Order): Buffer {
  return createHash('sha256').update(encodeOrder(order)).digest();
}

async function drawOrderNumber(db: Database | DatabaseTransaction): Promise<bigint> {
  const { rows } = await sql<{ number: bigint }>`select nextval('order_number') as number`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('the sequence of order numbers does not answer');
  return row.number;
}
