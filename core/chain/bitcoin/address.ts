import { createHash } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { base58check as base58checkOf, bech32, bech32m } from '@scure/base';

export type BitcoinChain = 'main' | 'test' | 'regtest';

export type BitcoinAddressRefusal =
  /** No form of address that we know: length, alphabet, mixed case. */
  | 'ADDRESS_MALFORMED'
  /** The form is right and the checksum wrong: most often a typing error. */
  | 'ADDRESS_CHECKSUM'
  /** A good address of another Bitcoin network. */
  | 'ADDRESS_WRONG_NETWORK'
  /** A good address of a kind that nobody can spend from today (a witness version of the future). */
  | 'ADDRESS_UNSUPPORTED'
  /** Well-formed, yet its taproot key is no point of the curve: money sent there is lost. */
  | 'ADDRESS_UNSPENDABLE';

export type ParsedBitcoinAddress =
  | {
      readonly ok: true;
      /** Bech32 in lower case, base58check as it is. */
      readonly canonical: string;
      readonly script: Uint8Array;
      readonly kind: 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr';
      /** Satoshi below which nodes do not relay an output of this script (Bitcoin Core, 3,000 sat/kvB). */
      readonly dustLimit: bigint;
    }
  | { readonly ok: false; readonly reason: BitcoinAddressRefusal };

/** BIP-173 human-readable parts; `test` covers testnet and signet, which share all prefixes. */
export const bech32Prefixes: Readonly<Record<BitcoinChain, string>> = {
  main: 'bc',
  test: 'tb',
  regtest: 'bcrt',
};

const BASE58_VERSIONS: readonly {
  readonly version: number;
  readonly kind: 'p2pkh' | 'p2sh';
  readonly chains: readonly BitcoinChain[];
}[] = [
  { version: 0x00, kind: 'p2pkh', chains: ['main'] },
  { version: 0x05, kind: 'p2sh', chains: ['main'] },
  { version: 0x6f, kind: 'p2pkh', chains: ['test', 'regtest'] },
  { version: 0xc4, kind: 'p2sh', chains: ['test', 'regtest'] },
];

/** BIP-173 allows 90 characters; base58check of 21 bytes has 26 to 35. */
const BECH32_LENGTH_MAX = 90;
const BASE58_LENGTH_MAX = 40;
const BASE58_ALPHABET = /^[1-9A-HJ-NP-Za-km-z]+$/;
const BECH32_FORM = /^(bc|tb|bcrt)1[02-9ac-hj-np-z]{6,}$/;

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const base58check = base58checkOf(sha256);

/** Reads an address of any kind that is in use. Never repairs one: what is not exactly right is refused. */
export function parseBitcoinAddress(text: string, chain: BitcoinChain): ParsedBitcoinAddress {
  const lower = text.toLowerCase();
  // BIP-173: all lower or all upper case, never mixed.
  if (BECH32_FORM.test(lower)) {
    return text === lower || text === text.toUpperCase()
      ? witness(lower, chain)
      : refuse('ADDRESS_MALFORMED');
  }
  return legacy(text, chain);
}

function witness(text: string, chain: BitcoinChain): ParsedBitcoinAddress {
  if (text.length > BECH32_LENGTH_MAX) return refuse('ADDRESS_MALFORMED');
  const old = bech32.decodeUnsafe(text, BECH32_LENGTH_MAX);
  const decoded = old ?? bech32m.decodeUnsafe(text, BECH32_LENGTH_MAX);
  if (!decoded) return refuse('ADDRESS_CHECKSUM');
  const [version, ...words] = decoded.words;
  const bytes = bech32.fromWordsUnsafe(words);
  if (version === undefined || version > 16 || !bytes || bytes.length < 2 || bytes.length > 40) {
    return refuse('ADDRESS_MALFORMED');
  }
  // BIP-350: version 0 has the old checksum, every later one the new.
  if ((version === 0) !== (old !== undefined)) return refuse('ADDRESS_CHECKSUM');
  if (decoded.prefix !== bech32Prefixes[chain]) return refuse('ADDRESS_WRONG_NETWORK');
  return program(text, version, Uint8Array.from(bytes));
}

function program(canonical: string, version: number, bytes: Uint8Array): ParsedBitcoinAddress {
  const script = Uint8Array.from([version === 0 ? 0 : 0x50 + version, bytes.length, ...bytes]);
  if (version === 0) {
    if (bytes.length === 20) return { ok: true, canonical, script, kind: 'p2wpkh', dustLimit: 294n };
    if (bytes.length === 32) return { ok: true, canonical, script, kind: 'p2wsh', dustLimit: 330n };
    return refuse('ADDRESS_MALFORMED');
  }
  if (version !== 1 || bytes.length !== 32) return refuse('ADDRESS_UNSUPPORTED');
  if (!isPoint(bytes)) return refuse('ADDRESS_UNSPENDABLE');
  return { ok: true, canonical, script, kind: 'p2tr', dustLimit: 330n };
}

/** BIP-341: the output key is the x of a point. */
function isPoint(x: Uint8Array): boolean {
  return secp256k1.utils.isValidPublicKey(Uint8Array.from([2, ...x]), true);
}

function legacy(text: string, chain: BitcoinChain): ParsedBitcoinAddress {
  if (text.length < 26 || text.length > BASE58_LENGTH_MAX || !BASE58_ALPHABET.test(text)) {
    return refuse('ADDRESS_MALFORMED');
  }
  const bytes = decodeBase58(text);
  if (!bytes) return refuse('ADDRESS_CHECKSUM');
  const found = BASE58_VERSIONS.find((entry) => entry.version === bytes[0]);
  if (bytes.length !== 21 || !found) return refuse('ADDRESS_MALFORMED');
  if (!found.chains.includes(chain)) return refuse('ADDRESS_WRONG_NETWORK');
  const hash = bytes.subarray(1);
  return found.kind === 'p2pkh'
    ? {
        ok: true,
        canonical: text,
        script: Uint8Array.from([0x76, 0xa9, 20, ...hash, 0x88, 0xac]),
        kind: 'p2pkh',
        dustLimit: 546n,
      }
    : {
        ok: true,
        canonical: text,
        script: Uint8Array.from([0xa9, 20, ...hash, 0x87]),
        kind: 'p2sh',
        dustLimit: 540n,
      };
}

function decodeBase58(text: string): Uint8Array | undefined {
  try {
    return base58check.decode(text);
  } catch {
    // The decoder says "no" by throwing; there is nothing else to learn from it.
    return undefined;
  }
}

const refuse = (reason: BitcoinAddressRefusal): ParsedBitcoinAddress => ({ ok: false, reason });
