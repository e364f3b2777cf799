import { checksumAddress, type Address, type Hex } from 'viem';
import { ChainError } from '../faults.ts';

/** What a node answers is read field by field; what is not as the protocol has it is NODE_GARBAGE. */
export type Answer = Readonly<Record<string, unknown>>;

const HASH = /^0x[0-9a-f]{64}$/;
const ADDRESS = /^0x[0-9a-f]{40}$/;
const QUANTITY = /^0x[0-9a-f]{1,64}$/;
const BYTES = /^0x(?:[0-9a-f]{2})*$/;

export function readObject(value: unknown, what: string): Answer {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Answer;
  throw garbage(what, 'an object');
}

export function readList(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw garbage(what, 'a list');
}

/** 32 bytes, in lower case. */
export function readHash(value: unknown, what: string): Hex {
  const text = lower(value);
  if (text !== undefined && HASH.test(text)) return text as Hex;
  throw garbage(what, 'a hash');
}

/** 20 bytes, in lower case. */
export function readAddress(value: unknown, what: string): Address {
  const text = lower(value);
  if (text !== undefined && ADDRESS.test(text)) return text as Address;
  throw garbage(what, 'an address');
}

export function readQuantity(value: unknown, what: string): bigint {
  const text = lower(value);
  if (text !== undefined && QUANTITY.test(text)) return BigInt(text);
  throw garbage(what, 'a quantity');
}

/** A height, a time, an index: small enough for a number. */
export function readNumber(value: unknown, what: string): number {
  const number = Number(readQuantity(value, what));
  if (Number.isSafeInteger(number)) return number;
  throw garbage(what, 'a small number');
}

export function readBytes(value: unknown, what: string): Hex {
  const text = lower(value);
  if (text !== undefined && BYTES.test(text)) return text as Hex;
  throw garbage(what, 'bytes');
}

/** Canonical form of an address in lower case (EIP-55). */
export function canonical(address: Address): Address {
  return checksumAddress(address);
}

export function quantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}

function lower(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase() : undefined;
}

function garbage(what: string, wanted: string): ChainError {
  return new ChainError('NODE_GARBAGE', `${what}: not ${wanted}`);
}
