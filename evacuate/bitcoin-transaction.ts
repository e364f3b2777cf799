/** One transaction that takes coins of the wallet to the cold address: what signers are asked, and what comes back. */
import { createHash } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { base64, hex } from '@scure/base';
import { HDKey } from '@scure/bip32';
import {
  NETWORK,
  TEST_NETWORK,
  Address,
  OutScript,
  RawTx,
  Transaction,
  p2ms,
  p2wsh,
} from '@scure/btc-signer';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import type { BitcoinEvacuation } from '../signer/protocol/evacuation.ts';
import type { Manifest, ManifestBitcoin } from '../signer/protocol/manifest.ts';

/** A coin whose script and amount are proved by the transaction that made it. */
export interface Coin {
  readonly txid: string;
  readonly vout: number;
  readonly satoshi: bigint;
  readonly branch: 0 | 1;
  readonly index: number;
  /** The transaction that made it, without witnesses. */
  readonly previous: Uint8Array;
}

/** The scripts of one network's wallet: derived from the manifest's keys, never taken from a node. */
export interface Wallet {
  readonly threshold: number;
  readonly epoch: number;
  readonly entry: ManifestBitcoin;
  /** One for each branch, as a node takes it. */
  readonly descriptors: readonly [string, string];
  readonly scriptAt: (
    branch: 0 | 1,
    index: number,
  ) => { readonly script: Uint8Array; readonly witnessScript: Uint8Array };
  readonly coldScript: Uint8Array;
}

const VERSION = 2;
const SIGHASH_ALL = 1;
/** Replaceable (BIP-125). */
const SEQUENCE = 0xffff_fffd;
const TEST_VERSIONS = { private: 0x04358394, public: 0x043587cf };
const REGTEST_NETWORK = { ...TEST_NETWORK, bech32: 'bcrt' };

export function walletOf(manifest: Manifest, entry: ManifestBitcoin): Wallet {
  const { threshold, signers, epoch } = manifest;
  const accounts = signers.map(({ xpub }) =>
    xpub.startsWith('tpub') ? HDKey.fromExtendedKey(xpub, TEST_VERSIONS) : HDKey.fromExtendedKey(xpub),
  );
  const branches = ([0, 1] as const).map((branch) => accounts.map((account) => account.deriveChild(branch)));
  const network = { main: NETWORK, test: TEST_NETWORK, regtest: REGTEST_NETWORK }[entry.chain];
  const scripts = new Map<string, { script: Uint8Array; witnessScript: Uint8Array }>();
  const descriptor = (branch: 0 | 1): string =>
    `wsh(sortedmulti(${threshold},${signers.map(({ xpub }) => `${xpub}/${branch}/*`).join(',')}))`;
  return {
    threshold,
    epoch,
    entry,
    descriptors: [descriptor(0), descriptor(1)],
    scriptAt: (branch, index) => {
      const known = scripts.get(`${branch}/${index}`);
      if (known !== undefined) return known;
      const keys = (branches[branch] ?? []).map((account) => account.deriveChild(index).publicKey);
      const sorted = keys.filter((key) => key !== null).toSorted((a, b) => Buffer.compare(a, b));
      const { script, witnessScript } = p2wsh(p2ms(threshold, sorted), network);
      if (witnessScript === undefined) throw new TypeError('a P2WSH without its script');
      scripts.set(`${branch}/${index}`, { script, witnessScript });
      return { script, witnessScript };
    },
    coldScript: OutScript.encode(Address(network).decode(entry.cold)),
  };
}

/**
 * Virtual bytes of an evacuation of so many coins once it is signed: an input's witness is an empty item, signatures
 * of at most 72 bytes and the script.
 */
export function vbytesOf({ threshold, coldScript, scriptAt }: Wallet, coins: number): number {
  const scriptBytes = scriptAt(0, 0).witnessScript.length;
  const witness = 1 + 1 + threshold * 73 + (scriptBytes < 253 ? 1 : 3) + scriptBytes;
  const base = 10 + 41 * coins + (coins < 253 ? 0 : 2) + 9 + coldScript.length;
  return Math.ceil((4 * base + 2 + witness * coins) / 4);
}

/** One evacuation before its signatures. */
export interface Asked {
  /** What every signer is asked. */
  readonly request: BitcoinEvacuation;
  readonly transaction: Transaction;
  readonly coins: readonly Coin[];
  readonly wallet: Wallet;
}

export function evacuationOf(wallet: Wallet, coins: readonly Coin[], feeSatoshi: bigint): Asked {
  const { entry, epoch, coldScript } = wallet;
  const transaction = new Transaction({ version: VERSION, allowUnknownOutputs: true });
  for (const { txid, vout, satoshi, branch, index, previous } of coins) {
    const { script, witnessScript } = wallet.scriptAt(branch, index);
    const witnessUtxo = { script, amount: satoshi };
    const spent = { nonWitnessUtxo: previous, witnessUtxo, witnessScript };
    transaction.addInput({ txid, index: vout, sequence: SEQUENCE, ...spent });
  }
  const sum = coins.reduce((total, { satoshi }) => total + satoshi, 0n);
  transaction.addOutput({ script: coldScript, amount: sum - feeSatoshi });
  const request: BitcoinEvacuation = {
    type: 'bitcoin-evacuate',
    network: entry.network,
    epoch,
    psbt: base64.encode(transaction.toPSBT(0)),
    inputs: coins.map(({ branch, index }) => ({ branch, index })),
  };
  return { request, transaction, coins, wallet };
}

/** One signer's signature of each input, by public key in hex. */
export type Signatures = readonly ReadonlyMap<string, Uint8Array>[];

/** What one signer answered. Throws for what is no PSBT, and where an input has no signature that verifies. */
export function signaturesIn({ transaction, coins, wallet }: Asked, answer: string): Signatures {
  const { inputs } = RawPSBTV0.decode(base64.decode(answer));
  return coins.map(({ branch, index, satoshi }, i) => {
    const { witnessScript } = wallet.scriptAt(branch, index);
    const digest = transaction.preimageWitnessV0(i, witnessScript, SIGHASH_ALL, satoshi);
    const found = new Map<string, Uint8Array>();
    for (const [publicKey, signature] of inputs[i]?.partialSig ?? []) {
      const der = signature.subarray(0, -1);
      const isValid =
        signature.at(-1) === SIGHASH_ALL &&
        Buffer.from(witnessScript).includes(publicKey) &&
        secp256k1.verify(der, digest, publicKey, { prehash: false, format: 'der' });
      if (isValid) found.set(hex.encode(publicKey), signature);
    }
    if (found.size === 0) throw new TypeError(`input ${i} has no signature that verifies`);
    return found;
  });
}

/** Ready for a node: the signatures of as many signers as the script asks for. */
export function finished(
  { transaction, coins, wallet }: Asked,
  answers: readonly Signatures[],
): {
  txid: string;
  raw: string;
} {
  const witnesses = coins.map(({ branch, index }, i) => {
    const { witnessScript } = wallet.scriptAt(branch, index);
    const text = hex.encode(witnessScript);
    // In the order of the script's keys.
    const signatures = answers
      .flatMap((answer) => [...(answer[i] ?? [])])
      .toSorted(([a], [b]) => text.indexOf(a) - text.indexOf(b))
      .map(([, signature]) => signature);
    return [new Uint8Array(), ...signatures, witnessScript];
  });
  const { version, inputs, outputs, lockTime } = RawTx.decode(transaction.unsignedTx);
  const raw = RawTx.encode({ version, segwitFlag: true, inputs, outputs, witnesses, lockTime });
  return { txid: transaction.id, raw: hex.encode(raw) };
}

/**
 * A transaction that made coins: its outputs, and its bytes without witnesses, as signers take it: these may be many
 * times larger, and no id commits to them. Throws for what is no transaction, or another one than the node was asked for.
 */
export function previousOf(
  raw: Uint8Array,
  txid: string,
): { readonly bytes: Uint8Array; readonly outputs: readonly { amount: bigint; script: Uint8Array }[] } {
  const { version, inputs, outputs, lockTime } = RawTx.decode(raw);
  const bytes = RawTx.encode({ version, segwitFlag: false, inputs, outputs, witnesses: undefined, lockTime });
  const id = hex.encode(sha256(sha256(bytes)).toReversed());
  if (id !== txid) throw new TypeError(`the node gave ${id} for ${txid}`);
  return { bytes, outputs };
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
