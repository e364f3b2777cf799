// Proves that nothing below /v1 answers without a valid key however the URL is written, that health and
// documentation do, and that what no route takes is answered as a problem.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { addApiKey, hashApiKey } from './authenticate.ts';
import { requireApiKey } from './api-key.ts';
import { backendScopes, operationsScopes, scopes, type Scope } from './scopes.ts';
import { makeServer } from './server.ts';
import { problemKinds } from './problems.ts';
import { Client } from 'pg';
import { pino } from 'pino';
import type { HttpDeps } from './deps.ts';
import { KEY, testApi } from './test/api.ts';

const api = await testApi({ after });

test('no key, a wrong one, a malformed one and a revoked one are 401, on every route', async () => {
  const { paths } = (await api.call('GET', '/openapi.json', { key: undefined })).body;
  let routes = 0;
  for (const [template, operations] of Object.entries(paths as Record<string, object>)) {
    if (!template.startsWith('/v1/')) continue;
    for (const method of Object.keys(operations)) {
      const path = template.replaceAll(/\{[a-z]+\}/g, 'x');
      const body = method === 'post' ? { body: {} } : {};
      const answer = await api.call(method.toUpperCase(), path, { key: undefined, ...body });
      assert.deepEqual([answer.status, answer.body.code], [401, 'UNAUTHENTICATED'], `${method} ${path}`);
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
      routes += 1;
    }
  }
  assert.ok(routes >= 22, `${routes} routes`);
  for (const key of ['wrong-key-0123456789abcdef', `${KEY}x`, KEY.slice(1), 'short', 'sp ace'.repeat(5)])
    assert.equal((await api.call('GET', '/v1/assets', { key })).status, 401, key);
  for (const authorization of [`Basic ${KEY}`, KEY, `bearer  ${KEY}`])
    assert.equal(
      (await api.call('GET', '/v1/assets', { key: undefined, headers: { authorization } })).status,
      401,
    );
  await addApiKey(api.db, {
    id: 'key_2',
    label: 'two',
    key: 'second-key-0123456789',
    scopes: ['assets:read'],
    at: new Date(0),
  });
  const second = { key: 'second-key-0123456789' };
  assert.equal((await api.call('GET', '/v1/assets', second)).status, 200);
  await api.db.updateTable('api_key').set({ revoked_at: new Date() }).where('id', '=', 'key_2').execute();
  assert.equal((await api.call('GET', '/v1/assets', second)).status, 401);
});

/** Every route below /v1, and the scope that its description names. */
async function scopedRoutes(): Promise<{ method: string; path: string; scope: Scope }[]> {
  const { paths } = (await api.call('GET', '/openapi.json', { key: undefined })).body;
  return Object.entries(paths as Record<string, Record<string, { 'x-scope': Scope }>>)
    .filter(([template]) => template.startsWith('/v1/'))
    .flatMap(([template, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: template.replaceAll(/\{[a-z]+\}/g, 'x'),
        scope: operation['x-scope'],
      })),
    );
}

async function keyWith(id: string, allowed?: readonly Scope[]): Promise<string> {
  const key = `key-of-${id}-0123456789`;
  const entry = { id, label: id, key, at: new Date(0), scopes: allowed ?? [] };
  await addApiKey(api.db, entry);
  return key;
}

test('every route is refused to a key that has every scope but its own, and says which one it needs', async () => {
  const routes = await scopedRoutes();
  assert.ok(routes.length >= 24, `${routes.length} routes`);
  assert.deepEqual(new Set(routes.map(({ scope }) => scope)), new Set(scopes), 'no scope is for nothing');
  const keys = new Map<Scope, { without: string; only: string }>();
  for (const scope of scopes) {
    const others = scopes.filter((other) => other !== scope);
    keys.set(scope, {
      without: await keyWith(`without-${scope}`, others),
      only: await keyWith(`only-${scope}`, [scope]),
    });
  }
  const bare = await keyWith('bare');
  for (const { method, path, scope } of routes) {
    const body = method === 'POST' ? { body: {} } : {};
    const { without = '', only = '' } = keys.get(scope) ?? {};
    for (const key of [without, bare]) {
      const answer = await api.call(method, path, { key, ...body });
      assert.deepEqual([answer.status, answer.body.code], [403, 'SCOPE_MISSING'], `${method} ${path}`);
      assert.match(answer.body.detail, new RegExp(`\\b${scope}\\b`));
    }
    if (path === '/v1/events/stream') continue;
    const answer = await api.call(method, path, { key: only, ...body });
    assert.ok(![401, 403].includes(answer.status), `${method} ${path}: ${answer.status}`);
  }
});

test('a key of the backend decides nothing that a person has to look at; one for operations moves no money', async () => {
  const routes = await scopedRoutes();
  const allowed = (granted: readonly Scope[]): string[] =>
    routes.filter(({ scope }) => granted.includes(scope)).map(({ method, path }) => `${method} ${path}`);
  const decisions = ['halts/x/clear', 'strays/x/resolve', 'deposits/x/write-off'].map(
    (at) => `POST /v1/${at}`,
  );
  assert.deepEqual(
    decisions.filter((route) => allowed(backendScopes).includes(route)),
    [],
  );
  const acts = allowed(operationsScopes).filter((route) => route.startsWith('POST'));
  assert.deepEqual(new Set(acts), new Set(decisions));
});

test('a route without a scope does not start', async () => {
  const app = await makeServer(pino({ level: 'silent' }), () => 'call_x');
  await assert.rejects(async () => {
    await app.register(async (part: typeof app) => {
      requireApiKey(part, {} as HttpDeps);
      part.get('/v1/new', () => ({}));
    });
    await app.ready();
  }, /\/v1\/new has no scope/);
  await app.close();
});

test('another spelling of a path does not go around the key', async () => {
  for (const path of [
    '/%761/assets',
    '/v1/%61ssets',
    '/%76%31/assets',
    '//v1/assets',
    '/v1//assets',
    '/V1/assets',
  ]) {
    const answer = await api.call('GET', path, { key: undefined });
    assert.ok([401, 404].includes(answer.status), `${path}: ${answer.status}`);
  }
});

test('the table holds the hash of a key and never the key', async () => {
  const rows = await api.db.selectFrom('api_key').selectAll().execute();
  assert.deepEqual(rows.find((row) => row.id === 'key_test')?.key_hash, hashApiKey(KEY));
  assert.ok(!JSON.stringify(rows).includes(KEY));
});

test('what no route takes: unknown path, other method, media type, broken JSON, too much', async () => {
  const codeOf = async (method: string, path: string, ask = {}) => {
    const { status, body, headers } = await api.call(method, path, ask);
    return [status, body.code, headers.get('allow')];
  };
  assert.deepEqual(await codeOf('GET', '/v1/nothing'), [404, 'NOT_FOUND', null]);
  assert.deepEqual(await codeOf('GET', '/%'), [400, 'REQUEST_INVALID', null]);
  assert.deepEqual(await codeOf('DELETE', '/v1/withdrawals/x'), [405, 'METHOD_NOT_ALLOWED', 'GET, HEAD']);
  const text = { headers: { 'content-type': 'text/plain' }, body: 'hello' };
  assert.deepEqual(await codeOf('POST', '/v1/customers', text), [415, 'MEDIA_TYPE_UNSUPPORTED', null]);
  for (const body of ['{', '', '[]', 'null', '"x"', '{"external_id":"a","__proto__":{}}'])
    assert.deepEqual(
      (await codeOf('POST', '/v1/customers', { body })).slice(0, 2),
      [400, 'REQUEST_INVALID'],
      body,
    );
  const body = JSON.stringify({ external_id: 'x'.repeat(1_100_000) });
  assert.deepEqual(await codeOf('POST', '/v1/customers', { body }), [413, 'BODY_TOO_LARGE', null]);
  const unknown = await api.post('/v1/customers', { external_id: 'a', more: 1 });
  assert.equal(unknown.body.code, 'REQUEST_INVALID');
  assert.match(unknown.body.detail, /more/);
  assert.equal((await api.get('/v1/deposits?nonsense=1')).body.code, 'REQUEST_INVALID');
  assert.equal((await api.get('/v1/deposits?limit=201')).body.code, 'REQUEST_INVALID');
  assert.equal((await api.get('/v1/deposits/%00')).body.code, 'REQUEST_INVALID');
});

test('health, metrics and documentation answer without a key', async () => {
  const open = (path: string) => api.call('GET', path, { key: undefined });
  assert.deepEqual((await open('/livez')).body, { status: 'ok' });
  const page = await open('/docs/problems');
  for (const code of Object.keys(problemKinds)) assert.ok(page.body.includes(`id="${code}"`), code);
  const docs = await open('/docs/');
  assert.equal(docs.status, 200);
  assert.doesNotMatch(docs.body, /(src|href)="(https?:)?\/\//, 'nothing comes from outside');
  for (const { headers } of [docs, page]) {
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'.*script-src 'self'.*connect-src 'self'/);
    assert.doesNotMatch(policy, /https?:|\*/);
  }
  const description = (await open('/openapi.json')).body;
  assert.equal(description.openapi, '3.1.0');
  const notReady = await open('/readyz');
  assert.equal(notReady.status, 503, 'no chain was followed yet');
  for (const { id } of api.config.networks) await followed(id);
  const ready = await open('/readyz');
  assert.deepEqual([ready.status, ready.body.ready], [200, true]);
  await api.pool.query(`insert into relay_wait values ('ethereum', '0xa', 'FUNDS_LOW', now())`);
  const waiting = await open('/readyz');
  assert.deepEqual([waiting.status, waiting.body.ready], [200, true], 'it holds up payments, not the API');
  const relayer = waiting.body.checks.find(({ name }: { name: string }) => name === 'relayer ethereum');
  assert.equal(relayer.ok, false);
  assert.match(relayer.detail, /^waits: FUNDS_LOW, 0xa, since /);
  const metrics = (await open('/metrics')).body;
  assert.match(metrics, /portcullis_relayer_waiting\{network="ethereum",reason="FUNDS_LOW"\} 1\n/);
  await api.pool.query(`insert into halt values ('bitcoin', 'REORG_TOO_DEEP', '', now())`);
  assert.equal((await open('/readyz')).status, 503, 'a halted network');
});

test('metrics are Prometheus text, and name no customer and no id', async () => {
  const alice = await api.customer('alice');
  await api.fund(alice, 'BTC', 150_000_000n);
  await api.get(`/v1/customers/${alice}/balances`);
  const { body, headers } = await api.call('GET', '/metrics', { key: undefined });
  assert.match(headers.get('content-type') ?? '', /^text\/plain/);
  const line = /^(#.*|[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? (-?[0-9.e+-]+|NaN|[+-]Inf))?$/;
  for (const text of (body as string).split('\n')) assert.match(text, line);
  assert.match(body, /portcullis_ledger_balance\{asset="BTC",account="hot",network="bitcoin"\} -1.5\n/);
  assert.match(
    body,
    /portcullis_http_request_seconds_count\{.*route="\/v1\/customers\/:id\/balances".*\} 1\n/,
  );
  assert.ok(!body.includes(alice));
});

test('with the database gone: 503 and retryable everywhere, no 500', async () => {
  const alice = await api.customer('carol');
  await withoutDatabase(api.databaseUrl, async () => {
    const ready = await api.call('GET', '/readyz', { key: undefined });
    assert.deepEqual(ready.body.checks, [{ name: 'database', ok: false, detail: 'does not answer' }]);
    for (const path of ['/v1/assets', `/v1/customers/${alice}`, '/metrics']) {
      const answer = await api.get(path);
      assert.deepEqual([answer.status, answer.body.code], [503, 'NOT_READY'], path);
      assert.equal(answer.headers.get('retry-after'), '1');
    }
    const made = await api.post('/v1/customers', { external_id: 'bob' });
    assert.deepEqual([made.status, made.body.retryable], [503, true]);
    assert.equal((await api.call('GET', '/livez', { key: undefined })).status, 200);
  });
  assert.equal((await api.get(`/v1/customers/${alice}`)).status, 200, 'back as soon as it is back');
});

async function followed(network: string): Promise<void> {
  await api.pool.query(
    `insert into chain_tip (network, height, hash, at) values ($1, 7, $2, to_timestamp($3 / 1000.0))`,
    [network, `hash-${network}`, api.clock.ms],
  );
}

/** The database refuses everybody and cuts off who is there: what a client sees while its server restarts. */
async function withoutDatabase(databaseUrl: string, run: () => Promise<void>): Promise<void> {
  const admin = new URL(databaseUrl);
  const name = admin.pathname.slice(1);
  admin.pathname = '/postgres';
  const client = new Client({ connectionString: admin.href });
  await client.connect();
  try {
    await client.query(`alter database ${name} allow_connections false`);
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    await run();
    await client.query(`alter database ${name} allow_connections true`);
  } finally {
    await client.end();
  }
}
