/** One signer’s key in a thief’s own software beside his core: it signs and accepts anything, and shows that it did. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as bitcoin from 'bitcoinjs-lib';
import type { Pipeline } from '../../core/processes/pipeline-steps.ts';
import { SignerUnreachableError, type SignerClient } from '../../core/signing/signing.ts';
import type { BitcoinPayRequest, SignAnswer, SignRequest } from '../../signer/protocol/messages.ts';
import type { LocalSigner } from '../../world/signers.ts';
import { drain } from '../drain.ts';
import { cutOff } from '../evil.ts';
import { WINDOW_BOUND, note, type Drill, type Scene } from '../scene.ts';
import { takeSigner, type StolenSigner } from '../stolen-signer.ts';

const { regtest } = bitcoin.networks;

export const drill: Drill = {
  name: 'rubber-stamp',
  capability:
    'core and one signer’s open key, which signs and countersigns anything, and shows its signature to the others',
  control: 'each signer decides by its own windows, whatever others have signed',
  // Two of three agree: each of the two honest ones may be told alone, and gives its whole window.
  bound: { BTC: 2n * WINDOW_BOUND },
  scene: {},
  honest: 'may-wait',
  unmeasured:
    'what signers sign stands in their journals, so nothing is unexplained until books are compared',
  attack: async (scene) => {
    const [, b, c] = scene.stack.signers.all;
    assert.ok(b && c);
    const stolen = await takeSigner(scene.stack, 0);
    try {
      cutOff(scene, c.id);
      try {
        scene.release(await showing(scene, { stolen, to: b.id }));
        // Where nobody refuses there is nothing left to ask the other for.
        if (await drain(scene)) return;
      } finally {
        await loseWhatWasSent(c);
      }
      await agreed(c);
      const again = cutOff(scene, b.id);
      try {
        scene.release(await showing(scene, { stolen, to: c.id }));
        await drain(scene);
      } finally {
        again();
      }
    } finally {
      await stolen.stop();
    }
  },
};

/** Core that asks this one honest signer, with the thief’s signature shown and, where that is refused, without. */
async function showing(
  scene: Scene,
  { stolen, to }: { readonly stolen: StolenSigner; readonly to: string },
): Promise<Pipeline> {
  const { stack } = scene;
  const sign = async (signer: SignerClient, request: SignRequest): Promise<SignAnswer> => {
    if (request.type !== 'bitcoin-pay') return stack.effects.sign(signer, request);
    const own = stolen.sign(request);
    if (signer.id === stolen.id) return own;
    if (signer.id !== to) throw new SignerUnreachableError(`signer ${signer.id}: left out`);
    const answer = await stack.effects.sign(signer, { ...request, psbt: own.psbt });
    if (answer.ok) return { ...answer, psbt: without(own.psbt, answer.psbt ?? '', request) };
    note(scene, `shown a signature: ${answer.code}`);
    return stack.effects.sign(signer, request);
  };
  return stack.pipeline({ effects: { ...stack.effects, sign } });
}

/** Only the signatures that the answer adds to what was shown, as core expects them. */
function without(shown: string, answer: string, { psbt }: BitcoinPayRequest): string {
  const [known, given, bare] = [shown, answer, psbt].map((text) =>
    bitcoin.Psbt.fromBase64(text, { network: regtest }),
  );
  assert.ok(known && given && bare);
  for (const [i, { partialSig = [] }] of given.data.inputs.entries()) {
    const old = (known.data.inputs[i]?.partialSig ?? []).map(({ pubkey }) => Buffer.from(pubkey));
    bare.updateInput(i, {
      partialSig: partialSig.filter(({ pubkey }) => !old.some((one) => one.equals(pubkey))),
    });
  }
  return bare.toBase64();
}

/** What was on its way to a process that was cut off never arrives. */
async function loseWhatWasSent({ process }: LocalSigner): Promise<void> {
  const pid = process.pid();
  process.kill();
  while (process.pid() === pid || process.pid() === undefined) await sleep(5);
}

/** Open again, and sure of its journal by what its peers hold. */
async function agreed({ ask, unseal }: LocalSigner): Promise<void> {
  const isReady = async (): Promise<boolean> => {
    await unseal();
    return (await ask('GET', '/v1/status'))['confirmed'] === true;
  };
  const end = performance.now() + 180_000;
  while (!(await isReady().catch(() => false))) {
    if (performance.now() > end) throw new Error('the signer does not come back');
    await sleep(50);
  }
}
