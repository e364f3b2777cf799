import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import { confirmationsOf, tipOf } from '../../chain/chain.ts';
import { depthFor } from '../../config/config.ts';
import {
  depositById,
  depositStates,
  listDeposits,
  writeOffDeposit,
  type DepositRow,
  type WriteOffRefusal,
} from '../../deposits/deposits.ts';
import { decodeCursor, pageFrom } from '../cursors.ts';
import type { HttpDeps } from '../deps.ts';
import { assetBy, listingBy, networkBy } from '../lookups.ts';
import { Problem } from '../problems.ts';
import {
  assetField,
  deposit,
  idField,
  idPath,
  networkField,
  opaqueText,
  pageOf,
  pageQuery,
} from '../schemas.ts';
import type { Server } from '../server.ts';

/** Deposits, as the chains bring them. */
export function depositRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/deposits',
    {
      config: { scope: 'deposits:read', problems: ['CURSOR_INVALID', 'UNKNOWN_NETWORK', 'UNKNOWN_ASSET'] },
      schema: {
        operationId: 'listDeposits',
        tags: ['deposits'],
        summary: 'Deposits, newest first',
        querystring: z.strictObject({
          ...pageQuery,
          customer_id: idField.optional(),
          asset: assetField.optional(),
          network: networkField.optional(),
          status: z.enum(depositStates).optional(),
          tx_id: idField.optional(),
        }),
        response: { 200: pageOf(deposit) },
      },
    },
    async (request) => {
      const { cursor, limit, customer_id, asset, network, status, tx_id } = request.query;
      const rows = await listDeposits(deps.db, {
        before: decodeCursor(cursor),
        limit: limit + 1,
        customer: customer_id,
        asset: asset === undefined ? undefined : assetBy(deps, asset).id,
        network: network === undefined ? undefined : networkBy(deps.config, network).id,
        state: status,
        txId: tx_id,
      });
      const heights = await tipHeights(deps);
      return pageFrom(
        rows,
        limit,
        (row) => row.id,
        (row) => renderDeposit(deps, row, heights),
      );
    },
  );

  app.get(
    '/v1/deposits/:id',
    {
      config: { scope: 'deposits:read', problems: ['NOT_FOUND'] },
      schema: {
        operationId: 'readDeposit',
        tags: ['deposits'],
        summary: 'One deposit with its timeline',
        params: idPath,
        response: { 200: deposit },
      },
    },
    async (request) => detailOf(deps, request.params.id),
  );
  writeOffRoute(app, deps);
}

function writeOffRoute(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/deposits/:id/write-off',
    {
      config: {
        scope: 'operations:act',
        problems: ['NOT_FOUND', 'DEPOSIT_NOT_ORPHANED', 'DEPOSIT_NEVER_CREDITED', 'DEPOSIT_FINAL'],
        idempotent: 'natural',
      },
      schema: {
        operationId: 'writeOffDeposit',
        tags: ['deposits'],
        summary: 'Give an orphaned deposit up: the house pays for what reached other hands',
        params: idPath,
        body: z
          .strictObject({
            reason: opaqueText(500).min(1).describe('Why, in your words; stands in the event'),
          })
          .meta({ examples: [{ reason: 'Its coins were spent elsewhere, 6 blocks deep' }] }),
        response: { 200: deposit },
      },
    },
    async (request) => {
      const { id } = request.params;
      const result = await deps.db
        .transaction()
        .execute((trx) => writeOffDeposit(trx, { deposit: id, why: request.body.reason, at: deps.now() }));
      if (!result.ok) throw refusal(result.reason, id);
      return detailOf(deps, id);
    },
  );
}

function refusal(reason: WriteOffRefusal, id: string): Problem {
  return reason === 'UNKNOWN_DEPOSIT' ? new Problem('NOT_FOUND', `No deposit ${id}`) : new Problem(reason);
}

async function detailOf(deps: HttpDeps, id: string) {
  const found = await depositById(deps.db, id);
  if (!found) throw new Problem('NOT_FOUND', `No deposit ${id}`);
  return {
    ...renderDeposit(deps, found.row, await tipHeights(deps)),
    timeline: found.timeline.map((step) => ({
      at: step.at.toISOString(),
      from: step.from_state,
      to: step.to_state,
      actor: 'chain',
      reason_code: step.reason,
      evidence: step.evidence as Record<string, unknown>,
    })),
  };
}

async function tipHeights(deps: HttpDeps): Promise<Map<string, number>> {
  const tips = await Promise.all(
    deps.config.networks.map(async (network) => [network.id, await tipOf(deps.db, network.id)] as const),
  );
  return new Map(tips.flatMap(([id, tip]) => (tip ? [[id, tip.height] as const] : [])));
}

function renderDeposit(deps: HttpDeps, row: DepositRow, heights: Map<string, number>) {
  const listing = listingBy(deps, row.asset, row.network);
  const depth = depthFor(listing, row.units);
  const tip = heights.get(row.network);
  return {
    id: row.id,
    customer_id: row.customer_id,
    asset: row.asset,
    asset_id: listing.assetId,
    network: row.network,
    network_id: listing.network.caip2,
    amount: formatAmount(row.units, listing.asset.decimals),
    amount_base: row.units.toString(),
    address: row.address,
    tx_id: row.tx_id,
    position: row.position,
    status: row.state,
    confirmations:
      row.height !== null && tip !== undefined && row.state !== 'orphaned'
        ? confirmationsOf(tip, row.height)
        : 0,
    confirmations_safe: depth.safe,
    confirmations_irreversible: depth.irreversible,
    late: row.late,
    written_off: row.written_off,
    seen_at: row.seen_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
