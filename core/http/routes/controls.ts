import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import { clearHalt, haltsOf } from '../../controls/controls.ts';
import { executorOf } from '../../db/db.ts';
import { auditLedger, trialBalance, type TrialBalanceLine } from '../../ledger/ledger.ts';
import type { HttpDeps } from '../deps.ts';
import { networkBy } from '../lookups.ts';
import { networkField } from '../schemas.ts';
import type { Server } from '../server.ts';

const halt = z
  .object({ network: z.string(), code: z.string(), detail: z.string(), since: z.iso.datetime() })
  .meta({ id: 'Halt' });

const bookLine = z.object({
  account: z.string().describe('customer, fees, house, suspense, exposure, hot, unswept, cold, gas …'),
  network: z.string().nullable(),
  balance: z.string().describe('Credits less debits: what is owed is positive, what is held negative'),
  balance_base: z.string(),
});

const books = z
  .object({
    balanced: z.boolean().describe('Every asset adds up to zero, and the audit, if asked for, found nothing'),
    data: z.array(
      z.object({
        asset: z.string(),
        lines: z.array(bookLine),
        sum_base: z.string().describe('Over all lines; anything but 0 is a fault'),
      }),
    ),
    audit: z.array(z.object({ code: z.string(), detail: z.string() })).nullable(),
  })
  .meta({ id: 'Books' });

/** What an operator looks at and decides: halts and the books. */
export function controlRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/halts',
    {
      config: { scope: 'operations:read' },
      schema: {
        operationId: 'listHalts',
        tags: ['operations'],
        summary: 'Networks that are not followed further until a person has looked',
        response: { 200: z.object({ data: z.array(halt) }) },
      },
    },
    async () => ({
      data: (await haltsOf(deps.db)).map((entry) => ({ ...entry, since: entry.since.toISOString() })),
    }),
  );

  app.post(
    '/v1/halts/:network/clear',
    {
      config: { scope: 'operations:act', problems: ['UNKNOWN_NETWORK'], idempotent: 'natural' },
      schema: {
        operationId: 'clearHalt',
        tags: ['operations'],
        summary: 'A person has looked: follow the network again',
        params: z.object({ network: networkField }),
        response: {
          200: z.object({ network: z.string(), cleared: z.boolean().describe('False: it was not halted') }),
        },
      },
    },
    async (request) => {
      const network = networkBy(deps.config, request.params.network).id;
      const cleared = await deps.db.transaction().execute((trx) => clearHalt(trx, network, deps.now()));
      return { network, cleared };
    },
  );

  app.get(
    '/v1/books',
    {
      config: { scope: 'operations:read' },
      schema: {
        operationId: 'readBooks',
        tags: ['operations'],
        summary: 'The trial balance of each asset, and on demand an audit of the whole journal',
        querystring: z.strictObject({
          audit: z
            .enum(['true', 'false'])
            .default('false')
            .describe('true computes everything from the journal again'),
        }),
        response: { 200: books },
      },
    },
    async (request) => {
      const executor = executorOf(deps.db);
      const lines = await trialBalance(executor);
      const audit = request.query.audit === 'true' ? await auditLedger(executor) : null;
      const data = deps.config.assets.map((asset) =>
        describe(
          asset,
          lines.filter((line) => line.asset === asset.id),
        ),
      );
      const balanced = data.every((entry) => entry.sum_base === '0') && (audit ?? []).length === 0;
      return { balanced, data, audit };
    },
  );
}

function describe(asset: { id: string; decimals: number }, lines: readonly TrialBalanceLine[]) {
  return {
    asset: asset.id,
    lines: lines.map((line) => ({
      account: line.kind,
      network: line.network,
      balance: formatAmount(line.balance, asset.decimals),
      balance_base: line.balance.toString(),
    })),
    sum_base: lines.reduce((sum, line) => sum + line.balance, 0n).toString(),
  };
}
