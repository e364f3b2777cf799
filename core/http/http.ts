import { newId } from '../../lib/ids/ids.ts';
import { requireApiKey } from './api-key.ts';
import type { HttpDeps } from './deps.ts';
import { assetRoutes } from './routes/assets.ts';
import { customerRoutes } from './routes/customers.ts';
import { depositRoutes } from './routes/deposits.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { transferRoutes } from './routes/transfers.ts';
import { withdrawalRoutes } from './routes/withdrawals.ts';
import { makeServer, type Server } from './server.ts';

export type { HttpDeps } from './deps.ts';
export { addApiKey } from './authenticate.ts';

/** The whole API, ready to listen. The caller closes it. */
export async function buildApi(deps: HttpDeps): Promise<Server> {
  const ids = { nowMs: () => deps.now().getTime(), randomBytes: deps.randomBytes };
  const app = await makeServer(deps.log, () => newId('call', ids));
  requireApiKey(app, deps);
  customerRoutes(app, deps);
  depositRoutes(app, deps);
  withdrawalRoutes(app, deps);
  transferRoutes(app, deps);
  assetRoutes(app, deps);
  eventRoutes(app, deps);
  healthRoutes(app, deps);
  await app.ready();
  return app;
}
