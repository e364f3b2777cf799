/** Addresses as text to what a chain understands, by own code: nothing of core's is believed. */
import { base58check as base58checkOf, bech32, bech32m } from '@scure/base';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, fromHex, toHex } from '../protocol/canonical.ts';
import type { BitcoinChain } from '../protocol/manifest.ts';

const base58check = base58checkOf(sha256);

interface ChainParameters {
  readonly bech32Prefix: string;
  readonly p2pkhVersion: number;
  readonly p2shVersion: number;
}

/** BIP-173 prefixes and base58check version bytes. */
const chains: Readonly<Record<BitcoinChain, ChainParameters>> = {
  main: { bech32Prefix: 'bc', p2pkhVersion: 0x00, p2shVersion: 0x05 },
  test: { bech32Prefix: 'tb', p2pkhVersion: 0x6f, p2shVersion: 0xc4 },
  regtest: { bech32Prefix: 'bcrt', p2pkhVersion: 0x6f, p2shVersion: 0xc4 },
};

export interface BitcoinScript {
  readonly script: Uint8Array;
  /** Satoshi below which nodes do not relay an output of this script (Bitcoin Core, 3,000 sat/kvB). */
  readonly dustLimit: bigint;
}

/** P2WSH outputs, ours included: nodes relay none below this. Satoshi. */
export const P2WSH_DUST_LIMIT = 330n;

/** Of bech32 addresses, BIP-173. */
export const bitcoinPrefix = (chain: BitcoinChain): string => chains[chain].bech32Prefix;

/**
 * The script of a canonical address (bech32 in lower case, BIP-173 and BIP-350; base58check as it is).
 * Undefined for any other text: another chain's, a wrong checksum, an unknown witness version.
 */
export function bitcoinScript(address: string, chain: BitcoinChain): BitcoinScript | undefined {
  const parameters = chains[chain];
  return address.startsWith(`${parameters.bech32Prefix}1`)
    ? witnessScript(address, parameters.bech32Prefix)
    : legacyScript(address, parameters);
}

/** Lower-case hex of a canonical (EIP-55) address without 0x, or undefined. */
export function evmAddressHex(address: string): string | undefined {
  if (!/^0x[0-9a-fA-F]{40}$/.test(address)) return undefined;
  const hex = address.slice(2).toLowerCase();
  return checksumAddress(hex) === address ? hex : undefined;
}

/** EIP-55 text of 40 lower-case hex digits. */
export function checksumAddress(hex: string): string {
  const hash = toHex(keccak_256(new TextEncoder().encode(hex)));
  let text = '0x';
  for (const [i, digit] of Array.from(hex).entries()) {
    text += Number.parseInt(hash.charAt(i), 16) >= 8 ? digit.toUpperCase() : digit;
  }
  return text;
}

/** EIP-55 address of an uncompressed public key (65 bytes). */
export function evmAddressOfKey(publicKey: Uint8Array): string {
  return checksumAddress(toHex(keccak_256(publicKey.subarray(1)).subarray(12)));
}

function witnessScript(address: string, prefix: string): BitcoinScript | undefined {
  if (address !== address.toLowerCase()) return undefined;
  for (const [coder, versions] of [
    [bech32, [0]],
    [bech32m, [1]],
  ] as const) {
    const decoded = coder.decodeUnsafe(address, 90);
    if (decoded === undefined || decoded.prefix !== prefix) continue;
    const [version, ...words] = decoded.words;
    const program = coder.fromWordsUnsafe(words);
    if (version === undefined || program === undefined) return undefined;
    if (!(versions as readonly number[]).includes(version)) return undefined;
    return programScript(version, Uint8Array.from(program));
  }
  return undefined;
}

function programScript(version: number, program: Uint8Array): BitcoinScript | undefined {
  if (version === 0 && program.length === 20)
    return { script: concat([fromHex('0014'), program]), dustLimit: 294n };
  if (program.length !== 32) return undefined;
  const opcodes = version === 0 ? '0020' : '5120';
  return { script: concat([fromHex(opcodes), program]), dustLimit: P2WSH_DUST_LIMIT };
}

function legacyScript(address: string, parameters: ChainParameters): BitcoinScript | undefined {
  const bytes = base58checkOrNothing(address);
  if (bytes?.length !== 21) return undefined;
  const hash = bytes.subarray(1);
  if (bytes[0] === parameters.p2pkhVersion) {
    return { script: concat([fromHex('76a914'), hash, fromHex('88ac')]), dustLimit: 546n };
  }
  if (bytes[0] === parameters.p2shVersion) {
    return { script: concat([fromHex('a914'), hash, fromHex('87')]), dustLimit: 540n };
  }
  return undefined;
}

function base58checkOrNothing(address: string): Uint8Array | undefined {
  if (address.length > 40) return undefined;
  try {
    return base58check.decode(address);
  } catch {
    // The decoder throws for text that is none; there is no other way to ask it.
    return undefined;
  }
}
