/** The sentinel is killed as often as it is started; then core, in the thief's hands, asks for orders of the thief's. */
import { setTimeout as sleep } from 'node:timers/promises';
import { answersTo, ask, stateOf } from '../../core/withdrawals/test/stack.ts';
import { note, type Drill, type Scene } from '../scene.ts';

/** Of the policy: how young an attestation has to be. */
const MAX_SECONDS = 8;
const ORDERS = 3;
const SIGNERS = 3;

export const drill: Drill = {
  name: 'sentinel-killed',
  capability:
    'the sentinel’s host (kill -9 as often as it starts), and core once what was attested last is too old',
  control: 'no signer signs without an attestation that is younger than the policy says',
  bound: { BTC: 0n },
  scene: { isWatched: true, attestationSeconds: MAX_SECONDS },
  honest: 'may-wait',
  unmeasured: `nobody watches any more: signers stop by themselves when the last attestation is ${MAX_SECONDS} s old`,
  attack: async (scene) => {
    const ending = new AbortController();
    const killer = killAgain(scene, ending.signal);
    try {
      // An attestation that was on its way when the first blow fell ages from when it was issued.
      const staleAt = Date.now() + (MAX_SECONDS + 2) * 1000;
      await scene.until('the last attestation is too old', async () => Date.now() > staleAt);
      const ids: string[] = [];
      for (let i = 0; i < ORDERS; i += 1) ids.push(await theft(scene));
      await scene.until('signers’ answers', async () => {
        const states = await Promise.all(ids.map(async (id) => stateOf(scene.stack, id)));
        const arePaid = states.every((state) => state === 'broadcast' || state === 'settled');
        return arePaid || (await codesOf(scene, ids)).length >= SIGNERS;
      });
      for (const code of await codesOf(scene, ids)) note(scene, code);
    } finally {
      ending.abort();
      await killer;
    }
  },
};

/** An order of a customer whose credit core invented. */
async function theft({ stack, victim, thief, roll }: Scene): Promise<string> {
  const amount = `0.${1 + roll(9)}`;
  return ask(stack, { customer: victim, asset: 'BTC', network: 'bitcoin', destination: thief, amount });
}

/** What signers said, whenever they did not sign. */
const codesOf = async ({ stack }: Scene, ids: readonly string[]): Promise<string[]> =>
  (await answersTo(stack, ids)).filter((code) => code !== 'SIGNED');

async function killAgain({ sentinel }: Scene, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    sentinel?.process.kill();
    await sleep(20, undefined, { signal }).catch(() => undefined);
  }
}
