/** The quorum's Bitcoin wallet, wsh(sortedmulti(threshold, …)), derived from the pinned extended keys. */
import { normalizeZ } from '@noble/curves/abstract/curve.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import type { HDKey } from '@scure/bip32';
import { compareBytes, concat, fromHex, u32, u8 } from '../protocol/canonical.ts';
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

/** Derivation takes most of a millisecond; a hot wallet asks for the same few thousand scripts again. */
const CACHE_SIZE_MAX = 10_000;
const INDEX_MAX = 2 ** 31 - 1;
const { Point } = secp256k1;

export function openWallet(accounts: readonly HDKey[], threshold: number): BitcoinWallet {
  const branches = [0, 1].map((branch) => accounts.map((account) => parentOf(account.deriveChild(branch))));
  return {
    scriptAt: cached((branch, index) => {
      const points = (branches[branch] ?? []).map((parent) => childPoint(parent, tweakOf(parent, index)));
      // One inversion for all keys together.
      const keys = normalizeZ(Point, points).map((point) => point.toBytes(true));
      const witnessScript = sortedMultisig(keys, threshold);
      return { script: concat([fromHex('0020'), sha256(witnessScript)]), witnessScript };
    }),
  };
}

/** The private key by one addition; the public one as everybody derives it, so that verifying shows a wrong sum. */
export function openKeys(account: HDKey): BitcoinKeys {
  const branches = [0, 1].map((branch) => {
    const key = account.deriveChild(branch);
    return { parent: parentOf(key), secret: Point.Fn.fromBytes(privateKeyOf(key)) };
  });
  return {
    keyAt: cached((branch, index) => {
      const own = branches[branch];
      if (own === undefined) throw new RangeError(`branch ${branch}`);
      const tweak = tweakOf(own.parent, index);
      const publicPoint = childPoint(own.parent, tweak).toBytes(false);
      const privateKey = Point.Fn.toBytes(Point.Fn.create(own.secret + tweak));
      return { privateKey, publicKey: compressed(publicPoint), publicPoint };
    }),
  };
}

/**
 * What all children of a key have in common, decoded once. The library's own derivation decodes the parent for
 * each child and multiplies at a pace that hides the number; but these numbers are no secret, whoever has the
 * extended public keys has them: a third of the time.
 */
interface Parent {
  readonly point: InstanceType<typeof Point>;
  readonly publicKey: Uint8Array;
  readonly chainCode: Uint8Array;
}

function parentOf({ publicKey, chainCode }: HDKey): Parent {
  if (publicKey === null || chainCode === null) throw new TypeError('a key that has no children');
  return { point: Point.fromBytes(publicKey), publicKey, chainCode };
}

/** BIP-32, left half of I for a child that is not hardened. Throws where it is no number (less likely than 2^-127). */
function tweakOf({ publicKey, chainCode }: Parent, index: number): bigint {
  if (!Number.isInteger(index) || index < 0 || index > INDEX_MAX) throw new RangeError(`index ${index}`);
  const digest = hmac(sha512, chainCode, concat([publicKey, u32(index)]));
  return Point.Fn.fromBytes(digest.subarray(0, 32));
}

function childPoint({ point }: Parent, tweak: bigint): InstanceType<typeof Point> {
  return point.add(Point.BASE.multiplyUnsafe(tweak));
}

/** A point in 65 bytes, in 33: its x under a byte that says whether y is odd (SEC 1). */
const compressed = (bytes: Uint8Array): Uint8Array =>
  concat([u8(2 + ((bytes[64] ?? 0) & 1)), bytes.subarray(1, 33)]);

/** OP_threshold, keys in ascending order, OP_n, OP_CHECKMULTISIG. */
function sortedMultisig(keys: readonly Uint8Array[], threshold: number): Uint8Array {
  const small = (number: number): Uint8Array => u8(0x50 + number);
  const pushes = keys.toSorted(compareBytes).map((key) => concat([u8(key.length), key]));
  return concat([small(threshold), ...pushes, small(keys.length), u8(0xae)]);
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
