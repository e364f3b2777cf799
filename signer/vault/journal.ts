/**
 * The signer's own record of what it signed and refused: a hash-chained file, flushed before any signature
 * leaves (docs/decisions/0001). The file alone cannot show that whole entries were cut from its end; the small
 * file beside it catches a lost or restored journal, and peers and core hold the heads of their answers.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { U32_MAX, toHex } from '../protocol/canonical.ts';
import {
  JOURNAL_BODY_LENGTH_MAX,
  JOURNAL_PAGE_MAX,
  encodeJournalEntry,
  formatJournalLine,
  parseJournalLine,
} from '../protocol/journal-entry.ts';
import type { JournalHead } from '../protocol/messages.ts';
import { VaultFault } from './fault.ts';

export const JOURNAL_FILE = 'journal.jsonl';
export const HEAD_FILE = 'journal.head';

/** A body of 1 MiB whose every letter is escaped still fits. */
const LINE_BYTES_MAX = 8 << 20;
const CHUNK_BYTES = 1 << 20;
/** A page ends with the line that passes this: with the longest of lines it still fits an answer. */
const PAGE_BYTES = 1 << 20;

export interface Journal {
  head(): JournalHead;
  /** Clock of the last entry, Unix ms; 0 before the first. */
  lastAtMs(): number;
  /** Writes and flushes one entry. Throws VaultFault; after that nothing more may be signed. */
  append(kind: string, body: object): void;
  /** Lines of the entries after this number, in order: as many as fit a page, one at least if there is one. */
  linesAfter(sequence: bigint): string[];
  close(): void;
}

export interface JournalOptions {
  readonly folder: string;
  readonly signer: string;
  readonly nowMs: () => number;
  /** Is given every entry: those of the file in their order, then each that is appended. Throws to refuse one. */
  readonly apply: (kind: string, body: unknown, place: { sequence: bigint; atMs: number }) => void;
}

interface Position {
  sequence: bigint;
  hash: Uint8Array;
  atMs: number;
  /** Bytes of the file up to the last whole line. */
  size: number;
  /** Where the line of each entry begins; the first is entry 1. */
  readonly starts: number[];
}

/** Opens and verifies the journal. Throws VaultFault JOURNAL_BROKEN when the file is not the one we wrote. */
export function openJournal(options: JournalOptions): Journal {
  const path = join(options.folder, JOURNAL_FILE);
  const head = openHead(join(options.folder, HEAD_FILE));
  const at: Position = { sequence: 0n, hash: new Uint8Array(32), atMs: 0, size: 0, starts: [] };
  const torn = existsSync(path) ? replay(path, options, at, head.read()) : undefined;
  if (head.read().sequence > at.sequence) throw broken('entries are missing at its end');
  // O_SYNC and not fsync(): the permission model refuses fsync (node: ERR_ACCESS_DENIED).
  const file = openSync(path, 'as', 0o600);
  if (fstatSync(file).size !== at.size) throw broken('it changed while it was read');

  const append = (kind: string, body: object): void => {
    const text = JSON.stringify(body);
    // It would be written, and never read again.
    if (text.length > JOURNAL_BODY_LENGTH_MAX)
      throw new VaultFault('JOURNAL_WRITE_FAILED', `an entry of ${text.length} characters`);
    const nowMs = options.nowMs();
    const entry = {
      signer: options.signer,
      sequence: at.sequence + 1n,
      previous: at.hash,
      at: BigInt(nowMs),
      kind,
      bodyHash: sha256(new TextEncoder().encode(text)),
    };
    const hash = sha256(encodeJournalEntry(entry));
    const line = new TextEncoder().encode(
      `${formatJournalLine({ type: 'entry', entry, body: text, hash })}\n`,
    );
    writeWhole(file, line, at.size);
    at.starts.push(at.size);
    Object.assign(at, { sequence: entry.sequence, hash, atMs: nowMs, size: at.size + line.length });
    head.write(at.sequence, hash);
    options.apply(kind, body, { sequence: entry.sequence, atMs: nowMs });
  };
  if (torn !== undefined) append('note', torn);
  return {
    head: () => ({ sequence: at.sequence.toString(), hash: toHex(at.hash) }),
    lastAtMs: () => at.atMs,
    append,
    linesAfter: (sequence) => linesAfter(path, at, sequence),
    close: () => {
      closeSync(file);
      head.close();
    },
  };
}

/** Replays all whole lines; cuts off a line that a crash left half-written, and says what was cut. */
function replay(path: string, options: JournalOptions, at: Position, mark: HeadMark): object | undefined {
  const file = openSync(path, 'r+');
  try {
    for (const line of linesOf(file)) {
      if (line.whole) replayLine(line.text, line.bytes, options, at, mark);
      else return cutTorn(file, line.text, options, at);
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}

function replayLine(
  text: string,
  bytes: number,
  options: JournalOptions,
  at: Position,
  mark: HeadMark,
): void {
  const parsed = parseJournalLine(text, sha256);
  const where = `line after entry ${at.sequence}`;
  if (!parsed.ok) throw broken(`${where}: ${parsed.detail}`);
  at.size += bytes;
  const line = parsed.value;
  if (line.type === 'entry') at.starts.push(at.size - bytes);
  if (line.type === 'countersignature') {
    if (line.sequence > at.sequence) throw broken(`${where}: countersigns an entry that is not there`);
    return;
  }
  const { entry, hash, body } = line;
  if (entry.signer !== options.signer) throw broken(`${where}: of signer ${entry.signer}`);
  if (entry.sequence !== at.sequence + 1n) throw broken(`${where}: an entry is missing`);
  if (toHex(entry.previous) !== toHex(at.hash)) throw broken(`${where}: does not follow the entry before`);
  if (mark.sequence === entry.sequence && mark.hash !== toHex(hash))
    throw broken(`${where}: is not the one we wrote`);
  try {
    options.apply(entry.kind, JSON.parse(body), { sequence: entry.sequence, atMs: Number(entry.at) });
  } catch (error) {
    throw new VaultFault('JOURNAL_BROKEN', `${where}: an entry that this release does not know`, error);
  }
  Object.assign(at, { sequence: entry.sequence, hash, atMs: Number(entry.at) });
}

/**
 * A line without its newline is what a crash inside a write leaves; its signature has not left, because that
 * waits for the flush. It must be the start of the very next entry: anything else was not written by us.
 */
function cutTorn(file: number, text: string, options: JournalOptions, at: Position): object {
  const next = { signer: options.signer, sequence: (at.sequence + 1n).toString(), previous: toHex(at.hash) };
  const start = `${JSON.stringify({ entry: next }).slice(0, -2)},"at":"`;
  if (!text.startsWith(start) && !start.startsWith(text))
    throw broken('its end is no half-written entry of ours');
  ftruncateSync(file, at.size);
  const cut = new TextEncoder().encode(text);
  return { note: 'half-written entry dropped', bytes: cut.length, sha256: toHex(sha256(cut)) };
}

/** Reads from the file what was flushed; lines of other kinds between entries are left out. */
function linesAfter(path: string, at: Position, sequence: bigint): string[] {
  const start = at.starts[Number(sequence)];
  if (sequence > U32_MAX || start === undefined) return [];
  let next = Number(sequence);
  const stop = next + JOURNAL_PAGE_MAX;
  while (next < stop && (at.starts[next] ?? Infinity) <= start + PAGE_BYTES) next += 1;
  const end = at.starts[next] ?? at.size;
  const bytes = new Uint8Array(end - start);
  const file = openSync(path, 'r');
  try {
    for (let done = 0; done < bytes.length;) {
      const length = readSync(file, bytes, done, bytes.length - done, start + done);
      if (length === 0) throw broken('it is shorter than what was written');
      done += length;
    }
  } finally {
    closeSync(file);
  }
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  return lines.filter((line) => line.startsWith('{"entry":'));
}

interface Line {
  readonly text: string;
  readonly bytes: number;
  readonly whole: boolean;
}

function* linesOf(file: number): Generator<Line> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (bytes: Uint8Array): string => {
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw new VaultFault('JOURNAL_BROKEN', 'the journal is not text', error);
    }
  };
  let rest: Uint8Array = new Uint8Array(0);
  for (let position = 0; ;) {
    const length = readSync(file, chunk, 0, CHUNK_BYTES, position);
    if (length === 0) break;
    position += length;
    const bytes = Buffer.concat([rest, chunk.subarray(0, length)]);
    let start = 0;
    for (let end = bytes.indexOf(10, start); end >= 0; end = bytes.indexOf(10, start)) {
      yield { text: decode(bytes.subarray(start, end)), bytes: end + 1 - start, whole: true };
      start = end + 1;
    }
    rest = Uint8Array.from(bytes.subarray(start));
    if (rest.length > LINE_BYTES_MAX) throw broken('a line is longer than any entry');
  }
  // A crash may cut inside a letter of several bytes: latin1 keeps the start comparable.
  if (rest.length > 0) yield { text: Buffer.from(rest).toString('latin1'), bytes: rest.length, whole: false };
}

/** Writes a line and makes sure that nobody else wrote: two vaults on one folder would not know of each other. */
function writeWhole(file: number, line: Uint8Array, sizeBefore: number): void {
  const foreign = (): VaultFault =>
    new VaultFault(
      'JOURNAL_WRITTEN_BY_ANOTHER',
      'the journal grew by another hand: two vaults on one folder?',
    );
  if (fstatSync(file).size !== sizeBefore) throw foreign();
  try {
    for (let done = 0; done < line.length;) done += writeSync(file, line, done);
  } catch (error) {
    throw new VaultFault('JOURNAL_WRITE_FAILED', 'the journal cannot be written', error);
  }
  if (fstatSync(file).size !== sizeBefore + line.length) throw foreign();
}

interface HeadMark {
  readonly sequence: bigint;
  readonly hash: string;
}

/** Sequence and hash of the last entry, overwritten in place (within one sector), after each append. */
function openHead(path: string): {
  read(): HeadMark;
  write(sequence: bigint, hash: Uint8Array): void;
  close(): void;
} {
  let mark: HeadMark = { sequence: 0n, hash: '' };
  if (existsSync(path)) {
    const found = /^([0-9]{20}) ([0-9a-f]{64})\n$/.exec(readFileSync(path, 'latin1'));
    if (found === null) throw broken(`${HEAD_FILE} is not what we write there`);
    mark = { sequence: BigInt(found[1] ?? ''), hash: found[2] ?? '' };
  }
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  return {
    read: () => mark,
    write: (sequence, hash) => {
      mark = { sequence, hash: toHex(hash) };
      writeSync(file, `${sequence.toString().padStart(20, '0')} ${mark.hash}\n`, 0, 'latin1');
    },
    close: () => closeSync(file),
  };
}

const broken = (what: string): VaultFault => new VaultFault('JOURNAL_BROKEN', `the journal: ${what}`);
