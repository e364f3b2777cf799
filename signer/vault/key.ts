/** The key: made inside, sealed under a passphrase, and what is derived from it. */
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { scrypt } from '@noble/hashes/scrypt.js';
import { HDKey } from '@scure/bip32';
import {
  MalformedError,
  encodeDocument,
  fixed,
  fromHex,
  text,
  toHex,
  u32,
  type Parsed,
  parsing,
} from '../protocol/canonical.ts';
import { SIGNER_ID, readHex, readNumber, readObject, readOneOf, readText } from '../protocol/json.ts';
import { EPOCH_MAX, EVM_ADDRESS, XPUB } from '../protocol/manifest.ts';
import { TOKEN_KEY_ID_BYTES, TOKEN_LABEL, TOKEN_SERIAL } from '../protocol/token.ts';
import { evmAddressOfKey } from './addresses.ts';
import type { TokenKey } from './token.ts';

/** What everybody may know of a key. */
export interface PublicKeyRecord {
  readonly signer: string;
  readonly epoch: number;
  readonly chain: 'main' | 'test';
  /** Of the account m/48'/coin'/epoch'/2' (BIP-48, P2WSH). */
  readonly xpub: string;
  readonly fingerprint: string;
  /** Of m/44'/60'/epoch'/0/0, EIP-55. */
  readonly evmAddress: string;
}

export interface SealedKey {
  readonly identity: PublicKeyRecord;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
  /** The EVM key, where it is in a token: everything else follows from what is sealed. */
  readonly token?: TokenKey;
}

/** All that follows from the entropy. */
export interface DerivedKey {
  readonly identity: PublicKeyRecord;
  readonly account: HDKey;
  readonly evmPrivateKey: Uint8Array;
  readonly token?: undefined;
}

/** The key of the EVM address was made in a token; the one that would follow from the entropy is not used. */
export type OpenKey = DerivedKey | (Pick<DerivedKey, 'identity' | 'account'> & { readonly token: TokenKey });

/** BIP-32 version bytes: xpub and tpub. */
const versions = {
  main: { private: 0x0488ade4, public: 0x0488b21e },
  test: { private: 0x04358394, public: 0x043587cf },
} as const;

const ENTROPY_BYTES = 32;
/** 128 MiB and about half a second: what a guess at the passphrase costs. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, dkLen: 32 } as const;
const HARDENED = 0x80000000;

interface Sealing {
  readonly signer: string;
  readonly epoch: number;
  readonly chain: 'main' | 'test';
  readonly passphrase: string;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly token?: TokenKey;
}

/**
 * Makes a key from fresh entropy and seals it. `dice` are what operators threw, digits 1 to 6: with them the entropy
 * is SHA-256 over the system's random bytes and the throws, so that it is as good as the better of both.
 */
export function makeKey(options: Sealing & { readonly dice?: string }): { key: OpenKey; sealed: SealedKey } {
  const random = options.randomBytes(ENTROPY_BYTES);
  return sealEntropy(options.dice === undefined ? random : mixed(random, options.dice), options);
}

/** Seals entropy that a backup gave back, as a key that was just made is sealed. */
export function sealEntropy(entropy: Uint8Array, options: Sealing): { key: OpenKey; sealed: SealedKey } {
  const { token } = options;
  const key = openKeyOf(deriveKey(entropy, options), token);
  const salt = options.randomBytes(16);
  const nonce = options.randomBytes(24);
  const record = { identity: key.identity, salt, nonce, ...(token === undefined ? {} : { token }) };
  return { key, sealed: { ...record, sealed: cipherOf(options.passphrase, record).encrypt(entropy) } };
}

/** Opens a sealed key, or undefined when the passphrase is another or the file was altered. */
export function unsealKey(sealed: SealedKey, passphrase: string): OpenKey | undefined {
  const entropy = unsealEntropy(sealed, passphrase);
  return entropy === undefined ? undefined : openKeyOf(deriveKey(entropy, sealed.identity), sealed.token);
}

/** The 32 bytes that everything is derived from, for a backup; undefined as for unsealKey. */
export function unsealEntropy(sealed: SealedKey, passphrase: string): Uint8Array | undefined {
  const cipher = cipherOf(passphrase, sealed);
  let entropy: Uint8Array;
  try {
    entropy = cipher.decrypt(sealed.sealed);
  } catch {
    // The cipher throws for a tag that does not fit; a wrong passphrase is an ordinary answer.
    return undefined;
  }
  const key = openKeyOf(deriveKey(entropy, sealed.identity), sealed.token);
  return JSON.stringify(key.identity) === JSON.stringify(sealed.identity) ? entropy : undefined;
}

function openKeyOf(derived: DerivedKey, token: TokenKey | undefined): OpenKey {
  if (token === undefined) return derived;
  const { account, identity } = derived;
  return { account, token, identity: { ...identity, evmAddress: evmAddressOfKey(fromHex(token.publicKey)) } };
}

/** An extended public key of a chain, or undefined when the text is none. Throws never. */
export function parseXpub(xpub: string, chain: 'main' | 'test'): HDKey | undefined {
  try {
    const key = HDKey.fromExtendedKey(xpub, versions[chain]);
    return key.privateKey === null && key.depth === 4 ? key : undefined;
  } catch {
    // Wrong checksum, version or point: the decoder has only this way to say so.
    return undefined;
  }
}

/** The sealed key as the text of its file. */
export function formatSealedKey({ identity, salt, nonce, sealed, token }: SealedKey): string {
  const hexes = { salt: toHex(salt), nonce: toHex(nonce), sealed: toHex(sealed) };
  return `${JSON.stringify({ version: 1, ...identity, ...hexes, token }, undefined, 2)}\n`;
}

export function parseSealedKey(value: unknown): Parsed<SealedKey> {
  return parsing(() => {
    const names = [
      'version',
      'signer',
      'epoch',
      'chain',
      'xpub',
      'fingerprint',
      'evmAddress',
      'salt',
      'nonce',
      'sealed',
    ];
    const file = readObject(value, 'key', names, ['token']);
    if (file['version'] !== 1) throw new MalformedError('key.version: 1 expected');
    const identity = {
      signer: readText(file['signer'], 'key.signer', SIGNER_ID),
      epoch: readNumber(file['epoch'], 'key.epoch', EPOCH_MAX),
      chain: readOneOf(file['chain'], 'key.chain', ['main', 'test'] as const),
      xpub: readText(file['xpub'], 'key.xpub', XPUB),
      fingerprint: toHex(readHex(file['fingerprint'], 'key.fingerprint', 4)),
      evmAddress: readText(file['evmAddress'], 'key.evmAddress', EVM_ADDRESS),
    };
    return {
      identity,
      salt: readHex(file['salt'], 'key.salt', 16),
      nonce: readHex(file['nonce'], 'key.nonce', 24),
      sealed: readHex(file['sealed'], 'key.sealed', ENTROPY_BYTES + 16),
      ...(file['token'] === undefined ? {} : { token: readTokenKey(file['token']) }),
    };
  });
}

function readTokenKey(value: unknown): TokenKey {
  const token = readObject(value, 'key.token', ['label', 'serial', 'keyId', 'publicKey']);
  return {
    label: readText(token['label'], 'key.token.label', TOKEN_LABEL),
    serial: readText(token['serial'], 'key.token.serial', TOKEN_SERIAL),
    keyId: toHex(readHex(token['keyId'], 'key.token.keyId', TOKEN_KEY_ID_BYTES)),
    publicKey: toHex(readHex(token['publicKey'], 'key.token.publicKey', 65)),
  };
}

/** `portcullis/key-entropy/1`: the throws by their own hash, since there may be more than a text of a document has. */
const mixed = (random: Uint8Array, dice: string): Uint8Array =>
  sha256(
    encodeDocument('portcullis/key-entropy/1', [
      fixed(random, ENTROPY_BYTES),
      sha256(new TextEncoder().encode(dice)),
    ]),
  );

/** BIP-32: everything of a signer follows from its entropy. */
export function deriveKey(
  entropy: Uint8Array,
  { signer, epoch, chain }: { signer: string; epoch: number; chain: 'main' | 'test' },
): DerivedKey {
  const root = HDKey.fromMasterSeed(entropy, versions[chain]);
  const coin = chain === 'main' ? 0 : 1;
  const account = descend(root, [48 + HARDENED, coin + HARDENED, epoch + HARDENED, 2 + HARDENED]);
  const evm = descend(root, [44 + HARDENED, 60 + HARDENED, epoch + HARDENED, 0, 0]);
  const evmPrivateKey = privateKeyOf(evm);
  const identity: PublicKeyRecord = {
    signer,
    epoch,
    chain,
    xpub: account.publicExtendedKey,
    fingerprint: root.fingerprint.toString(16).padStart(8, '0'),
    evmAddress: evmAddressOfKey(secp256k1.getPublicKey(evmPrivateKey, false)),
  };
  return { identity, account, evmPrivateKey };
}

export function privateKeyOf(key: HDKey): Uint8Array {
  if (key.privateKey === null) throw new TypeError('a public key where a private one was derived');
  return key.privateKey;
}

function descend(from: HDKey, indexes: readonly number[]): HDKey {
  return indexes.reduce((key, index) => key.deriveChild(index), from);
}

/** The identity is authenticated with the secret: a sealed file serves one signer, epoch, chain and token. */
function cipherOf(passphrase: string, { identity, token, salt, nonce }: Omit<SealedKey, 'sealed'>) {
  const { signer, epoch, chain, xpub, fingerprint, evmAddress } = identity;
  const bound = encodeDocument(
    token === undefined ? 'portcullis/sealed-key/1' : 'portcullis/sealed-key-token/1',
    [
      text(signer),
      u32(epoch),
      text(chain),
      text(xpub),
      fromHex(fingerprint),
      text(evmAddress),
      ...(token === undefined
        ? []
        : [text(token.label), text(token.serial), fromHex(token.keyId), fromHex(token.publicKey)]),
    ],
  );
  const password = new TextEncoder().encode(passphrase.normalize('NFKC'));
  return xchacha20poly1305(scrypt(password, salt, SCRYPT), nonce, bound);
}
