import { z } from 'zod';
import { parseAmount } from '../../../lib/money/money.ts';
import type { Id } from '../../../lib/ids/ids.ts';
import { transfer, type PostingOutcome } from '../../ledger/ledger.ts';
import { apiKeyOf } from '../api-key.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyKeyOf, once } from '../idempotency.ts';
import { assetBy } from '../lookups.ts';
import { Problem, problemKinds, type ProblemCode } from '../problems.ts';
import { amountField, assetField, externalId } from '../schemas.ts';
import type { Server } from '../server.ts';
import { customerOf } from './customers.ts';

const TRANSFERS_MAX = 1000;

const movement = z.strictObject({
  from_customer_id: z.string(),
  to_customer_id: z.string(),
  asset: assetField,
  amount: amountField,
});

const transferRequest = z.strictObject({
  external_id: externalId.describe('Unique for ever; the same again with equal content moves nothing'),
  movements: z
    .array(movement)
    .min(1)
    .max(20)
    .describe('All of them or none: both sides of a trade stand in one transfer'),
});

const outcome = z.object({
  external_id: z.string(),
  status: z.enum(['applied', 'duplicate', 'refused']),
  code: z.string().nullable(),
  detail: z.string().nullable(),
});

/** POST /v1/transfers: settle trades between customers. Each transfer stands or falls alone, in the order given. */
export function transferRoutes(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/transfers',
    {
      schema: {
        tags: ['transfers'],
        summary: 'Move balances between customers, one or many',
        headers: z.object({ 'idempotency-key': z.string().optional() }),
        body: z.strictObject({ transfers: z.array(transferRequest).min(1).max(TRANSFERS_MAX) }),
        response: { 200: z.object({ data: z.array(outcome) }) },
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
          path: '/v1/transfers',
          body,
          now: deps.now(),
        },
        async () => ({ status: 200, body: { data: await transferAll(deps, body.transfers) } }),
      );
      if (keyed.replayed) void reply.header('idempotency-replayed', 'true');
      return keyed.body as { data: z.infer<typeof outcome>[] };
    },
  );
}

async function transferAll(deps: HttpDeps, requests: readonly z.infer<typeof transferRequest>[]) {
  const postings = await Promise.all(requests.map((request) => postingOf(deps, request)));
  const outcomes = await Promise.all(postings.map((posting) => deps.lane.submit(posting)));
  return requests.map((request, i) => render(request.external_id, outcomes[i]));
}

/** Checks a transfer whole before anything moves: one that is malformed refuses the request. */
async function postingOf(deps: HttpDeps, request: z.infer<typeof transferRequest>) {
  const movements = await Promise.all(
    request.movements.map(async (entry) => {
      const asset = assetBy(deps, entry.asset);
      const amount = parseAmount(entry.amount, asset.decimals);
      if (!amount.ok) throw new Problem(amount.reason, `${request.external_id}: ${entry.amount} ${asset.id}`);
      if (entry.from_customer_id === entry.to_customer_id)
        throw new Problem('SAME_CUSTOMER', request.external_id);
      const from: Id<'customer'> = (await customerOf(deps, entry.from_customer_id)).id;
      const to: Id<'customer'> = (await customerOf(deps, entry.to_customer_id)).id;
      return { from, to, asset: asset.id, units: amount.units };
    }),
  );
  return transfer({ key: request.external_id, movements });
}

function render(id: string, result: PostingOutcome | undefined): z.infer<typeof outcome> {
  if (result?.status === 'refused') {
    const code = result.reason;
    const title = code in problemKinds ? problemKinds[code as ProblemCode].title : code;
    return { external_id: id, status: 'refused', code, detail: title };
  }
  return { external_id: id, status: result?.status ?? 'refused', code: null, detail: null };
}
