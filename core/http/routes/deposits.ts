import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import { confirmationsOf, tipOf } from '../../chain/chain.ts';
import { depthFor } from '../../config/config.ts';
import {
  depositById,
  depositStates,
  listDeposits,
  listStrays,
  remedyOf,
  type DepositRow,
  type StrayRow,
} from '../../deposits/deposits.ts';
import { decodeCursor, pageFrom } from '../cursors.ts';
import type { HttpDeps } from '../deps.ts';
import { listingBy, networkBy } from '../lookups.ts';
import { Problem } from '../problems.ts';
import { deposit, networkField, pageOf, pageQuery, stray } from '../schemas.ts';
import type { Server } from '../server.ts';

/** Deposits, and money that reached us in a way that is nobody's deposit. */
export function depositRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/deposits',
    {
      schema: {
        tags: ['deposits'],
        summary: 'Deposits, newest first',
        querystring: z.strictObject({
          ...pageQuery,
          customer_id: z.string().optional(),
          asset: z.string().optional(),
          network: networkField.optional(),
          status: z.enum(depositStates).optional(),
          tx_id: z.string().max(80).optional(),
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
        asset,
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
      schema: {
        tags: ['deposits'],
        summary: 'One deposit with its timeline',
        params: z.object({ id: z.string() }),
        response: { 200: deposit },
      },
    },
    async (request) => {
      const found = await depositById(deps.db, request.params.id);
      if (!found) throw new Problem('NOT_FOUND', `No deposit ${request.params.id}`);
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
    },
  );

  strayRoutes(app, deps);
}

function strayRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/strays',
    {
      schema: {
        tags: ['deposits'],
        summary: 'Money that arrived in a way that is no deposit, and what can be done about it',
        querystring: z.strictObject({ ...pageQuery, network: networkField.optional() }),
        response: { 200: pageOf(stray) },
      },
    },
    async (request) => {
      const { cursor, limit, network } = request.query;
      const rows = await listStrays(deps.db, {
        before: decodeCursor(cursor),
        limit: limit + 1,
        network: network === undefined ? undefined : networkBy(deps.config, network).id,
      });
      return pageFrom(
        rows,
        limit,
        (row) => row.id,
        (row) => renderStray(deps, row),
      );
    },
  );
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
    seen_at: row.seen_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function renderStray(deps: HttpDeps, row: StrayRow) {
  const asset = deps.listings.find(
    (listing) => listing.network.id === row.network && listing.contract === row.contract,
  )?.asset;
  return {
    id: row.id,
    network: row.network,
    tx_id: row.tx_id,
    address: row.address,
    contract: row.contract === '' ? null : row.contract,
    amount_base: row.units.toString(),
    asset: asset?.id ?? null,
    reason_code: row.reason,
    status: row.state,
    customer_id: row.customer_id,
    remedy: remedyOf(row).text,
    seen_at: row.seen_at.toISOString(),
  };
}
