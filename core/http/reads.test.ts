// Proves customers, addresses, pages, events, strays, halts and books as the API shows them: pages skip and double
// nothing while rows arrive, the stream resumes where it was left, and what an operator decides happens once.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { bindAddress, writtenChain } from '../deposits/test/written-chain.ts';
import { runDeposits } from '../deposits/deposits.ts';
import { recordEvent } from '../audit/audit.ts';
import { executorOf } from '../db/db.ts';
import { accountBalance } from '../ledger/ledger.ts';
import { KEY, testApi } from './test/api.ts';

const HEARTBEAT_MS = 200;
const api = await testApi({ after }, { heartbeatMs: HEARTBEAT_MS });
let names = 0;
const fresh = (): string => `r-${(names += 1)}`;

test('a customer is one for an external id, and found by it', async () => {
  const first = await api.post('/v1/customers', { external_id: 'alice' });
  const again = await api.post('/v1/customers', { external_id: 'alice' });
  assert.deepEqual([first.status, again.status, again.body], [201, 200, first.body]);
  assert.deepEqual((await api.get('/v1/customers?external_id=alice')).body.data, [first.body]);
  assert.deepEqual((await api.get('/v1/customers?external_id=nobody')).body.data, []);
  assert.deepEqual((await api.get(`/v1/customers/${first.body.id}`)).body, first.body);
  const missing = await api.get('/v1/customers/cus_00000000000070008000000000000000');
  assert.deepEqual([missing.status, missing.body.code], [404, 'UNKNOWN_CUSTOMER']);
  const made = await Promise.all(
    Array.from({ length: 10 }, () => api.post('/v1/customers', { external_id: 'storm' })),
  );
  assert.equal(new Set(made.map((answer) => answer.body.id)).size, 1);
});

test('an address is per customer and network, the same until renewed, the old one listed for ever', async () => {
  const id = await api.customer(fresh());
  const path = `/v1/customers/${id}/deposit-addresses`;
  const ask = async (body: object) => (await api.post(path, body)).body;
  const first = await ask({ asset: 'ETH', network: 'ethereum' });
  assert.deepEqual(first.assets, ['ETH', 'USDT']);
  assert.equal(first.account_id, `eip155:1:${first.address}`);
  assert.equal((await ask({ asset: 'USDT', network: 'eip155:1' })).address, first.address);
  const renewed = await ask({ asset: 'ETH', network: 'ethereum', renew: true });
  assert.notEqual(renewed.address, first.address);
  const all = (await api.get(`${path}?network=ethereum&asset=${first.asset_ids[1]}`)).body.data;
  assert.deepEqual(
    all.map((line: { status: string; replaced_by: string | null }) => [line.status, line.replaced_by]),
    [
      ['active', null],
      ['retired', renewed.id],
    ],
  );
  assert.equal((await api.post(path, { asset: 'BTC', network: 'ethereum' })).body.code, 'UNKNOWN_ASSET');
  assert.equal((await api.post(path, { asset: 'ETH', network: 'moon' })).body.code, 'UNKNOWN_NETWORK');
  assert.equal((await api.post(path, { asset: 'ETH', network: 'ethereum', renew: 1 })).status, 400);
});

test('assets say where they are, at which price, how deep, and whether their gates are open', async () => {
  const before = (await api.get('/v1/assets')).body.data;
  assert.deepEqual(
    before.map((asset: { id: string; networks: object[] }) => [asset.id, asset.networks.length]),
    [
      ['BTC', 1],
      ['ETH', 2],
      ['USDT', 2],
    ],
  );
  assert.deepEqual(before[0].networks[0].confirmations, [
    { from: '0.00000000', safe: 1, irreversible: 3 },
    { from: '0.10000000', safe: 2, irreversible: 5 },
  ]);
  await api.pool.query(
    `insert into gate values ('BTC', 'bitcoin', 'withdrawals', 'closed', 'incident', now())`,
  );
  const { withdrawals, deposits } = (await api.get('/v1/assets')).body.data[0].networks[0];
  assert.deepEqual([withdrawals.state, withdrawals.reason, deposits.state], ['closed', 'incident', 'open']);
});

test('pages of withdrawals and deposits: nothing skipped or doubled while rows arrive', async () => {
  const customer = await api.customer(fresh());
  await api.fund(customer, 'ETH', 10n ** 18n);
  const make = async (): Promise<string> => {
    const body = {
      customer_id: customer,
      asset: 'ETH',
      network: 'ethereum',
      destination: '0x52908400098527886E0F7030069857D2E4169EE7',
      amount: '0.01',
      external_id: fresh(),
    };
    return (await api.post('/v1/withdrawals', body, fresh())).body.id;
  };
  const made: string[] = [];
  for (let i = 0; i < 7; i += 1) made.push(await make());
  const read: string[] = [];
  let cursor = '';
  for (let pages = 0; ; pages += 1) {
    const { data, page } = (await api.get(`/v1/withdrawals?customer_id=${customer}&limit=2${cursor}`)).body;
    read.push(...data.map((line: { id: string }) => line.id));
    await make();
    if (!page.has_more) {
      assert.equal(page.next_cursor, null);
      assert.equal(pages, 3);
      break;
    }
    cursor = `&cursor=${page.next_cursor}`;
  }
  assert.deepEqual(read, made.toReversed());
  for (const bad of ['xyz', 'MTo', Buffer.from('2:abc').toString('base64url'), 'MTonJw'])
    for (const path of ['withdrawals', 'deposits', 'strays'])
      assert.equal((await api.get(`/v1/${path}?cursor=${bad}`)).body.code, 'CURSOR_INVALID', bad);
  assert.equal((await api.get('/v1/withdrawals/wdr_x')).body.code, 'NOT_FOUND');
  assert.equal((await api.call('POST', '/v1/withdrawals/wdr_x/cancel')).body.code, 'NOT_FOUND');
  assert.equal((await api.get('/v1/deposits/dep_x')).body.code, 'NOT_FOUND');
});

test('an orphaned deposit is written off, once, with its reason; nothing else is', async () => {
  const customer = await api.customer(fresh());
  const clock = { ms: api.clock.ms, now: () => new Date(clock.ms) };
  const chain = writtenChain(api.db, 'polygon', clock);
  const address = { network: 'polygon', address: 'to-be-orphaned', customer, position: 901n };
  const watchedId = await bindAddress(api.db, address);
  const units = 10n ** 18n;
  await chain.mine({ txId: 'bb'.repeat(32), position: 'call:0', watchedId, contract: '', units });
  await chain.mine();
  const follow = async (): Promise<unknown> => {
    clock.ms += 1000;
    return runDeposits({ db: api.db, config: api.config, now: clock.now });
  };
  await follow();
  const { id, written_off: off } = (await api.get(`/v1/deposits?customer_id=${customer}`)).body.data[0];
  assert.equal(off, false);
  const body = { reason: 'double-spent' };
  const path = `/v1/deposits/${id}/write-off`;
  assert.equal((await api.post(path, body)).body.code, 'DEPOSIT_NOT_ORPHANED');
  assert.equal((await api.post('/v1/deposits/dep_x/write-off', body)).body.code, 'NOT_FOUND');
  await chain.reorg(2);
  await follow();
  for (const bad of [{}, { reason: '' }, { reason: 'x'.repeat(501) }, { reason: 'a', more: 1 }])
    assert.equal((await api.post(path, bad)).body.code, 'REQUEST_INVALID');
  const answer = await api.post(path, body);
  assert.deepEqual([answer.status, answer.body.status, answer.body.written_off], [200, 'orphaned', true]);
  const books = await api.books();
  assert.deepEqual((await api.post(path, { reason: 'again' })).body, answer.body);
  assert.equal(await api.books(), books);
});

test('a deposit with its timeline and confirmations; a stray and the decision whose it is', async () => {
  const customer = await api.customer(fresh());
  const clock = { ms: api.clock.ms, now: () => new Date(clock.ms) };
  const chain = writtenChain(api.db, 'bitcoin', clock);
  const address = { network: 'bitcoin', address: 'test-address', customer, position: 900n };
  const watchedId = await bindAddress(api.db, address);
  const payment = { txId: 'aa'.repeat(32), position: '0', watchedId, contract: '' };
  await chain.mine(
    { ...payment, units: 1_000_000n },
    { ...payment, position: '1', units: 500n },
    { ...payment, position: '2', units: 600n },
  );
  await chain.mine();
  const follow = async (): Promise<unknown> => {
    clock.ms += 1000;
    return runDeposits({ db: api.db, config: api.config, now: clock.now });
  };
  await follow();
  const { data } = (await api.get(`/v1/deposits?customer_id=${customer}&asset=BTC&status=safe`)).body;
  assert.equal(data.length, 1);
  const { body: found } = await api.get(`/v1/deposits/${data[0].id}`);
  assert.deepEqual(
    [found.amount, found.amount_base, found.confirmations, found.confirmations_irreversible],
    ['0.01000000', '1000000', 2, 3],
  );
  assert.deepEqual(
    found.timeline.map((step: { to: string }) => step.to),
    ['seen', 'safe'],
  );
  const strays = (await api.get('/v1/strays?network=bitcoin')).body.data;
  const [first, second] = strays;
  assert.deepEqual([strays.length, first.status, first.reason_code], [2, 'seen', 'BELOW_MINIMUM']);
  const resolve = (id: string, to: string) => api.post(`/v1/strays/${id}/resolve`, { to });
  assert.equal((await resolve(first.id, 'house')).body.code, 'STRAY_NOT_RECORDED');
  await chain.mine();
  await follow();
  assert.equal((await resolve('str_x', 'house')).body.code, 'NOT_FOUND');
  assert.equal((await resolve(first.id, 'cus_nobody')).body.code, 'UNKNOWN_CUSTOMER');
  assert.equal((await resolve(first.id, customer)).body.resolved_to, customer);
  const once = await api.books();
  assert.equal((await resolve(first.id, customer)).status, 200, 'the same again');
  const other = await resolve(first.id, 'house');
  assert.deepEqual([other.status, other.body.code], [409, 'STRAY_ALREADY_RESOLVED']);
  assert.equal(await api.books(), once);
  assert.equal((await resolve(second.id, 'house')).body.status, 'resolved');
  const units = BigInt(first.amount_base);
  const [line] = (await api.get(`/v1/customers/${customer}/balances`)).body.data;
  assert.equal(line.final, `0.0${(1_000_000n + units).toString().padStart(7, '0')}`);
  const house = await accountBalance(executorOf(api.db), { kind: 'house', asset: 'BTC' });
  assert.equal(house, BigInt(second.amount_base));
});

test('halts are listed and cleared once; the books add up and an audit finds nothing', async () => {
  await api.pool.query(`insert into halt values ('polygon', 'REORG_TOO_DEEP', 'by 30', now())`);
  const [halt] = (await api.get('/v1/halts')).body.data;
  assert.deepEqual([halt.network, halt.code, halt.detail], ['polygon', 'REORG_TOO_DEEP', 'by 30']);
  const clear = async (network: string) => (await api.call('POST', `/v1/halts/${network}/clear`)).body;
  assert.deepEqual(await clear('eip155:137'), { network: 'polygon', cleared: true });
  assert.deepEqual(await clear('polygon'), { network: 'polygon', cleared: false });
  assert.equal((await clear('moon')).code, 'UNKNOWN_NETWORK');
  const { body } = await api.get('/v1/books?audit=true');
  assert.deepEqual([body.balanced, body.audit], [true, []]);
  const btc = body.data.find((entry: { asset: string }) => entry.asset === 'BTC');
  assert.equal(btc.sum_base, '0');
  assert.ok(btc.lines.some((entry: { account: string }) => entry.account === 'hot'));
  assert.equal((await api.get('/v1/books')).body.audit, null);
  // A balance changed behind the ledger's back is found.
  await api.pool.query('alter table account disable trigger all');
  await api.pool.query(`update account set final = final + 1 where kind = 'house' and asset = 'BTC'`);
  const wrong = (await api.get('/v1/books?audit=true')).body;
  assert.equal(wrong.balanced, false);
  assert.ok(wrong.audit.some((entry: { code: string }) => entry.code === 'ASSET_UNBALANCED'));
  await api.pool.query(`update account set final = final - 1 where kind = 'house' and asset = 'BTC'`);
  await api.books();
});

test('events in one order, resumable after any', async () => {
  const all = (await api.get('/v1/events?limit=500')).body;
  assert.equal(all.page.has_more, false);
  const read: string[] = [];
  let next = '0';
  for (;;) {
    const { data, page } = (await api.get(`/v1/events?after=${next}&limit=7`)).body;
    read.push(...data.map((event: { sequence: string }) => event.sequence));
    next = page.next_after;
    if (!page.has_more) break;
  }
  assert.deepEqual(
    read,
    all.data.map((event: { sequence: string }) => event.sequence),
  );
  assert.equal((await api.get('/v1/events?after=-1')).status, 400);
  assert.equal((await api.get('/v1/events/stream?after=x')).status, 400);
});

test('the stream: live, resumed by Last-Event-ID, kept alive, ended with its client', async () => {
  const { body } = await api.get('/v1/events?limit=500');
  const last = body.page.next_after;
  const first = await follow({ 'last-event-id': last });
  await tell('one');
  await first.until((text) => text.includes('"subject":"one"'));
  const id = /id: (\d+)\nevent: test.told\ndata: .*"subject":"one"/.exec(first.text())?.[1];
  assert.ok(id !== undefined && BigInt(id) > BigInt(last));
  first.stop();
  await tell('two');
  await tell('three');
  const second = await follow({ 'last-event-id': id });
  await second.until((text) => text.includes('"subject":"three"'));
  const subjects = [...second.text().matchAll(/"subject":"(\w+)"/g)].map((match) => match[1]);
  assert.deepEqual(subjects, ['two', 'three'], 'nothing twice, nothing missing');
  await second.until((text) => text.includes(': still here'));
  second.stop();
  const whole = await follow({}, '?after=0');
  await whole.until((text) => text.includes('"subject":"three"'));
  assert.equal(
    whole.text().match(/^id: /gm)?.length,
    (await api.get('/v1/events?limit=500')).body.data.length,
  );
  whole.stop();
  // A hundred and one at once: the last is refused, and leaves room for others when one goes.
  const open = await Promise.all(Array.from({ length: 100 }, () => follow({ 'last-event-id': last })));
  const refused = await api.get('/v1/events/stream');
  assert.deepEqual([refused.status, refused.body.code], [503, 'TOO_MANY_STREAMS']);
  for (const stream of open) stream.stop();
  for (let tries = 0; ; tries += 1) {
    const next = await fetch(`${api.url}/v1/events/stream`, { headers: { authorization: `Bearer ${KEY}` } });
    await next.body?.cancel();
    if (next.status === 200) break;
    assert.ok(tries < 50, 'streams of clients that went are forgotten');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test('a server that closes ends its streams', async (t) => {
  const other = await testApi(t);
  const stream = await follow({}, '', other.url);
  await stream.until((text) => text.includes(': connected'));
  const before = Date.now();
  await other.close();
  assert.ok(Date.now() - before < 5000, 'no wait for a stream that never ends');
  await stream.ended;
});

async function tell(subject: string): Promise<void> {
  const at = new Date(api.clock.ms);
  await api.db
    .transaction()
    .execute((trx) => recordEvent(trx, { at, type: 'test.told', subject, data: { a: 1 } }));
}

async function follow(headers: Record<string, string>, query = '', url = api.url) {
  const stopping = new AbortController();
  const response = await fetch(`${url}/v1/events/stream${query}`, {
    headers: { authorization: `Bearer ${KEY}`, ...headers },
    signal: stopping.signal,
  });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  let text = '';
  let wake = Promise.withResolvers<void>();
  const ended = (async () => {
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      wake.resolve();
      wake = Promise.withResolvers<void>();
    }
  })().catch(() => {});
  return {
    ended,
    text: () => text,
    stop: () => stopping.abort(),
    async until(holds: (text: string) => boolean): Promise<void> {
      const limit = AbortSignal.timeout(10_000);
      while (!holds(text)) {
        assert.ok(!limit.aborted, `the stream said: ${text.slice(-500)}`);
        await Promise.race([wake.promise, new Promise((resolve) => setTimeout(resolve, 500))]);
      }
    },
  };
}

test('what captures could cost is the sentinel’s to say: without one, or with none that answers so, nothing is made up', async () => {
  const none = await api.get('/v1/ops/blast-radius');
  assert.deepEqual([none.status, none.body.code], [503, 'SENTINEL_UNREACHABLE']);
  const answers: (() => Promise<unknown>)[] = [
    async () => Promise.reject(new Error('gone')),
    async () => ({ captures: 'many' }),
    async () => ({ at: 1, unread: ['a', 'b', 'c'], unasked: {}, captures: [] }),
  ];
  let at = 0;
  const asking = await testApi({ after }, { sentinel: async () => answers[at]?.() });
  for (const code of ['SENTINEL_UNREACHABLE', 'SENTINEL_UNREACHABLE', 'NOTHING_READ']) {
    const { status, body } = await asking.get('/v1/ops/blast-radius');
    assert.deepEqual([status, body.code], [503, code]);
    at += 1;
  }
});
