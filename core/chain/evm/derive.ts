import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createKeccak } from 'hash-wasm';
import { getCreate2Address, hexToBytes, type Address, type Hex } from 'viem';
import { encodeDepositSalt } from '../../../signer/protocol/deposit-salt.ts';

/** One WebAssembly instance for all: every use runs to its end without giving way to another. */
const keccak = await createKeccak(256);

/** 0xff, factory, salt, hash of the init code (EIP-1014). */
const PREIMAGE_BYTES = 85;
const SALT_AT = 21;
const INIT_CODE_HASH_AT = 53;
const HEX = '0123456789abcdef';

export interface DepositFactoryCode {
  readonly factory: string;
  /** keccak256 of the constant init code of every deposit address. */
  readonly initCodeHash: string;
}

/** The salt of a customer's address: the same on every network and in every epoch (decision 0001). */
export function depositSalt(customer: Uint8Array, counter: number): Hex {
  return `0x${createHash('sha256').update(encodeDepositSalt({ customer, counter })).digest('hex')}`;
}

/**
 * The keyless address of a salt at a factory, with its checksum (EIP-1014, EIP-55). Two libraries compute it, and
 * an address on which they differ is never answered: the process stops.
 */
export function deriveDepositAddress({
  factory,
  initCodeHash,
  salt,
}: DepositFactoryCode & { readonly salt: Hex }) {
  const address = depositAddresses({ factory, initCodeHash })(hexToBytes(salt));
  const other = getCreate2Address({
    from: factory as Address,
    salt,
    bytecodeHash: initCodeHash as Hex,
  });
  assert.equal(address, other, 'two libraries derive one address');
  return address;
}

/** The fast way, for many addresses of one factory: one hasher, one buffer. Each salt has 32 bytes. */
export function depositAddresses({
  factory,
  initCodeHash,
}: DepositFactoryCode): (salt: Uint8Array) => Address {
  const preimage = new Uint8Array(PREIMAGE_BYTES);
  preimage[0] = 0xff;
  preimage.set(hexToBytes(factory as Hex, { size: 20 }), 1);
  preimage.set(hexToBytes(initCodeHash as Hex, { size: 32 }), INIT_CODE_HASH_AT);
  const text = new Uint8Array(40);
  return (salt) => {
    assert.equal(salt.length, INIT_CODE_HASH_AT - SALT_AT, 'a salt has 32 bytes');
    preimage.set(salt, SALT_AT);
    const hash = keccak.init().update(preimage).digest('binary');
    for (let i = 0; i < 20; i += 1) {
      const byte = hash[12 + i] as number;
      text[2 * i] = HEX.charCodeAt(byte >> 4);
      text[2 * i + 1] = HEX.charCodeAt(byte & 15);
    }
    return checksummed(text);
  };
}

/** EIP-55: a letter is a capital where the hash of the lower-case text has a digit of 8 or more. */
function checksummed(text: Uint8Array): Address {
  const hash = keccak.init().update(text).digest('binary');
  for (let i = 0; i < 40; i += 1) {
    const digit = i % 2 === 0 ? (hash[i >> 1] as number) >> 4 : (hash[i >> 1] as number) & 15;
    const character = text[i] as number;
    if (digit >= 8 && character >= 97) text[i] = character - 32;
  }
  return `0x${String.fromCharCode.apply(undefined, text as unknown as number[])}`;
}
