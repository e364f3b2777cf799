/**
 * Measures how many deposit addresses one thread derives a second. Bitcoin: P2WSH 2 of 3, ours against bitcoinjs
 * with bip32 over tiny-secp256k1 (the peer) and against libsecp256k1's three point additions alone (the limit);
 * the second library that confirms every issued address apart. EVM: CREATE2 with checksum, ours against viem.
 *
 * `node bench/derive.ts [--json] [--short]`
 */
import assert from 'node:assert/strict';
import { createHash, hash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { HDKey } from '@scure/bip32';
import { BIP32Factory } from 'bip32';
import { networks, payments } from 'bitcoinjs-lib';
import * as tiny from 'tiny-secp256k1';
import { bytesToHex, getContractAddress, type Address } from 'viem';
import { depositAddresses } from '../core/chain/evm/evm.ts';
import { curve } from '../core/chain/bitcoin/curve.ts';
import { deriveAgain, deriveChecked, deriveScript, openWallet } from '../core/chain/bitcoin/derive.ts';

export interface DeriveBenchOptions {
  /** Short rounds: a check that it works, no figures to quote. */
  readonly short: boolean;
}

export interface DeriveFigure {
  readonly what: string;
  /** Median of the rounds. */
  readonly perSecond: number;
  /** Against the peer of its kind. */
  readonly timesPeer: number;
}

const TEST_VERSIONS = { public: 0x043587cf, private: 0x04358394 };
const ROUNDS = 5;

/** All candidates in turn, several rounds, so that a busy machine slows all alike; about 20 s, or seconds when short. */
export function benchDerive({ short }: DeriveBenchOptions): DeriveFigure[] {
  const roundMs = short ? 100 : 500;
  const peers = { bitcoin: 'bitcoinjs: P2WSH 2 of 3', evm: 'viem: CREATE2 with checksum' };
  return [
    ...compare(bitcoinCandidates(peers.bitcoin), peers.bitcoin, roundMs),
    ...compare(evmCandidates(peers.evm), peers.evm, roundMs),
  ];
}

/** Each derives the address of a number. */
type Candidates = Readonly<Record<string, (n: number) => unknown>>;

function bitcoinCandidates(peer: string): Candidates {
  const xpubs = [1, 2, 3].map((n) => accountXpub(n));
  const wallet = openWallet({ chain: 'regtest', threshold: 2, xpubs });
  const bip32 = BIP32Factory(tiny);
  const parents = xpubs.map((xpub) => bip32.fromBase58(xpub, networks.regtest).derive(0));
  const network = networks.regtest;
  const theirs = (n: number): string | undefined => {
    const pubkeys = parents.map((parent) => parent.derive(n).publicKey).sort((a, b) => Buffer.compare(a, b));
    return payments.p2wsh({ redeem: payments.p2ms({ m: 2, pubkeys, network }), network }).address;
  };
  for (let n = 0; n < 20; n += 1) assert.equal(deriveChecked(wallet, 0, n).address, theirs(n));
  const keys = wallet.parents[0].map((parent) => parent.uncompressed);
  const tweaks = Array.from({ length: 64 }, (_, i) => hash('sha256', Buffer.of(i), 'buffer'));
  return {
    [peer]: theirs,
    'ours: P2WSH 2 of 3': (n) => deriveScript(wallet, 0, n).address,
    'limit: three point additions': (n) => {
      const tweak = tweaks[n % tweaks.length] ?? Buffer.alloc(32);
      return keys.map((key) => curve.tweakAdd(key, tweak));
    },
    'second library alone': (n) => deriveAgain(wallet, 0, n).address,
    'ours with second library': (n) => deriveChecked(wallet, 0, n).address,
  };
}

function accountXpub(n: number): string {
  const seed = hash('sha512', `benchmark ${n}`, 'buffer');
  return HDKey.fromMasterSeed(seed, TEST_VERSIONS).derive("m/48'/1'/1'/2'").publicExtendedKey;
}

function evmCandidates(peer: string): Candidates {
  const factory: Address = '0x00000000219ab540356cBB839Cbe05303d7705Fa';
  const initCodeHash = bytesToHex(createHash('sha256').update('init code').digest());
  const salt = (n: number): Uint8Array => {
    const bytes = new Uint8Array(32).fill(7);
    new DataView(bytes.buffer).setUint32(28, n);
    return bytes;
  };
  const theirs = (n: number): Address =>
    getContractAddress({ opcode: 'CREATE2', from: factory, salt: salt(n), bytecodeHash: initCodeHash });
  const ours = depositAddresses({ factory, initCodeHash });
  for (let n = 0; n < 200; n += 1) assert.equal(ours(salt(n)), theirs(n));
  return { [peer]: theirs, 'ours: CREATE2 with checksum': (n) => ours(salt(n)) };
}

function compare(candidates: Candidates, peer: string, roundMs: number): DeriveFigure[] {
  const rates = new Map<string, number[]>(Object.keys(candidates).map((what) => [what, []]));
  /** Never the same number twice: a library that remembers would measure its memory. */
  let n = 0;
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [what, derive] of Object.entries(candidates)) {
      const started = performance.now();
      let count = 0;
      while (performance.now() - started < roundMs) {
        for (let i = 0; i < 20; i += 1) derive((n += 1));
        count += 20;
      }
      // The first round warms up.
      if (round > 0) rates.get(what)?.push((count * 1000) / (performance.now() - started));
    }
  }
  const median = (what: string): number =>
    (rates.get(what) ?? []).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  return [...rates.keys()].map((what) => ({
    what,
    perSecond: median(what),
    timesPeer: median(what) / median(peer),
  }));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { short: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  });
  const figures = benchDerive({ short: values.short });
  for (const { what, perSecond, timesPeer } of figures) {
    process.stdout.write(
      `${what.padEnd(30)} ${perSecond.toFixed(0).padStart(9)} a second   ${timesPeer.toFixed(2).padStart(6)} x peer\n`,
    );
  }
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
}
