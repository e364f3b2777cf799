/**
 * Documents described once. A document is a domain and a shape of fields; its canonical bytes, its JSON, and the
 * strict readers of both follow from that one description, so they cannot disagree
 * (docs/decisions/0021-documents-with-authority.md).
 */
import {
  MalformedError,
  U256_MAX,
  U32_MAX,
  U64_MAX,
  compareBytes,
  concat,
  decodeDocument,
  encodeDocument,
  fixed,
  parsing,
  text,
  toHex,
  u16,
  u256,
  u32,
  u64,
  u8,
  type Parsed,
  type Reader,
  type Sha256,
} from './canonical.ts';
import {
  readDecimal,
  readHex,
  readList,
  readNumber,
  readObject,
  readOneOf,
  readText,
  type TextRule,
} from './json.ts';

export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

/** One field: its canonical bytes and its JSON, both ways. All four throw MalformedError. */
export interface Field<T> {
  /** The same value with every set in the order of its bytes. */
  normal(value: T): T;
  write(value: T): Uint8Array;
  read(from: Reader): T;
  toJson(value: T): Json;
  fromJson(value: unknown, path: string): T;
}

type ValueOf<F> = F extends Field<infer T> ? T : never;
type Shape = Readonly<Record<string, Field<unknown>>>;
export type RecordOf<S extends Shape> = { readonly [K in keyof S]: ValueOf<S[K]> };

export interface DocumentType<T> {
  readonly domain: string;
  /** Puts sets in order: for whoever makes a document, never for whoever reads one. */
  normal(value: T): T;
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): Parsed<T>;
  /** What is signed: SHA-256 of the canonical bytes. */
  digest(value: T, sha256: Sha256): Uint8Array;
  toJson(value: T): Json;
  parse(value: unknown): Parsed<T>;
  /** As parse, inside a larger reader: throws MalformedError. */
  fromJson(value: unknown, path: string): T;
}

export type DocumentValue<D> = D extends DocumentType<infer T> ? T : never;

/** `check` throws MalformedError for values that are each in range and together make no sense. */
export function documentOf<S extends Shape>(
  domain: string,
  shape: S,
  check: (value: RecordOf<S>) => void = () => {},
): DocumentType<RecordOf<S>> {
  const fields = record(shape);
  const checked = (value: RecordOf<S>): RecordOf<S> => {
    check(value);
    return value;
  };
  const encode = (value: RecordOf<S>): Uint8Array => encodeDocument(domain, [fields.write(checked(value))]);
  const fromJson = (value: unknown, path: string): RecordOf<S> => checked(fields.fromJson(value, path));
  const name = domain.split('/')[1] ?? domain;
  return {
    domain,
    normal: (value) => fields.normal(value),
    encode,
    decode: (bytes) => decodeDocument(bytes, domain, (from) => checked(fields.read(from))),
    digest: (value, sha256) => sha256(encode(value)),
    toJson: (value) => fields.toJson(value),
    parse: (value) => parsing(() => fromJson(value, name)),
    fromJson,
  };
}

/** The fields in the order of the shape; nothing else, nothing optional. */
export function record<S extends Shape>(shape: S): Field<RecordOf<S>> {
  const entries = Object.entries(shape);
  const names = Object.keys(shape);
  const built = (valueOf: (name: string, field: Field<unknown>) => unknown): RecordOf<S> =>
    Object.fromEntries(entries.map(([name, field]) => [name, valueOf(name, field)])) as RecordOf<S>;
  return {
    normal: (value) => built((name, field) => field.normal(value[name])),
    write: (value) => concat(entries.map(([name, field]) => field.write(value[name]))),
    read: (from) => built((_, field) => field.read(from)),
    toJson: (value) => Object.fromEntries(entries.map(([name, field]) => [name, field.toJson(value[name])])),
    fromJson: (value, path) => {
      const object = readObject(value, path, names);
      return built((name, field) => field.fromJson(object[name], `${path}.${name}`));
    },
  };
}

export interface ListRule {
  readonly min?: number;
  readonly max: number;
  /** Items stand in the order of their bytes, no two alike: a set has one encoding. */
  readonly isSet?: boolean;
}

/** A u16 count, then the items. */
export function list<T>(item: Field<T>, { min = 0, max, isSet = false }: ListRule): Field<readonly T[]> {
  const checked = (values: readonly T[]): readonly T[] => {
    if (values.length < min || values.length > max) throw new MalformedError(`from ${min} to ${max} items`);
    const bytes = isSet ? values.map((value) => item.write(value)) : [];
    for (let i = 1; i < bytes.length; i++) {
      if (compareBytes(bytes[i - 1] ?? new Uint8Array(), bytes[i] ?? new Uint8Array()) >= 0)
        throw new MalformedError('items of a set ascend, no two alike');
    }
    return values;
  };
  return {
    normal: (values) => {
      const all = values.map((value) => item.normal(value));
      return isSet ? all.toSorted((a, b) => compareBytes(item.write(a), item.write(b))) : all;
    },
    write: (values) => concat([u16(values.length), ...checked(values).map((value) => item.write(value))]),
    read: (from) => {
      const count = from.u16();
      if (count > max) throw new MalformedError(`at most ${max} items`);
      return checked(Array.from({ length: count }, () => item.read(from)));
    },
    toJson: (values) => values.map((value) => item.toJson(value)),
    fromJson: (value, path) =>
      checked(readList(value, path, { min, max }, (one, at) => item.fromJson(one, at))),
  };
}

/** Names with their byte in the encoding. */
export function oneOf<N extends string>(bytes: Readonly<Record<N, number>>): Field<N> {
  const names = Object.keys(bytes) as N[];
  return {
    normal: same,
    write: (name) => u8(bytes[name]),
    read: (from) => {
      const byte = from.u8();
      const found = names.find((name) => bytes[name] === byte);
      if (found === undefined) throw new MalformedError(`${byte} stands for nothing`);
      return found;
    },
    toJson: (name) => name,
    fromJson: (value, path) => readOneOf(value, path, names),
  };
}

const number = (
  write: (value: number) => Uint8Array,
  read: (from: Reader) => number,
  bound: number,
): ((max?: number) => Field<number>) => {
  return (max = bound) => {
    const within = (value: number): number => {
      if (value > max) throw new MalformedError(`at most ${max}`);
      return value;
    };
    return {
      normal: same,
      write: (value) => write(within(value)),
      read: (from) => within(read(from)),
      toJson: (value) => value,
      fromJson: (value, path) => readNumber(value, path, max),
    };
  };
};

/** Small counts; a JSON number. */
export const u8Field = number(u8, (from) => from.u8(), 255);
export const u16Field = number(u16, (from) => from.u16(), 65_535);
export const u32Field = number(u32, (from) => from.u32(), U32_MAX);

const whole = (
  write: (value: bigint) => Uint8Array,
  read: (from: Reader) => bigint,
  max: bigint,
): Field<bigint> => ({
  normal: same,
  write,
  read,
  toJson: (value) => value.toString(),
  fromJson: (value, path) => readDecimal(value, path, max),
});

/** Amounts, numbers that count for ever, and times; a decimal string in JSON. */
export const u64Field = whole(u64, (from) => from.u64(), U64_MAX);
export const u256Field = whole(u256, (from) => from.u256(), U256_MAX);

/** Exactly this many bytes; lower-case hex in JSON. */
export const bytesField = (length: number): Field<Uint8Array> => ({
  normal: same,
  write: (value) => fixed(value, length),
  read: (from) => from.bytes(length),
  toJson: (value) => toHex(value),
  fromJson: (value, path) => readHex(value, path, length),
});

/** Printable ASCII without blanks, in a form of its own. */
export const textField = (rule: TextRule): Field<string> => ({
  normal: same,
  write: (value) => text(readText(value, 'text', rule)),
  read: (from) => readText(from.text(), 'text', rule),
  toJson: (value) => value,
  fromJson: (value, path) => readText(value, path, rule),
});

/** What people wrote: Unicode in normal form C without control characters; u16 length, then UTF-8. May be empty. */
export function sentenceField(lengthMax: number): Field<string> {
  const rule: TextRule = { lengthMax, pattern: /^[^\p{Cc}\p{Cs}\p{Co}\p{Cn}]*$/u };
  const normal = (value: string): string => {
    if (value.normalize('NFC') !== value) throw new MalformedError('text is in Unicode normal form C');
    return value;
  };
  return {
    normal: same,
    write: (value) => {
      const bytes = new TextEncoder().encode(normal(readText(value, 'text', rule)));
      return concat([u16(bytes.length), bytes]);
    },
    read: (from) => normal(readText(utf8(from.bytes(from.u16())), 'text', rule)),
    toJson: (value) => value,
    fromJson: (value, path) => normal(readText(value, path, rule)),
  };
}

function same<T>(value: T): T {
  return value;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedError('text is UTF-8');
  }
}
