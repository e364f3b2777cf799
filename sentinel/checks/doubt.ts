/** Why nothing is attested of a network now. An outsider may bring some of it about: it costs them and stops no other network. */

export interface Doubts {
  readonly behind: boolean;
  /** Movements that no journals explain yet. */
  readonly openCount: number;
  /** Journals that could be read, of as many as a payment needs. */
  readonly readable: number;
  readonly threshold: number;
  readonly forked: boolean;
  /** Freezes of this sentinel over the network or an asset of it that nobody has lifted. */
  readonly standing: readonly string[];
  /** Age of the newest block, and how old it may be. */
  readonly blockAgeSeconds: number;
  readonly lagMaxSeconds: number | undefined;
}

export function doubtOf(doubts: Doubts): string | undefined {
  const { behind, openCount, readable, threshold, forked, standing } = doubts;
  if (forked) return 'a journal is forked';
  if (standing.length > 0) return `frozen: ${standing.join(', ')}`;
  if (readable < threshold) return `${readable} journals of ${threshold} can be read`;
  if (openCount > 0) return `${openCount} movements are not explained yet`;
  if (behind) return 'blocks are left to be read';
  if (isLate(doubts)) return `the newest block is ${doubts.blockAgeSeconds} s old`;
  return undefined;
}

export const isLate = ({
  blockAgeSeconds,
  lagMaxSeconds,
}: Pick<Doubts, 'blockAgeSeconds' | 'lagMaxSeconds'>): boolean =>
  lagMaxSeconds !== undefined && blockAgeSeconds > lagMaxSeconds;
