// Proves that a signature is added as the library adds it, at its place, and that no bytes make it run on.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { RawTx, Transaction } from '@scure/btc-signer';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import * as fc from 'fast-check';
import { concat, fromHex, u8 } from '../protocol/canonical.ts';
import { addSignatures, type PartialSignature } from './psbt-signatures.ts';

const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');
const secret = fromHex('11'.repeat(32));
const publicKey = secp256k1.getPublicKey(secret, true);
const witnessScript = concat([u8(0x51), u8(33), publicKey, u8(0x51), u8(0xae)]);
const script = concat([fromHex('0020'), sha256(witnessScript)]);
const signatureOf = (seed: Uint8Array): PartialSignature => ({
  publicKey,
  signature: secp256k1.sign(sha256(seed), secret, { prehash: false, lowS: true, format: 'der' }),
});

/** A PSBT of that many inputs and outputs; every other input has the optional records too. */
function psbtOf(inputs: number, outputs: number): Transaction {
  const input = {
    txid: fromHex('ab'.repeat(32)),
    index: 0,
    finalScriptSig: new Uint8Array(300),
    sequence: 0,
  };
  const previous = RawTx.encode({
    version: 2,
    segwitFlag: false,
    inputs: [input],
    outputs: Array.from({ length: inputs }, () => ({ script, amount: 1000n })),
    witnesses: [],
    lockTime: 0,
  });
  const txid = sha256(sha256(previous)).toReversed();
  const transaction = new Transaction({ allowUnknownOutputs: true });
  for (let index = 0; index < inputs; index++) {
    const optional = index % 2 === 0 ? { sighashType: 1, nonWitnessUtxo: previous } : {};
    transaction.addInput({ txid, index, witnessUtxo: { script, amount: 1000n }, witnessScript, ...optional });
  }
  for (let i = 0; i < outputs; i++) transaction.addOutput({ script, amount: 500n });
  return transaction;
}

test('the same bytes as the library gives, for any numbers of inputs and outputs', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 4 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 4 }),
      (seeds, outputs) => {
        const transaction = psbtOf(seeds.length, outputs);
        const signatures = seeds.map(signatureOf);
        const ours = addSignatures(transaction.toPSBT(0), signatures);
        for (const [i, { signature }] of signatures.entries()) {
          transaction.updateInput(i, { partialSig: [[publicKey, concat([signature, u8(1)])]] }, true);
        }
        assert.deepEqual(Buffer.from(ours), Buffer.from(transaction.toPSBT(0)));
      },
    ),
    { numRuns: 25 },
  );
});

test('bytes that are cut short or are no PSBT are refused', () => {
  const psbt = psbtOf(2, 1).toPSBT(0);
  const signatures = [signatureOf(u8(1)), signatureOf(u8(2))];
  // The last byte ends the map of the output, which is not looked at.
  for (let length = 0; length < psbt.length - 2; length += 1) {
    assert.throws(() => addSignatures(psbt.subarray(0, length), signatures), RangeError);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        addSignatures(bytes, signatures);
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }),
  );
});
