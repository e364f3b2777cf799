/** A release of core that is the thief’s: who is asked to sign, who reaches whom, and what is asked. */
import assert from 'node:assert/strict';
import * as bitcoin from 'bitcoinjs-lib';
import { combineAndFinalize } from '../core/chain/bitcoin/bitcoin.ts';
import type { Pipeline } from '../core/processes/pipeline-steps.ts';
import { SignerUnreachableError, signerClients } from '../core/signing/signing.ts';
import type { BitcoinPayRequest, SignRequest } from '../signer/protocol/messages.ts';
import { note, type Scene } from './scene.ts';

const { regtest } = bitcoin.networks;

/** Core that shows what it would ask, and asks nobody. */
export async function keepingBack({ stack }: Scene, seen: BitcoinPayRequest[]): Promise<Pipeline> {
  return stack.pipeline({
    effects: {
      ...stack.effects,
      sign: async (signer, request) => {
        if (request.type === 'bitcoin-pay') seen.push(request);
        throw new SignerUnreachableError(`signer ${signer.id}: kept back`);
      },
    },
  });
}

/** Core that never asks this signer. */
export async function askingAllBut({ stack }: Scene, left: string): Promise<Pipeline> {
  return stack.pipeline({
    effects: {
      ...stack.effects,
      sign: async (signer, request) => {
        if (signer.id === left) throw new SignerUnreachableError(`signer ${left}: left out`);
        return stack.effects.sign(signer, request);
      },
    },
  });
}

/** Nobody reaches this signer’s process until the answer is called. */
export function cutOff({ stack }: Scene, id: string): () => void {
  const pid = stack.signers.all.find((signer) => signer.id === id)?.process.pid();
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  return () => void process.kill(pid, 'SIGCONT');
}

/** Asks every signer, and broadcasts what they sign together; whether the node took it. */
export async function payBy(scene: Scene, request: SignRequest): Promise<boolean> {
  const psbts: string[] = [];
  for (const signer of signerClients(scene.stack.config)) {
    const answer = await signer.sign(request);
    if (answer.ok && answer.psbt !== undefined) psbts.push(answer.psbt);
    else if (!answer.ok) note(scene, answer.code);
  }
  if (request.type === 'evm-pay') return false;
  const combined = combineAndFinalize(request, psbts);
  if (!combined.ok) return false;
  return scene.stack.node.rpc('sendrawtransaction', combined.raw.toString('hex'), 0).then(
    () => true,
    () => {
      note(scene, 'the node refuses it');
      return false;
    },
  );
}

export interface Output {
  readonly script: Uint8Array;
  readonly value: bigint;
}

/** The same inputs with other outputs; what is claimed of them stays unless the caller changes it. */
export function bent<T extends BitcoinPayRequest>(
  request: T,
  change: (output: Output, i: number) => Output,
): T {
  const honest = bitcoin.Psbt.fromBase64(request.psbt, { network: regtest });
  const psbt = new bitcoin.Psbt({ network: regtest });
  psbt.setVersion(honest.version);
  psbt.setLocktime(honest.locktime);
  for (const [i, { hash, index, sequence }] of honest.txInputs.entries()) {
    const { nonWitnessUtxo, witnessUtxo, witnessScript } = honest.data.inputs[i] ?? {};
    assert.ok(nonWitnessUtxo && witnessUtxo && witnessScript && sequence !== undefined);
    psbt.addInput({ hash, index, sequence, nonWitnessUtxo, witnessUtxo, witnessScript });
  }
  for (const [i, { script, value }] of honest.txOutputs.entries())
    psbt.addOutput({ ...change({ script, value }, i) });
  return { ...request, psbt: psbt.toBase64() };
}

export const scriptOf = (address: string): Uint8Array => bitcoin.address.toOutputScript(address, regtest);
