// Proves that the API survives SIGKILL before and after everything that it makes last, in the middle of each request
// that changes something: whoever asks again under the same keys gets the answer, and everything happened once.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '../../lib/ids/ids.ts';
import { freePort } from '../../world/parts/process.ts';
import { executorOf } from '../db/db.ts';
import { addApiKey, scopes } from '../http/http.ts';
import { applyPostings, balancesOf, creditDeposit, finalizeDeposit } from '../ledger/ledger.ts';
import { BTC, outsideAddress, startStack } from '../withdrawals/test/stack.ts';
import type { Said } from './test/kill-points.ts';

const KEY = 'pk_killed_api_0123456789abcdef';
const ASK_WITHIN_MS = 120_000;
const [MAIN, MORTAL] = ['api.ts', 'test/mortal-api.ts'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
const port = await freePort();
const stack = await startStack({ after }, { config: { http: { host: '127.0.0.1', port } } });
await addApiKey(stack.db, { id: 'key_killed', label: 'killed', key: KEY, scopes, at: new Date() });

const compiled = mkdtempSync(join(tmpdir(), 'portcullis-compiled-'));
after(() => rmSync(compiled, { recursive: true, force: true }));

/** What was struck, by request: `transfer: before posting …`. */
const struck = new Map<string, Set<string>>();
let current = '';
let lives = 0;
let stopping = false;
let child = live();
after(async () => {
  stopping = true;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
});

/** Killed the first time at each point of each request, and started again. */
function live(): ChildProcess {
  lives += 1;
  const { PATH } = process.env;
  const env = { PATH, PORTCULLIS_DATABASE_URL: stack.databaseUrl, NODE_COMPILE_CACHE: compiled };
  const args = ['--import', MORTAL ?? '', MAIN ?? '', stack.configFile];
  const started = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  started.on('message', (said: Said) => {
    if (said.kind !== 'point') return;
    const point = `${said.side} ${said.name}`;
    const points = struck.get(current) ?? new Set();
    struck.set(current, points);
    if (current === '' || points.has(point))
      return void (started.connected && started.send(said.id, () => {}));
    points.add(point);
    started.kill('SIGKILL');
  });
  started.once('exit', (code, signal) => {
    assert.ok(stopping || signal === 'SIGKILL', `the API ended by itself: ${code}`);
    if (!stopping) child = live();
  });
  return started;
}

interface Answer {
  readonly status: number;
  // What the API answers is what is under test: its shape is asserted, not assumed.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** Asks under the same keys until there is an answer, as a backend does whose connections break. */
async function ask(name: string, path: string, body: object): Promise<Answer> {
  current = name;
  const key = `key-${name.replaceAll(' ', '-')}`;
  for (const end = performance.now() + ASK_WITHIN_MS; performance.now() < end; await delay(50)) {
    const answer = await send('POST', path, { body, key }).catch(() => undefined);
    if (answer && answer.status < 300) {
      current = '';
      return answer;
    }
    assert.ok(!answer || answer.status === 409 || answer.status >= 500, `${name}: ${JSON.stringify(answer)}`);
    // A minute later a request that died with its process is known to have died.
    const old = `update idempotency_key set created_at = created_at - interval '61 seconds' where status is null`;
    if (answer?.body.code === 'IDEMPOTENCY_KEY_IN_FLIGHT') await stack.pool.query(old);
  }
  return assert.fail(`no answer: ${name}`);
}

async function send(
  method: string,
  path: string,
  { body, key }: { readonly body?: object; readonly key?: string } = {},
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    signal: AbortSignal.timeout(10_000),
    headers: {
      authorization: `Bearer ${KEY}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: await response.json() };
}

async function fund(customer: string, units: bigint): Promise<void> {
  const deposit = newId('deposit', { nowMs: () => Date.now(), randomBytes });
  const credited = {
    deposit,
    incarnation: 1,
    customer,
    asset: 'BTC',
    network: 'bitcoin',
    into: 'hot',
    units,
  } as const;
  const postings = [creditDeposit(credited), finalizeDeposit({ deposit, incarnation: 1 })];
  await stack.db.transaction().execute((trx) => applyPostings(executorOf(trx), postings));
}

const rows = async (table: string): Promise<number> =>
  Number((await stack.pool.query(`select count(*) as n from ${table}`)).rows[0].n);

test('killed at each commit of each request: asked again, everything happened once', async () => {
  const alice = (await ask('customer', '/v1/customers', { external_id: 'alice' })).body.id as string;
  const bob = (await ask('second customer', '/v1/customers', { external_id: 'bob' })).body.id as string;
  const place = { asset: 'BTC', network: 'bitcoin' };
  const addresses = `/v1/customers/${alice}/deposit-addresses`;
  const first = await ask('address', addresses, place);
  const second = await ask('new address', addresses, { ...place, renew: true });
  assert.notEqual(first.body.address, second.body.address);
  await fund(alice, 2n * BTC);
  const movement = (amount: string) => ({
    from_customer_id: alice,
    to_customer_id: bob,
    asset: 'BTC',
    amount,
  });
  await ask('transfer', '/v1/transfers', {
    transfers: [{ external_id: 'one', movements: [movement('0.1')] }],
  });
  const both = { external_id: 'two', movements: [movement('0.2'), movement('0.3')] };
  const refused = { external_id: 'much', movements: [movement('9')] };
  const many = await ask('transfers', '/v1/transfers', { transfers: [both, refused] });
  assert.deepEqual(
    many.body.data.map(({ status }: { status: string }) => status === 'refused'),
    [false, true],
  );
  const order = { customer_id: alice, ...place, destination: await outsideAddress(stack), amount: '0.5' };
  const quote = await ask('quote', '/v1/withdrawals/quote', order);
  const kept = await ask('withdrawal', '/v1/withdrawals', { ...order, external_id: 'kept' });
  const dropped = await ask('second withdrawal', '/v1/withdrawals', { ...order, external_id: 'dropped' });
  await ask('cancel', `/v1/withdrawals/${dropped.body.id}/cancel`, {});

  for (const [name, points] of struck) {
    if (name === '' || name === 'quote') continue;
    assert.ok(points.size >= 2, `${name} was struck at ${[...points].join(', ')}`);
    for (const point of points)
      assert.ok(
        points.has(point.replace(/^before|^after/, (side) => (side === 'before' ? 'after' : 'before'))),
        point,
      );
  }
  assert.ok(lives > 20, `${lives} lives`);
  assert.deepEqual([await rows('customer'), await rows('withdrawal')], [2, 2]);
  const watched = await stack.pool.query(
    `select address from watched where purpose = 'deposit' and network = 'bitcoin'`,
  );
  const addressesNow = watched.rows.map(({ address }) => address as string);
  // A renewal that died unanswered may have made one more, which nobody was told and which is watched like any other.
  assert.ok(addressesNow.length === 2 || addressesNow.length === 3, `${addressesNow.length} addresses`);
  for (const { body } of [first, second]) assert.ok(addressesNow.includes(body.address));
  const fee = BigInt(Math.round(Number(quote.body.fee) * Number(BTC)));
  const [ofAlice] = await balancesOf(executorOf(stack.db), alice);
  const [ofBob] = await balancesOf(executorOf(stack.db), bob);
  assert.equal(ofBob?.total, (6n * BTC) / 10n);
  assert.equal(ofAlice?.total, 2n * BTC - (6n * BTC) / 10n);
  assert.equal(ofAlice?.held, BTC / 2n + fee, 'one hold: the other was cancelled');
  assert.equal((await send('GET', `/v1/withdrawals/${kept.body.id}`)).body.id, kept.body.id);
  assert.equal((await send('GET', `/v1/withdrawals/${dropped.body.id}`)).body.status, 'cancelled');
  const events = await stack.pool.query(
    `select type, subject, count(*) as n from event where type <> 'address.issued' group by 1, 2 having count(*) > 1`,
  );
  assert.deepEqual(events.rows, [], 'nothing was told twice');
  await stack.whole();
});
