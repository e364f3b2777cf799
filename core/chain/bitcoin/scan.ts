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
  const scan = scanner(bytes, tables, { outputs: true, spends: true, coinbase: true });
  walkBlock(bytes, scan.visitor);
  return scan;
}

/**
 * The same for transactions of the mempool, which come in any order: all outputs first, so that no spend of a
 * coin that another of them makes is missed.
 */
export function scanTransactions(transactions: readonly Buffer[], tables: ScanTables): Scan {
  const outputs: ScannedOutput[] = [];
  const spends: ScannedSpend[] = [];
  for (const bytes of transactions) {
    const scan = scanner(bytes, tables, { outputs: true, spends: false, coinbase: false });
    walkTransaction(bytes, scan.visitor);
    outputs.push(...scan.outputs);
  }
  for (const bytes of transactions) {
    const scan = scanner(bytes, tables, { outputs: false, spends: true, coinbase: false });
    walkTransaction(bytes, scan.visitor);
    spends.push(...scan.spends);
  }
  return { outputs, spends };
}

interface Wanted {
  readonly outputs: boolean;
  readonly spends: boolean;
  readonly coinbase: boolean;
}

interface OutputHit {
  readonly index: number;
  readonly value: number;
  readonly script: number;
  readonly length: number;
  readonly candidates: readonly number[];
}

function scanner(
  bytes: Buffer,
  { scripts, coins }: ScanTables,
  wanted: Wanted,
): Scan & { readonly visitor: TransactionVisitor } {
  const outputs: ScannedOutput[] = [];
  const spends: ScannedSpend[] = [];
  const found: number[] = [];
  let outputHits: OutputHit[] = [];
  let spendHits: number[] = [];

  const onOutput: TransactionVisitor['onOutput'] = (_t, index, value, script, length) => {
    scripts.match(bytes, script, length, found);
    if (found.length > 0) outputHits.push({ index, value, script, length, candidates: found.splice(0) });
  };
  const onInput: TransactionVisitor['onInput'] = (_t, _index, outpoint) => {
    coins.match(bytes, outpoint, OUTPOINT_BYTES, found);
    if (found.length > 0) {
      found.length = 0;
      spendHits.push(outpoint);
    }
  };
  const onTransaction: TransactionVisitor['onTransaction'] = (t, span) => {
    if (outputHits.length === 0 && spendHits.length === 0) return;
    const hash = txHash(bytes, span);
    const txId = hashText(hash);
    for (const hit of outputHits) {
      const units = bytes.readBigUInt64LE(hit.value);
      if (units > UNITS_MAX) throw new ChainError('NODE_GARBAGE', `${txId}:${hit.index} is worth ${units}`);
      const script = bytes.subarray(hit.script, hit.script + hit.length);
      outputs.push({
        txId,
        vout: hit.index,
        units,
        script,
        candidates: hit.candidates,
        coinbase: wanted.coinbase && t === 0,
      });
      coins.add(outpointBytes(hash, hit.index), 0, OUTPOINT_BYTES, 0);
    }
    for (const p of spendHits) {
      spends.push({
        txId,
        previousTxId: hashText(bytes.subarray(p, p + 32)),
        previousVout: bytes.readUInt32LE(p + 32),
      });
    }
    outputHits = [];
    spendHits = [];
  };
  return {
    outputs,
    spends,
    visitor: {
      ...(wanted.outputs ? { onOutput } : {}),
      ...(wanted.spends ? { onInput } : {}),
      onTransaction,
    },
  };
}

/** As an input has it: the hash in the protocol's order of bytes, then the index. */
export function outpointBytes(txHash: Uint8Array, vout: number): Buffer {
  const bytes = Buffer.alloc(OUTPOINT_BYTES);
  bytes.set(txHash, 0);
  bytes.writeUInt32LE(vout, 32);
  return bytes;
}
