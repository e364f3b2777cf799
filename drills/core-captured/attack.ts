/** Core with its database credits an accomplice, who takes what signers give on core's word, then with a passkey of his. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { haltsOf } from '../../core/controls/controls.ts';
import { BTC, stateOf } from '../../core/withdrawals/test/stack.ts';
import { openAuthenticator, type Authenticator } from '../../world/people/authenticator.ts';
import { drain, refusalsOf } from '../drain.ts';
import { askSigned, enrolPasskey } from '../passkey.ts';
import { LIMITS, nextPolicy, note, propose, type Drill, type Scene } from '../scene.ts';

/** Satoshi of a day for all customers together, by what backs their orders; below the window of everything. */
const TIERS = { unproven: BTC, unfunded: BTC } as const;
const BITES = 14;
const BITE = '0.5';

export const drill: Drill = {
  name: 'core-captured',
  capability:
    'core with its database, and an accomplice whom it credits, without a passkey and with a valid one',
  control: 'each signer caps what orders without money behind them come to, by tier',
  bound: { BTC: TIERS.unproven + TIERS.unfunded + LIMITS.fees },
  scene: {},
  honest: 'may-wait',
  unmeasured:
    'what signers sign stands in their journals, so nothing is unexplained until books are compared',
  attack: async (scene) => {
    await capTiers(scene);
    await drain(scene);
    const passkey = openAuthenticator(randomBytes(32));
    await enrol(scene, passkey);
    for (let bite = 0; bite < BITES; bite += 1) if (!(await isPaidOnce(scene, passkey))) return;
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

async function enrol({ stack, victim, until }: Scene, passkey: Authenticator): Promise<void> {
  const { hasTaken } = await enrolPasskey(stack, victim, passkey);
  await until('the passkey taken by all signers', hasTaken);
}

/** One order that the accomplice signs; whether signers did. */
async function isPaidOnce(scene: Scene, passkey: Authenticator): Promise<boolean> {
  const { stack, victim: customer, thief: destination, until } = scene;
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
