/** Strict readers of parsed JSON: no unknown field, every length bounded, integers as decimal strings. */
import { MalformedError, fromHex } from './canonical.ts';

/** The value of a JSON text. Throws MalformedError. */
export function parseJson(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    throw new MalformedError('no JSON');
  }
}

/** An object with exactly these fields; `optional` ones may be missing. */
export function readObject(
  value: unknown,
  path: string,
  fields: readonly string[],
  optional: readonly string[] = [],
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedError(`${path}: an object expected`);
  }
  const known = [...fields, ...optional];
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new MalformedError(`${path}: a field that is not known`);
  }
  for (const key of fields) {
    if (!Object.hasOwn(value, key)) throw new MalformedError(`${path}.${key}: missing`);
  }
  return value as Record<string, unknown>;
}

export interface TextRule {
  readonly lengthMax: number;
  readonly pattern: RegExp;
}

export function readText(value: unknown, path: string, rule: TextRule): string {
  if (typeof value !== 'string') throw new MalformedError(`${path}: text expected`);
  if (value.length > rule.lengthMax)
    throw new MalformedError(`${path}: at most ${rule.lengthMax} characters`);
  if (!rule.pattern.test(value)) throw new MalformedError(`${path}: not in its form`);
  return value;
}

/** A JSON number that is a whole number from 0 to `max`; only for small counts, never for money. */
export function readNumber(value: unknown, path: string, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new MalformedError(`${path}: a whole number from 0 to ${max} expected`);
  }
  return value === 0 ? 0 : value;
}

/** A decimal string in its one form (no sign, no leading zero) from 0 to `max`. */
export function readDecimal(value: unknown, path: string, max: bigint): bigint {
  const digits = readText(value, path, { lengthMax: 78, pattern: /^(0|[1-9][0-9]*)$/ });
  const number = BigInt(digits);
  if (number > max) throw new MalformedError(`${path}: too large`);
  return number;
}

/** Lower-case hex of exactly `length` bytes. */
export function readHex(value: unknown, path: string, length: number): Uint8Array {
  return fromHex(
    readText(value, path, { lengthMax: 2 * length, pattern: new RegExp(`^[0-9a-f]{${2 * length}}$`) }),
  );
}

export function readList<T>(
  value: unknown,
  path: string,
  bounds: { min: number; max: number },
  item: (value: unknown, path: string) => T,
): T[] {
  if (!Array.isArray(value)) throw new MalformedError(`${path}: a list expected`);
  if (value.length < bounds.min || value.length > bounds.max) {
    throw new MalformedError(`${path}: from ${bounds.min} to ${bounds.max} items`);
  }
  return value.map((one: unknown, index) => item(one, `${path}[${index}]`));
}

export function readOneOf<T extends string>(value: unknown, path: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new MalformedError(`${path}: one of ${allowed.join(', ')} expected`);
  return found;
}

export function readBoolean(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw new MalformedError(`${path}: true or false expected`);
  return value;
}

/** Chain ids, asset ids and addresses as they stand in documents. */
export const NETWORK: TextRule = { lengthMax: 41, pattern: /^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/ };
export const ASSET: TextRule = {
  lengthMax: 180,
  pattern: /^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}\/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}$/,
};
export const ADDRESS: TextRule = { lengthMax: 128, pattern: /^[\x21-\x7e]+$/ };
export const SIGNER_ID: TextRule = { lengthMax: 32, pattern: /^[a-z0-9]+(-[a-z0-9]+)*$/ };
