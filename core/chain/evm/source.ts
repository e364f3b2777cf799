import { keccak256, toRlp, type Hex } from 'viem';
import { ChainError } from '../faults.ts';
import type { ChainSource } from '../follow.ts';
import {
  quantity,
  readBytes,
  readHash,
  readList,
  readNumber,
  readObject,
  readQuantity,
  type Answer,
} from './read.ts';
import { addMove, type EtherMove, type TransactionTrace } from './ether-moves.ts';
import type { EvmRpc } from './rpc.ts';
import { receiptsRoot } from './receipts-root.ts';
import { readReceipt, type EvmReceipt } from './receipts.ts';
import { traceBlock } from './traces.ts';

/** A transaction with what it logged and what ether it moved. */
export interface EvmTransaction {
  readonly receipt: EvmReceipt;
  readonly trace: TransactionTrace;
  /** Its trace is more than we read: of ether only what the transaction itself carried is in `trace`. */
  readonly innerLeftOut: boolean;
}

export type EvmBlock = readonly EvmTransaction[];

export interface EvmSourceNetwork {
  readonly chainId: number;
  /** Default true. False where blocks hold receipts that no header names (see the configuration). */
  readonly receiptsInHeader?: boolean | undefined;
}

/**
 * A node as a source of blocks with their receipts and call traces, both asked for by the block's hash. The hash is
 * computed here from the header, the header's root of receipts from the receipts (else RECEIPTS_MISMATCH), and every
 * receipt, log and trace must belong to that very block: a node that reorganises while we read, or answers from
 * another chain, is NODE_GARBAGE or CHAIN_MOVED and is asked again.
 */
export function evmSource(rpc: EvmRpc, network: EvmSourceNetwork): ChainSource<EvmBlock> {
  const hashAt = async (height: number): Promise<string> => headerOf(await headerAt(rpc, height)).hash;
  return {
    hashAt,
    async genesis() {
      const chainId = readNumber(await rpc.call('eth_chainId'), 'eth_chainId');
      if (chainId !== network.chainId) {
        throw new ChainError('WRONG_CHAIN', `the node is of chain ${chainId}, not ${network.chainId}`, {
          retryable: false,
        });
      }
      return hashAt(0);
    },
    async tip() {
      const header = headerOf(
        readObject(await rpc.call('eth_getBlockByNumber', ['latest', false]), 'latest'),
      );
      return { height: header.height, hash: header.hash };
    },
    async blockAt(height) {
      const answer = await headerAt(rpc, height);
      const header = headerOf(answer);
      const txIds = readList(answer['transactions'], 'transactions').map((id) =>
        readHash(id, 'transactions'),
      );
      const root =
        network.receiptsInHeader === false ? undefined : readHash(answer['receiptsRoot'], 'receiptsRoot');
      // A block that claims to be empty must have the root of nothing.
      if (txIds.length === 0) checkReceipts([], header, root);
      const raw = txIds.length === 0 ? [] : await transactionsOf(rpc, { header, txIds, root });
      return { ...header, minedAt: new Date(header.timestamp * 1000), raw };
    },
  };
}

async function headerAt(rpc: EvmRpc, height: number): Promise<Answer> {
  const answer = await rpc.call('eth_getBlockByNumber', [quantity(height), false]);
  if (answer === null) throw new ChainError('CHAIN_MOVED', `the node has no block ${height}`);
  const header = readObject(answer, 'eth_getBlockByNumber');
  if (readNumber(header['number'], 'number') !== height) {
    throw new ChainError('NODE_GARBAGE', `asked for block ${height}, got another`);
  }
  return header;
}

interface Header {
  readonly height: number;
  readonly hash: Hex;
  readonly parent: Hex;
  readonly timestamp: number;
}

function headerOf(answer: Answer): Header {
  const hash = readHash(answer['hash'], 'hash');
  checkHeaderHash(answer, hash);
  return {
    height: readNumber(answer['number'], 'number'),
    hash,
    parent: readHash(answer['parentHash'], 'parentHash'),
    timestamp: readNumber(answer['timestamp'], 'timestamp'),
  };
}

interface BlockContents {
  readonly header: Header;
  readonly txIds: readonly Hex[];
  readonly root: Hex | undefined;
}

async function transactionsOf(rpc: EvmRpc, { header, txIds, root }: BlockContents): Promise<EvmBlock> {
  const { hash } = header;
  const answer = await rpc.call('eth_getBlockReceipts', [hash]);
  if (answer === null) throw new ChainError('CHAIN_MOVED', `the node no longer has block ${hash}`);
  const receipts = readList(answer, 'eth_getBlockReceipts');
  if (receipts.length !== txIds.length) {
    throw new ChainError('NODE_GARBAGE', `${receipts.length} receipts for ${txIds.length} transactions`);
  }
  const read = txIds.map((txId, index) => readReceipt(receipts[index], { txId, blockHash: hash }));
  checkReceipts(receipts, header, root);
  const traces = await traceBlock(rpc, header, txIds);
  const transactions: EvmTransaction[] = [];
  for (const [index, receipt] of read.entries()) {
    const whole = traces[index];
    const trace = whole ?? (await carriedBy(rpc, header, receipt));
    if (receipt.succeeded === trace.failed) {
      throw new ChainError('NODE_GARBAGE', `receipt and trace of ${receipt.txId} contradict each other`);
    }
    transactions.push({ receipt, trace, innerLeftOut: whole === undefined });
  }
  return transactions;
}

/** Amounts and recipients of tokens are in the logs: what the header does not vouch for is not believed. */
function checkReceipts(receipts: readonly unknown[], { height, hash }: Header, root: Hex | undefined): void {
  if (root === undefined || receiptsRoot(receipts) === root) return;
  throw new ChainError(
    'RECEIPTS_MISMATCH',
    `the receipts of block ${height} are not those of header ${hash}`,
  );
}

/** What the transaction itself moved, without the calls inside it. */
async function carriedBy(
  rpc: EvmRpc,
  header: Header,
  { txId, succeeded }: EvmReceipt,
): Promise<TransactionTrace> {
  const answer = await rpc.call('eth_getTransactionByHash', [txId]);
  if (answer === null) throw new ChainError('CHAIN_MOVED', `the node no longer has ${txId}`);
  const transaction = readObject(answer, 'eth_getTransactionByHash');
  if (readHash(transaction['hash'], 'hash') !== txId) {
    throw new ChainError('NODE_GARBAGE', `asked for ${txId}, got another transaction`);
  }
  if (readHash(transaction['blockHash'], 'blockHash') !== header.hash) {
    throw new ChainError('CHAIN_MOVED', `${txId} left block ${header.height} while it was read`);
  }
  const wei = readQuantity(transaction['value'], 'value');
  const moves: EtherMove[] = [];
  if (succeeded && wei > 0n && transaction['to'] != null) {
    addMove(moves, { path: '0', wei, from: transaction['from'], to: transaction['to'] });
  }
  return { failed: !succeeded, moves };
}

type FieldForm = 'bytes' | 'quantity';

/** Order of the header's RLP list: Yellow Paper, then EIP-1559, 4895, 4844, 4788 and 7685. */
const HEADER_FIELDS: readonly (readonly [string, FieldForm])[] = [
  ['parentHash', 'bytes'],
  ['sha3Uncles', 'bytes'],
  ['miner', 'bytes'],
  ['stateRoot', 'bytes'],
  ['transactionsRoot', 'bytes'],
  ['receiptsRoot', 'bytes'],
  ['logsBloom', 'bytes'],
  ['difficulty', 'quantity'],
  ['number', 'quantity'],
  ['gasLimit', 'quantity'],
  ['gasUsed', 'quantity'],
  ['timestamp', 'quantity'],
  ['extraData', 'bytes'],
  ['mixHash', 'bytes'],
  ['nonce', 'bytes'],
];
const LATER_FIELDS: readonly (readonly [string, FieldForm])[] = [
  ['baseFeePerGas', 'quantity'],
  ['withdrawalsRoot', 'bytes'],
  ['blobGasUsed', 'quantity'],
  ['excessBlobGas', 'quantity'],
  ['parentBeaconBlockRoot', 'bytes'],
  ['requestsHash', 'bytes'],
];
/** What nodes answer beside the header. */
const BESIDE_HEADER = new Set(['hash', 'totalDifficulty', 'size', 'uncles', 'transactions', 'withdrawals']);

/**
 * A header that has only fields we know must hash to its hash. With a field of a fork or a chain that we do not know
 * it cannot be computed; the links from parent to parent still hold then.
 */
function checkHeaderHash(answer: Answer, hash: Hex): void {
  const fields = [...HEADER_FIELDS, ...LATER_FIELDS.filter(([name]) => answer[name] != null)];
  const known = new Set(fields.map(([name]) => name));
  if (
    Object.keys(answer).some((name) => answer[name] != null && !known.has(name) && !BESIDE_HEADER.has(name))
  )
    return;
  const list = fields.map(([name, form]): Hex => {
    if (form === 'bytes') return readBytes(answer[name], name);
    const digits = readBytes(evenDigits(answer[name]), name)
      .slice(2)
      .replace(/^(?:00)+/, '');
    return `0x${digits}`;
  });
  if (keccak256(toRlp(list)) !== hash) {
    throw new ChainError('NODE_GARBAGE', `the header of ${hash} hashes to something else`);
  }
}

function evenDigits(value: unknown): unknown {
  return typeof value === 'string' && value.length % 2 === 1 ? `0x0${value.slice(2)}` : value;
}
