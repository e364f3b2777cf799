/** Puts partial signatures into the bytes of a PSBT that was decoded before, and changes nothing else. */
import { concat, u8 } from '../protocol/canonical.ts';

export interface PartialSignature {
  /** Compressed. */
  readonly publicKey: Uint8Array;
  /** DER, without the byte of the sighash type. */
  readonly signature: Uint8Array;
}

/** "psbt" and 0xff. */
const MAGIC_BYTES = 5;
/** BIP-174: key type of PSBT_IN_PARTIAL_SIG. */
const PARTIAL_SIG = 0x02;
const SIGHASH_ALL = 1;

/**
 * A version 0 PSBT with one more record in each input's map, in the order of key types (BIP-174). `signatures` has
 * one for each input. The library would decode and check every key of every script three times over for it.
 * Throws RangeError for bytes that are no PSBT, or one with fewer inputs.
 */
export function addSignatures(psbt: Uint8Array, signatures: readonly PartialSignature[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let done = 0;
  let map = walkMap(psbt, MAGIC_BYTES);
  for (const { publicKey, signature } of signatures) {
    map = walkMap(psbt, map.end);
    parts.push(psbt.subarray(done, map.place), record(publicKey, signature));
    done = map.place;
  }
  return concat([...parts, psbt.subarray(done)]);
}

/** Key type and public key; DER signature and sighash type. Both are shorter than 0xfd, so a byte says how long. */
function record(publicKey: Uint8Array, signature: Uint8Array): Uint8Array {
  return concat([
    u8(1 + publicKey.length),
    u8(PARTIAL_SIG),
    publicKey,
    u8(signature.length + 1),
    signature,
    u8(SIGHASH_ALL),
  ]);
}

/** Where a map of records ends, and where in it a partial signature belongs. */
function walkMap(psbt: Uint8Array, start: number): { readonly place: number; readonly end: number } {
  let place: number | undefined;
  let at = start;
  for (;;) {
    const key = readLength(psbt, at);
    if (key.length === 0) return { place: place ?? at, end: key.start };
    if ((psbt[key.start] ?? 0) > PARTIAL_SIG) place ??= at;
    const value = readLength(psbt, key.start + key.length);
    at = value.start + value.length;
  }
}

/** A compact size, and where what it counts begins. */
function readLength(psbt: Uint8Array, at: number): { readonly length: number; readonly start: number } {
  const view = new DataView(psbt.buffer, psbt.byteOffset, psbt.length);
  const first = view.getUint8(at);
  if (first < 0xfd) return { length: first, start: at + 1 };
  if (first === 0xfd) return { length: view.getUint16(at + 1, true), start: at + 3 };
  if (first === 0xfe) return { length: view.getUint32(at + 1, true), start: at + 5 };
  throw new RangeError('a record longer than any PSBT');
}
