import type { FastifyRequest } from 'fastify';
import { authenticate } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './problems.ts';
import type { Server } from './server.ts';

const keyIds = new WeakMap<FastifyRequest, string>();

/** Every route below /v1 wants a key; health and documentation do not. */
export function requireApiKey(app: Server, deps: HttpDeps): void {
  app.addHook('onRequest', async (request) => {
    if (!request.url.startsWith('/v1/')) return;
    keyIds.set(request, await authenticate(deps.db, request.headers.authorization));
  });
}

/** The id of the key that this request came with. */
export function apiKeyOf(request: object): string {
  const id = keyIds.get(request as FastifyRequest);
  if (id === undefined) throw new Problem('UNAUTHENTICATED');
  return id;
}
