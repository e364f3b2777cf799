import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { base58check as base58checkOf } from '@scure/base';
import { HDKey } from '@scure/bip32';
import { p2ms, p2wsh, _sortPubkeys } from '@scure/btc-signer';
import { createSHA256, createSHA512 } from 'hash-wasm';
import { bech32Prefixes, type BitcoinChain } from './address.ts';
import { curve } from './curve.ts';
import { segwitAddress } from './segwit.ts';

/** 0: deposit addresses of customers. 1: change and other coins of the house. */
export type Branch = 0 | 1;

/** wsh(sortedmulti(threshold, …)) over the signers' extended public keys; no secrets. */
export interface BitcoinWallet {
  readonly chain: BitcoinChain;
  readonly threshold: number;
  readonly xpubs: readonly string[];
  /** The highest index that signers derive again: they spend from none above it, and pay no change there. */
  readonly indexMax: number;
  /** By branch, then by signer: the parents of all addresses, parsed once. */
  readonly parents: readonly [readonly ExtendedKey[], readonly ExtendedKey[]];
}

interface ExtendedKey {
  /** 65 bytes, which the curve takes without a square root. */
  readonly uncompressed: Uint8Array;
  /**
   * What HMAC-SHA-512 under the chain code hashes (RFC 2104), written once but for what differs: the inner block
   * and the compressed key with four bytes of index behind them; the outer block with the inner digest behind.
   */
  readonly inner: Buffer;
  readonly outer: Buffer;
}

export interface DerivedScript {
  /** Bech32. */
  readonly address: string;
  /** scriptPubKey: OP_0 and the hash of witnessScript. */
  readonly script: Uint8Array;
  readonly witnessScript: Uint8Array;
  /** Compressed, as they stand in witnessScript (BIP-67). */
  readonly publicKeys: readonly Uint8Array[];
}

export class WalletError extends Error {
  override readonly name = 'WalletError';
  readonly code = 'WALLET_INVALID';
  readonly retryable = false;
}

/** Signers would refuse to spend from this address: the manifest's window is used up. A new epoch has a new one. */
export class AddressIndexError extends Error {
  override readonly name = 'AddressIndexError';
  readonly code = 'ADDRESS_INDEX_EXHAUSTED';
  readonly retryable = false;
}

/** BIP-32 serialisation versions of extended public keys. */
const VERSIONS: Readonly<Record<BitcoinChain, number>> = {
  main: 0x0488b21e,
  test: 0x043587cf,
  regtest: 0x043587cf,
};
const INDEX_MAX = 2 ** 31 - 1;
/** OP_1 … OP_16 push the numbers of a multisig. */
const SIGNERS_MAX = 16;
const OP_CHECKMULTISIG = 0xae;
const HMAC_BLOCK_BYTES = 128;
const KEY_BYTES = 33;

/**
 * In WebAssembly: what is hashed is short, and node:crypto takes longer to set a hash up than to compute it. One
 * instance for all: every use runs to its end without giving way to another.
 */
const sha256Hasher = await createSHA256();
const sha512Hasher = await createSHA512();
const sha256 = (bytes: Uint8Array): Uint8Array => sha256Hasher.init().update(bytes).digest('binary');
const sha512 = (bytes: Uint8Array): Uint8Array => sha512Hasher.init().update(bytes).digest('binary');

const base58check = base58checkOf((bytes: Uint8Array) => createHash('sha256').update(bytes).digest());

export function openWallet(options: {
  readonly chain: BitcoinChain;
  readonly threshold: number;
  readonly xpubs: readonly string[];
  /** Default: all that BIP-32 has. */
  readonly indexMax?: number;
}): BitcoinWallet {
  const { chain, threshold, xpubs, indexMax = INDEX_MAX } = options;
  if (xpubs.length < 1 || xpubs.length > SIGNERS_MAX || threshold < 1 || threshold > xpubs.length) {
    throw new WalletError(`${threshold} of ${xpubs.length} signatures`);
  }
  const accounts = xpubs.map((xpub) => parseXpub(xpub, chain));
  return Object.freeze({
    chain,
    threshold,
    xpubs,
    indexMax,
    parents: [accounts.map((key) => child(key, 0)), accounts.map((key) => child(key, 1))] as const,
  });
}

/** The address at a branch and index. Fast path: issue nothing that deriveChecked has not confirmed. */
export function deriveScript(wallet: BitcoinWallet, branch: Branch, index: number): DerivedScript {
  if (!Number.isInteger(index) || index < 0 || index > INDEX_MAX) throw new RangeError(`index ${index}`);
  const parents = wallet.parents[branch];
  const publicKeys: Buffer[] = [];
  for (const parent of parents) publicKeys.push(deriveChild(parent, index).publicKey);
  publicKeys.sort((one, other) => one.compare(other));
  const witnessScript = Buffer.allocUnsafe(3 + 34 * publicKeys.length);
  let at = witnessScript.writeUInt8(0x50 + wallet.threshold, 0);
  for (const key of publicKeys) {
    at = witnessScript.writeUInt8(33, at);
    at += key.copy(witnessScript, at);
  }
  at = witnessScript.writeUInt8(0x50 + publicKeys.length, at);
  witnessScript.writeUInt8(OP_CHECKMULTISIG, at);
  const program = sha256(witnessScript);
  const script = Buffer.allocUnsafe(34);
  script[0] = 0;
  script[1] = 32;
  script.set(program, 2);
  return { address: segwitAddress(bech32Prefixes[wallet.chain], program), script, witnessScript, publicKeys };
}

/**
 * As deriveScript, and derived once more by @scure/bip32 and @scure/btc-signer, which share no code with the
 * fast path (1.7 ms). A difference stops the process: a wrong address is money lost. Throws AddressIndexError above
 * the wallet's `indexMax`.
 */
export function deriveChecked(wallet: BitcoinWallet, branch: Branch, index: number): DerivedScript {
  if (index > wallet.indexMax) {
    throw new AddressIndexError(`${branch}/${index}: signers derive no index above ${wallet.indexMax}`);
  }
  const derived = deriveScript(wallet, branch, index);
  const second = deriveAgain(wallet, branch, index);
  assert.equal(derived.address, second.address, `address ${branch}/${index} by two libraries`);
  assert.deepEqual(Buffer.from(derived.script), Buffer.from(second.script), `script ${branch}/${index}`);
  assert.deepEqual(Buffer.from(derived.witnessScript), Buffer.from(second.witnessScript));
  return derived;
}

/** The second library by itself. */
export function deriveAgain(
  wallet: BitcoinWallet,
  branch: Branch,
  index: number,
): { readonly address: string; readonly script: Uint8Array; readonly witnessScript: Uint8Array } {
  const keys = secondParents(wallet)[branch].map((parent) => {
    const { publicKey } = parent.deriveChild(index);
    assert.ok(publicKey, 'a public child has a public key');
    return publicKey;
  });
  const { address, script, witnessScript } = p2wsh(p2ms(wallet.threshold, _sortPubkeys(keys)), {
    bech32: bech32Prefixes[wallet.chain],
    pubKeyHash: 0,
    scriptHash: 0,
    wif: 0,
  });
  assert.ok(address !== undefined && witnessScript !== undefined, 'P2WSH has an address');
  return { address, script, witnessScript };
}

type SecondParents = readonly [readonly HDKey[], readonly HDKey[]];
const secondByWallet = new WeakMap<BitcoinWallet, SecondParents>();

function secondParents(wallet: BitcoinWallet): SecondParents {
  const known = secondByWallet.get(wallet);
  if (known) return known;
  const version = VERSIONS[wallet.chain];
  const accounts = wallet.xpubs.map((xpub) =>
    HDKey.fromExtendedKey(xpub, { public: version, private: version }),
  );
  const made: SecondParents = [
    accounts.map((account) => account.deriveChild(0)),
    accounts.map((account) => account.deriveChild(1)),
  ];
  secondByWallet.set(wallet, made);
  return made;
}

/** 78 bytes: version, depth, fingerprint, number, chain code, compressed key (BIP-32). */
function parseXpub(xpub: string, chain: BitcoinChain): ExtendedKey {
  let bytes: Buffer;
  try {
    bytes = Buffer.from(base58check.decode(xpub));
  } catch (cause) {
    throw new WalletError('an extended key with a wrong checksum', { cause });
  }
  if (bytes.length !== 78 || bytes.readUInt32BE(0) !== VERSIONS[chain]) {
    throw new WalletError(`an extended key that is not public, or not for ${chain}`);
  }
  return extendedKey(bytes.subarray(45, 78), bytes.subarray(13, 45));
}

function extendedKey(publicKey: Uint8Array, chainCode: Uint8Array): ExtendedKey {
  const block = (filler: number, behind: number): Buffer => {
    const bytes = Buffer.alloc(HMAC_BLOCK_BYTES + behind, filler);
    for (const [i, byte] of chainCode.entries()) bytes[i] = byte ^ filler;
    return bytes;
  };
  const inner = block(0x36, KEY_BYTES + 4);
  inner.set(publicKey, HMAC_BLOCK_BYTES);
  return { uncompressed: curve.uncompress(publicKey), inner, outer: block(0x5c, 64) };
}

function child(parent: ExtendedKey, index: number): ExtendedKey {
  const { publicKey, chainCode } = deriveChild(parent, index);
  return extendedKey(publicKey, chainCode);
}

/** BIP-32 CKDpub. The curve throws where the result is no key (less likely than 2^-127). */
function deriveChild(
  { uncompressed, inner, outer }: ExtendedKey,
  index: number,
): { readonly publicKey: Buffer; readonly chainCode: Uint8Array } {
  inner.writeUInt32BE(index, HMAC_BLOCK_BYTES + KEY_BYTES);
  outer.set(sha512(inner), HMAC_BLOCK_BYTES);
  const digest = sha512(outer);
  const key = curve.tweakAdd(uncompressed, digest.subarray(0, 32));
  return { publicKey: Buffer.from(key.buffer, key.byteOffset, key.length), chainCode: digest.subarray(32) };
}
