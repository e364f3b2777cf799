import { newId } from '../../lib/ids/ids.ts';
import { requireApiKey } from './api-key.ts';
import type { HttpDeps } from './deps.ts';
import { forgetOldKeys } from './idempotency-age.ts';
import { observeRequests } from './metrics.ts';
import { assetRoutes } from './routes/assets.ts';
import { blastRadiusRoute } from './routes/blast-radius.ts';
import { controlRoutes } from './routes/controls.ts';
import { credentialRoutes } from './routes/credentials.ts';
import { customerRoutes } from './routes/customers.ts';
import { depositRoutes } from './routes/deposits.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { strayRoutes } from './routes/strays.ts';
import { transferRoutes } from './routes/transfers.ts';
import { withdrawalRoutes } from './routes/withdrawals.ts';
import { makeServer, type Server } from './server.ts';
import { openWithdrawalDesk } from '../withdrawals/withdrawals.ts';

export type { EventNotices, HttpDeps } from './deps.ts';
export { addApiKey } from './authenticate.ts';
export { backendScopes, operationsScopes, scopes } from './scopes.ts';

/** The whole API, ready to listen. The caller closes it. */
export async function buildApi(deps: HttpDeps): Promise<Server> {
  const ids = { nowMs: () => deps.now().getTime(), randomBytes: deps.randomBytes };
  const app = await makeServer(deps.log, () => newId('call', ids));
  const requests = observeRequests(app);
  const desk = openWithdrawalDesk(deps);
  let forgetting: ReturnType<typeof forgetOldKeys> | undefined;
  app.addHook('onListen', async () => {
    forgetting = forgetOldKeys(deps);
  });
  app.addHook('onClose', async () => {
    await desk.stop();
    await forgetting?.stop();
  });
  await app.register(async (v1: Server) => {
    requireApiKey(v1, deps);
    customerRoutes(v1, deps);
    credentialRoutes(v1, deps);
    depositRoutes(v1, deps);
    strayRoutes(v1, deps);
    withdrawalRoutes(v1, { ...deps, desk });
    transferRoutes(v1, deps);
    assetRoutes(v1, deps);
    eventRoutes(v1, deps);
    controlRoutes(v1, deps);
    blastRadiusRoute(v1, deps);
  });
  healthRoutes(app, deps, requests);
  await app.ready();
  return app;
}
