import type { Address, Hex } from 'viem';
import { ChainError } from '../faults.ts';
import { readAddress, readBytes, readHash, readList, readObject, readQuantity } from './read.ts';

export interface EvmLog {
  /** Index within its transaction: unlike the index in the block it survives being mined again elsewhere. */
  readonly ordinal: number;
  /** Who logged it, in lower case. */
  readonly address: Address;
  readonly topics: readonly Hex[];
  readonly data: Hex;
}

export interface EvmReceipt {
  readonly txId: Hex;
  readonly succeeded: boolean;
  readonly logs: readonly EvmLog[];
}

/** Reads a receipt, which must be that of this transaction in this very block. Throws NODE_GARBAGE. */
export function readReceipt(
  value: unknown,
  place: { readonly txId: Hex; readonly blockHash: Hex },
): EvmReceipt {
  const answer = readObject(value, 'receipt');
  const status = readQuantity(answer['status'], 'status');
  if (status > 1n) throw new ChainError('NODE_GARBAGE', `status ${status} of ${place.txId}`);
  checkPlace(answer, place);
  const logs = readList(answer['logs'], 'logs').map((entry, ordinal) => {
    const log = readObject(entry, 'log');
    checkPlace(log, place);
    if (log['removed'] === true) throw new ChainError('CHAIN_MOVED', `a log of ${place.txId} was removed`);
    return {
      ordinal,
      address: readAddress(log['address'], 'log address'),
      topics: readList(log['topics'], 'topics').map((topic) => readHash(topic, 'topic')),
      data: readBytes(log['data'], 'log data'),
    };
  });
  return { txId: place.txId, succeeded: status === 1n, logs };
}

function checkPlace(
  answer: Readonly<Record<string, unknown>>,
  { txId, blockHash }: { readonly txId: Hex; readonly blockHash: Hex },
): void {
  if (
    readHash(answer['blockHash'], 'blockHash') !== blockHash ||
    readHash(answer['transactionHash'], 'transactionHash') !== txId
  ) {
    throw new ChainError('NODE_GARBAGE', `a receipt or log is not of ${txId} in ${blockHash}`);
  }
}
