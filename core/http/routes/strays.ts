import { z } from 'zod';
import {
  listStrays,
  remedyOf,
  resolveStray,
  strayById,
  type ResolveStrayRefusal,
  type StrayRow,
} from '../../deposits/deposits.ts';
import { decodeCursor, pageFrom } from '../cursors.ts';
import type { HttpDeps } from '../deps.ts';
import { customerIn, networkBy } from '../lookups.ts';
import { Problem } from '../problems.ts';
import { idField, idPath, networkField, pageOf, pageQuery, stray } from '../schemas.ts';
import type { Server } from '../server.ts';

/** Money that reached us in a way that is nobody's deposit, and the decision whose it is. */
export function strayRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/strays',
    {
      config: { scope: 'operations:read', problems: ['CURSOR_INVALID', 'UNKNOWN_NETWORK'] },
      schema: {
        operationId: 'listStrays',
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

  app.post(
    '/v1/strays/:id/resolve',
    {
      config: {
        scope: 'operations:act',
        problems: ['NOT_FOUND', 'UNKNOWN_CUSTOMER', 'STRAY_NOT_RECORDED', 'STRAY_ALREADY_RESOLVED'],
        idempotent: 'natural',
      },
      schema: {
        operationId: 'resolveStray',
        tags: ['deposits'],
        summary: 'Decide whose a recorded stray is; the same again says the same',
        params: idPath,
        body: z
          .strictObject({ to: idField.describe('"house", or the id of a customer') })
          .meta({ examples: [{ to: 'house' }] }),
        response: { 200: stray },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { to } = request.body;
      const owner = to === 'house' ? to : { customer: (await customerIn(deps, to)).id };
      const result = await deps.db
        .transaction()
        .execute((trx) => resolveStray(trx, { stray: id, to: owner, at: deps.now() }));
      if (!result.ok) throw refusal(result.reason, id);
      const row = await strayById(deps.db, id);
      if (!row) throw new Problem('NOT_FOUND', `No stray ${id}`);
      return renderStray(deps, row);
    },
  );
}

function refusal(reason: ResolveStrayRefusal, id: string): Problem {
  return reason === 'UNKNOWN_STRAY' ? new Problem('NOT_FOUND', `No stray ${id}`) : new Problem(reason);
}

function renderStray(deps: HttpDeps, row: StrayRow) {
  const asset = deps.listings.find(
    (listing) => listing.network.id === row.network && listing.contract === row.contract,
  )?.asset;
  return {
    id: row.id,
    network: row.network,
    network_id: networkBy(deps.config, row.network).caip2,
    tx_id: row.tx_id,
    address: row.address,
    contract: row.contract === '' ? null : row.contract,
    amount_base: row.units.toString(),
    asset: asset?.id ?? null,
    reason_code: row.reason,
    status: row.state,
    customer_id: row.customer_id,
    resolved_to: row.resolved_to,
    remedy: remedyOf(row).text,
    seen_at: row.seen_at.toISOString(),
  };
}
