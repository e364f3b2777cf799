/** The quorum's Bitcoin wallet, wsh(sortedmulti(threshold, …)), derived from the pinned extended keys. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { HDKey } from '@scure/bip32';
import { compareBytes, concat, fromHex, u8 } from '../protocol/canonical.ts';
import { privateKeyOf } from './key.ts';

export interface WalletScript {
  /** Output script: OP_0 and the SHA-256 of witnessScript. */
  readonly script: Uint8Array;
  readonly witnessScript: Uint8Array;
}

export interface BitcoinWallet {
  /** The script at a branch (0 deposits, 1 change and hot) and index, by BIP-67 order of keys. */
  scriptAt(branch: 0 | 1, index: number): WalletScript;
}

export interface OwnKey {
  readonly privateKey: Uint8Array;
  /** Compressed, as it stands in scripts. */
  readonly publicKey: Uint8Array;
  /** Uncompressed: verifying with it needs no square root, a third of the work. */
  readonly publicPoint: Uint8Array;
}

export interface BitcoinKeys {
  /** This signer's own key pair at a branch and index. */
  keyAt(branch: 0 | 1, index: number): OwnKey;
}

/** Derivation takes some milliseconds; a hot wallet asks for the same few thousand scripts again. */
const CACHE_SIZE_MAX = 10_000;

export function openWallet(accounts: readonly HDKey[], threshold: number): BitcoinWallet {
  const branches = accounts.map((account) => [account.deriveChild(0), account.deriveChild(1)] as const);
  return {
    scriptAt: cached((branch, index) => {
      const keys = branches.map((pair) => publicKeyOf(pair[branch].deriveChild(index)));
      const witnessScript = sortedMultisig(keys, threshold);
      return { script: concat([fromHex('0020'), sha256(witnessScript)]), witnessScript };
    }),
  };
}

export function openKeys(account: HDKey): BitcoinKeys {
  const branches = [account.deriveChild(0), account.deriveChild(1)] as const;
  return {
    keyAt: cached((branch, index) => {
      const privateKey = privateKeyOf(branches[branch].deriveChild(index));
      const publicPoint = secp256k1.getPublicKey(privateKey, false);
      return { privateKey, publicKey: secp256k1.getPublicKey(privateKey, true), publicPoint };
    }),
  };
}

/** OP_threshold, keys in ascending order, OP_n, OP_CHECKMULTISIG. */
function sortedMultisig(keys: readonly Uint8Array[], threshold: number): Uint8Array {
  const small = (number: number): Uint8Array => u8(0x50 + number);
  const pushes = keys.toSorted(compareBytes).map((key) => concat([u8(key.length), key]));
  return concat([small(threshold), ...pushes, small(keys.length), u8(0xae)]);
}

function publicKeyOf(key: HDKey): Uint8Array {
  if (key.publicKey === null) throw new TypeError('a derived key without its public part');
  return key.publicKey;
}

function cached<T>(make: (branch: 0 | 1, index: number) => T): (branch: 0 | 1, index: number) => T {
  const known = new Map<string, T>();
  return (branch, index) => {
    const name = `${branch}/${index}`;
    const found = known.get(name) ?? make(branch, index);
    known.delete(name);
    known.set(name, found);
    for (const oldest of known.keys()) {
      if (known.size <= CACHE_SIZE_MAX) break;
      known.delete(oldest);
    }
    return found;
  };
}
