import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { idBytes, newId } from '../../lib/ids/ids.ts';
import { encodeOrder, orderToJson, type Order } from '../../signer/protocol/order.ts';
import type { Config } from '../config/config.ts';
import { credentialSetOf, signingCredentials } from '../customers/customers.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import { readAsk, refusalsOf, type ReadAsk, type Refusal, type WithdrawalAsk } from './ask.ts';

export interface WithdrawalDeps {
  readonly db: Database;
  readonly config: Config;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
}

export interface Quote {
  readonly id: string;
  readonly units: bigint;
  readonly feeUnits: bigint;
  readonly document: Record<string, string | number>;
  readonly digest: Buffer;
  readonly expiresAt: Date;
}

export type QuoteResult = { readonly ok: true; readonly quote: Quote } | Refusal;

/** A quote keeps its order number this long; the number is never used for anything else. */
const QUOTE_VALID_MS = 10 * 60_000;

/** What a withdrawal would debit, with the canonical order that it would be. Draws the order's number. */
export async function quoteWithdrawal(deps: WithdrawalDeps, ask: WithdrawalAsk): Promise<QuoteResult> {
  const words = readAsk(ask);
  if (!words.ok) return words;
  const { listing } = ask;
  const { read } = words;
  const [reason] = await refusalsOf(deps.db, [{ listing, read }]);
  if (reason !== undefined) return { ok: false, reason };
  const at = deps.now();
  const [orderNumber = 0n] = await drawOrderNumbers(deps.db, 1);
  const credentials = await signingCredentials(deps.db, [ask.customer], at);
  const set = credentialSetOf(credentials.get(ask.customer) ?? []);
  const { document, digest } = orderOf(deps.config, ask, { read, orderNumber, at, set });
  const quote: Quote = {
    id: newId('quote', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes }),
    units: read.units,
    feeUnits: listing.withdrawalFeeUnits,
    document,
    digest,
    expiresAt: new Date(at.getTime() + QUOTE_VALID_MS),
  };
  await deps.db
    .insertInto('quote')
    .values({
      id: quote.id,
      order_number: orderNumber,
      customer_id: ask.customer,
      document: JSON.stringify(document),
      digest,
      fee_units: quote.feeUnits,
      expires_at: quote.expiresAt,
      used_by: null,
    })
    .execute();
  return { ok: true, quote };
}

/** The canonical order of an ask, as JSON, and its digest: SHA-256 of the bytes that signers check. */
export function orderOf(
  config: Config,
  ask: WithdrawalAsk,
  facts: {
    readonly read: ReadAsk;
    readonly orderNumber: bigint;
    readonly at: Date;
    /** Hash of what the customer has enrolled. */
    readonly set: Uint8Array;
  },
): { readonly document: Record<string, string | number>; readonly digest: Buffer } {
  const order: Order = {
    kind: 'customer',
    orderNumber: facts.orderNumber,
    customer: idBytes(ask.customer),
    credentialSetHash: facts.set,
    epoch: config.epoch,
    asset: ask.listing.assetId,
    destination: facts.read.destination,
    amount: facts.read.units,
    maxFee: ask.listing.withdrawalFeeUnits,
    expiry: BigInt(Math.floor(facts.at.getTime() / 1000) + config.orderExpirySeconds),
  };
  return {
    document: { ...orderToJson(order) },
    digest: createHash('sha256').update(encodeOrder(order)).digest(),
  };
}

/** Payout ids that nobody else has, ascending. What is not used is never used. */
export async function drawOrderNumbers(db: Database | DatabaseTransaction, count: number): Promise<bigint[]> {
  const { rows } = await sql<{ number: bigint }>`
    select nextval('order_number') as number from generate_series(1, ${count}::integer)`.execute(db);
  if (rows.length !== count) throw new Error('the sequence of order numbers does not answer');
  return rows.map(({ number }) => number);
}
