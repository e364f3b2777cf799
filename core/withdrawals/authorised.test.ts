// Proves that whoever writes in core's database cannot pay with the money of a customer who has a passkey: every
// signer refuses an order without the customer's assertion, with that of another order, or changed after it.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { openAuthenticator } from '../../world/people/authenticator.ts';
import { authorizationBy, enrolmentBy } from '../../world/people/customer.ts';
import { CUSTOMER_ORIGIN } from '../../world/people/people.ts';
import { newId, parseId } from '../../lib/ids/ids.ts';
import { encodeOrder, parseOrderJson } from '../../signer/protocol/order.ts';
import { credentialsOf, enrolCredential } from '../customers/customers.ts';
import {
  BTC,
  answersTo,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  settleDown,
  startStack,
  stateOf,
  until,
} from './test/stack.ts';
import { quoteWithdrawal, requestWithdrawal, type WithdrawalAsk } from './withdrawals.ts';

const stack = await startStack({ after });
const pipeline = await stack.pipeline();
const { db, config } = stack;
const alice = parseId('customer', await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC, BTC, BTC]))!;
const passkey = openAuthenticator(randomBytes(32));
const deps = { db, config, now: () => new Date(), randomBytes };

/** An order that the customer quoted and authorised. */
async function authorised(destination: string, amount = '0.1'): Promise<string> {
  const ask: WithdrawalAsk = {
    customer: alice,
    listing: stack.listing('BTC', 'bitcoin'),
    destination,
    amount,
  };
  const quoted = await quoteWithdrawal(deps, ask);
  assert.ok(quoted.ok);
  const { id: quoteId, digest } = quoted.quote;
  const authorization = authorizationBy(passkey, digest.toString('hex'));
  const externalId = randomBytes(8).toString('hex');
  const taken = await requestWithdrawal(deps, { ...ask, externalId, quoteId, authorization });
  assert.ok(taken.ok, taken.ok ? '' : taken.reason);
  return taken.withdrawal.id;
}

/** A row as the database's owner writes it: approved, held for nobody, with whatever authorization. */
async function inventOrder(destination: string, authorization: object | null): Promise<string> {
  const known = await db.selectFrom('withdrawal').selectAll().executeTakeFirstOrThrow();
  const at = new Date();
  const id = newId('withdrawal', { nowMs: () => at.getTime(), randomBytes });
  const { rows } = await stack.pool.query<{ n: string }>(`select nextval('order_number')::text as n`);
  const document = { ...(known.document as object), orderNumber: rows[0]!.n, destination };
  const order = parseOrderJson(document);
  assert.ok(order.ok);
  await db
    .insertInto('withdrawal')
    .values({
      ...known,
      id,
      external_id: id,
      order_number: BigInt(rows[0]!.n),
      destination,
      document: JSON.stringify(document),
      digest: createHash('sha256').update(encodeOrder(order.value)).digest(),
      authorization_document: authorization === null ? null : JSON.stringify(authorization),
      state: 'approved',
      reason: '',
      spend_id: null,
      tx_id: null,
      created_at: at,
      updated_at: at,
    })
    .execute();
  return id;
}

test(
  'a customer enrols; every signer records it; what they authorise is paid',
  { timeout: 180_000 },
  async () => {
    const signed = enrolmentBy(passkey, alice);
    const input = { customer: alice, signed, origin: CUSTOMER_ORIGIN, at: new Date() };
    const enrolled = await db.transaction().execute((trx) => enrolCredential(trx, input));
    assert.ok(enrolled.ok);
    const usable = async () => (await credentialsOf(db, alice))[0]?.usable_at ?? null;
    await until('the signers', async () => (await usable()) !== null, pipeline.step);
    const destination = await outsideAddress(stack);
    const id = await authorised(destination);
    await until(
      'settled',
      async () => (await stateOf(stack, id)) === 'settled',
      async () => {
        await settleDown(pipeline);
        await stack.mine(1);
      },
    );
    assert.equal(await receivedBitcoin(stack, destination), BTC / 10n);
    await stack.whole();
  },
);

test('rows that nobody authorised are signed by no signer', { timeout: 180_000 }, async () => {
  const thief = await outsideAddress(stack);
  const old = await db.selectFrom('withdrawal').select('authorization_document').executeTakeFirstOrThrow();
  const anothers = authorizationBy(openAuthenticator(randomBytes(32)), randomBytes(32).toString('hex'));
  const cases: [string, object | null][] = [
    ['ASSERTION_MISSING', null],
    ['ASSERTION_REFUSED', old.authorization_document as object],
    ['CREDENTIAL_UNKNOWN', anothers],
  ];
  for (const [code, authorization] of cases) {
    const id = await inventOrder(thief, authorization);
    await until('the answers', async () => (await answersTo(stack, [id])).length === 3, pipeline.step);
    assert.deepEqual(await answersTo(stack, [id]), [code, code, code]);
  }
  assert.equal((await stack.node.rpc<string[]>('getrawmempool')).length, 0);
  await stack.mine(1);
  assert.equal(await receivedBitcoin(stack, thief), 0n);
});
