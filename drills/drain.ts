/** A captured core credits an accomplice without a passkey, and pays him as long as signers sign. */
import { haltsOf } from '../core/controls/controls.ts';
import type { Pipeline } from '../core/processes/pipeline-steps.ts';
import { answersTo, ask, stateOf } from '../core/withdrawals/test/stack.ts';
import { note, type Scene } from './scene.ts';

const BITES = 14;
const BITE = '0.5';

/** Until a bite is refused for good, or all are paid: true. `before` may change who is asked for the next one. */
export async function drain(
  scene: Scene,
  before: () => Promise<Pipeline | void> = async () => {},
): Promise<boolean> {
  const { stack, victim, thief, until } = scene;
  for (let bite = 0; bite < BITES; bite += 1) {
    const core = await before();
    if (core) scene.release(core);
    const order = { customer: victim, asset: 'BTC', network: 'bitcoin', destination: thief, amount: BITE };
    const id = await ask(stack, order);
    const isPaid = async (): Promise<boolean> =>
      ['broadcast', 'confirming', 'settled'].includes((await stateOf(stack, id)) ?? '');
    const isOver = async (): Promise<boolean> =>
      (await isPaid()) || (await refusalsOf(scene, id)).length > 0 || (await haltsOf(stack.db)).length > 0;
    await until('a bite paid or refused', isOver);
    for (const code of await refusalsOf(scene, id)) note(scene, code);
    if (!(await isPaid())) return false;
  }
  return true;
}

export const refusalsOf = async ({ stack }: Scene, withdrawal: string): Promise<string[]> =>
  (await answersTo(stack, [withdrawal])).filter((code) => code !== 'SIGNED' && code !== 'SIGNER_UNREACHABLE');
