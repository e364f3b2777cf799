import type { FastifyRequest } from 'fastify';
import { authenticate } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './problems.ts';
import type { Scope } from './scopes.ts';
import type { Server } from './server.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a key must be allowed to do here. */
    scope?: Scope;
  }
}

const keyIds = new WeakMap<FastifyRequest, string>();

/**
 * Every route of this part wants a key that has the route's scope. By the route and not by the URL's text: a router
 * decodes `/%761/customers` to the same route, a comparison of texts does not. A route without a scope does not start.
 */
export function requireApiKey(part: Server, deps: HttpDeps): void {
  part.addHook('onRoute', ({ config, method, url }) => {
    if (config?.scope === undefined) throw new Error(`${String(method)} ${url} has no scope`);
  });
  part.addHook('onRequest', async (request) => {
    const key = await authenticate(deps.db, request.headers.authorization);
    keyIds.set(request, key.id);
    const { scope } = request.routeOptions.config;
    if (scope === undefined || !key.scopes.includes(scope))
      throw new Problem(
        'SCOPE_MISSING',
        `this route needs ${scope ?? 'a scope'}, and the key has not got it`,
      );
  });
}

/** The id of the key that this request came with. */
export function apiKeyOf(request: object): string {
  const id = keyIds.get(request as FastifyRequest);
  if (id === undefined) throw new Problem('UNAUTHENTICATED');
  return id;
}
