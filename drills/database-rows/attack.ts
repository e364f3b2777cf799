/** Core's database in other hands: rows that say that a customer wants everything sent to the thief. */
import { createHash, randomBytes } from 'node:crypto';
import { credentialsOf, enrolCredential } from '../../core/customers/customers.ts';
import { quoteWithdrawal } from '../../core/withdrawals/withdrawals.ts';
import { stateOf } from '../../core/withdrawals/test/stack.ts';
import { newId, parseId } from '../../lib/ids/ids.ts';
import { encodeOrder, parseOrderJson } from '../../signer/protocol/order.ts';
import { openAuthenticator } from '../../world/people/authenticator.ts';
import { enrolmentBy } from '../../world/people/customer.ts';
import { CUSTOMER_ORIGIN } from '../../world/people/people.ts';
import { note, randomId, type Drill, type Scene } from '../scene.ts';

const ROWS = 3;

export const drill: Drill = {
  name: 'database-rows',
  capability: 'core’s database: withdrawal rows of a customer who has a passkey, written as the owner',
  control: 'no signer signs an order of such a customer without the customer’s assertion',
  bound: { BTC: 0n },
  scene: {},
  honest: 'paid',
  unmeasured: 'nothing is signed, so nothing leaves that a sentinel could see',
  attack: async (scene) => {
    await enrolVictim(scene);
    const ids: string[] = [];
    for (let i = 0; i < ROWS; i += 1) ids.push(await writeRow(scene));
    // With two refusals of three a transaction is never whole.
    const isOver = async (id: string): Promise<boolean> => {
      const refused = (await answersTo(scene, [id])).filter(({ code }) => code !== 'SIGNED');
      const state = (await stateOf(scene.stack, id)) ?? '';
      return refused.length >= 2 || ['broadcast', 'confirming', 'settled'].includes(state);
    };
    for (const id of ids) await scene.until('each row refused or paid', async () => isOver(id));
    for (const { code } of await answersTo(scene, ids)) note(scene, code);
  },
};

async function answersTo({ stack: { db } }: Scene, ids: readonly string[]) {
  const rows = await db
    .selectFrom('withdrawal as w')
    .innerJoin('spend_attempt as a', 'a.spend_id', 'w.spend_id')
    .innerJoin('signer_answer as s', 's.attempt_id', 'a.id')
    .select(['w.id', 's.code'])
    .where('w.id', 'in', ids)
    .execute();
  return rows;
}

async function enrolVictim({ stack, victim, until }: Scene): Promise<void> {
  const signed = enrolmentBy(openAuthenticator(randomBytes(32)), victim);
  const input = { customer: victim, signed, origin: CUSTOMER_ORIGIN, at: new Date() };
  const result = await stack.db.transaction().execute((trx) => enrolCredential(trx, input));
  if (!result.ok) throw new Error(result.reason);
  const isTaken = async (): Promise<boolean> => (await credentialsOf(stack.db, victim))[0]?.usable_at != null;
  await until('the passkey taken by all signers', isTaken);
}

/** As an order of the victim's would stand there, approved; the thief has no need of a hold. */
async function writeRow({ stack, victim, thief, roll }: Scene): Promise<string> {
  const { db, config } = stack;
  const at = new Date();
  const deps = { db, config, now: () => at, randomBytes };
  const listing = stack.listing('BTC', 'bitcoin');
  const customer = parseId('customer', victim) ?? victim;
  const quoted = await quoteWithdrawal(deps, {
    customer,
    listing,
    destination: thief,
    amount: `0.${5 + roll(4)}`,
  });
  if (!quoted.ok) throw new Error(quoted.reason);
  const order = parseOrderJson(quoted.quote.document);
  if (!order.ok) throw new Error(order.detail);
  const id = newId('withdrawal', { nowMs: () => at.getTime(), randomBytes });
  await db
    .insertInto('withdrawal')
    .values({
      id,
      order_number: order.value.orderNumber,
      customer_id: victim,
      external_id: randomId(),
      asset: 'BTC',
      network: 'bitcoin',
      destination: thief,
      units: quoted.quote.units,
      fee_units: quoted.quote.feeUnits,
      document: JSON.stringify(quoted.quote.document),
      digest: createHash('sha256').update(encodeOrder(order.value)).digest(),
      authorization_document: null,
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
