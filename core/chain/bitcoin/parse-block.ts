import { hash } from 'node:crypto';
import { ChainError } from '../faults.ts';

/** Told what stands where; nothing is copied, and a position is an offset into the same bytes. */
export interface TransactionVisitor {
  /** Before anything else of transaction `t`, which begins at `start`. */
  readonly onStart?: (t: number, start: number) => void;
  /** An input of transaction `t`: 36 bytes of outpoint stand at `outpoint`. */
  readonly onInput?: (t: number, index: number, outpoint: number) => void;
  /** An output: 8 bytes of value at `value`, then the script at `script` with `length` bytes. */
  readonly onOutput?: (t: number, index: number, value: number, script: number, length: number) => void;
  readonly onTransaction?: (t: number, span: TransactionSpan) => void;
}

/** Where a transaction's parts are. Its id hashes all but marker, flag and witness (BIP-141). */
export interface TransactionSpan {
  readonly start: number;
  readonly segwit: boolean;
  /** First byte of the witness, or of the lock time where there is none. */
  readonly witness: number;
  readonly end: number;
}

export const HEADER_BYTES = 80;
const OUTPOINT_BYTES = 36;
/** Of an input: outpoint, an empty script's length, sequence. Of an output: value, an empty script's length. */
const INPUT_BYTES_MIN = 41;
const OUTPUT_BYTES_MIN = 9;
/** Of a transaction: version, counts of one byte, one output, lock time. */
const TRANSACTION_BYTES_MIN = 10;

function malformed(what: string): ChainError {
  return new ChainError('NODE_GARBAGE', `malformed block: ${what}`);
}

/**
 * Walks a raw block in place. Every count and length is bounded by the bytes that are left, so whatever the
 * bytes are, the walk ends, and it ends exactly at the last byte. Throws ChainError NODE_GARBAGE.
 */
export function walkBlock(bytes: Buffer, visitor: TransactionVisitor): number {
  if (bytes.length < HEADER_BYTES + 1) throw malformed('shorter than a header');
  return walk(bytes, HEADER_BYTES, undefined, visitor);
}

/** The same for one raw transaction by itself. */
export function walkTransaction(bytes: Buffer, visitor: TransactionVisitor): void {
  walk(bytes, 0, 1, visitor);
}

/** Positions are passed and answered, never kept: a local number is several times faster than a shared one. */
function walk(b: Buffer, from: number, only: number | undefined, visitor: TransactionVisitor): number {
  let p = from;
  let transactions = only ?? 0;
  if (only === undefined) {
    transactions = readCount(b, p, TRANSACTION_BYTES_MIN);
    p += countBytes(b, p);
  }
  for (let t = 0; t < transactions; t += 1) p = walkOne(b, p, t, visitor);
  if (p !== b.length) throw malformed('not fully consumed');
  return transactions;
}

function walkOne(b: Buffer, start: number, t: number, visitor: TransactionVisitor): number {
  visitor.onStart?.(t, start);
  let p = start + 4;
  const segwit = b[p] === 0 && b[p + 1] === 1;
  if (segwit) p += 2;
  const inputs = readCount(b, p, INPUT_BYTES_MIN);
  if (inputs === 0) throw malformed('a transaction without inputs');
  p = walkInputs(b, p + countBytes(b, p), inputs, t, visitor.onInput);
  const outputs = readCount(b, p, OUTPUT_BYTES_MIN);
  p = walkOutputs(b, p + countBytes(b, p), outputs, t, visitor.onOutput);
  const witness = p;
  if (segwit) p = skipWitness(b, p, inputs);
  p += 4;
  if (p > b.length) throw malformed('cut short');
  visitor.onTransaction?.(t, { start, segwit, witness, end: p });
  return p;
}

function walkInputs(
  b: Buffer,
  from: number,
  count: number,
  t: number,
  onInput: TransactionVisitor['onInput'],
): number {
  let p = from;
  for (let i = 0; i < count; i += 1) {
    const script = p + OUTPOINT_BYTES;
    const length = readCount(b, script, 1);
    onInput?.(t, i, p);
    p = script + countBytes(b, script) + length + 4;
  }
  return p;
}

function walkOutputs(
  b: Buffer,
  from: number,
  count: number,
  t: number,
  onOutput: TransactionVisitor['onOutput'],
): number {
  let p = from;
  for (let i = 0; i < count; i += 1) {
    const length = readCount(b, p + 8, 1);
    const script = p + 8 + countBytes(b, p + 8);
    onOutput?.(t, i, p, script, length);
    p = script + length;
  }
  return p;
}

function skipWitness(b: Buffer, from: number, inputs: number): number {
  let p = from;
  for (let i = 0; i < inputs; i += 1) {
    const items = readCount(b, p, 1);
    p += countBytes(b, p);
    for (let n = 0; n < items; n += 1) p += countBytes(b, p) + readCount(b, p, 1);
  }
  return p;
}

/** A count of things that take at least `bytesMin` bytes each: never more than the bytes behind it can hold. */
function readCount(b: Buffer, p: number, bytesMin: number): number {
  const bytes = countBytes(b, p);
  const left = b.length - p - bytes;
  if (left < 0) throw malformed('cut short');
  const value = bytes === 1 ? (b[p] as number) : readWide(b, p, bytes);
  if (value * bytesMin > left) throw malformed('a count beyond the block');
  return value;
}

function countBytes(b: Buffer, p: number): number {
  const first = b[p];
  if (first === undefined) throw malformed('cut short');
  return first < 253 ? 1 : first === 253 ? 3 : first === 254 ? 5 : 9;
}

/** Only the shortest form of a number is one: nodes take no other (Bitcoin Core, ReadCompactSize). */
function readWide(b: Buffer, p: number, bytes: number): number {
  if (bytes === 9) throw malformed('a count beyond the block');
  const value = bytes === 3 ? b.readUInt16LE(p + 1) : b.readUInt32LE(p + 1);
  if (value < (bytes === 3 ? 253 : 0x10000)) throw malformed('a count in a longer form than it needs');
  return value;
}

/** Double SHA-256 of the transaction without its witness, in the order of bytes that the protocol uses. */
export function txHash(bytes: Buffer, { start, segwit, witness, end }: TransactionSpan): Buffer {
  if (!segwit) return sha256d(bytes.subarray(start, end));
  return sha256d(
    Buffer.concat([
      bytes.subarray(start, start + 4),
      bytes.subarray(start + 6, witness),
      bytes.subarray(end - 4, end),
    ]),
  );
}

/** Hashes as people write them: reversed, hex. */
export function hashText(bytes: Buffer): string {
  return Buffer.from(bytes.toReversed()).toString('hex');
}

/** Id of a raw transaction. Throws NODE_GARBAGE when it is none. */
export function txIdOf(bytes: Buffer): string {
  let id = '';
  walkTransaction(bytes, {
    onTransaction: (_t, span) => {
      id = hashText(txHash(bytes, span));
    },
  });
  return id;
}

export interface BlockHeader {
  readonly hash: string;
  readonly parent: string;
  readonly merkleRoot: Buffer;
  readonly minedAt: Date;
}

/** The hash is computed here, never taken from whoever sent the bytes. */
export function readHeader(bytes: Buffer): BlockHeader {
  if (bytes.length < HEADER_BYTES) throw malformed('shorter than a header');
  return {
    hash: hashText(sha256d(bytes.subarray(0, HEADER_BYTES))),
    parent: hashText(bytes.subarray(4, 36)),
    merkleRoot: bytes.subarray(36, 68),
    minedAt: new Date(bytes.readUInt32LE(68) * 1000),
  };
}

/**
 * Merkle root of transaction hashes as the header has it. Throws NODE_GARBAGE where two neighbours are alike:
 * a list with its tail doubled has the same root (CVE-2012-2459).
 */
export function merkleRoot(hashes: readonly Buffer[]): Buffer {
  let level = hashes;
  if (level.length === 0) throw malformed('no transaction');
  while (level.length > 1) {
    const next: Buffer[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] as Buffer;
      const right = level[i + 1];
      if (right && left.equals(right)) throw malformed('a doubled transaction');
      next.push(sha256d(Buffer.concat([left, right ?? left])));
    }
    level = next;
  }
  return level[0] as Buffer;
}

function sha256d(bytes: Uint8Array): Buffer {
  return hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer');
}
