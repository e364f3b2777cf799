/**
 * The one canonical encoding of every document that is signed, journalled or committed to
 * (docs/decisions/0001-formats-that-cannot-change.md). A document has exactly one encoding: fields in a fixed
 * order, nothing optional, big-endian integers, and a domain in front that ends in the version.
 */

/** SHA-256 of bytes; handed in, because this folder imports nothing. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** What a strict reader answers: the value, or why the input is not one. */
export type Parsed<T> = { ok: true; value: T } | { ok: false; detail: string };

/** Thrown inside readers and encoders for input that has no place in the format; faces turn it into a value. */
export class MalformedError extends Error {
  readonly code = 'MALFORMED';
  readonly retryable = false;
}

export const U64_MAX = 2n ** 64n - 1n;
export const U256_MAX = 2n ** 256n - 1n;
export const U32_MAX = 2 ** 32 - 1;

/** The domain (a length byte, then ASCII) followed by the fields. */
export function encodeDocument(domain: string, fields: readonly Uint8Array[]): Uint8Array {
  const name = ascii(domain);
  if (name.length > 255) throw new MalformedError('a domain has at most 255 bytes');
  return concat([u8(name.length), name, ...fields]);
}

export const u8 = (value: number): Uint8Array => integer(BigInt(value), 1);
export const u16 = (value: number): Uint8Array => integer(BigInt(value), 2);
export const u32 = (value: number): Uint8Array => integer(BigInt(value), 4);
export const u64 = (value: bigint): Uint8Array => integer(value, 8);
export const u256 = (value: bigint): Uint8Array => integer(value, 32);

/** Exactly `length` bytes, as they are. */
export function fixed(value: Uint8Array, length: number): Uint8Array {
  if (value.length !== length) throw new MalformedError(`${length} bytes expected, not ${value.length}`);
  return value;
}

/** u16 length, then printable ASCII without blanks (0x21 to 0x7e); never empty. */
export function text(value: string): Uint8Array {
  if (!/^[\x21-\x7e]{1,65535}$/.test(value))
    throw new MalformedError('text is printable ASCII without blanks');
  return concat([u16(value.length), ascii(value)]);
}

export interface Reader {
  u8(): number;
  u16(): number;
  u32(): number;
  u64(): bigint;
  u256(): bigint;
  bytes(length: number): Uint8Array;
  text(): string;
}

/** Reads a whole document of this domain; bytes that are missing or left over are refused. */
export function decodeDocument<T>(bytes: Uint8Array, domain: string, read: (from: Reader) => T): Parsed<T> {
  return parsing(() => {
    let at = 0;
    const take = (length: number): Uint8Array => {
      if (at + length > bytes.length) throw new MalformedError('the document ends too early');
      at += length;
      return bytes.slice(at - length, at);
    };
    const number = (length: number): number => Number(toInteger(take(length)));
    const reader: Reader = {
      u8: () => number(1),
      u16: () => number(2),
      u32: () => number(4),
      u64: () => toInteger(take(8)),
      u256: () => toInteger(take(32)),
      bytes: take,
      text: () => printable(take(number(2))),
    };
    if (printable(take(number(1))) !== domain) throw new MalformedError(`not a document of ${domain}`);
    const value = read(reader);
    if (at !== bytes.length) throw new MalformedError('bytes are left over');
    return value;
  });
}

/** Runs a reader that throws MalformedError, and gives its refusal as a value. */
export function parsing<T>(read: () => T): Parsed<T> {
  try {
    return { ok: true, value: read() };
  } catch (error) {
    if (error instanceof MalformedError) return { ok: false, detail: error.message };
    throw error;
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Lower-case hex without a prefix. */
export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

/** Reads lower-case hex without a prefix. Throws MalformedError for anything else. */
export function fromHex(hex: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new MalformedError('lower-case hex expected');
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

/** Negative, zero or positive, byte by byte from the left. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function integer(value: bigint, length: number): Uint8Array {
  if (value < 0n || value >= 1n << BigInt(8 * length)) {
    throw new MalformedError(`an integer of ${8 * length} bits expected`);
  }
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}

function toInteger(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

function ascii(value: string): Uint8Array {
  return Uint8Array.from(value, (letter) => letter.charCodeAt(0));
}

function printable(bytes: Uint8Array): string {
  let value = '';
  for (const byte of bytes) {
    if (byte < 0x21 || byte > 0x7e) throw new MalformedError('text is printable ASCII without blanks');
    value += String.fromCharCode(byte);
  }
  if (value === '') throw new MalformedError('text may not be empty');
  return value;
}
