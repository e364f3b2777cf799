/** The chain holds at least what the books say that wallets hold, less what payments under way may have taken out. */
import type { Finding } from './finding.ts';

/** One asset at one block. Base units. */
export interface Held {
  /** CAIP-19. */
  readonly asset: string;
  readonly chain: bigint;
  readonly books: bigint;
  readonly underWay: bigint;
}

/** More on the chain than in the books is no reason for anything: whoever sends us something brings it about. */
export const shortOf = ({ chain, books, underWay }: Held): bigint => {
  const missing = books - underWay - chain;
  return missing > 0n ? missing : 0n;
};

/** `hash` names the block, so that a shortfall that stands is found once for each. */
export function judgeShort(held: Held, hash: string): Finding | undefined {
  const { asset, chain, books, underWay } = held;
  const missing = shortOf(held);
  if (missing === 0n) return undefined;
  return {
    level: 'freeze',
    code: 'CHAIN_SHORT',
    scope: asset,
    key: `short ${asset} ${missing}`,
    detail: `at ${hash} the chain holds ${chain}, the books say ${books}, of which ${underWay} are under way`,
  };
}
