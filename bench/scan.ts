/**
 * Measures how long a block of 4 MB takes against ten million watched scripts and a million coins of ours: parse
 * and match (ours), bitcoinjs parsing alone (the peer), and our own parse with no matching (the limit).
 *
 * `node bench/scan.ts [--json] [--short]`
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Block } from 'bitcoinjs-lib';
import { merkleRoot, txHash, walkBlock } from '../core/chain/bitcoin/parse-block.ts';
import { scanBlock } from '../core/chain/bitcoin/scan.ts';
import { scriptTable, type ScriptTable } from '../core/chain/bitcoin/script-table.ts';

export interface ScanBenchOptions {
  /** One million scripts: a check that it works within seconds. */
  readonly short: boolean;
}

export interface ScanFigure {
  readonly what: 'match' | 'match, half of P2WSH' | 'parse' | 'parse and Merkle root' | 'bitcoinjs parse';
  /** The quickest run: what the code takes when nothing else wants the processor. */
  readonly bestMs: number;
  readonly medianMs: number;
  /** The thread's processor time by run, over all runs: waiting for a busy machine is not counted. */
  readonly meanCpuMs: number;
  readonly p95Ms: number;
  readonly runs: number;
}

export interface ScanBench {
  readonly block: { readonly bytes: number; readonly transactions: number; readonly outputs: number };
  readonly scripts: number;
  readonly coins: number;
  readonly buildSeconds: number;
  readonly bytesPerScript: number;
  readonly figures: readonly ScanFigure[];
}

const BLOCK_BYTES = 4_000_000;
const SCRIPT_BYTES = 34;
const OUTPOINT_BYTES = 36;
/** One transaction in so many pays a script of ours, and one in so many spends a coin of ours. */
const OURS_EVERY = 400;
/** One transaction in so many has a P2WSH output; and in a block of nothing but our kind of neighbours, each. */
const P2WSH_EVERY = 4;
const P2WSH_ALWAYS = 1;
const SEED = 20_260_101;

/** Builds tables and block from one seed and measures; about half a minute, or seconds when short. */
export function benchScan({ short }: ScanBenchOptions): ScanBench {
  const scriptCount = short ? 1_000_000 : 10_000_000;
  const coinCount = scriptCount / 10;
  const started = performance.now();
  const scripts = filled(scriptCount, SCRIPT_BYTES, writeScript);
  const coins = filled(coinCount, OUTPOINT_BYTES, writeOutpoint);
  const buildSeconds = (performance.now() - started) / 1000;
  const counts = { scripts: scriptCount, coins: coinCount };
  const block = makeBlock(counts, P2WSH_EVERY);
  const crowded = makeBlock(counts, P2WSH_ALWAYS);
  const { bytes, transactions, outputs } = block;

  const runs = short ? 40 : 200;
  const matched = (what: ScanFigure['what'], made: MadeBlock): ScanFigure =>
    measure(what, runs, () => {
      const scan = scanBlock(made.bytes, { scripts, coins });
      // A figure for a scan that finds too little or too much would be worth nothing.
      assert.equal(scan.outputs.length, made.paid);
      assert.equal(scan.spends.length, made.spent);
    });
  const match = matched('match', block);
  const matchCrowded = matched('match, half of P2WSH', crowded);
  let seen = 0;
  const parse = measure('parse', runs, () => {
    seen = 0;
    walkBlock(bytes, { onOutput: () => (seen += 1) });
    assert.equal(seen, outputs);
  });
  const root = measure('parse and Merkle root', runs / 10, () => {
    const hashes: Buffer[] = [];
    walkBlock(bytes, { onTransaction: (_t, span) => hashes.push(txHash(bytes, span)) });
    merkleRoot(hashes);
  });
  const peer = measure('bitcoinjs parse', runs / 10, () => {
    assert.equal(Block.fromBuffer(bytes).transactions?.length, transactions);
  });
  return {
    block: { bytes: bytes.length, transactions, outputs },
    scripts: scripts.size(),
    coins: coins.size(),
    buildSeconds,
    bytesPerScript: scripts.memoryBytes() / scripts.size(),
    figures: [match, matchCrowded, parse, root, peer],
  };
}

type Write = (into: Buffer, n: number) => void;

/** Grows as it does in production, where nobody knows beforehand how many there will be. */
function filled(count: number, length: number, write: Write): ScriptTable {
  const table = scriptTable({ seed: Buffer.from('benchmrk') });
  const bytes = Buffer.alloc(length);
  for (let n = 0; n < count; n += 1) {
    write(bytes, n);
    table.add(bytes, 0, length, n);
  }
  return table;
}

/** P2WSH of a number: 32 bytes that look random and differ for each. */
function writeScript(into: Buffer, n: number): void {
  into[0] = 0;
  into[1] = 32;
  scatter(into, 2, n, 0x9e3779b9);
}

function writeOutpoint(into: Buffer, n: number): void {
  scatter(into, 0, n, 0x85ebca6b);
  into.writeUInt32LE(n % 3, 32);
}

/** 32 bytes from a number: a 32-bit mixer, a bijection in its first word, run on. */
function scatter(into: Buffer, at: number, n: number, salt: number): void {
  let x = (n ^ salt) >>> 0;
  for (let i = 0; i < 32; i += 4) {
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    x = (x ^ (x >>> 16)) >>> 0;
    into.writeUInt32LE(x, at + i);
    x = (x + 0x9e3779b9) >>> 0;
  }
}

interface Counts {
  readonly scripts: number;
  readonly coins: number;
}

interface MadeBlock {
  readonly bytes: Buffer;
  readonly transactions: number;
  readonly outputs: number;
  readonly paid: number;
  readonly spent: number;
}

/**
 * Small segwit transactions of one input and two outputs until the block is full: more of them than the weight
 * limit lets into any block. One output in eight is P2WSH, as ours are, or one in two; the others P2WPKH and P2TR.
 */
function makeBlock(counts: Counts, p2wshEvery: number): MadeBlock {
  const transactions: Buffer[] = [];
  let bytes = 83;
  let [paid, spent] = [0, 0];
  for (let t = 0; ; t += 1) {
    const transaction = makeTransaction(t, counts, p2wshEvery);
    if (bytes + transaction.length > BLOCK_BYTES) break;
    bytes += transaction.length;
    transactions.push(transaction);
    if (t % OURS_EVERY === 1) paid += 1;
    if (t % OURS_EVERY === 2) spent += 1;
  }
  const header = Buffer.alloc(80);
  header.writeUInt32LE(4, 0);
  const count = Buffer.alloc(3, 0xfd);
  count.writeUInt16LE(transactions.length, 1);
  return {
    bytes: Buffer.concat([header, count, ...transactions]),
    transactions: transactions.length,
    outputs: 2 * transactions.length,
    paid,
    spent,
  };
}

/** P2WPKH input with its witness, a P2WSH or P2TR and a P2WPKH output: 234 bytes. */
function makeTransaction(t: number, { scripts, coins }: Counts, p2wshEvery: number): Buffer {
  const noise = hash('sha512', Buffer.from(`${SEED} ${t}`), 'buffer');
  const outpoint = Buffer.concat([noise.subarray(0, 32), Buffer.of(1, 0, 0, 0)]);
  if (t % OURS_EVERY === 2) writeOutpoint(outpoint, noise.readUInt32LE(40) % coins);
  const script = Buffer.concat([Buffer.of(t % p2wshEvery === 0 ? 0 : 0x51, 32), noise.subarray(32, 64)]);
  if (t % OURS_EVERY === 1) writeScript(script, noise.readUInt32LE(40) % scripts);
  const value = Buffer.alloc(8);
  value.writeUInt32LE(noise.readUInt32LE(44), 0);
  return Buffer.concat([
    Buffer.of(2, 0, 0, 0, 0, 1, 1),
    outpoint,
    Buffer.of(0, 0xfd, 0xff, 0xff, 0xff, 2),
    value,
    Buffer.of(SCRIPT_BYTES),
    script,
    value,
    Buffer.of(22, 0, 20),
    noise.subarray(10, 30),
    Buffer.of(2, 71),
    Buffer.alloc(71, noise[5]),
    Buffer.of(33),
    Buffer.alloc(33, noise[6]),
    Buffer.alloc(4),
  ]);
}

function measure(what: ScanFigure['what'], runs: number, run: () => void): ScanFigure {
  for (let i = 0; i < Math.min(5, runs); i += 1) run();
  const times: number[] = [];
  const cpuBefore = process.threadCpuUsage();
  for (let i = 0; i < runs; i += 1) {
    const started = performance.now();
    run();
    times.push(performance.now() - started);
  }
  const { user, system } = process.threadCpuUsage(cpuBefore);
  return {
    what,
    bestMs: quantile(times, 0),
    medianMs: quantile(times, 0.5),
    meanCpuMs: (user + system) / 1000 / runs,
    p95Ms: quantile(times, 0.95),
    runs,
  };
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { short: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  });
  const result = benchScan({ short: values.short });
  const { block } = result;
  process.stdout.write(
    `${block.bytes} bytes, ${block.transactions} transactions, ${block.outputs} outputs; ` +
      `${result.scripts} scripts and ${result.coins} coins, ${result.bytesPerScript.toFixed(1)} bytes a script, ` +
      `built in ${result.buildSeconds.toFixed(1)} s\n`,
  );
  for (const { what, runs, ...figure } of result.figures) {
    const columns = Object.entries(figure).map(
      ([name, ms]) => `${name.replace('Ms', '')} ${ms.toFixed(2)} ms`,
    );
    process.stdout.write(`${what.padEnd(24)} ${columns.join('   ')}   ${runs} runs\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
}
