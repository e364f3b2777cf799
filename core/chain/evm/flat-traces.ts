import type { Hex } from 'viem';
import { ChainError } from '../faults.ts';
import { quantity, readHash, readList, readObject, readQuantity, type Answer } from './read.ts';
import type { EvmRpc } from './rpc.ts';
import { addMove, type BlockName, type EtherMove, type TransactionTrace } from './ether-moves.ts';

/**
 * The same from `trace_block`, which nodes of the Parity family (Besu, Erigon, Nethermind, Reth) and anvil answer from
 * what they keep: measured on anvil, 200 transactions take 4 ms, and traced anew 10 to 15 s. Undefined when the node
 * has no such call, or cannot answer it in what we read.
 */
export async function flatTraces(
  rpc: EvmRpc,
  block: BlockName,
  txIds: readonly Hex[],
): Promise<TransactionTrace[] | undefined> {
  let answer: unknown;
  try {
    answer = await rpc.call('trace_block', [quantity(block.height)]);
  } catch (error) {
    if (error instanceof ChainError && (error.code === 'NODE_ERROR' || error.code === 'ANSWER_TOO_LARGE'))
      return undefined;
    throw error;
  }
  if (answer === null) return undefined;
  const traces = readList(answer, 'trace_block');
  if (traces.length === 0) return undefined;
  const reading = new Map(txIds.map((txId) => [txId, newReading()]));
  for (const entry of traces) {
    const trace = readObject(entry, 'trace');
    // By its height the node may have traced another block than the one that we read.
    if (readHash(trace['blockHash'], 'trace blockHash') !== block.hash) {
      throw new ChainError('CHAIN_MOVED', `block ${block.height} changed while it was traced`);
    }
    // Rewards of miners stand beside the transactions.
    if (trace['transactionHash'] == null) continue;
    const txId = readHash(trace['transactionHash'], 'trace transactionHash');
    const into = reading.get(txId);
    if (!into) throw new ChainError('NODE_GARBAGE', `${txId} is not in the block that was traced`);
    addCall(into, trace);
  }
  return txIds.map((txId) => finished(reading.get(txId), txId));
}

interface Reading {
  /** Paths of the calls that were undone. */
  readonly failed: Set<string>;
  /** Inner calls that each call announced, less those that came. */
  readonly missing: Map<string, number>;
  readonly moves: EtherMove[];
}

function newReading(): Reading {
  return { failed: new Set(), missing: new Map(), moves: [] };
}

/** Calls come before those that they made. A failed one is marked, and what is below it is not. */
function addCall({ failed, missing, moves }: Reading, trace: Answer): void {
  const steps = ['0', ...readList(trace['traceAddress'], 'traceAddress').map(String)];
  const path = steps.join('.');
  const parent = steps.slice(0, -1).join('.');
  const announced = missing.get(parent);
  if (missing.has(path) || (parent !== '' && announced === undefined)) {
    throw new ChainError('NODE_GARBAGE', `call ${path} has no place in its transaction`);
  }
  if (announced !== undefined) missing.set(parent, announced - 1);
  missing.set(path, Number(trace['subtraces'] ?? 0));
  if (trace['error'] != null || failed.has(parent)) {
    failed.add(path);
    return;
  }
  const move = moveOf(trace);
  if (move && move.wei > 0n) addMove(moves, { path, ...move });
}

/** CALLCODE and DELEGATECALL show a value that goes nowhere. */
function moveOf(trace: Answer): { wei: bigint; from: unknown; to: unknown } | undefined {
  const action = readObject(trace['action'], 'action');
  switch (trace['type']) {
    case 'call':
      if (action['callType'] !== 'call') return undefined;
      return { wei: readQuantity(action['value'], 'value'), from: action['from'], to: action['to'] };
    case 'create': {
      const to = readObject(trace['result'], 'create result')['address'];
      return { wei: readQuantity(action['value'], 'value'), from: action['from'], to };
    }
    case 'suicide':
    case 'selfdestruct':
      return {
        wei: readQuantity(action['balance'], 'balance'),
        from: action['address'],
        to: action['refundAddress'],
      };
    default:
      throw new ChainError('NODE_GARBAGE', `a call of the type ${String(trace['type'])}`);
  }
}

function finished(reading: Reading | undefined, txId: Hex): TransactionTrace {
  if (!reading?.missing.has('0') || [...reading.missing.values()].some((count) => count !== 0)) {
    throw new ChainError('NODE_GARBAGE', `calls of ${txId} were left out`);
  }
  return { failed: reading.failed.has('0'), moves: reading.moves };
}
