/** Core with its database credits an accomplice, who takes what signers give on core's word, then with a passkey of his. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { haltsOf } from '../../core/controls/controls.ts';
import { customerByExternalId } from '../../core/customers/customers.ts';
import { BTC, available, fundBitcoin, stateOf } from '../../core/withdrawals/test/stack.ts';
import type { Id } from '../../lib/ids/ids.ts';
import { openAuthenticator, type Authenticator } from '../../world/people/authenticator.ts';
import { drain, refusalsOf } from '../drain.ts';
import { askSigned, enrolPasskey } from '../passkey.ts';
import { LIMITS, nextPolicy, note, propose, type Drill, type Scene } from '../scene.ts';

/** Satoshi of a day for all customers together, by what backs their orders; below the window of everything. */
const TIERS = { unproven: BTC, unfunded: BTC } as const;
const BITES = 14;
const BITE = '0.5';
/** Satoshi: a bite and what a withdrawal costs. */
const BITE_MIN = BTC / 2n + BTC / 1000n;
/** Customers with money and without a passkey, in whose names the thief enrols his. */
const RICH = ['rich-1', 'rich-2'];

export const drill: Drill = {
  name: 'core-captured',
  capability:
    'core with its database, an accomplice whom it credits, without a passkey and with a valid one, and passkeys of the thief for customers who have none',
  control: 'each signer caps what orders without money behind them come to, by tier',
  bound: { BTC: TIERS.unproven + TIERS.unfunded + LIMITS.fees },
  scene: {},
  honest: 'may-wait',
  unmeasured:
    'what signers sign stands in their journals, so nothing is unexplained until books are compared',
  prepare: async (stack) => {
    const core = await stack.pipeline();
    for (const name of RICH) await fundBitcoin(stack, core, name, [BTC]);
  },
  attack: async (scene) => {
    await capTiers(scene);
    await drain(scene);
    await drainAs(scene, scene.victim);
    for (const name of RICH) {
      const found = await customerByExternalId(scene.stack.db, name);
      assert.ok(found);
      await drainAs(scene, found.id as Id<'customer'>);
    }
  },
};

/** As one operator may: tighter at once. */
async function capTiers({ stack, policy }: Scene): Promise<void> {
  const bitcoin = stack.config.networks.find(({ kind }) => kind === 'bitcoin');
  assert.ok(bitcoin);
  const tiers = policy.tiers.map((rule) => {
    const max = rule.tier === 'unproven' || rule.tier === 'unfunded' ? TIERS[rule.tier] : 0n;
    return rule.asset.startsWith(bitcoin.caip2) ? { ...rule, customerMax: max, allMax: max } : rule;
  });
  const answers = await propose(stack, nextPolicy(policy, { tiers }));
  assert.ok(
    answers.every(({ ok }) => ok === true),
    JSON.stringify(answers),
  );
}

/** Enrols a passkey of the thief's in the customer's name, and has it sign until signers do not. */
async function drainAs(scene: Scene, customer: Id<'customer'>): Promise<void> {
  const passkey = openAuthenticator(randomBytes(32));
  const { hasTaken } = await enrolPasskey(scene.stack, customer, passkey);
  await scene.until('the passkey taken by all signers', hasTaken);
  for (let bite = 0; bite < BITES; bite += 1) {
    if ((await available(scene.stack, customer, 'BTC')) < BITE_MIN) return;
    if (!(await isPaidOnce(scene, customer, passkey))) return;
  }
}

/** One order that the thief's passkey signs; whether signers did. */
async function isPaidOnce(scene: Scene, customer: Id<'customer'>, passkey: Authenticator): Promise<boolean> {
  const { stack, thief: destination, until } = scene;
  const order = { customer, asset: 'BTC', network: 'bitcoin', destination, amount: BITE };
  const id = await askSigned(stack, passkey, order);
  const isPaid = async (): Promise<boolean> =>
    ['broadcast', 'confirming', 'settled'].includes((await stateOf(stack, id)) ?? '');
  const isOver = async (): Promise<boolean> =>
    (await isPaid()) || (await refusalsOf(scene, id)).length > 0 || (await haltsOf(stack.db)).length > 0;
  await until('an order paid or refused', isOver);
  for (const code of await refusalsOf(scene, id)) note(scene, code);
  return isPaid();
}
