import type { Address, Hex } from 'viem';
import { readAddress } from './read.ts';

export interface BlockName {
  readonly hash: Hex;
  readonly height: number;
}

/** Ether that really moved inside a transaction. Addresses are in lower case. */
export interface EtherMove {
  /** Where in the tree of calls: 0 is the transaction itself, 0.2 its third inner call. */
  readonly path: string;
  readonly from: Address;
  readonly to: Address;
  readonly wei: bigint;
}

/** What a transaction did with ether. */
export interface TransactionTrace {
  readonly failed: boolean;
  /** All ether that moved to somebody else, in the order of the calls; none when it failed. */
  readonly moves: readonly EtherMove[];
}

/** What one sends to oneself is no income. */
export function addMove(
  moves: EtherMove[],
  move: { readonly path: string; readonly wei: bigint; readonly from: unknown; readonly to: unknown },
): void {
  const from = readAddress(move.from, 'from');
  const to = readAddress(move.to, 'to');
  if (from !== to) moves.push({ path: move.path, wei: move.wei, from, to });
}
