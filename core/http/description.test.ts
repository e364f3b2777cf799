// Proves that the OpenAPI description is what the code says, whole for every operation, and that its examples
// work as they stand; and that no JSON whatever makes a POST answer 500 or moves the books.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { createCustomer } from '../customers/customers.ts';
import { runDeposits } from '../deposits/deposits.ts';
import { bindAddress, writtenChain } from '../deposits/test/written-chain.ts';
import type { Id } from '../../lib/ids/ids.ts';
import { operationExamples } from './examples.ts';
import { problemKinds } from './problems.ts';
import { testApi } from './test/api.ts';

const sentinel = async (): Promise<unknown> => ({
  at: Date.UTC(2026, 0, 1),
  unread: ['one'],
  unasked: { 'eip155:1': 'gone' },
  captures: [
    { captured: 'core', control: 'windows', costs: [{ asset: 'a', units: '1', basis: 'journals' }] },
  ],
});
const api = await testApi({ after }, { sentinel });
const alice = 'cus_0198b7a8f2c07d3e9a4b5c6d7e8f9a0b' as Id<'customer'>;
const bob = 'cus_0198b7a8f2c17d3e9a4b5c6d7e8f9a0c' as Id<'customer'>;
for (const [id, externalId] of [
  [alice, 'example-alice'],
  [bob, 'example-bob'],
] as const)
  await api.db.transaction().execute((trx) => createCustomer(trx, { id, externalId, at: new Date(0) }));
await api.fund(alice, 'BTC', 100_000_000n);
await api.fund(alice, 'ETH', 10n ** 18n);
await api.fund(bob, 'USDT', 5_000_000_000n);

/** A deposit that a reorg took away, one that stands, and a stray: what the examples are about. */
const { orphaned, stray } = await paidIn();

async function paidIn(): Promise<{ orphaned: string; stray: string }> {
  const clock = { ms: api.clock.ms, now: () => new Date(clock.ms) };
  const chain = writtenChain(api.db, 'bitcoin', clock);
  const address = { network: 'bitcoin', address: 'example-address', customer: alice, position: 900n };
  const watchedId = await bindAddress(api.db, address);
  const payment = (txId: string, units: bigint) => ({ txId, position: '0', watchedId, contract: '', units });
  const follow = async () => {
    clock.ms += 1000;
    await runDeposits({ db: api.db, config: api.config, now: clock.now });
  };
  await chain.mine(payment('aa'.repeat(32), 500n));
  for (let i = 0; i < 4; i += 1) await chain.mine();
  await chain.mine(payment('bb'.repeat(32), 1_000_000n));
  await chain.mine();
  await follow();
  await chain.reorg(2);
  await follow();
  const deposits = (await api.get('/v1/deposits?status=orphaned')).body.data;
  const strays = (await api.get('/v1/strays')).body.data;
  return { orphaned: deposits[0].id, stray: strays[0].id };
}

/** The things of this database that stand for those of the examples. */
const placeOf = (path: string): string =>
  path
    .replace('/deposits/{id}', `/deposits/${orphaned}`)
    .replace('/strays/{id}', `/strays/${stray}`)
    .replace('/customers/{id}/credentials', `/customers/${bob}/credentials`)
    .replace('{id}', alice)
    .replace('{network}', 'bitcoin');

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly 'x-idempotent'?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly example?: unknown;
  }[];
  readonly requestBody?: { readonly content: Record<string, { example?: unknown; examples?: object }> };
  readonly responses: Record<
    string,
    { content?: Record<string, { readonly example?: unknown }>; description?: string }
  >;
}

const description = JSON.parse(readFileSync(new URL('openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

test('the committed description is the one that the API serves', async () => {
  const served = (await api.call('GET', '/openapi.json', { key: undefined })).body;
  assert.deepEqual(served, description);
});

test('every operation has an id of its own, tags, a summary and its problems', () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.ok(operations.length >= 24 && ids.every((id) => id !== undefined));
  assert.equal(new Set(ids).size, ids.length);
  for (const { path, method, operation } of operations) {
    assert.ok(operation.summary !== undefined && operation.tags?.length === 1, `${method} ${path}`);
    if (!path.startsWith('/v1/')) continue;
    for (const status of ['400', '401', '500', '503'])
      assert.ok(operation.responses[status]?.content?.['application/problem+json'], `${path} ${status}`);
    if (operation['x-idempotent'] === 'Idempotency-Key') {
      const header = operation.parameters?.find((parameter) => parameter.name === 'idempotency-key');
      assert.equal(header?.required, true, path);
    }
  }
  const money = operations.filter(({ operation }) => operation['x-idempotent'] === 'Idempotency-Key');
  assert.deepEqual(
    money.map(({ operation }) => operation.operationId),
    ['requestWithdrawal', 'transfer'],
  );
});

test('every code of the registry is documented by some operation', () => {
  const text = JSON.stringify(description);
  const anywhere = ['METHOD_NOT_ALLOWED', 'UNITS_OUT_OF_RANGE'];
  const missing = Object.keys(problemKinds).filter(
    (code) => !anywhere.includes(code) && !text.includes(`"${code}"`),
  );
  assert.deepEqual(missing, []);
});

test('every example is executed as it stands and succeeds', async () => {
  let executed = 0;
  for (const { path, method, operation } of operations) {
    const found = examplesIn(operation.requestBody?.content['application/json']);
    for (const [i, body] of found.entries()) {
      const answer = await api.call(method, placeOf(path), { body, idempotencyKey: `example-${path}-${i}` });
      assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      if (path === '/v1/transfers') assert.equal(answer.body.data[0].status, 'applied');
      executed += 1;
    }
  }
  assert.ok(executed >= 5, `${executed} examples`);
  await api.books();
});

test('every operation shows what to send and what comes back, refusals too', () => {
  const ids = operations.map(({ operation }) => String(operation.operationId));
  assert.deepEqual(Object.keys(operationExamples).toSorted(byText), ids.toSorted(byText));
  for (const { path, method, operation } of operations) {
    const where = `${method} ${path}`;
    assert.ok(operation.requestBody === undefined || examplesIn(jsonOf(operation)).length > 0, where);
    for (const parameter of operation.parameters ?? [])
      if (parameter.required === true)
        assert.ok(parameter.example !== undefined, `${where}: ${parameter.name}`);
    const good = Object.entries(operation.responses).filter(([status]) => status < '300');
    assert.ok(good.length > 0, where);
    for (const [status, { content = {}, description: said = '' }] of Object.entries(operation.responses)) {
      assert.ok(said !== '' && said !== 'Default Response', `${where}: ${status}`);
      for (const [type, media] of Object.entries(content)) checkExample(media, `${where} ${status}`, type);
    }
  }
});

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

function checkExample(media: { readonly example?: unknown }, where: string, type: string): void {
  assert.ok(media.example !== undefined, where);
  if (type !== 'application/problem+json') return;
  const { code, status } = media.example as { code: string; status: number };
  assert.ok(where.endsWith(` ${status}`), where);
  assert.ok(code in problemKinds, where);
}

test('what an example answers has the shape of what the API answers', async () => {
  let compared = 0;
  const ids = new Map<string, string>([['{id}', alice]]);
  const asked = { ...operationExamples };
  const made = await api.post('/v1/withdrawals', { ...withdrawalBody(), external_id: 'shape' }, 'shape');
  ids.set('/withdrawals/{id}', `/withdrawals/${made.body.id}`);
  await api.pool.query(`insert into halt values ('bitcoin', 'REORG_TOO_DEEP', 'by 30', now())`);
  for (const { path, method, operation } of operations) {
    const example = asked[operation.operationId ?? '']?.answer;
    if (typeof example === 'string') continue;
    const [body] = examplesIn(jsonOf(operation));
    const url = placeOf(path.replace('/withdrawals/{id}', ids.get('/withdrawals/{id}') ?? ''));
    const query = operation.operationId === 'findCustomer' ? '?external_id=example-alice' : '';
    const answer = await api.call(method, `${url}${query}`, {
      ...(body === undefined ? {} : { body }),
      idempotencyKey: `shape-${path}`,
    });
    assert.ok(answer.status < 300 || path === '/readyz', `${method} ${path}: ${JSON.stringify(answer.body)}`);
    assert.deepEqual(differences(example, answer.body), [], `${method} ${path}`);
    compared += 1;
  }
  assert.equal(compared, operations.length - 1, 'all but the stream');
});

function withdrawalBody(): object {
  const found = operations.find(({ operation }) => operation.operationId === 'requestWithdrawal');
  const [body] = found ? examplesIn(jsonOf(found.operation)) : [];
  return { ...(body as object), amount: '0.02' };
}

const jsonOf = (operation: Operation) => operation.requestBody?.content['application/json'];

/** Where two values differ in kind or in names; null stands for any kind, and what evidence says is free. */
function differences(a: unknown, b: unknown, at = ''): string[] {
  if (a === null || b === null || /\/(evidence|data\/\d+\/data)$/.test(at)) return [];
  if (Array.isArray(a) && Array.isArray(b))
    return a.length > 0 && b.length > 0 ? differences(a[0], b[0], `${at}/0`) : [];
  if (typeof a !== 'object' || typeof b !== 'object') return typeof a === typeof b ? [] : [at];
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].flatMap((name) => {
    if (!(name in a) || !(name in b)) return [`${at}/${name}`];
    return differences(
      (a as Record<string, unknown>)[name],
      (b as Record<string, unknown>)[name],
      `${at}/${name}`,
    );
  });
}

/** Words that some field takes, and words that none should. */
const word = fc.oneof(
  fc.constantFrom<unknown>(alice, bob, 'BTC', 'ETH', 'ethereum', 'bitcoin', '1', '0.1', 'house', true, null),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('1e5', '-1', '\u0000', '\ud800', '9'.repeat(200), '__proto__'),
  fc.jsonValue({ maxDepth: 2 }),
);

test('no JSON makes a POST answer 500, and none that is refused moves the books', async () => {
  const names = ['customer_id', 'asset', 'network', 'destination', 'amount', 'external_id', 'to', 'renew'];
  const shaped = fc.dictionary(fc.constantFrom(...names, 'authorization', 'quote_id'), word);
  const movement = fc.dictionary(
    fc.constantFrom('from_customer_id', 'to_customer_id', 'asset', 'amount'),
    word,
  );
  const transfer = fc.record({
    external_id: word,
    movements: fc.oneof(word, fc.array(movement, { maxLength: 3 })),
  });
  const body = fc.oneof(shaped, fc.record({ transfers: fc.array(transfer, { maxLength: 3 }) }), word);
  const posts = operations.filter(({ method }) => method === 'POST').map(({ path }) => path);
  assert.ok(posts.length >= 8);
  const before = await api.books();
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...posts),
      fc.constantFrom(alice, 'x', 'bitcoin'),
      body,
      async (path, id, json) => {
        const url = path.replace(/\{[a-z]+\}/, id);
        const answer = await api.call('POST', url, { body: JSON.stringify(json), idempotencyKey: 'fuzz' });
        assert.ok(answer.status < 500, `${url} ${JSON.stringify(json)}: ${answer.status}`);
        if (answer.status < 300) accepted += 1;
      },
    ),
    { numRuns: 400 },
  );
  // Random JSON does not spell a destination with a checksum: what it gets through moves nothing.
  assert.equal(await api.books(), before, `${accepted} were accepted`);
});

test('an example with one field bent is refused or done, never an error of ours', async () => {
  const examples = operations.flatMap(({ path, operation }) =>
    examplesIn(operation.requestBody?.content['application/json']).map((example) => ({ path, example })),
  );
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...examples),
      fc.nat(),
      word,
      async ({ path, example }, where, value) => {
        const places = leavesOf(example);
        const place = places[where % places.length] ?? [];
        const body = JSON.stringify(bent(example, place, value));
        const answer = await api.call('POST', placeOf(path), { body, idempotencyKey: 'bent' });
        assert.ok(answer.status < 500, `${path} ${body}: ${answer.status}`);
        if (answer.status >= 400) refused += 1;
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(refused > 100);
  await api.books();
});

/** Where every value that is no object stands. */
function leavesOf(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner).map((path) => [name, ...path]));
}

function bent(value: unknown, [name, ...rest]: readonly string[], to: unknown): unknown {
  if (name === undefined) return to;
  if (Array.isArray(value))
    return value.map((inner, i) => (String(i) === name ? bent(inner, rest, to) : inner));
  return { ...(value as object), [name]: bent((value as Record<string, unknown>)[name], rest, to) };
}

function examplesIn(content: { example?: unknown; examples?: object } | undefined): unknown[] {
  const named = Object.values(content?.examples ?? {}).map((entry) => (entry as { value: unknown }).value);
  return content?.example === undefined ? named : [content.example, ...named];
}
