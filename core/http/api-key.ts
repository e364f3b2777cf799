import type { FastifyRequest } from 'fastify';
import { authenticate } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './problems.ts';
import type { Server } from './server.ts';

const keyIds = new WeakMap<FastifyRequest, string>();

/**
 * Every route of this scope wants a key. By the scope and not by the URL's text: a router decodes
 * `/%761/customers` to the same route, a comparison of texts does not.
 */
export function requireApiKey(scope: Server, deps: HttpDeps): void {
  scope.addHook('onRequest', async (request) => {
    keyIds.set(request, await authenticate(deps.db, request.headers.authorization));
  });
}

/** The id of the key that this request came with. */
export function apiKeyOf(request: object): string {
  const id = keyIds.get(request as FastifyRequest);
  if (id === undefined) throw new Problem('UNAUTHENTICATED');
  return id;
}
