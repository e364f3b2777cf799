import { z } from 'zod';
import { parseAmount } from '../../../lib/money/money.ts';
import { executorOf } from '../../db/db.ts';
import { transfer, type Movement, type PostingOutcome } from '../../ledger/ledger.ts';
import { apiKeyOf } from '../api-key.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyKeyOf, once } from '../idempotency.ts';
import { assetBy } from '../lookups.ts';
import { Problem, problemKinds, type ProblemCode } from '../problems.ts';
import { amountField, assetField, externalId, idField } from '../schemas.ts';
import type { Server } from '../server.ts';

const TRANSFERS_MAX = 1000;
/** As many as the books take in one posting. */
const MOVEMENTS_MAX = 20;

const movement = z.strictObject({
  from_customer_id: idField,
  to_customer_id: idField,
  asset: assetField,
  amount: amountField,
});

const transferRequest = z.strictObject({
  external_id: externalId.describe('Unique for ever; the same again with equal content moves nothing'),
  movements: z
    .array(movement)
    .min(1)
    .max(MOVEMENTS_MAX)
    .describe('All of them or none: both sides of a trade stand in one transfer'),
});

type TransferRequest = z.infer<typeof transferRequest>;

const outcome = z.object({
  external_id: z.string(),
  status: z.enum(['applied', 'duplicate', 'refused']),
  code: z.string().nullable().describe('Why it was refused: INSUFFICIENT_FUNDS, EXTERNAL_ID_REUSED …'),
  detail: z.string().nullable(),
});

const [alice, bob] = ['cus_0198b7a8f2c07d3e9a4b5c6d7e8f9a0b', 'cus_0198b7a8f2c17d3e9a4b5c6d7e8f9a0c'];
const example = {
  transfers: [
    {
      external_id: 'trade-1',
      movements: [
        { from_customer_id: alice, to_customer_id: bob, asset: 'BTC', amount: '0.01' },
        { from_customer_id: bob, to_customer_id: alice, asset: 'USDT', amount: '1000' },
      ],
    },
  ],
};

/** POST /v1/transfers: settle trades between customers. Each transfer stands or falls alone, in the order given. */
export function transferRoutes(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/transfers',
    {
      config: {
        scope: 'transfers:create',
        problems: [
          'UNKNOWN_CUSTOMER',
          'UNKNOWN_ASSET',
          'SAME_CUSTOMER',
          'AMOUNT_NOT_DECIMAL',
          'AMOUNT_NOT_POSITIVE',
          'AMOUNT_TOO_PRECISE',
          'AMOUNT_TOO_LARGE',
        ],
        idempotent: 'Idempotency-Key',
      },
      schema: {
        operationId: 'transfer',
        tags: ['transfers'],
        summary: 'Move balances between customers, one or many; each stands or falls alone',
        headers: z.object({ 'idempotency-key': z.string().optional() }),
        body: z
          .strictObject({ transfers: z.array(transferRequest).min(1).max(TRANSFERS_MAX) })
          .meta({ examples: [example] }),
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

/** Every transfer is checked whole before any moves: one that is malformed refuses the request. */
async function transferAll(deps: HttpDeps, requests: readonly TransferRequest[]) {
  const movements = requests.map((request, i) => request.movements.map((_, j) => read(deps, request, i, j)));
  await requireCustomers(
    deps,
    movements.flat().flatMap(({ from, to }) => [from, to]),
  );
  const outcomes = await Promise.all(
    requests.map((request, i) =>
      deps.lane.submit(transfer({ transfer: request.external_id, movements: movements[i] ?? [] })),
    ),
  );
  return requests.map((request, i) => render(request.external_id, outcomes[i]));
}

function read(deps: HttpDeps, request: TransferRequest, i: number, j: number): Movement {
  const entry = request.movements[j] as TransferRequest['movements'][number];
  const at = `/transfers/${i}/movements/${j}`;
  const asset = assetBy(deps, entry.asset);
  const amount = parseAmount(entry.amount, asset.decimals);
  if (!amount.ok) {
    const detail = `${entry.amount} ${asset.id}: ${problemKinds[amount.reason].title}`;
    throw new Problem(amount.reason, detail, [{ pointer: `${at}/amount`, detail }]);
  }
  const { from_customer_id: from, to_customer_id: to } = entry;
  if (from === to)
    throw new Problem('SAME_CUSTOMER', undefined, [
      { pointer: `${at}/to_customer_id`, detail: 'same as from' },
    ]);
  return { from, to, asset: asset.id, units: amount.units };
}

async function requireCustomers(deps: HttpDeps, named: readonly string[]): Promise<void> {
  const wanted = [...new Set(named)];
  const rows = await executorOf(deps.db).query<{ id: string }>(
    'select id from customer where id = any($1::text[])',
    [wanted],
  );
  const known = new Set(rows.map((row) => row.id));
  const missing = wanted.find((id) => !known.has(id));
  if (missing !== undefined) throw new Problem('UNKNOWN_CUSTOMER', `No customer ${missing}`);
}

function render(id: string, result: PostingOutcome | undefined): z.infer<typeof outcome> {
  if (result?.status === 'refused') {
    const code = result.reason === 'KEY_REUSED' ? 'EXTERNAL_ID_REUSED' : result.reason;
    const title = code in problemKinds ? problemKinds[code as ProblemCode].title : code;
    return { external_id: id, status: 'refused', code, detail: title };
  }
  return { external_id: id, status: result?.status ?? 'refused', code: null, detail: null };
}
