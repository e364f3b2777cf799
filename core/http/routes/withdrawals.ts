import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import { parseId } from '../../../lib/ids/ids.ts';
import { tipOf } from '../../chain/chain.ts';
import type { Listing } from '../../config/config.ts';
import {
  cancelWithdrawal,
  firstStepOf,
  listWithdrawals,
  quoteWithdrawal,
  withdrawalById,
  withdrawalStates,
  type WithdrawalDesk,
  type WithdrawalDetail,
  type WithdrawalRow,
} from '../../withdrawals/withdrawals.ts';
import { decodeCursor, pageFrom } from '../cursors.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyKeyOf, once } from '../idempotency.ts';
import { assetBy, customerIn, listingBy, networkBy } from '../lookups.ts';
import { Problem, type ProblemCode } from '../problems.ts';
import {
  amountField,
  assetField,
  destinationField,
  externalId,
  idField,
  idPath,
  moneyFields,
  networkField,
  order,
  pageOf,
  pageQuery,
  withdrawal,
} from '../schemas.ts';
import type { Server } from '../server.ts';
import { apiKeyOf } from '../api-key.ts';

const request = {
  customer_id: idField,
  asset: assetField,
  network: networkField,
  destination: destinationField,
  amount: amountField.describe('What the recipient receives; the fee is debited on top'),
};

const base64url = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .regex(/^[A-Za-z0-9_-]+$/);

/** A request for a withdrawal that every test of this API executes as it stands. */
const example = {
  customer_id: 'cus_0198b7a8f2c07d3e9a4b5c6d7e8f9a0b',
  asset: 'ETH',
  network: 'ethereum',
  destination: '0x52908400098527886E0F7030069857D2E4169EE7',
  amount: '0.25',
};

/** What a quote and a request for a withdrawal can both be refused for. */
const askProblems = [
  'UNKNOWN_CUSTOMER',
  'UNKNOWN_NETWORK',
  'UNKNOWN_ASSET',
  'AMOUNT_NOT_DECIMAL',
  'AMOUNT_NOT_POSITIVE',
  'AMOUNT_TOO_PRECISE',
  'AMOUNT_TOO_LARGE',
  'BELOW_MINIMUM',
  'ADDRESS_MALFORMED',
  'ADDRESS_CHECKSUM',
  'ADDRESS_WRONG_NETWORK',
  'ADDRESS_UNSUPPORTED',
  'ADDRESS_UNSPENDABLE',
  'ADDRESS_ZERO',
  'OWN_ADDRESS',
  'TOKEN_CONTRACT_AS_DESTINATION',
] as const satisfies readonly ProblemCode[];

const createProblems = [
  ...askProblems,
  'EXTERNAL_ID_REUSED',
  'INSUFFICIENT_FUNDS',
  'NOT_YET_FINAL',
  'QUOTE_EXPIRED',
  'QUOTE_MISMATCH',
  'QUOTE_USED',
  'AUTHORIZATION_REQUIRED',
  'AUTHORIZATION_REFUSED',
] as const satisfies readonly ProblemCode[];

const createBody = z
  .strictObject({
    ...request,
    external_id: externalId,
    quote_id: idField.optional(),
    authorization: z
      .strictObject({
        type: z.literal('passkey'),
        credential: z
          .string()
          .regex(/^0[23][0-9a-f]{64}$/)
          .describe('Its key: compressed point on P-256, hex'),
        response: z.strictObject({
          authenticatorData: base64url(1400),
          clientDataJSON: base64url(2800),
          signature: base64url(96),
        }),
      })
      .optional()
      .describe(
        "The customer's own signature over the quoted order's digest, base64url as a browser gives it",
      ),
  })
  .meta({ examples: [{ ...example, external_id: 'withdrawal-1' }] });

const quoteSchema = z.object({
  id: z.string().describe('Pass it as quote_id to ask for exactly this order'),
  ...moneyFields,
  fee: z.string(),
  fee_base: z.string(),
  total_debit: z.string(),
  expires_at: z.iso.datetime(),
  order,
  digest: z.string(),
});

type DeskDeps = HttpDeps & { readonly desk: WithdrawalDesk };

/** Withdrawals: quote, ask, look, cancel. */
export function withdrawalRoutes(app: Server, deps: DeskDeps): void {
  quoteRoute(app, deps);
  createRoute(app, deps);
  readRoutes(app, deps);
  app.post(
    '/v1/withdrawals/:id/cancel',
    {
      config: {
        scope: 'withdrawals:create',
        problems: ['NOT_FOUND', 'TOO_LATE_TO_CANCEL'],
        idempotent: 'natural',
      },
      schema: {
        operationId: 'cancelWithdrawal',
        tags: ['withdrawals'],
        summary: 'Cancel; works until the signers are first asked',
        params: idPath,
        response: { 200: withdrawal },
      },
    },
    async (incoming) => {
      const id = parseId('withdrawal', incoming.params.id);
      if (id === undefined) throw new Problem('NOT_FOUND', `No withdrawal ${incoming.params.id}`);
      const result = await cancelWithdrawal(deps, id, 'api');
      if (!result.ok) throw new Problem(result.reason);
      return detailOf(deps, id);
    },
  );
}

function quoteRoute(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/withdrawals/quote',
    {
      config: { scope: 'withdrawals:create', problems: askProblems },
      schema: {
        operationId: 'quoteWithdrawal',
        tags: ['withdrawals'],
        summary: 'What a withdrawal would debit, and the canonical order with its digest',
        body: z.strictObject(request).meta({ examples: [example] }),
        response: { 200: quoteSchema },
      },
    },
    async (incoming) => {
      const { body } = incoming;
      const customer = await customerIn(deps, body.customer_id);
      const listing = listingBy(deps, body.asset, body.network);
      const result = await quoteWithdrawal(deps, {
        customer: customer.id,
        listing,
        destination: body.destination,
        amount: body.amount,
      });
      if (!result.ok) throw new Problem(result.reason);
      const { quote } = result;
      return {
        id: quote.id,
        ...money(listing, quote.units),
        fee: text(listing, quote.feeUnits),
        fee_base: quote.feeUnits.toString(),
        total_debit: text(listing, quote.units + quote.feeUnits),
        expires_at: quote.expiresAt.toISOString(),
        order: quote.document,
        digest: quote.digest.toString('hex'),
      };
    },
  );
}

function createRoute(app: Server, deps: DeskDeps): void {
  app.post(
    '/v1/withdrawals',
    {
      config: { scope: 'withdrawals:create', problems: createProblems, idempotent: 'Idempotency-Key' },
      schema: {
        operationId: 'requestWithdrawal',
        tags: ['withdrawals'],
        summary: 'Ask for a withdrawal',
        headers: z.object({ 'idempotency-key': z.string().optional() }),
        body: createBody,
        response: { 200: withdrawal, 201: withdrawal },
      },
    },
    async (incoming, reply) => {
      const { body } = incoming;
      const keyed = await once(
        deps.db,
        {
          apiKeyId: apiKeyOf(incoming),
          key: idempotencyKeyOf(incoming.headers['idempotency-key']),
          method: 'POST',
          path: '/v1/withdrawals',
          body,
          now: deps.now(),
        },
        () => take(deps, body),
      );
      if (keyed.replayed) void reply.header('idempotency-replayed', 'true');
      return reply.code(keyed.status === 201 ? 201 : 200).send(keyed.body as z.infer<typeof withdrawal>);
    },
  );
}

async function take(
  deps: DeskDeps,
  body: z.infer<typeof createBody>,
): Promise<{ status: number; body: unknown }> {
  const customer = parseId('customer', body.customer_id);
  if (customer === undefined) throw new Problem('UNKNOWN_CUSTOMER', `No customer ${body.customer_id}`);
  const result = await deps.desk.request({
    customer,
    listing: listingBy(deps, body.asset, body.network),
    destination: body.destination,
    amount: body.amount,
    externalId: body.external_id,
    quoteId: body.quote_id,
    authorization: body.authorization,
  });
  if (!result.ok) throw new Problem(result.reason);
  const { created, withdrawal: row } = result;
  if (!created) return { status: 200, body: await detailOf(deps, row.id) };
  return { status: 201, body: { ...renderWithdrawal(deps, row), timeline: [firstStep(row)] } };
}

/** The first step of a timeline, as reading it answers. */
function firstStep(row: WithdrawalRow) {
  const { from, to, actor, reason, evidence } = firstStepOf(row);
  return { at: row.created_at.toISOString(), from, to, actor, reason_code: reason, evidence };
}

function readRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/withdrawals',
    {
      config: { scope: 'withdrawals:read', problems: ['CURSOR_INVALID', 'UNKNOWN_NETWORK', 'UNKNOWN_ASSET'] },
      schema: {
        operationId: 'listWithdrawals',
        tags: ['withdrawals'],
        summary: 'Withdrawals, newest first',
        querystring: z.strictObject({
          ...pageQuery,
          customer_id: idField.optional(),
          external_id: externalId.optional(),
          asset: assetField.optional(),
          network: networkField.optional(),
          status: z.enum(withdrawalStates).optional(),
        }),
        response: { 200: pageOf(withdrawal) },
      },
    },
    async (incoming) => {
      const { cursor, limit, customer_id, external_id, asset, network, status } = incoming.query;
      const rows = await listWithdrawals(deps.db, {
        before: decodeCursor(cursor),
        limit: limit + 1,
        customer: customer_id,
        externalId: external_id,
        asset: asset === undefined ? undefined : assetBy(deps, asset).id,
        network: network === undefined ? undefined : networkBy(deps.config, network).id,
        state: status,
      });
      return pageFrom(
        rows,
        limit,
        (row) => row.id,
        (row) => renderWithdrawal(deps, row),
      );
    },
  );

  app.get(
    '/v1/withdrawals/:id',
    {
      config: { scope: 'withdrawals:read', problems: ['NOT_FOUND'] },
      schema: {
        operationId: 'readWithdrawal',
        tags: ['withdrawals'],
        summary: 'One withdrawal with its timeline',
        params: idPath,
        response: { 200: withdrawal },
      },
    },
    async (incoming) => detailOf(deps, incoming.params.id),
  );
}

async function detailOf(deps: HttpDeps, idText: string) {
  const id = parseId('withdrawal', idText);
  const found: WithdrawalDetail | undefined =
    id === undefined ? undefined : await withdrawalById(deps.db, id);
  if (!found) throw new Problem('NOT_FOUND', `No withdrawal ${idText}`);
  const tip = await tipOf(deps.db, found.row.network);
  const height = found.height;
  return {
    ...renderWithdrawal(deps, found.row),
    confirmations: tip && height !== null ? Math.max(0, tip.height - height + 1) : null,
    timeline: found.timeline.map((step) => ({
      at: step.at.toISOString(),
      from: step.from_state,
      to: step.to_state,
      actor: step.actor,
      reason_code: step.reason,
      evidence: step.evidence as Record<string, unknown>,
    })),
  };
}

function renderWithdrawal(deps: HttpDeps, row: WithdrawalRow) {
  const listing = listingBy(deps, row.asset, row.network);
  return {
    id: row.id,
    order_number: row.order_number.toString(),
    customer_id: row.customer_id,
    external_id: row.external_id,
    asset: row.asset,
    asset_id: listing.assetId,
    network: row.network,
    network_id: listing.network.caip2,
    destination: row.destination,
    ...money(listing, row.units),
    fee: text(listing, row.fee_units),
    fee_base: row.fee_units.toString(),
    status: row.state,
    reason_code: row.reason,
    tx_id: row.tx_id,
    confirmations: null,
    order: row.document as Record<string, string | number>,
    digest: row.digest.toString('hex'),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function money(listing: Listing, units: bigint): { amount: string; amount_base: string } {
  return { amount: text(listing, units), amount_base: units.toString() };
}

function text(listing: Listing, units: bigint): string {
  return formatAmount(units, listing.asset.decimals);
}
