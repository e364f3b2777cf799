// Proves that a withdrawal is taken once and only if it can be paid for: every refusal leaves nothing, an external id
// is one withdrawal for ever, 500 at once take exactly what the balance allows, and each document is what signers read.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { localConfiguration } from '../../world/configuration.ts';
import { openAuthenticator, type Authenticator } from '../../world/people/authenticator.ts';
import { authorizationBy } from '../../world/people/customer.ts';
import { CUSTOMER_ORIGIN } from '../../world/people/people.ts';
import { testDatabase } from '../../world/testing.ts';
import { newId, type Id } from '../../lib/ids/ids.ts';
import { encodeOrder, parseOrderJson } from '../../signer/protocol/order.ts';
import { watchAddresses } from '../chain/chain.ts';
import { listingsOf, parseConfig, type Listing } from '../config/config.ts';
import { createCustomer } from '../customers/customers.ts';
import { manifestFile } from '../customers/test/manifest.ts';
import { executorOf, openDatabase, openPool } from '../db/db.ts';
import { applyPostings, auditLedger, balancesOf, recordStray, resolveStray } from '../ledger/ledger.ts';
import {
  cancelWithdrawal,
  listWithdrawals,
  openWithdrawalDesk,
  quoteWithdrawal,
  requestWithdrawal,
  withdrawalById,
  withdrawalStates,
  withdrawalTransitions,
} from './withdrawals.ts';

const address = (digit: string) => `0x${digit.repeat(40)}` as const;
const USDT = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
const config = parseConfig(
  localConfiguration({
    bitcoinNodeUrl: 'http://127.0.0.1:1',
    bitcoinCaip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
    coldBitcoin: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk',
    evm: [
      {
        id: 'ethereum',
        name: 'Ethereum',
        nodeUrl: 'http://127.0.0.1:1',
        relayerKeyFile: 'none',
        system: {
          chainId: 31337,
          registry: address('1'),
          factory: address('2'),
          vault: address('3'),
          cold: address('4'),
          initCodeHash: `0x${'5'.repeat(64)}`,
          tokens: { USDT, USDC: address('6') },
        } as never,
      },
    ],
    signers: [{ id: 'a', url: 'https://127.0.0.1:1', certificateFile: 'none' }],
    signerClient: { certificateFile: 'none', keyFile: 'none' },
    walletManifestFile: manifestFile({ after } as TestContext),
    http: { host: '127.0.0.1', port: 0 },
    pollMs: 100,
    stuckAfterMs: 30_000,
  }),
);
const listing = (asset: string): Listing => listingsOf(config).find((one) => one.asset.id === asset)!;
const BTC = listing('BTC');
const ETH = listing('ETH');
const OUT = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const OUT_EVM = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';

const { url } = await testDatabase({ after });
const pool = openPool(url, 20);
after(async () => pool.end());
const db = openDatabase(pool);
const clock = { ms: Date.parse('2026-11-23T00:00:00Z') };
const deps = { db, config, now: () => new Date(clock.ms), randomBytes };

let made = 0;
async function customerWith(units: bigint, asset: Listing = BTC): Promise<Id<'customer'>> {
  made += 1;
  const id = newId('customer', { nowMs: () => clock.ms, randomBytes });
  await db
    .transaction()
    .execute((trx) => createCustomer(trx, { id, externalId: `c-${made}`, at: deps.now() }));
  const stray = { key: `gift-${made}`, asset: asset.asset.id, units };
  await db
    .transaction()
    .execute((trx) =>
      applyPostings(executorOf(trx), [
        recordStray({ ...stray, network: asset.network.id, into: 'hot' }),
        resolveStray({ ...stray, to: { customer: id } }),
      ]),
    );
  return id;
}

const balance = async (customer: string, asset = 'BTC') =>
  (await balancesOf(executorOf(db), customer)).find((line) => line.asset === asset);

/** All that a refusal must leave as it was. */
async function everything(): Promise<string> {
  const count = async (table: 'withdrawal' | 'withdrawal_step' | 'event' | 'posting' | 'entry' | 'hold') =>
    (
      await db
        .selectFrom(table)
        .select((eb) => eb.fn.countAll<bigint>().as('n'))
        .executeTakeFirstOrThrow()
    ).n;
  const counts = [];
  for (const table of ['withdrawal', 'withdrawal_step', 'event', 'posting', 'entry', 'hold'] as const) {
    counts.push(`${table} ${await count(table)}`);
  }
  return counts.join(', ');
}

test('taken: held in full with its fee, and the document is the canonical order', async () => {
  const customer = await customerWith(100_000_000n);
  const ask = { customer, listing: BTC, destination: OUT.toUpperCase(), amount: '0.5', externalId: 'first' };
  const result = await requestWithdrawal(deps, ask);
  assert.ok(result.ok && result.created);
  const { row, timeline } = (await withdrawalById(db, result.withdrawal.id))!;
  assert.equal(row.destination, OUT, 'in its canonical form');
  assert.deepEqual([row.units, row.fee_units, row.state], [50_000_000n, 5_000n, 'requested']);
  assert.equal((await balance(customer))?.held, 50_005_000n);
  assert.deepEqual(
    timeline.map((step) => step.to_state),
    ['requested'],
  );
  const order = parseOrderJson(row.document);
  assert.ok(order.ok);
  assert.deepEqual(row.digest, createHash('sha256').update(encodeOrder(order.value)).digest());
  assert.deepEqual([order.value.orderNumber, order.value.amount], [row.order_number, 50_000_000n]);
  assert.equal(order.value.expiry, BigInt(clock.ms / 1000 + config.orderExpirySeconds));
  const again = await requestWithdrawal(deps, ask);
  assert.ok(again.ok && !again.created && again.withdrawal.id === row.id);
  const other = await requestWithdrawal(deps, { ...ask, amount: '0.4' });
  assert.deepEqual(other, { ok: false, reason: 'EXTERNAL_ID_REUSED' });
  assert.deepEqual(
    (await listWithdrawals(db, { limit: 5, customer })).map(({ id }) => id),
    [row.id],
  );
});

test('every refusal has its code and leaves nothing', async () => {
  const customer = await customerWith(10_000_000n);
  const own = 'bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8zeqchgx';
  await db
    .transaction()
    .execute((trx) =>
      watchAddresses(trx, [
        { network: 'bitcoin', address: own, script: Buffer.of(1), purpose: 'change', derivation: '1/0' },
      ]),
    );
  const nobody = newId('customer', { nowMs: () => clock.ms, randomBytes });
  const base = { customer, listing: BTC, destination: OUT, amount: '0.01', externalId: 'x' };
  const cases: [Partial<typeof base>, string][] = [
    [{ amount: '-1' }, 'AMOUNT_NOT_DECIMAL'],
    [{ amount: '1e3' }, 'AMOUNT_NOT_DECIMAL'],
    [{ amount: '0' }, 'AMOUNT_NOT_POSITIVE'],
    [{ amount: '0.000000001' }, 'AMOUNT_TOO_PRECISE'],
    [{ amount: '9'.repeat(90) }, 'AMOUNT_TOO_LARGE'],
    [{ amount: '0.00019999' }, 'BELOW_MINIMUM'],
    [{ amount: '0.09995001' }, 'INSUFFICIENT_FUNDS'],
    [{ destination: 'hello' }, 'ADDRESS_MALFORMED'],
    [{ destination: `${OUT.slice(0, -1)}x` }, 'ADDRESS_CHECKSUM'],
    [{ destination: 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4' }, 'ADDRESS_WRONG_NETWORK'],
    [{ destination: own }, 'OWN_ADDRESS'],
    [{ listing: ETH, destination: address('3') }, 'OWN_ADDRESS'],
    [{ listing: ETH, destination: USDT }, 'TOKEN_CONTRACT_AS_DESTINATION'],
    [{ listing: ETH, destination: address('0') }, 'ADDRESS_ZERO'],
    [{ listing: ETH, destination: OUT_EVM, amount: '79228162514.264337593543950336' }, 'AMOUNT_TOO_LARGE'],
    [{ customer: nobody }, 'UNKNOWN_CUSTOMER'],
  ];
  for (const [change, reason] of cases) {
    const before = await everything();
    assert.deepEqual(await requestWithdrawal(deps, { ...base, ...change }), { ok: false, reason });
    assert.equal(await everything(), before, reason);
  }
  assert.equal((await balance(customer))?.available, 10_000_000n);
});

test('a quote’s number becomes the order’s, once, for the same content, in time', async () => {
  const customer = await customerWith(100_000_000n);
  const ask = { customer, listing: BTC, destination: OUT, amount: '0.1' };
  const quoted = async () => {
    const result = await quoteWithdrawal(deps, ask);
    assert.ok(result.ok);
    return result.quote;
  };
  const quote = await quoted();
  const request = (quoteId: string, externalId: string, amount = '0.1') =>
    requestWithdrawal(deps, { ...ask, amount, externalId, quoteId });
  assert.deepEqual(await request(quote.id, 'a', '0.2'), { ok: false, reason: 'QUOTE_MISMATCH' });
  const used = await request(quote.id, 'a');
  assert.ok(used.ok);
  assert.deepEqual(used.withdrawal.digest, quote.digest);
  assert.deepEqual(await request(quote.id, 'b'), { ok: false, reason: 'QUOTE_USED' });
  assert.deepEqual(await request('quo_none', 'c'), { ok: false, reason: 'QUOTE_MISMATCH' });
  const late = await quoted();
  clock.ms += 11 * 60_000;
  assert.deepEqual(await request(late.id, 'd'), { ok: false, reason: 'QUOTE_EXPIRED' });
});

test('500 at once of one balance: exactly what it allows; half of them cancelled at once: exactly that is free', async () => {
  const each = 1_000_000n + BTC.withdrawalFeeUnits;
  const customer = await customerWith(123n * each + each / 2n);
  const desk = openWithdrawalDesk(deps);
  const results = await Promise.all(
    Array.from({ length: 500 }, (_, i) =>
      desk.request({
        customer,
        listing: BTC,
        destination: OUT,
        amount: '0.01',
        externalId: `p${i}`,
      }),
    ),
  );
  const taken = results.flatMap((result) => (result.ok ? [result.withdrawal.id as Id<'withdrawal'>] : []));
  assert.equal(taken.length, 123);
  assert.ok(results.every((result) => result.ok || result.reason === 'INSUFFICIENT_FUNDS'));
  assert.equal((await balance(customer))?.available, each / 2n);
  const cancelled = taken.slice(0, 60);
  const twice = [...cancelled, ...cancelled];
  const answers = await Promise.all(twice.map((id) => cancelWithdrawal(deps, id, 'api')));
  assert.ok(answers.every(({ ok }) => ok));
  assert.equal((await balance(customer))?.available, 60n * each + each / 2n);
  assert.deepEqual(await auditLedger(executorOf(db)), []);
});

test('one external id, 20 callers at once: one withdrawal', async () => {
  const customer = await customerWith(100_000_000n);
  const ask = { customer, listing: BTC, destination: OUT, amount: '0.01', externalId: 'same' };
  const results = await Promise.all(Array.from({ length: 20 }, () => requestWithdrawal(deps, ask)));
  const ids = new Set(results.map((result) => (result.ok ? result.withdrawal.id : result.reason)));
  assert.equal(ids.size, 1);
  assert.equal(results.filter((result) => result.ok && result.created).length, 1);
});

test('a repeat is the same withdrawal for ever, whatever became of minimum, fee, listing, addresses and quote', async () => {
  const customer = await customerWith(100_000_000n);
  const ask = { customer, listing: BTC, destination: OUT, amount: '0.1' };
  const plain = { ...ask, externalId: 'plain' };
  const asked = await requestWithdrawal(deps, plain);
  const passkey = await enrolled(customer);
  const quoted = await quoteWithdrawal(deps, ask);
  assert.ok(quoted.ok);
  const authorization = authorizationBy(passkey, quoted.quote.digest.toString('hex'));
  const full = { ...ask, externalId: 'full', quoteId: quoted.quote.id, authorization };
  const first = [asked, await requestWithdrawal(deps, full)];
  const ids = first.map((result) => (result.ok ? result.withdrawal.id : result.reason));
  // The quote expires, the minimum and the fee rise, the destination becomes ours.
  clock.ms += 11 * 60_000;
  const listing = { ...BTC, withdrawalMinUnits: 90_000_000n, withdrawalFeeUnits: 80_000_000n };
  const own = { network: 'bitcoin', address: OUT, script: Buffer.of(7), derivation: '1/9' } as const;
  await db.transaction().execute((trx) => watchAddresses(trx, [{ ...own, purpose: 'change' }]));
  const before = await everything();
  try {
    for (const [i, one] of [plain, full].entries()) {
      const again = await requestWithdrawal(deps, { ...one, listing, destination: OUT.toUpperCase() });
      assert.ok(again.ok && !again.created);
      assert.equal(again.withdrawal.id, ids[i]);
      assert.deepEqual(again.withdrawal, (await withdrawalById(db, ids[i]!))!.row);
    }
    const fresh = await requestWithdrawal(deps, { ...plain, listing, externalId: 'fresh' });
    assert.deepEqual(fresh, { ok: false, reason: 'BELOW_MINIMUM' });
    const others = [
      { ...plain, quoteId: quoted.quote.id },
      { ...plain, authorization },
      { ...full, quoteId: undefined },
      { ...full, quoteId: 'quo_other' },
      { ...full, authorization: undefined },
      { ...full, authorization: { ...authorization, credential: `03${'4d'.repeat(32)}` } },
      { ...full, amount: '0.2' },
    ];
    for (const other of others)
      assert.deepEqual(await requestWithdrawal(deps, other), { ok: false, reason: 'EXTERNAL_ID_REUSED' });
    const { type, credential, response } = authorization;
    const reordered = { response, credential, type };
    assert.ok((await requestWithdrawal(deps, { ...full, authorization: reordered })).ok);
    assert.equal(await everything(), before, 'nothing was written');
  } finally {
    await db.deleteFrom('watched').where('address', '=', OUT).execute();
  }
});

test('the desk: one batch answers everybody by himself, repeats and quotes in their order', async () => {
  const desk = openWithdrawalDesk(deps);
  const [rich, poor] = [await customerWith(100_000_000n), await customerWith(1_100_000n)];
  const nobody = newId('customer', { nowMs: () => clock.ms, randomBytes });
  const ask = { customer: rich, listing: BTC, destination: OUT, amount: '0.01' };
  const quoted = await quoteWithdrawal(deps, { ...ask, customer: poor, amount: '0.02' });
  assert.ok(quoted.ok);
  const dear = { ...ask, customer: poor, amount: '0.02', quoteId: quoted.quote.id };
  const results = await Promise.allSettled([
    desk.request({ ...ask, externalId: 'a' }),
    desk.request({ ...ask, externalId: 'a' }),
    desk.request({ ...ask, externalId: 'a', amount: '0.02' }),
    desk.request({ ...ask, externalId: 'x'.repeat(129) }),
    desk.request({ ...ask, customer: nobody, externalId: 'a' }),
    desk.request({ ...ask, destination: 'hello', externalId: 'h' }),
    desk.request({ ...dear, externalId: 'd' }),
    desk.request({ ...dear, externalId: 'e' }),
    desk.request({ ...dear, amount: '0.01', quoteId: undefined, externalId: 'd' }),
    desk.request({ ...ask, customer: poor, externalId: 'p' }),
  ]);
  const said = results.map((result) =>
    result.status === 'rejected'
      ? String(result.reason.code)
      : result.value.ok
        ? `created ${result.value.created}`
        : result.value.reason,
  );
  assert.deepEqual(said, [
    'created true',
    'created false',
    'EXTERNAL_ID_REUSED',
    '23514',
    'UNKNOWN_CUSTOMER',
    'ADDRESS_MALFORMED',
    'INSUFFICIENT_FUNDS',
    'INSUFFICIENT_FUNDS',
    'created true',
    'INSUFFICIENT_FUNDS',
  ]);
  await desk.stop();
  assert.deepEqual(await auditLedger(executorOf(db)), []);
});

test('any amounts: what is taken and what is free is the balance', async () => {
  const fee = BTC.withdrawalFeeUnits;
  const units = fc.bigInt(20_000n, 60_000_000n);
  await fc.assert(
    fc.asyncProperty(fc.array(units, { minLength: 1, maxLength: 6 }), async (amounts) => {
      const customer = await customerWith(100_000_000n);
      let free = 100_000_000n;
      for (const [i, amount] of amounts.entries()) {
        const text = `${amount / 100_000_000n}.${(amount % 100_000_000n).toString().padStart(8, '0')}`;
        const ask = { customer, listing: BTC, destination: OUT, amount: text, externalId: `${i}` };
        const result = await requestWithdrawal(deps, ask);
        assert.equal(result.ok, amount + fee <= free);
        if (result.ok) free -= amount + fee;
        assert.equal((await balance(customer))?.available, free);
      }
    }),
    { numRuns: 15 },
  );
});

test('the life cycle: every state is reached from requested, and what has ended stays', () => {
  const reached = new Set<string>(['requested']);
  for (const state of reached) {
    for (const next of withdrawalTransitions[state as keyof typeof withdrawalTransitions]) reached.add(next);
  }
  assert.deepEqual([...reached].toSorted(), withdrawalStates.toSorted());
  for (const end of ['settled', 'refused', 'cancelled', 'failed'] as const) {
    assert.deepEqual(withdrawalTransitions[end], []);
  }
});

test('a customer with a passkey signs what was quoted; nothing else is taken, and nothing is written', async () => {
  const customer = await customerWith(100_000_000n);
  const ask = { customer, listing: BTC, destination: OUT, amount: '0.1' };
  const unsigned = await quoteWithdrawal(deps, ask);
  assert.ok(unsigned.ok);
  assert.equal(unsigned.quote.document['credentialSetHash'], '00'.repeat(32));
  const passkey = await enrolled(customer);
  const quoted = await quoteWithdrawal(deps, ask);
  assert.ok(quoted.ok);
  assert.notEqual(quoted.quote.document['credentialSetHash'], '00'.repeat(32));
  const quoteId = quoted.quote.id;
  const digest = quoted.quote.digest.toString('hex');
  const before = await everything();
  const thief = openAuthenticator(randomBytes(32));
  const good = authorizationBy(passkey, digest);
  const { response } = authorizationBy(passkey, digest);
  const client = Buffer.from(response.clientDataJSON, 'base64url').toString('utf8');
  const moved = Buffer.from(client.replace(CUSTOMER_ORIGIN, 'https://core.example')).toString('base64url');
  const elsewhere = { ...good, response: { ...response, clientDataJSON: moved } };
  const cases: [string, object][] = [
    ['AUTHORIZATION_REQUIRED', {}],
    ['AUTHORIZATION_REQUIRED', { quoteId }],
    ['AUTHORIZATION_REFUSED', { authorization: good }],
    ['AUTHORIZATION_REFUSED', { quoteId, authorization: authorizationBy(thief, digest) }],
    [
      'AUTHORIZATION_REFUSED',
      { quoteId, authorization: { ...good, credential: authorizationBy(thief, digest).credential } },
    ],
    [
      'AUTHORIZATION_REFUSED',
      { quoteId, authorization: authorizationBy(passkey, randomBytes(32).toString('hex')) },
    ],
    ['AUTHORIZATION_REFUSED', { quoteId, authorization: elsewhere }],
    ['AUTHORIZATION_REFUSED', { quoteId: unsigned.quote.id, authorization: good }],
  ];
  for (const [reason, fields] of cases) {
    const result = await requestWithdrawal(deps, { ...ask, externalId: 'signed', ...fields });
    assert.deepEqual(result, { ok: false, reason });
  }
  assert.equal(await everything(), before);
  const taken = await requestWithdrawal(deps, { ...ask, externalId: 'signed', quoteId, authorization: good });
  assert.ok(taken.ok && taken.created);
  const stranger = await customerWith(100_000_000n);
  const none = { ...ask, customer: stranger, externalId: 'x' };
  assert.deepEqual(await requestWithdrawal(deps, { ...none, authorization: good }), {
    ok: false,
    reason: 'AUTHORIZATION_REFUSED',
  });
  assert.ok((await requestWithdrawal(deps, none)).ok, 'who has none asks as before');
});

test('a passkey that every signer refused binds nobody; one that a signer took does', async () => {
  const ask = { listing: BTC, destination: OUT, amount: '0.1', externalId: 'x' };
  const [refused, taken] = [await customerWith(100_000_000n), await customerWith(100_000_000n)];
  await enrolled(refused, { taken: { a: 'CREDENTIALS_TOO_MANY', b: 'ASSERTION_REFUSED' }, usable_at: null });
  await enrolled(taken, { taken: { a: clock.ms, b: 'ASSERTION_REFUSED' }, usable_at: null });
  assert.ok((await requestWithdrawal(deps, { ...ask, customer: refused })).ok);
  assert.deepEqual(await requestWithdrawal(deps, { ...ask, customer: taken }), {
    ok: false,
    reason: 'AUTHORIZATION_REQUIRED',
  });
});

/** A passkey of the customer that signers take since a while. */
async function enrolled(
  customer: string,
  answers: { readonly taken: object; readonly usable_at: Date | null } = {
    taken: {},
    usable_at: new Date(clock.ms - 1000),
  },
): Promise<Authenticator> {
  const passkey = openAuthenticator(randomBytes(32));
  await db
    .insertInto('credential')
    .values({
      customer_id: customer,
      key: passkey.publicKey,
      enrolment: '{}',
      taken: JSON.stringify(answers.taken),
      usable_at: answers.usable_at,
      ended_at: null,
      created_at: new Date(clock.ms - 2000),
    })
    .execute();
  return passkey;
}
