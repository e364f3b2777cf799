/** Requests for a child of a payment of the wallet's own. */
import assert from 'node:assert/strict';
import * as bitcoin from 'bitcoinjs-lib';
import type { Manifest } from '../protocol/manifest.ts';
import type { BitcoinChildRequest, BitcoinPayRequest } from '../protocol/messages.ts';
import { honestPsbt, REGTEST, type Coin } from './quorum.ts';

/** The change of a payment, as the coin of a child: `at` of its outputs, `index` of branch 1. */
export function changeOf(request: BitcoinPayRequest, at: number, index: number): Coin {
  const psbt = bitcoin.Psbt.fromBase64(request.psbt, { network: bitcoin.networks.regtest });
  const previous = new bitcoin.Transaction();
  previous.version = psbt.version;
  for (const input of psbt.txInputs) previous.addInput(input.hash, input.index, input.sequence);
  for (const output of psbt.txOutputs) previous.addOutput(output.script, output.value);
  const value = psbt.txOutputs[at]?.value;
  assert.ok(value !== undefined);
  return { previous, vout: at, value, branch: 1, index };
}

/** A child that pays for its parent out of this coin, back to us. */
export function childRequest(
  manifest: Manifest,
  from: Coin,
  change: { readonly index: number; readonly value: bigint },
  psbt = honestPsbt(manifest, { coins: [from], orders: [], change }),
): BitcoinChildRequest {
  return {
    type: 'bitcoin-child',
    network: REGTEST,
    epoch: 1,
    psbt: psbt.toBase64(),
    inputs: [{ branch: 1, index: from.index }],
    outputs: [{ change: change.index }],
  };
}
