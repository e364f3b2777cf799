import type { Address, Hex } from 'viem';
import { ChainError } from '../faults.ts';
import { quantity, readAddress, readHash, readList, readObject, readQuantity, type Answer } from './read.ts';
import type { EvmRpc } from './rpc.ts';

/** The outermost call of a transaction; what it called is read when it is walked. */
export interface CallFrame {
  readonly failed: boolean;
  readonly answer: Answer;
}

/** Ether that really moved inside a transaction. Addresses are in lower case. */
export interface EtherMove {
  /** Where in the tree of calls: 0 is the transaction itself, 0.2 its third inner call. */
  readonly path: string;
  readonly from: Address;
  readonly to: Address;
  readonly wei: bigint;
}

const TRACER = { tracer: 'callTracer', tracerConfig: { onlyTopCall: false, withLog: false } };
/** Calls nest at most 1,024 deep (Yellow Paper); what answers more is no node. */
const DEPTH_MAX = 1100;
/** A block whose traces are too much for one answer is traced by so many transactions at once. */
const CHUNK = 10;

/**
 * The outermost call of each of a block's transactions, in their order. A node that cannot trace the block in one
 * answer (too large, or too slow) is asked for its transactions.
 */
export async function traceBlock(
  rpc: EvmRpc,
  { hash, height }: { readonly hash: Hex; readonly height: number },
  txIds: readonly Hex[],
): Promise<CallFrame[]> {
  let answer: unknown;
  try {
    answer = await rpc.call('debug_traceBlockByHash', [hash, TRACER]);
  } catch (error) {
    if (!(error instanceof ChainError) || error.code === 'NODE_UNREACHABLE') throw error;
    const frames = await traceTransactions(rpc, txIds);
    // By their own hashes the node traced them wherever they stand now: only as long as that is this block.
    const block = readObject(await rpc.call('eth_getBlockByNumber', [quantity(height), false]), 'block');
    if (readHash(block['hash'], 'hash') === hash) return frames;
    throw new ChainError('CHAIN_MOVED', `block ${height} changed while it was traced`);
  }
  const traces = readList(answer, 'debug_traceBlockByHash');
  if (traces.length !== txIds.length) {
    throw new ChainError('NODE_GARBAGE', `${traces.length} traces for ${txIds.length} transactions`);
  }
  return txIds.map((txId, index) => {
    const trace = readObject(traces[index], 'trace');
    // Some nodes leave the hash out; the order is the block's.
    if (trace['txHash'] != null && readHash(trace['txHash'], 'txHash') !== txId) {
      throw new ChainError('NODE_GARBAGE', `a trace is not of ${txId}`);
    }
    return frameOf(trace['result']);
  });
}

async function traceTransactions(rpc: EvmRpc, txIds: readonly Hex[]): Promise<CallFrame[]> {
  const frames: CallFrame[] = [];
  for (let at = 0; at < txIds.length; at += CHUNK) {
    const answers = await rpc.batch(
      txIds
        .slice(at, at + CHUNK)
        .map((txId) => ({ method: 'debug_traceTransaction', params: [txId, TRACER] })),
    );
    for (const answer of answers) {
      if (answer instanceof ChainError) throw answer;
      frames.push(frameOf(answer));
    }
  }
  return frames;
}

function frameOf(value: unknown): CallFrame {
  const answer = readObject(value, 'trace result');
  if (typeof answer['type'] !== 'string') throw new ChainError('NODE_GARBAGE', 'a call without a type');
  return { failed: answer['error'] != null, answer };
}

/**
 * All ether that a transaction moved to somebody else, in the order of the calls. What a failed call did, and all
 * that was called below it, was undone, whether or not the inner call itself says so. CALLCODE and DELEGATECALL run
 * another's code on one's own account: their value goes nowhere. SELFDESTRUCT sends all that the contract had.
 */
export function etherMoves(frame: CallFrame): EtherMove[] {
  const moves: EtherMove[] = [];
  if (!frame.failed) collect(frame.answer, '0', 0, moves);
  return moves;
}

const CARRIES = new Set(['CALL', 'CREATE', 'CREATE2', 'SELFDESTRUCT']);

function collect(call: Answer, path: string, depth: number, moves: EtherMove[]): void {
  if (depth > DEPTH_MAX) throw new ChainError('NODE_GARBAGE', 'calls nested deeper than the protocol allows');
  if (call['error'] != null) return;
  const { type, value } = call;
  if (typeof type !== 'string') throw new ChainError('NODE_GARBAGE', 'a call without a type');
  if (CARRIES.has(type) && value != null) {
    const wei = readQuantity(value, 'value');
    if (wei > 0n) {
      const [from, to] = [readAddress(call['from'], 'from'), readAddress(call['to'], 'to')];
      if (from !== to) moves.push({ path, from, to, wei });
    }
  }
  if (call['calls'] == null) return;
  for (const [index, inner] of readList(call['calls'], 'calls').entries()) {
    collect(readObject(inner, 'call'), `${path}.${index}`, depth + 1, moves);
  }
}
