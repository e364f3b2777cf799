import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type Pool } from 'pg';
import { pino } from 'pino';
import { newId, type Id } from '../../../lib/ids/ids.ts';
import { testDatabase } from '../../../world/testing.ts';
import { listingsOf, type Config } from '../../config/config.ts';
import { manifestFile } from '../../customers/test/manifest.ts';
import { executorOf, openDatabase, openPool, type Database } from '../../db/db.ts';
import { testConfig } from '../../deposits/test/written-chain.ts';
import {
  applyPostings,
  auditLedger,
  creditDeposit,
  finalizeDeposit,
  startLedgerLane,
  trialBalance,
} from '../../ledger/ledger.ts';
import { addApiKey, buildApi, scopes, type EventNotices } from '../http.ts';
import { problemKinds, type ProblemCode } from '../problems.ts';

export const KEY = 'test-key-0123456789abcdef';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What the API answers is what is under test: its shape is asserted, not assumed.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface Ask {
  readonly body?: unknown;
  readonly key?: string | undefined;
  readonly idempotencyKey?: string;
  readonly headers?: Record<string, string>;
}

export interface TestApi {
  readonly url: string;
  readonly databaseUrl: string;
  readonly db: Database;
  readonly pool: Pool;
  readonly config: Config;
  readonly clock: { ms: number };
  /** Every problem is checked: its document is whole, and the description of the route names its code. */
  readonly call: (method: string, path: string, ask?: Ask) => Promise<Answer>;
  readonly post: (path: string, body: unknown, idempotencyKey?: string) => Promise<Answer>;
  readonly get: (path: string) => Promise<Answer>;
  readonly customer: (externalId: string) => Promise<Id<'customer'>>;
  /** Irreversible value, or with `provisional` value that a reorg may take back. */
  readonly fund: (customer: string, asset: string, units: bigint, provisional?: boolean) => Promise<void>;
  /** All that the books say; throws when they are not whole. */
  readonly books: () => Promise<string>;
  readonly codesSeen: Set<string>;
  readonly close: () => Promise<void>;
}

/** The real API on a port of its own, over a real database. */
export async function testApi(
  t: { after: (fn: () => void | Promise<void>) => void },
  options: { heartbeatMs?: number; sentinel?: (path: string) => Promise<unknown> } = {},
): Promise<TestApi> {
  const { url: databaseUrl } = await testDatabase({ after: (fn) => t.after(fn) });
  const pool = openPool(databaseUrl, 12);
  const db = openDatabase(pool);
  const lane = startLedgerLane(pool);
  const clock = { ms: Date.UTC(2026, 0, 1) };
  const config = testConfig(manifestFile(t as TestContext));
  const notices = await listen(databaseUrl, options.heartbeatMs);
  const app = await buildApi({
    config,
    listings: listingsOf(config),
    db,
    lane,
    log: pino({ level: process.env['TEST_LOG'] ?? 'silent' }),
    now: () => new Date((clock.ms += 1)),
    randomBytes,
    eventNotices: notices.notices,
    sentinel: options.sentinel,
  });
  await addApiKey(db, { id: 'key_test', label: 'test', key: KEY, scopes, at: new Date(0) });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await app.close();
    await notices.stop();
    await lane.stop();
    await pool.end();
  };
  t.after(close);
  const codesSeen = new Set<string>();
  const documented = problemsByRoute(app.swagger());
  const call = async (method: string, path: string, ask: Ask = {}): Promise<Answer> => {
    const answer = await request(url, method, path, ask);
    if (answer.status >= 400) checkProblem(answer, documented(method, path), codesSeen);
    return answer;
  };
  const customer = async (externalId: string): Promise<Id<'customer'>> =>
    (await call('POST', '/v1/customers', { body: { external_id: externalId } })).body.id;
  return {
    url,
    databaseUrl,
    db,
    pool,
    config,
    clock,
    call,
    customer,
    codesSeen,
    close,
    post: (path, body, idempotencyKey) =>
      call('POST', path, { body, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }),
    get: (path) => call('GET', path),
    fund: (id, asset, units, provisional = false) => fund(db, { id, asset, units, provisional }),
    books: () => booksOf(db),
  };
}

async function request(url: string, method: string, path: string, ask: Ask): Promise<Answer> {
  const { body, idempotencyKey, headers } = ask;
  const key = 'key' in ask ? ask.key : KEY;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = (response.headers.get('content-type') ?? '').includes('json');
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
}

function checkProblem(answer: Answer, documented: ReadonlySet<string> | undefined, seen: Set<string>): void {
  if (answer.body.ready === false) return;
  const { code, status, type, title, request_id, retryable } = answer.body;
  seen.add(code);
  assert.equal(answer.headers.get('content-type')?.split(';')[0], 'application/problem+json');
  const kind = problemKinds[code as ProblemCode];
  assert.ok(kind, `an unknown code ${code}`);
  assert.deepEqual([status, title, retryable], [answer.status, kind.title, kind.retryable]);
  assert.equal(status, kind.status);
  assert.equal(type, `/docs/problems#${code}`);
  assert.match(request_id, /^call_[0-9a-f]{32}$/);
  if (documented) assert.ok(documented.has(code), `${answer.body.instance} does not document ${code}`);
}

type Described = Record<
  string,
  Record<string, { responses?: Record<string, { content?: Record<string, { schema?: unknown }> }> }>
>;

/** Which codes the description names for a request; undefined for a path that it does not know. */
function problemsByRoute(
  description: object,
): (method: string, path: string) => ReadonlySet<string> | undefined {
  const { paths } = description as { paths: Described };
  return (method, path) => {
    const [plain = ''] = path.split('?');
    const found = Object.entries(paths).find(
      ([template, operations]) =>
        method.toLowerCase() in operations &&
        new RegExp(`^${template.replaceAll(/\{[a-z]+\}/g, '[^/]+')}$`).test(plain),
    );
    const responses = found?.[1][method.toLowerCase()]?.responses;
    if (!responses) return undefined;
    return new Set(
      Object.values(responses).flatMap((response) => {
        const schema = response.content?.['application/problem+json']?.schema as
          | { allOf: { properties?: { code?: { enum?: string[] } } }[] }
          | undefined;
        return schema?.allOf[1]?.properties?.code?.enum ?? [];
      }),
    );
  };
}

let deposits = 0;

async function fund(
  db: Database,
  { id, asset, units, provisional }: { id: string; asset: string; units: bigint; provisional: boolean },
): Promise<void> {
  const deposit = newId('deposit', { nowMs: () => (deposits += 1), randomBytes });
  const network = asset === 'BTC' ? 'bitcoin' : 'ethereum';
  const postings = [
    creditDeposit({ deposit, incarnation: 1, customer: id, asset, network, into: 'hot', units }),
    ...(provisional ? [] : [finalizeDeposit({ deposit, incarnation: 1 })]),
  ];
  const outcomes = await db.transaction().execute((trx) => applyPostings(executorOf(trx), postings));
  assert.ok(
    outcomes.every((outcome) => outcome.status === 'applied'),
    'funded',
  );
}

async function booksOf(db: Database): Promise<string> {
  const executor = executorOf(db);
  assert.deepEqual(await auditLedger(executor), []);
  const lines = await trialBalance(executor);
  const sums = new Map<string, bigint>();
  for (const { asset, balance } of lines) sums.set(asset, (sums.get(asset) ?? 0n) + balance);
  for (const [asset, sum] of sums) assert.equal(sum, 0n, asset);
  const counts = await executor.query<{ postings: bigint; held: bigint }>(
    `select (select count(*) from posting) as postings, (select coalesce(sum(held), 0) from account) as held,
            (select count(*) from withdrawal) as withdrawals, (select count(*) from hold) as holds`,
    [],
  );
  return JSON.stringify([lines, counts], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
}

/** PostgreSQL's notices, as the API process hears them; a shorter time between heartbeats on demand. */
async function listen(databaseUrl: string, heartbeatMs: number | undefined) {
  const client = new Client({ connectionString: databaseUrl });
  client.on('error', () => {});
  let count = 0;
  let wake = Promise.withResolvers<void>();
  client.on('notification', () => {
    count += 1;
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  await client.connect();
  await client.query('listen portcullis_event');
  const notices: EventNotices = {
    count: () => count,
    async above(seen, timeoutMs, signal) {
      if (count > seen || signal.aborted) return;
      const timer = new AbortController();
      const either = AbortSignal.any([signal, timer.signal]);
      const pause = sleep(heartbeatMs ?? timeoutMs, undefined, { signal: either }).catch(() => {});
      await Promise.race([wake.promise, pause]);
      timer.abort();
    },
  };
  return { notices, stop: () => client.end() };
}
