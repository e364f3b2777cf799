import { z } from 'zod';
import { sql } from 'kysely';
import { tipOf } from '../../chain/chain.ts';
import { relayWaits } from '../../chain/evm/evm.ts';
import { haltsOf } from '../../controls/controls.ts';
import type { HttpDeps } from '../deps.ts';
import { renderMetrics, type RequestMetrics } from '../metrics.ts';
import type { Server } from '../server.ts';

/** A watcher that has not moved its tip for this long is not following its chain. */
const TIP_STALE_MS = 3_600_000;

const RELAYER = 'relayer ';

const check = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });
const readiness = z.object({ ready: z.boolean(), checks: z.array(check) });

/** /livez speaks of this process alone; /readyz of the database and the chains; /metrics for Prometheus. */
export function healthRoutes(app: Server, deps: HttpDeps, requests: RequestMetrics): void {
  app.get(
    '/livez',
    {
      schema: {
        operationId: 'livez',
        tags: ['health'],
        summary: 'This process answers',
        security: [],
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    () => ({ status: 'ok' as const }),
  );
  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'readyz',
        tags: ['health'],
        summary: 'The database answers and every chain is followed',
        security: [],
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const checks = await readinessChecks(deps);
      // A relayer that waits holds up payments, not this API.
      const ready = checks.every((entry) => entry.ok || entry.name.startsWith(RELAYER));
      return reply.code(ready ? 200 : 503).send({ ready, checks });
    },
  );
  app.get('/metrics', { schema: { tags: ['health'], security: [], hide: true } }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(await renderMetrics(deps, requests)),
  );
}

async function readinessChecks(deps: HttpDeps): Promise<z.infer<typeof check>[]> {
  try {
    await sql`select 1`.execute(deps.db);
    return [
      { name: 'database', ok: true, detail: 'answers' },
      ...(await chainChecks(deps)),
      ...(await relayerChecks(deps)),
    ];
  } catch {
    return [{ name: 'database', ok: false, detail: 'does not answer' }];
  }
}

async function chainChecks(deps: HttpDeps): Promise<z.infer<typeof check>[]> {
  const halts = await haltsOf(deps.db);
  return Promise.all(
    deps.config.networks.map(async (network) => {
      const tip = await tipOf(deps.db, network.id);
      const halt = halts.find((entry) => entry.network === network.id);
      const ageMs = tip ? deps.now().getTime() - tip.at.getTime() : Number.POSITIVE_INFINITY;
      return {
        name: `chain ${network.id}`,
        ok: halt === undefined && ageMs < TIP_STALE_MS,
        detail: halt
          ? `halted: ${halt.code}`
          : tip
            ? `height ${tip.height}, ${Math.round(ageMs / 1000)} s old`
            : 'no block yet',
      };
    }),
  );
}

async function relayerChecks(deps: HttpDeps): Promise<z.infer<typeof check>[]> {
  const waits = await relayWaits(deps.db);
  const networks = deps.config.networks.filter(({ kind }) => kind === 'evm');
  return networks.map(({ id }) => {
    const wait = waits.find(({ network }) => network === id);
    const detail = wait
      ? `waits: ${wait.reason}, ${wait.relayer}, since ${wait.since.toISOString()}`
      : 'nothing waits';
    return { name: `${RELAYER}${id}`, ok: wait === undefined, detail };
  });
}
