import type { Hex } from 'viem';
import { ChainError } from '../faults.ts';
import { quantity, readHash, readList, readObject, readQuantity, type Answer } from './read.ts';
import { addMove, type BlockName, type EtherMove, type TransactionTrace } from './ether-moves.ts';
import { flatTraces } from './flat-traces.ts';
import type { EvmRpc } from './rpc.ts';

const TRACER = { tracer: 'callTracer', tracerConfig: { onlyTopCall: false, withLog: false } };
/** Calls nest at most 1,024 deep (Yellow Paper); what answers more is no node. */
const DEPTH_MAX = 1100;
/** A block whose traces are too much for one answer is traced by so many transactions at once. */
const CHUNK = 10;

/**
 * What each of a block's transactions did, in their order. Nodes that keep flat traces are asked for those; the others
 * trace the block anew, and one that cannot do so in one answer (too large, or too slow) is asked by transaction.
 * Undefined is a transaction that is by itself more than we read: a trace repeats the input of every call, and a
 * contract can call with the same 64 kB again and again for next to nothing. It must not keep the others waiting.
 */
export async function traceBlock(
  rpc: EvmRpc,
  block: BlockName,
  txIds: readonly Hex[],
): Promise<(TransactionTrace | undefined)[]> {
  return (await flatTraces(rpc, block, txIds)) ?? (await callTraces(rpc, block, txIds));
}

async function callTraces(
  rpc: EvmRpc,
  { hash, height }: BlockName,
  txIds: readonly Hex[],
): Promise<(TransactionTrace | undefined)[]> {
  let answer: unknown;
  try {
    answer = await rpc.call('debug_traceBlockByHash', [hash, TRACER]);
  } catch (error) {
    if (!(error instanceof ChainError) || error.code === 'NODE_UNREACHABLE') throw error;
    const traces = await traceTransactions(rpc, txIds);
    // By their own hashes the node traced them wherever they stand now: only as long as that is this block.
    const block = readObject(await rpc.call('eth_getBlockByNumber', [quantity(height), false]), 'block');
    if (readHash(block['hash'], 'hash') === hash) return traces;
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
    return readCall(trace['result']);
  });
}

async function traceTransactions(
  rpc: EvmRpc,
  txIds: readonly Hex[],
): Promise<(TransactionTrace | undefined)[]> {
  const traces: (TransactionTrace | undefined)[] = [];
  for (let at = 0; at < txIds.length; at += CHUNK) {
    traces.push(...(await traceSome(rpc, txIds.slice(at, at + CHUNK))));
  }
  return traces;
}

/** Together, or one by one where they are too much for one answer. */
async function traceSome(rpc: EvmRpc, txIds: readonly Hex[]): Promise<(TransactionTrace | undefined)[]> {
  try {
    const answers = await rpc.batch(
      txIds.map((txId) => ({ method: 'debug_traceTransaction', params: [txId, TRACER] })),
    );
    return answers.map((answer) => {
      if (answer instanceof ChainError) throw answer;
      return readCall(answer);
    });
  } catch (error) {
    if (!(error instanceof ChainError) || error.code !== 'ANSWER_TOO_LARGE') throw error;
    if (txIds.length === 1) return [undefined];
    const traces: (TransactionTrace | undefined)[] = [];
    for (const txId of txIds) traces.push(...(await traceSome(rpc, [txId])));
    return traces;
  }
}

/**
 * Reads the outermost call with all below it. What a failed call did, and all that was called below it, was undone,
 * whether or not the inner call itself says so. CALLCODE and DELEGATECALL run another's code on one's own account:
 * their value goes nowhere. SELFDESTRUCT sends all that the contract had.
 */
function readCall(value: unknown): TransactionTrace {
  const call = readObject(value, 'trace result');
  const moves: EtherMove[] = [];
  const failed = call['error'] != null;
  collect(call, '0', 0, moves);
  return { failed, moves };
}

const CARRIES = new Set(['CALL', 'CREATE', 'CREATE2', 'SELFDESTRUCT']);

function collect(call: Answer, path: string, depth: number, moves: EtherMove[]): void {
  if (depth > DEPTH_MAX) throw new ChainError('NODE_GARBAGE', 'calls nested deeper than the protocol allows');
  const { type, value } = call;
  if (typeof type !== 'string') throw new ChainError('NODE_GARBAGE', 'a call without a type');
  if (call['error'] != null) return;
  if (CARRIES.has(type) && value != null) {
    const wei = readQuantity(value, 'value');
    if (wei > 0n) addMove(moves, { path, wei, from: call['from'], to: call['to'] });
  }
  if (call['calls'] == null) return;
  for (const [index, inner] of readList(call['calls'], 'calls').entries()) {
    collect(readObject(inner, 'call'), `${path}.${index}`, depth + 1, moves);
  }
}
