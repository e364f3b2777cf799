/** Proof that a key is really there: signed by its holder, verified by everybody else before they rely on it. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { compareBytes } from '../protocol/canonical.ts';
import { possessionDocument, type PossessionProof } from '../protocol/possession.ts';
import { evmAddressOfKey } from './addresses.ts';
import { accept, refuse, type Decision } from './decision.ts';
import type { EvmKey } from './evm-key.ts';
import { parseXpub, privateKeyOf, type OpenKey } from './key.ts';

/** Signs who this is and the challenge, with both keys. What is signed is no payment: it is no EIP-712 digest. */
export function provePossession(
  { identity, account }: OpenKey,
  key: EvmKey,
  challenge: Uint8Array,
): Decision<PossessionProof> {
  const { epoch, signer, chain, xpub, evmAddress } = identity;
  const possession = { epoch, signer, chain, xpub, evmAddress, challenge };
  const digest = possessionDocument.digest(possession, sha256);
  const options = { prehash: false, lowS: true } as const;
  const evm = key.sign(digest);
  if (!evm.ok) return evm;
  const bitcoin = secp256k1.sign(digest, privateKeyOf(account), { ...options, format: 'compact' });
  return accept({ possession, bitcoin, evm: evm.value });
}

/** Whether both keys that the proof names signed it, over this challenge. */
export function checkPossession(
  { possession, bitcoin, evm }: PossessionProof,
  challenge: Uint8Array,
): Decision<true> {
  const wrong = (detail: string): Decision<true> =>
    refuse('SIGNATURE_REFUSED', `${possession.signer}: ${detail}`);
  if (compareBytes(possession.challenge, challenge) !== 0)
    return wrong('the proof answers another challenge');
  const account = parseXpub(possession.xpub, possession.chain);
  if (account?.publicKey == null) return wrong(`no extended public key of the ${possession.chain} chain`);
  const digest = possessionDocument.digest(possession, sha256);
  if (
    !secp256k1.verify(bitcoin, digest, account.publicKey, { prehash: false, lowS: true, format: 'compact' })
  )
    return wrong('the key of the xpub did not sign it');
  return recoveredAddress(evm, digest) === possession.evmAddress
    ? accept(true)
    : wrong('the key of the EVM address did not sign it');
}

/** The EIP-55 address whose key made this signature over a digest; undefined for none, or one in another form. */
export function recoveredAddress(signature: Uint8Array, digest: Uint8Array): string | undefined {
  try {
    const { r, s, recovery } = secp256k1.Signature.fromBytes(signature, 'recovered');
    if (recovery === undefined || recovery > 1) return undefined;
    const whole = new secp256k1.Signature(r, s, recovery);
    if (whole.hasHighS()) return undefined;
    return evmAddressOfKey(whole.recoverPublicKey(digest).toBytes(false));
  } catch {
    // The library throws for numbers out of range and for a point that is none.
    return undefined;
  }
}
