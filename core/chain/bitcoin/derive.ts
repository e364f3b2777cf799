import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { base58check as base58checkOf } from '@scure/base';
import { HDKey } from '@scure/bip32';
import { p2ms, p2wsh, _sortPubkeys } from '@scure/btc-signer';
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
  /** By branch, then by signer: the parents of all addresses, parsed once. */
  readonly parents: readonly [readonly ExtendedKey[], readonly ExtendedKey[]];
}

interface ExtendedKey {
  readonly publicKey: Buffer;
  /** The same in 65 bytes, which the curve takes without a square root. */
  readonly uncompressed: Uint8Array;
  readonly chainCode: Buffer;
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

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const base58check = base58checkOf(sha256);

export function openWallet(options: {
  readonly chain: BitcoinChain;
  readonly threshold: number;
  readonly xpubs: readonly string[];
}): BitcoinWallet {
  const { chain, threshold, xpubs } = options;
  if (xpubs.length < 1 || xpubs.length > SIGNERS_MAX || threshold < 1 || threshold > xpubs.length) {
    throw new WalletError(`${threshold} of ${xpubs.length} signatures`);
  }
  const accounts = xpubs.map((xpub) => parseXpub(xpub, chain));
  return Object.freeze({
    chain,
    threshold,
    xpubs,
    parents: [accounts.map((key) => child(key, 0)), accounts.map((key) => child(key, 1))] as const,
  });
}

/** The address at a branch and index. Fast path: issue nothing that deriveChecked has not confirmed. */
export function deriveScript(wallet: BitcoinWallet, branch: Branch, index: number): DerivedScript {
  if (!Number.isInteger(index) || index < 0 || index > INDEX_MAX) throw new RangeError(`index ${index}`);
  const parents = wallet.parents[branch];
  const publicKeys: Buffer[] = [];
  for (const parent of parents) publicKeys.push(childPublicKey(parent, index).publicKey);
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
  program.copy(script, 2);
  return { address: segwitAddress(bech32Prefixes[wallet.chain], program), script, witnessScript, publicKeys };
}

/**
 * As deriveScript, and derived once more by @scure/bip32 and @scure/btc-signer, which share no code with the
 * fast path (1.7 ms). A difference stops the process: a wrong address is money lost.
 */
export function deriveChecked(wallet: BitcoinWallet, branch: Branch, index: number): DerivedScript {
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

function extendedKey(publicKey: Buffer, chainCode: Buffer): ExtendedKey {
  return { publicKey, chainCode, uncompressed: curve.uncompress(publicKey) };
}

function child(parent: ExtendedKey, index: number): ExtendedKey {
  const { publicKey, chainCode } = childPublicKey(parent, index);
  return extendedKey(publicKey, chainCode);
}

/** BIP-32 CKDpub. The curve throws where the result is no key (less likely than 2^-127). */
function childPublicKey(parent: ExtendedKey, index: number): { publicKey: Buffer; chainCode: Buffer } {
  const data = Buffer.allocUnsafe(37);
  parent.publicKey.copy(data, 0);
  data.writeUInt32BE(index, 33);
  const digest = createHmac('sha512', parent.chainCode).update(data).digest();
  const key = curve.tweakAdd(parent.uncompressed, digest.subarray(0, 32));
  return {
    publicKey: Buffer.from(key.buffer, key.byteOffset, key.length),
    chainCode: digest.subarray(32),
  };
}
