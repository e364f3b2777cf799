import { hash } from 'node:crypto';
import { ChainError } from '../faults.ts';

/** Told what stands where; nothing is copied, and a position is an offset into the same bytes. */
export interface TransactionVisitor {
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

function walk(b: Buffer, from: number, only: number | undefined, visitor: TransactionVisitor): number {
  const end = b.length;
  const { onInput, onOutput, onTransaction } = visitor;
  let p = from;

  const need = (length: number): void => {
    if (length > end - p) throw malformed('cut short');
  };
  const count = (bytesMin: number): number => {
    need(1);
    const first = b[p++] as number;
    let value = first;
    if (first === 253) {
      need(2);
      value = b.readUInt16LE(p);
      p += 2;
    } else if (first === 254) {
      need(4);
      value = b.readUInt32LE(p);
      p += 4;
    } else if (first === 255) {
      need(8);
      const high = b.readUInt32LE(p + 4);
      if (high !== 0) throw malformed('a count beyond the block');
      value = b.readUInt32LE(p);
      p += 8;
    }
    if (value * bytesMin > end - p) throw malformed('a count beyond the block');
    return value;
  };
  const skip = (length: number): void => {
    need(length);
    p += length;
  };

  const transactions = only ?? count(TRANSACTION_BYTES_MIN);
  for (let t = 0; t < transactions; t += 1) {
    const start = p;
    skip(4);
    const segwit = b[p] === 0 && b[p + 1] === 1;
    if (segwit) skip(2);
    const inputs = count(INPUT_BYTES_MIN);
    if (inputs === 0) throw malformed('a transaction without inputs');
    for (let i = 0; i < inputs; i += 1) {
      need(OUTPOINT_BYTES);
      onInput?.(t, i, p);
      p += OUTPOINT_BYTES;
      skip(count(1));
      skip(4);
    }
    const outputs = count(OUTPUT_BYTES_MIN);
    for (let i = 0; i < outputs; i += 1) {
      const value = p;
      skip(8);
      const length = count(1);
      onOutput?.(t, i, value, p, length);
      p += length;
    }
    const witness = p;
    if (segwit) for (let i = 0; i < inputs; i += 1) for (let n = count(1); n > 0; n -= 1) skip(count(1));
    skip(4);
    onTransaction?.(t, { start, segwit, witness, end: p });
  }
  if (p !== end) throw malformed('not fully consumed');
  return transactions;
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
