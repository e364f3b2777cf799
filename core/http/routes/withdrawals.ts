import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import { parseId } from '../../../lib/ids/ids.ts';
import { tipOf } from '../../chain/chain.ts';
import type { Listing } from '../../config/config.ts';
import {
  cancelWithdrawal,
  listWithdrawals,
  quoteWithdrawal,
  requestWithdrawal,
  withdrawalById,
  withdrawalStates,
  type WithdrawalDetail,
  type WithdrawalRow,
} from '../../withdrawals/withdrawals.ts';
import { decodeCursor, pageFrom } from '../cursors.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyKeyOf, once } from '../idempotency.ts';
import { listingBy, networkBy } from '../lookups.ts';
import { Problem } from '../problems.ts';
import {
  amountField,
  assetField,
  externalId,
  moneyFields,
  networkField,
  order,
  pageOf,
  pageQuery,
  withdrawal,
} from '../schemas.ts';
import type { Server } from '../server.ts';
import { apiKeyOf } from '../api-key.ts';
import { customerOf } from './customers.ts';

const request = {
  customer_id: z.string(),
  asset: assetField,
  network: networkField,
  destination: z.string().min(1).max(200),
  amount: amountField.describe('What the recipient receives; the fee is debited on top'),
};

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

/** Withdrawals: quote, ask, look, cancel. */
export function withdrawalRoutes(app: Server, deps: HttpDeps): void {
  quoteRoute(app, deps);
  createRoute(app, deps);
  readRoutes(app, deps);
  app.post(
    '/v1/withdrawals/:id/cancel',
    {
      schema: {
        tags: ['withdrawals'],
        summary: 'Cancel; works until the signers are first asked',
        params: z.object({ id: z.string() }),
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
      schema: {
        tags: ['withdrawals'],
        summary: 'What a withdrawal would debit, and the canonical order with its digest',
        body: z.strictObject(request),
        response: { 200: quoteSchema },
      },
    },
    async (incoming) => {
      const { body } = incoming;
      const customer = await customerOf(deps, body.customer_id);
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

function createRoute(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/withdrawals',
    {
      schema: {
        tags: ['withdrawals'],
        summary: 'Ask for a withdrawal',
        headers: z.object({ 'idempotency-key': z.string().optional() }),
        body: z.strictObject({
          ...request,
          external_id: externalId,
          quote_id: z.string().optional(),
          authorization: z
            .strictObject({
              type: z.string().max(64),
              credential: z.string().max(4096),
              assertion: z.string().max(16_384),
            })
            .optional()
            .describe("The customer's own signature over the order's digest"),
        }),
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
        async () => {
          const customer = await customerOf(deps, body.customer_id);
          const result = await requestWithdrawal(deps, {
            customer: customer.id,
            listing: listingBy(deps, body.asset, body.network),
            destination: body.destination,
            amount: body.amount,
            externalId: body.external_id,
            quoteId: body.quote_id,
            authorization: body.authorization,
          });
          if (!result.ok) throw new Problem(result.reason);
          return { status: result.created ? 201 : 200, body: await detailOf(deps, result.withdrawal.id) };
        },
      );
      if (keyed.replayed) void reply.header('idempotency-replayed', 'true');
      return reply.code(keyed.status === 201 ? 201 : 200).send(keyed.body as z.infer<typeof withdrawal>);
    },
  );
}

function readRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/withdrawals',
    {
      schema: {
        tags: ['withdrawals'],
        summary: 'Withdrawals, newest first',
        querystring: z.strictObject({
          ...pageQuery,
          customer_id: z.string().optional(),
          external_id: externalId.optional(),
          asset: z.string().optional(),
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
        asset,
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
      schema: {
        tags: ['withdrawals'],
        summary: 'One withdrawal with its timeline',
        params: z.object({ id: z.string() }),
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
