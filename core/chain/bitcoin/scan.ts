import { ChainError } from '../faults.ts';
import { hashText, txHash, walkBlock, walkTransaction, type TransactionVisitor } from './parse-block.ts';
import type { ScriptTable } from './script-table.ts';

/** What we look for: scripts of ours, and outpoints of coins of ours. */
export interface ScanTables {
  readonly scripts: ScriptTable;
  readonly coins: ScriptTable;
}

/** An output that may pay a script of ours: `candidates` are ids of watched rows whose script is to be compared. */
export interface ScannedOutput {
  readonly txId: string;
  readonly vout: number;
  /** Satoshi. */
  readonly units: bigint;
  readonly script: Buffer;
  readonly candidates: readonly number[];
  readonly coinbase: boolean;
}

/** An input that may spend a coin of ours. */
export interface ScannedSpend {
  readonly txId: string;
  readonly previousTxId: string;
  readonly previousVout: number;
}

export interface Scan {
  readonly outputs: readonly ScannedOutput[];
  readonly spends: readonly ScannedSpend[];
}

/** 21 million coins: no output is worth more. */
const UNITS_MAX = 2_100_000_000_000_000n;
const OUTPOINT_BYTES = 36;

/** Everything in a block that may concern us. Adds the outpoints of what it finds to the coins. */
export function scanBlock(bytes: Buffer, tables: ScanTables): Scan {
  const places = collect(bytes, tables, walkBlock);
  const outputs = scanOutputs(bytes, places, tables, { coinbase: true });
  return { outputs, spends: scanSpends(bytes, places, tables) };
}

/**
 * The same for transactions of the mempool, which come in any order: all outputs first, so that no spend of a
 * coin that another of them makes is missed.
 */
export function scanTransactions(transactions: readonly Buffer[], tables: ScanTables): Scan {
  const collected = transactions.map((bytes) => ({ bytes, places: collect(bytes, tables, walkTransaction) }));
  const outputs = collected.flatMap(({ bytes, places }) =>
    scanOutputs(bytes, places, tables, { coinbase: false }),
  );
  const spends = collected.flatMap(({ bytes, places }) => scanSpends(bytes, places, tables));
  return { outputs, spends };
}

/**
 * Offsets of what is to be looked up, and where each transaction begins: the least that the walk can leave
 * behind. What else there is to know of a hit is found by walking its one transaction again.
 */
interface Places {
  readonly transactions: number[];
  readonly outpoints: number[];
  /** Of scripts that have a shape of ours. */
  readonly scripts: number[];
  readonly scriptLengths: number[];
}

function collect(
  bytes: Buffer,
  { scripts: watched }: ScanTables,
  walk: (bytes: Buffer, visitor: TransactionVisitor) => unknown,
): Places {
  const transactions: number[] = [];
  const outpoints: number[] = [];
  const scripts: number[] = [];
  const scriptLengths: number[] = [];
  walk(bytes, {
    onStart: (_t, start) => {
      transactions.push(start);
    },
    onInput: (_t, _index, outpoint) => {
      outpoints.push(outpoint);
    },
    onOutput: (_t, _index, _value, script, length) => {
      if (!watched.hasShape(bytes, script, length)) return;
      scripts.push(script);
      scriptLengths.push(length);
    },
  });
  return { transactions, outpoints, scripts, scriptLengths };
}

function scanOutputs(
  bytes: Buffer,
  { transactions, scripts: starts, scriptLengths: lengths }: Places,
  { scripts, coins }: ScanTables,
  { coinbase }: { readonly coinbase: boolean },
): ScannedOutput[] {
  const hits = new Map<number, number[]>();
  scripts.matchAll(bytes, { starts, lengths }, (i, id) => hits.set(i, [...(hits.get(i) ?? []), id]));
  return [...hits].map(([i, candidates]) => {
    const start = starts[i] as number;
    const t = lastAtMost(transactions, start);
    const { hash, vout, units } = outputAt(bytes, transactions, t, start);
    const txId = hashText(hash);
    if (units > UNITS_MAX) throw new ChainError('NODE_GARBAGE', `${txId}:${vout} is worth ${units}`);
    coins.add(outpointBytes(hash, vout), 0, OUTPOINT_BYTES, 0);
    const script = bytes.subarray(start, start + (lengths[i] as number));
    return { txId, vout, units, script, candidates, coinbase: coinbase && t === 0 };
  });
}

function scanSpends(
  bytes: Buffer,
  { transactions, outpoints }: Places,
  { coins }: ScanTables,
): ScannedSpend[] {
  const hits = new Set<number>();
  coins.matchAll(bytes, { starts: outpoints, lengths: OUTPOINT_BYTES }, (i) => hits.add(i));
  return [...hits].map((i) => {
    const at = outpoints[i] as number;
    const t = lastAtMost(transactions, at);
    return {
      txId: hashText(outputAt(bytes, transactions, t, -1).hash),
      previousTxId: hashText(bytes.subarray(at, at + 32)),
      previousVout: bytes.readUInt32LE(at + 32),
    };
  });
}

/** Hash of transaction t, and its output whose script begins at an offset of the block. */
function outputAt(
  bytes: Buffer,
  transactions: readonly number[],
  t: number,
  at: number,
): { readonly hash: Buffer; readonly vout: number; readonly units: bigint } {
  const from = transactions[t] as number;
  const raw = bytes.subarray(from, transactions[t + 1]);
  let found = { hash: raw, vout: 0, units: 0n };
  walkTransaction(raw, {
    onOutput: (_t, vout, value, script) => {
      if (from + script === at) found = { ...found, vout, units: raw.readBigUInt64LE(value) };
    },
    onTransaction: (_t, span) => {
      found = { ...found, hash: txHash(raw, span) };
    },
  });
  return found;
}

/** The last place in an ascending list whose number is at most n. */
function lastAtMost(ascending: readonly number[], n: number): number {
  let [low, high] = [0, ascending.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((ascending[middle] as number) <= n) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** As an input has it: the hash in the protocol's order of bytes, then the index. */
export function outpointBytes(txHash: Uint8Array, vout: number): Buffer {
  const bytes = Buffer.alloc(OUTPOINT_BYTES);
  bytes.set(txHash, 0);
  bytes.writeUInt32LE(vout, 32);
  return bytes;
}
