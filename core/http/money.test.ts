// Proves that the routes that move money refuse every bad input with its code and change nothing, that keys and
// external ids make each effect happen once however often and at once it is asked for, and that no balance is
// ever spent twice.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { TOKEN, VAULT } from '../deposits/test/written-chain.ts';
import { testApi, type Answer } from './test/api.ts';

const api = await testApi({ after });
const BTC = 100_000_000n;
const ETH = 10n ** 18n;
const EVM = '0x52908400098527886E0F7030069857D2E4169EE7';
const REGTEST = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
let names = 0;
const fresh = (): string => `n-${(names += 1)}`;

async function funded(asset = 'ETH', units = 10n * ETH): Promise<string> {
  const id = await api.customer(fresh());
  await api.fund(id, asset, units);
  return id;
}

const order = (customer: string, change: object = {}) => ({
  customer_id: customer,
  asset: 'ETH',
  network: 'ethereum',
  destination: EVM,
  amount: '1',
  external_id: fresh(),
  ...change,
});
const ask = (body: object, key = fresh()): Promise<Answer> => api.post('/v1/withdrawals', body, key);
const balance = async (customer: string, asset: string) =>
  (await api.get(`/v1/customers/${customer}/balances`)).body.data.find(
    (line: { asset: string }) => line.asset === asset,
  );

/** Runs it and holds that the books are whole and say what they said before. */
async function unchanged(run: () => Promise<void>): Promise<void> {
  const before = await api.books();
  await run();
  assert.equal(await api.books(), before);
}

test('a withdrawal: quoted, asked for, shown with both sums, its fee on top and its order bound', async () => {
  const customer = await funded();
  const quote = await api.post('/v1/withdrawals/quote', {
    customer_id: customer,
    asset: 'ETH',
    network: 'ethereum',
    destination: EVM,
    amount: '1.5',
  });
  assert.deepEqual(
    [quote.status, quote.body.amount, quote.body.fee, quote.body.total_debit],
    [200, '1.500000000000000000', '0.001000000000000000', '1.501000000000000000'],
  );
  const made = await ask(order(customer, { amount: '1.5', quote_id: quote.body.id }));
  assert.equal(made.status, 201);
  assert.deepEqual(made.body.order, quote.body.order);
  assert.equal(made.body.digest, quote.body.digest);
  assert.match(made.body.digest, /^[0-9a-f]{64}$/);
  assert.equal(made.body.asset_id, 'eip155:1/slip44:60');
  assert.equal(made.body.network_id, 'eip155:1');
  assert.equal(made.body.timeline[0].to, 'requested');
  const { held, withdrawable, total } = await balance(customer, 'ETH');
  assert.deepEqual(
    [held, withdrawable, total],
    ['1.501000000000000000', '8.499000000000000000', '10.000000000000000000'],
  );
  const found = await api.get(`/v1/withdrawals/${made.body.id}`);
  assert.deepEqual(found.body, made.body);
  const used = await ask(order(customer, { amount: '1.5', quote_id: quote.body.id }));
  assert.deepEqual([used.status, used.body.code], [409, 'QUOTE_USED']);
  const cancelled = await api.call('POST', `/v1/withdrawals/${made.body.id}/cancel`);
  assert.deepEqual([cancelled.status, cancelled.body.status], [200, 'cancelled']);
  assert.equal(
    (await api.call('POST', `/v1/withdrawals/${made.body.id}/cancel`)).status,
    200,
    'again the same',
  );
  assert.equal((await balance(customer, 'ETH')).held, '0.000000000000000000');
  await api.books();
});

test('CAIP ids are taken wherever names are', async () => {
  const customer = await funded();
  const made = await ask(order(customer, { asset: 'eip155:1/slip44:60', network: 'eip155:1' }));
  assert.deepEqual([made.status, made.body.asset, made.body.network], [201, 'ETH', 'ethereum']);
  const listed = await api.get(
    `/v1/withdrawals?customer_id=${customer}&asset=eip155:1/slip44:60&network=eip155:1`,
  );
  assert.equal(listed.body.data.length, 1);
  assert.equal((await api.get('/v1/withdrawals?asset=DOGE')).body.code, 'UNKNOWN_ASSET');
  assert.equal((await api.get('/v1/withdrawals?network=moon')).body.code, 'UNKNOWN_NETWORK');
});

test('every bad withdrawal is refused with its code, and the books do not move', async () => {
  const customer = await funded();
  await api.fund(customer, 'BTC', BTC);
  await api.fund(customer, 'USDT', 1_000_000_000n);
  const own = (
    await api.post(`/v1/customers/${customer}/deposit-addresses`, { asset: 'ETH', network: 'ethereum' })
  ).body.address;
  const ownBitcoin = (
    await api.post(`/v1/customers/${customer}/deposit-addresses`, { asset: 'BTC', network: 'bitcoin' })
  ).body.address;
  const btc = { asset: 'BTC', network: 'bitcoin', amount: '0.01' };
  const bad: [object, string, number][] = [
    [{ amount: '1e3' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: '-1' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: '+1' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: ' 1' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: '1.' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: '0x10' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: 'NaN' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: '１' }, 'AMOUNT_NOT_DECIMAL', 422],
    [{ amount: 1 }, 'REQUEST_INVALID', 400],
    [{ amount: '0' }, 'AMOUNT_NOT_POSITIVE', 422],
    [{ amount: '0.000' }, 'AMOUNT_NOT_POSITIVE', 422],
    [{ amount: `1.${'0'.repeat(18)}1` }, 'AMOUNT_TOO_PRECISE', 422],
    [{ amount: '9'.repeat(100) }, 'AMOUNT_TOO_LARGE', 422],
    [{ amount: '0.009' }, 'BELOW_MINIMUM', 422],
    [{ amount: '11' }, 'INSUFFICIENT_FUNDS', 422],
    [{ amount: '10' }, 'INSUFFICIENT_FUNDS', 422],
    [{ destination: 'hello' }, 'ADDRESS_MALFORMED', 422],
    [{ destination: EVM.slice(0, -1) }, 'ADDRESS_MALFORMED', 422],
    [{ destination: EVM.replace('5', '5').replace('E', 'e') }, 'ADDRESS_CHECKSUM', 422],
    [{ destination: `0x${'0'.repeat(40)}` }, 'ADDRESS_ZERO', 422],
    [{ destination: REGTEST }, 'ADDRESS_MALFORMED', 422],
    [{ destination: own }, 'OWN_ADDRESS', 422],
    [{ destination: own.toLowerCase() }, 'OWN_ADDRESS', 422],
    [{ destination: VAULT }, 'OWN_ADDRESS', 422],
    [{ destination: TOKEN }, 'TOKEN_CONTRACT_AS_DESTINATION', 422],
    [{ ...btc, destination: EVM }, 'ADDRESS_MALFORMED', 422],
    [{ ...btc, destination: REGTEST.replace('w5', 'W5') }, 'ADDRESS_MALFORMED', 422],
    [{ ...btc, destination: `${REGTEST.slice(0, -1)}q` }, 'ADDRESS_CHECKSUM', 422],
    [{ ...btc, destination: 'BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4' }, 'ADDRESS_WRONG_NETWORK', 422],
    [{ ...btc, destination: '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa' }, 'ADDRESS_WRONG_NETWORK', 422],
    [{ ...btc, destination: ownBitcoin }, 'OWN_ADDRESS', 422],
    [{ ...btc, destination: ownBitcoin.toUpperCase() }, 'OWN_ADDRESS', 422],
    [{ asset: 'DOGE' }, 'UNKNOWN_ASSET', 422],
    [{ asset: 'BTC' }, 'UNKNOWN_ASSET', 422],
    [{ network: 'moon' }, 'UNKNOWN_NETWORK', 422],
    [{ customer_id: 'cus_00000000000070008000000000000000' }, 'UNKNOWN_CUSTOMER', 404],
    [{ customer_id: 'alice' }, 'UNKNOWN_CUSTOMER', 404],
    [{ quote_id: 'quo_00000000000070008000000000000000' }, 'QUOTE_MISMATCH', 422],
    [{ external_id: '' }, 'REQUEST_INVALID', 400],
    [{ external_id: 'a\u0000b' }, 'REQUEST_INVALID', 400],
    [{ memo: 'unknown field' }, 'REQUEST_INVALID', 400],
    [{ authorization: { type: 'a', credential: 'b', assertion: 'c', more: 1 } }, 'REQUEST_INVALID', 400],
  ];
  await unchanged(async () => {
    for (const [change, code, status] of bad) {
      const answer = await ask(order(customer, change));
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(change));
    }
    const without = await api.post('/v1/withdrawals', order(customer));
    assert.deepEqual([without.status, without.body.code], [400, 'IDEMPOTENCY_KEY_MISSING']);
    for (const key of ['sp ace', 'x'.repeat(129), '""'])
      assert.equal((await ask(order(customer), key)).body.code, 'IDEMPOTENCY_KEY_MISSING', key);
  });
});

test('what is not irreversible yet cannot leave; an expired quote is none', async () => {
  const customer = await api.customer(fresh());
  await api.fund(customer, 'ETH', 5n * ETH, true);
  await unchanged(async () => {
    const early = await ask(order(customer));
    assert.deepEqual([early.body.code, early.body.retryable], ['NOT_YET_FINAL', true]);
  });
  const quote = await api.post('/v1/withdrawals/quote', {
    customer_id: customer,
    asset: 'ETH',
    network: 'ethereum',
    destination: EVM,
    amount: '1',
  });
  api.clock.ms += 11 * 60_000;
  await unchanged(async () => {
    const late = await ask(order(customer, { quote_id: quote.body.id }));
    assert.equal(late.body.code, 'QUOTE_EXPIRED');
  });
});

test('one external id is one withdrawal for ever; other content under it is 409', async () => {
  const customer = await funded();
  const first = order(customer);
  const made = await ask(first);
  assert.equal(made.status, 201);
  await unchanged(async () => {
    const again = await ask(first);
    assert.deepEqual([again.status, again.body.id], [200, made.body.id]);
    const small = await ask({ ...first, destination: EVM.toLowerCase(), amount: '1.00' });
    assert.deepEqual([small.status, small.body.id], [200, made.body.id], 'equal in content, not in letters');
    for (const change of [{ amount: '2' }, { destination: `0x${'1'.repeat(40)}` }, { network: 'polygon' }]) {
      const other = await ask({ ...first, ...change });
      assert.deepEqual([other.status, other.body.code], [409, 'EXTERNAL_ID_REUSED']);
    }
  });
  const elsewhere = await ask({ ...first, customer_id: await funded() });
  assert.equal(elsewhere.status, 201, "another customer's ids are his own");
});

test('a key answers its repetition from the first, refuses another body, and is free after a refusal', async () => {
  const customer = await funded();
  const body = order(customer);
  const other = await funded();
  const first = await ask(body, 'k-1');
  assert.equal(first.headers.get('idempotency-replayed'), null);
  await unchanged(async () => {
    const reordered = Object.fromEntries(Object.entries(body).toReversed());
    const again = await ask(reordered, '"k-1"');
    assert.deepEqual([again.status, again.body], [201, first.body], 'the same answer, status too');
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    const changed = await ask({ ...body, amount: '2' }, 'k-1');
    assert.deepEqual([changed.status, changed.body.code], [422, 'IDEMPOTENCY_KEY_REUSED']);
    const path = await api.post(
      '/v1/transfers',
      { transfers: [{ external_id: fresh(), movements: [move(customer, other, '1')] }] },
      'k-1',
    );
    assert.equal(path.body.code, 'IDEMPOTENCY_KEY_REUSED', 'another route is another request');
  });
  assert.equal((await ask(order(customer, { amount: '0' }), 'k-2')).status, 422);
  assert.equal((await ask(order(customer), 'k-2')).status, 201, 'a refusal spent nothing, the key neither');
});

test('two requests at once with one key: one effect; a key in flight is 409, an abandoned one is taken over', async () => {
  const customer = await funded();
  const body = order(customer);
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask(body, 'k-race')));
  for (const { status, body: problem } of answers)
    assert.ok(status === 201 || problem.code === 'IDEMPOTENCY_KEY_IN_FLIGHT', `${status} ${problem.code}`);
  const ids = new Set(answers.filter((a) => a.status === 201).map((a) => a.body.id));
  assert.equal(ids.size, 1);
  const rows = await api.db
    .selectFrom('withdrawal')
    .select('id')
    .where('customer_id', '=', customer)
    .execute();
  assert.equal(rows.length, 1);
  await api.db
    .updateTable('idempotency_key')
    .set({ status: null, response: null, created_at: new Date(api.clock.ms) })
    .where('key', '=', 'k-race')
    .execute();
  const inFlight = await ask(body, 'k-race');
  assert.deepEqual(
    [inFlight.status, inFlight.body.code, inFlight.body.retryable],
    [409, 'IDEMPOTENCY_KEY_IN_FLIGHT', true],
  );
  api.clock.ms += 61_000;
  const taken = await ask(body, 'k-race');
  assert.deepEqual([taken.status, taken.body.id], [200, [...ids][0]], 'its process died after the effect');
  assert.equal((await ask(body, 'k-race')).headers.get('idempotency-replayed'), 'true');
});

test('500 withdrawals of one balance at once: exactly what it allows', async () => {
  const customer = await funded('ETH', ETH);
  // Each takes 0.01 + 0.001: 90 fit into 1.
  const answers = await Promise.all(
    Array.from({ length: 500 }, () => ask(order(customer, { amount: '0.01' }))),
  );
  const made = answers.filter((answer) => answer.status === 201).length;
  const refused = answers.filter((answer) => answer.body.code === 'INSUFFICIENT_FUNDS').length;
  assert.deepEqual([made, refused], [90, 410]);
  const { held, withdrawable } = await balance(customer, 'ETH');
  assert.deepEqual([held, withdrawable], ['0.990000000000000000', '0.010000000000000000']);
  await api.books();
});

const move = (from: string, to: string, amount: string, asset = 'ETH') => ({
  from_customer_id: from,
  to_customer_id: to,
  asset,
  amount,
});

test('transfers: both sides of a trade or none, each transfer by itself, in order', async () => {
  const [alice, bob] = [await funded('ETH', 10n * ETH), await funded('BTC', BTC)];
  const trade = {
    external_id: fresh(),
    movements: [move(alice, bob, '4'), move(bob, alice, '0.5', 'BTC')],
  };
  const tooMuch = {
    external_id: fresh(),
    movements: [move(alice, bob, '1'), move(bob, alice, '0.6', 'BTC')],
  };
  const after = { external_id: fresh(), movements: [move(bob, alice, '4')] };
  const body = {
    transfers: [trade, tooMuch, after, trade, { ...trade, movements: [move(alice, bob, '1')] }],
  };
  const { status, body: answer } = await api.post('/v1/transfers', body, fresh());
  assert.equal(status, 200);
  assert.deepEqual(
    answer.data.map((line: { status: string; code: string | null }) => [line.status, line.code]),
    [
      ['applied', null],
      ['refused', 'INSUFFICIENT_FUNDS'],
      ['applied', null],
      ['duplicate', null],
      ['refused', 'EXTERNAL_ID_REUSED'],
    ],
  );
  assert.equal((await balance(alice, 'ETH')).total, '10.000000000000000000');
  assert.equal((await balance(alice, 'BTC')).total, '0.50000000');
  assert.equal((await balance(bob, 'BTC')).total, '0.50000000');
  await api.books();
});

test('one malformed transfer refuses the request before any moves', async () => {
  const [alice, bob] = [await funded(), await api.customer(fresh())];
  const good = { external_id: fresh(), movements: [move(alice, bob, '1')] };
  const bad: [object, string][] = [
    [move(alice, alice, '1'), 'SAME_CUSTOMER'],
    [move(alice, 'cus_00000000000070008000000000000000', '1'), 'UNKNOWN_CUSTOMER'],
    [move(alice, bob, '1', 'DOGE'), 'UNKNOWN_ASSET'],
    [move(alice, bob, '1e1'), 'AMOUNT_NOT_DECIMAL'],
    [move(alice, bob, '0'), 'AMOUNT_NOT_POSITIVE'],
    [move(alice, bob, '0.0000000000000000001'), 'AMOUNT_TOO_PRECISE'],
    [move(alice, bob, '9'.repeat(90)), 'AMOUNT_TOO_LARGE'],
    [{ ...move(alice, bob, '1'), note: 1 }, 'REQUEST_INVALID'],
  ];
  await unchanged(async () => {
    for (const [movement, code] of bad) {
      const transfers = [good, { external_id: fresh(), movements: [movement] }];
      const answer = await api.post('/v1/transfers', { transfers }, fresh());
      assert.equal(answer.body.code, code);
    }
    const many = Array.from({ length: 21 }, () => move(alice, bob, '0.1'));
    const answer = await api.post(
      '/v1/transfers',
      { transfers: [{ external_id: fresh(), movements: many }] },
      fresh(),
    );
    assert.equal(answer.body.code, 'REQUEST_INVALID');
    assert.equal((await api.post('/v1/transfers', { transfers: [] }, fresh())).status, 400);
  });
});
