/** The key of a signer's EVM address, in the vault's memory or in a token: it signs digests, and is never shown. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { compareBytes, fromHex } from '../protocol/canonical.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { VaultFault } from './fault.ts';
import type { Token, TokenKey } from './token.ts';

export interface EvmKey {
  /** 65 bytes: the recovery bit, 0 or 1, and r ‖ s with the lower s. Throws VaultFault SIGNATURE_WRONG. */
  sign(digest: Uint8Array): Decision<Uint8Array>;
}

/** RFC 6979; the key is recovered from each signature and compared. */
export function evmKeyInMemory(privateKey: Uint8Array): EvmKey {
  const publicKey = secp256k1.getPublicKey(privateKey, true);
  return {
    sign: (digest) => {
      const recovered = secp256k1.sign(digest, privateKey, {
        prehash: false,
        lowS: true,
        format: 'recovered',
      });
      const signer = secp256k1.recoverPublicKey(recovered, digest, { prehash: false });
      if (compareBytes(signer, publicKey) !== 0)
        throw new VaultFault(
          'SIGNATURE_WRONG',
          'a fresh signature does not verify: faulty memory or processor',
        );
      return accept(recovered);
    },
  };
}

/** A token gives r ‖ s, with the higher s half of the time, and no recovery bit. */
export function evmKeyInToken(token: Token, key: TokenKey): EvmKey {
  const [keyId, publicKey] = [fromHex(key.keyId), fromHex(key.publicKey)];
  return {
    sign: (digest) => {
      const given = token.sign(keyId, digest);
      if (!given.ok) return given;
      const recovered = recoveredForm(given.value, digest, publicKey);
      return recovered === undefined
        ? refuse('TOKEN_SIGNATURE_WRONG', 'it does not verify under the key that the sealed file names')
        : accept(recovered);
    },
  };
}

/** The signature as recovery bit and r ‖ s, with the lower s; undefined when it is not by this key over this digest. */
export function recoveredForm(
  compact: Uint8Array,
  digest: Uint8Array,
  publicKey: Uint8Array,
): Uint8Array | undefined {
  try {
    const { r, s } = secp256k1.Signature.fromBytes(compact, 'compact');
    const low = s > secp256k1.Point.Fn.ORDER >> 1n ? secp256k1.Point.Fn.neg(s) : s;
    return [0, 1]
      .map((bit) => new secp256k1.Signature(r, low, bit))
      .find((one) => compareBytes(one.recoverPublicKey(digest).toBytes(false), publicKey) === 0)
      ?.toBytes('recovered');
  } catch {
    // The library throws for numbers out of range and for a point that is none.
    return undefined;
  }
}
