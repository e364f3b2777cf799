import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Selectable } from 'kysely';
import { newId } from '../../lib/ids/ids.ts';
import type { Quote as QuoteTable } from '../db/tables.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import { credentialSetOf, signingCredentials } from '../customers/customers.ts';
import { applyPostings, holdWithdrawal, type PostingOutcome, type PostingRefusal } from '../ledger/ledger.ts';
import {
  readAsk,
  refusalsOf,
  type ReadAsk,
  type Refusal,
  type WithdrawalAsk,
  type WithdrawalRefusal,
} from './ask.ts';
import { quorumOf } from '../signing/signing.ts';
import { authorizationRefusal, type Authorization } from './authorization.ts';
import { drawOrderNumbers, orderOf, type WithdrawalDeps } from './quote.ts';
import type { WithdrawalRow } from './queries.ts';
import { withRetries } from './retries.ts';
import { tell, writeSteps } from './steps.ts';

/** An ask that is meant: recorded under the exchange's own id, for ever. */
export interface WithdrawalRequest extends WithdrawalAsk {
  readonly externalId: string;
  readonly quoteId?: string | undefined;
  /** The customer's own signature over the quoted order, stored as it is. */
  readonly authorization?: Authorization | undefined;
}

export type RequestResult =
  | { readonly ok: true; readonly created: boolean; readonly withdrawal: WithdrawalRow }
  | Refusal;

type QuoteRow = Selectable<QuoteTable>;

/** A request that is read, on its way to an answer. */
interface Candidate {
  readonly request: WithdrawalRequest;
  readonly read: ReadAsk;
  result?: RequestResult;
  quote?: QuoteRow;
}

/** What `one` answers when it is the only request: requestWithdrawals. */
export async function requestWithdrawal(
  deps: WithdrawalDeps,
  one: WithdrawalRequest,
): Promise<RequestResult> {
  const [result] = await requestWithdrawals(deps, [one]);
  assert.ok(result);
  return result;
}

/**
 * Records withdrawals and holds amount and fee of each, all in one transaction; each is taken or refused by itself,
 * in the order given. A refusal changes nothing. The same external id of a customer with equal content is the same
 * withdrawal for ever, whatever became of minimums, gates, fees or its quote; with other content it is
 * EXTERNAL_ID_REUSED. Content is asset, network, destination, amount, the quote and the authorization.
 */
export async function requestWithdrawals(
  deps: WithdrawalDeps,
  requests: readonly WithdrawalRequest[],
): Promise<RequestResult[]> {
  const answers = requests.map((request): Candidate | Refusal => {
    const words = readAsk(request);
    return words.ok ? { request, read: words.read } : words;
  });
  let open = answers.filter((answer): answer is Candidate => 'request' in answer);
  while (open.length > 0) {
    const { now, later } = withoutRepeats(open);
    await withRetries(deps.db, (trx) => takeAll(deps, trx, now));
    open = later;
  }
  return answers.map((answer) => ('request' in answer ? resultOf(answer) : answer));
}

/** Two with one external id or one quote are asked one after the other: the second depends on the first's answer. */
function withoutRepeats(candidates: readonly Candidate[]): { now: Candidate[]; later: Candidate[] } {
  const [now, later]: [Candidate[], Candidate[]] = [[], []];
  const seen = new Set<string>();
  for (const candidate of candidates) {
    const { customer, externalId, quoteId } = candidate.request;
    const names = [`${customer} ${externalId}`, ...(quoteId === undefined ? [] : [quoteId])];
    (names.some((name) => seen.has(name)) ? later : now).push(candidate);
    for (const name of names) seen.add(name);
  }
  return { now, later };
}

/** Customers are locked first, so that an external id is decided once; then quotes, the books, the event log. */
async function takeAll(
  deps: WithdrawalDeps,
  trx: DatabaseTransaction,
  candidates: readonly Candidate[],
): Promise<void> {
  // Tried again after a conflict, nothing of the attempt before counts.
  for (const candidate of candidates) delete candidate.result;
  await refuseUnknownCustomers(trx, candidates);
  await answerKnown(trx, undecided(candidates));
  await lockQuotes(trx, undecided(candidates), deps.now());
  const asked = undecided(candidates);
  const reasons = await refusalsOf(
    trx,
    asked.map(({ request, read }) => ({ listing: request.listing, read })),
  );
  for (const [i, candidate] of asked.entries()) refuse(candidate, reasons[i]);
  await refuseUnauthorized(deps, trx, undecided(candidates));
  await insertAll(deps, trx, undecided(candidates));
}

function undecided(candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ result }) => result === undefined);
}

function refuse(candidate: Candidate, reason: WithdrawalRefusal | undefined): void {
  if (reason !== undefined) candidate.result = { ok: false, reason };
}

async function refuseUnknownCustomers(
  trx: DatabaseTransaction,
  candidates: readonly Candidate[],
): Promise<void> {
  const rows = await executorOf(trx).query<{ id: string }>(
    'select id from customer where id = any($1::text[]) order by id for update',
    [candidates.map(({ request }) => request.customer)],
  );
  const known = new Set(rows.map(({ id }) => id));
  for (const candidate of candidates)
    refuse(candidate, known.has(candidate.request.customer) ? undefined : 'UNKNOWN_CUSTOMER');
}

/** Those whose external id is taken: the withdrawal that has it, or EXTERNAL_ID_REUSED. */
async function answerKnown(trx: DatabaseTransaction, candidates: readonly Candidate[]): Promise<void> {
  if (candidates.length === 0) return;
  // A quote gives its number to the order it becomes, so the number leads back to it.
  const rows = await executorOf(trx).query<WithdrawalRow & { readonly quote_id: string | null }>(
    `select w.*, q.id as quote_id
       from unnest($1::text[], $2::text[]) as asked(customer_id, external_id)
       join withdrawal w using (customer_id, external_id)
       left join quote q on q.order_number = w.order_number`,
    [candidates.map(({ request }) => request.customer), candidates.map(({ request }) => request.externalId)],
  );
  const known = new Map(rows.map((row) => [`${row.customer_id} ${row.external_id}`, row]));
  for (const candidate of candidates) {
    const { customer, externalId } = candidate.request;
    const found = known.get(`${customer} ${externalId}`);
    if (!found) continue;
    const { quote_id: quoteId, ...withdrawal } = found;
    candidate.result = saysTheSame(candidate, withdrawal, quoteId)
      ? { ok: true, created: false, withdrawal }
      : { ok: false, reason: 'EXTERNAL_ID_REUSED' };
  }
}

/** Another quote or authorization is other content: to drop it silently would let its sender believe that it counts. */
function saysTheSame({ request, read }: Candidate, known: WithdrawalRow, quoteId: string | null): boolean {
  const { listing, authorization } = request;
  return (
    known.asset === listing.asset.id &&
    known.network === listing.network.id &&
    known.destination === read.destination &&
    known.units === read.units &&
    (request.quoteId ?? null) === quoteId &&
    isDeepStrictEqual(known.authorization_document, asStored(authorization))
  );
}

function asStored(authorization: object | undefined): unknown {
  return authorization === undefined ? null : JSON.parse(JSON.stringify(authorization));
}

/** A customer with credentials signs what was quoted: an order that was not quoted has no digest to sign. */
async function refuseUnauthorized(
  deps: WithdrawalDeps,
  trx: DatabaseTransaction,
  candidates: readonly Candidate[],
): Promise<void> {
  const customers = candidates.map(({ request }) => request.customer);
  const credentials = await signingCredentials(trx, customers, deps.now());
  const isSigned = candidates.some(({ request }) => request.authorization !== undefined);
  const origin = isSigned ? quorumOf(deps.config).customerOrigin : '';
  for (const candidate of candidates) {
    const { request, quote } = candidate;
    const wanted = {
      credentials: credentials.get(request.customer) ?? [],
      digest: quote?.digest,
      origin,
    };
    refuse(candidate, authorizationRefusal(request.authorization, wanted));
  }
}

async function lockQuotes(
  trx: DatabaseTransaction,
  candidates: readonly Candidate[],
  at: Date,
): Promise<void> {
  const named = candidates.filter(({ request }) => request.quoteId !== undefined);
  if (named.length === 0) return;
  const quotes = await trx
    .selectFrom('quote')
    .selectAll()
    .where(
      'id',
      'in',
      named.map(({ request }) => request.quoteId ?? ''),
    )
    .orderBy('id')
    .forUpdate()
    .execute();
  for (const candidate of named) {
    const quote = quotes.find(({ id }) => id === candidate.request.quoteId);
    refuse(candidate, quoteRefusal(candidate, quote, at));
    if (quote) candidate.quote = quote;
  }
}

function quoteRefusal(
  { request, read }: Candidate,
  quote: QuoteRow | undefined,
  at: Date,
): WithdrawalRefusal | undefined {
  if (!quote || quote.customer_id !== request.customer) return 'QUOTE_MISMATCH';
  if (quote.used_by !== null) return 'QUOTE_USED';
  if (quote.expires_at <= at) return 'QUOTE_EXPIRED';
  const document = quote.document as { asset?: string; destination?: string; amount?: string };
  const same =
    document.asset === request.listing.assetId &&
    document.destination === read.destination &&
    document.amount === read.units.toString();
  return same ? undefined : 'QUOTE_MISMATCH';
}

/** Holds first: only what the books cover is written. */
async function insertAll(
  deps: WithdrawalDeps,
  trx: DatabaseTransaction,
  candidates: readonly Candidate[],
): Promise<void> {
  if (candidates.length === 0) return;
  const at = deps.now();
  const numbers = await drawOrderNumbers(trx, candidates.filter(({ quote }) => !quote).length);
  const rows = candidates.map((candidate) => rowOf(deps, candidate, { numbers, at }));
  const holds = rows.map(({ id, customer_id: customer, asset, units, fee_units: fee }) =>
    holdWithdrawal({ withdrawal: id, customer, asset, units: units + fee }),
  );
  const outcomes = await applyPostings(executorOf(trx), holds);
  for (const [i, candidate] of candidates.entries()) candidate.result = resultFrom(outcomes[i], rows[i]);
  const taken = rows.filter((_, i) => outcomes[i]?.status === 'applied');
  if (taken.length === 0) return;
  await trx
    .insertInto('withdrawal')
    .values(
      taken.map((row) => ({
        ...row,
        document: JSON.stringify(row.document),
        authorization_document:
          row.authorization_document === null ? null : JSON.stringify(row.authorization_document),
      })),
    )
    .execute();
  await executorOf(trx).query(
    `update quote set used_by = w.id from withdrawal w
      where w.id = any($1::text[]) and quote.order_number = w.order_number`,
    [taken.map(({ id }) => id)],
  );
  const steps = taken.map(firstStepOf);
  await writeSteps(trx, steps, at);
  await tell(trx, steps, at);
}

/** How every withdrawal's timeline begins. */
export function firstStepOf({ id, order_number: number }: WithdrawalRow) {
  const evidence = { order_number: number.toString() };
  return { id, from: null, to: 'requested', actor: 'customer', reason: 'ASKED', evidence } as const;
}

/** As the row will stand. `numbers` are for those without a quote; each is taken from its front. */
function rowOf(
  deps: WithdrawalDeps,
  { request, read, quote }: Candidate,
  { numbers, at }: { readonly numbers: bigint[]; readonly at: Date },
): WithdrawalRow & { readonly id: string } {
  const { listing } = request;
  const orderNumber = quote?.order_number ?? numbers.shift();
  assert.ok(orderNumber !== undefined, 'a number was drawn for everyone without a quote');
  const order = quote ?? orderOf(deps.config, request, { read, orderNumber, at, set: credentialSetOf([]) });
  return {
    id: newId('withdrawal', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes }),
    order_number: orderNumber,
    customer_id: request.customer,
    external_id: request.externalId,
    asset: listing.asset.id,
    network: listing.network.id,
    destination: read.destination,
    units: read.units,
    fee_units: quote?.fee_units ?? listing.withdrawalFeeUnits,
    document: order.document,
    digest: order.digest,
    authorization_document: asStored(request.authorization),
    state: 'requested',
    reason: '',
    spend_id: null,
    tx_id: null,
    created_at: at,
    updated_at: at,
  };
}

function resultFrom(outcome: PostingOutcome | undefined, row: WithdrawalRow | undefined): RequestResult {
  assert.ok(outcome && row);
  if (outcome.status === 'refused') return { ok: false, reason: refusalFrom(outcome.reason) };
  return { ok: true, created: true, withdrawal: row };
}

function refusalFrom(reason: PostingRefusal): WithdrawalRefusal {
  if (reason === 'INSUFFICIENT_FUNDS' || reason === 'NOT_YET_FINAL') return reason;
  if (reason === 'UNITS_OUT_OF_RANGE') return 'AMOUNT_TOO_LARGE';
  throw new Error(`the books refuse a hold: ${reason}`);
}

function resultOf({ result }: Candidate): RequestResult {
  assert.ok(result, 'every request was answered');
  return result;
}
