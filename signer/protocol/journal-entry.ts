/** An entry of a signer's journal, and the line that holds it in the file. */
import {
  MalformedError,
  U64_MAX,
  decodeDocument,
  encodeDocument,
  fixed,
  parsing,
  text,
  toHex,
  u64,
  type Parsed,
  type Sha256,
} from './canonical.ts';
import { SIGNER_ID, parseJson, readDecimal, readHex, readObject, readText, type TextRule } from './json.ts';

export const JOURNAL_DOMAIN = 'portcullis/journal/1';
const KIND: TextRule = { lengthMax: 32, pattern: /^[a-z]+(-[a-z]+)*$/ };

/** No body is longer: it bounds the memory that one line needs at start. */
export const JOURNAL_BODY_LENGTH_MAX = 1 << 20;
/** A body of 1 MiB whose every letter is escaped. */
export const JOURNAL_LINE: TextRule = { lengthMax: 8 << 20, pattern: /^\{/ };
/** Entries of a journal in one answer. */
export const JOURNAL_PAGE_MAX = 1000;

export interface JournalEntry {
  readonly signer: string;
  /** From 1, without a gap. u64. */
  readonly sequence: bigint;
  /** 32 bytes: the hash of the entry before; zero before the first. */
  readonly previous: Uint8Array;
  /** Unix milliseconds by the signer's own clock. u64. */
  readonly at: bigint;
  readonly kind: string;
  /** 32 bytes: SHA-256 of the body's UTF-8 JSON text exactly as it stands in the file. */
  readonly bodyHash: Uint8Array;
}

export type JournalLine =
  | { readonly type: 'entry'; readonly entry: JournalEntry; readonly body: string; readonly hash: Uint8Array }
  | {
      readonly type: 'countersignature';
      readonly sequence: bigint;
      readonly hash: Uint8Array;
      readonly signer: string;
      readonly signature: string;
    };

/** Canonical bytes; their SHA-256 is the entry's hash and the next one's `previous`. */
export function encodeJournalEntry(entry: JournalEntry): Uint8Array {
  return encodeDocument(JOURNAL_DOMAIN, [
    text(readText(entry.signer, 'signer', SIGNER_ID)),
    u64(entry.sequence),
    fixed(entry.previous, 32),
    u64(entry.at),
    text(readText(entry.kind, 'kind', KIND)),
    fixed(entry.bodyHash, 32),
  ]);
}

export function decodeJournalEntry(bytes: Uint8Array): Parsed<JournalEntry> {
  return decodeDocument(bytes, JOURNAL_DOMAIN, (from) => ({
    signer: readText(from.text(), 'signer', SIGNER_ID),
    sequence: from.u64(),
    previous: from.bytes(32),
    at: from.u64(),
    kind: readText(from.text(), 'kind', KIND),
    bodyHash: from.bytes(32),
  }));
}

/** The line of the file, without its newline. */
export function formatJournalLine(line: JournalLine): string {
  if (line.type === 'countersignature') {
    const { sequence, hash, signer, signature } = line;
    return JSON.stringify({
      countersignature: { sequence: sequence.toString(), hash: toHex(hash), signer, signature },
    });
  }
  const { signer, sequence, previous, at, kind } = line.entry;
  return JSON.stringify({
    entry: { signer, sequence: sequence.toString(), previous: toHex(previous), at: at.toString(), kind },
    body: line.body,
    hash: toHex(line.hash),
  });
}

/** Reads one line. Refuses a line that is not written exactly as formatJournalLine writes it, or whose hash is wrong. */
export function parseJournalLine(source: string, sha256: Sha256): Parsed<JournalLine> {
  return parsing(() => {
    const line = readLine(parseJson(source), sha256);
    if (formatJournalLine(line) !== source) throw new MalformedError('not the one form of a line');
    return line;
  });
}

function readLine(value: unknown, sha256: Sha256): JournalLine {
  if (typeof value === 'object' && value !== null && 'countersignature' in value) {
    const { countersignature } = readObject(value, 'line', ['countersignature']);
    return readCountersignature(countersignature);
  }
  const line = readObject(value, 'line', ['entry', 'body', 'hash']);
  const head = readObject(line['entry'], 'entry', ['signer', 'sequence', 'previous', 'at', 'kind']);
  const body = readText(line['body'], 'body', { lengthMax: JOURNAL_BODY_LENGTH_MAX, pattern: /^/ });
  const entry: JournalEntry = {
    signer: readText(head['signer'], 'entry.signer', SIGNER_ID),
    sequence: readDecimal(head['sequence'], 'entry.sequence', U64_MAX),
    previous: readHex(head['previous'], 'entry.previous', 32),
    at: readDecimal(head['at'], 'entry.at', U64_MAX),
    kind: readText(head['kind'], 'entry.kind', KIND),
    bodyHash: sha256(new TextEncoder().encode(body)),
  };
  const hash = readHex(line['hash'], 'hash', 32);
  if (toHex(sha256(encodeJournalEntry(entry))) !== toHex(hash))
    throw new MalformedError('the hash is another');
  return { type: 'entry', entry, body, hash };
}

function readCountersignature(value: unknown): JournalLine {
  const line = readObject(value, 'countersignature', ['sequence', 'hash', 'signer', 'signature']);
  return {
    type: 'countersignature',
    sequence: readDecimal(line['sequence'], 'countersignature.sequence', U64_MAX),
    hash: readHex(line['hash'], 'countersignature.hash', 32),
    signer: readText(line['signer'], 'countersignature.signer', SIGNER_ID),
    signature: readText(line['signature'], 'countersignature.signature', {
      lengthMax: 512,
      pattern: /^[0-9a-f]+$/,
    }),
  };
}
