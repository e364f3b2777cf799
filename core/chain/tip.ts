import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';

export interface ChainTip {
  readonly height: number;
  readonly hash: string;
  /** When we took it. */
  readonly at: Date;
}

/** The last block that we have taken; undefined before the first. */
export async function tipOf(
  db: Database | DatabaseTransaction,
  network: string,
): Promise<ChainTip | undefined> {
  const [row] = await executorOf(db).query<ChainTip>(
    'select height, hash, at from chain_tip where network = $1',
    [network],
  );
  return row;
}

/** A block at the tip has one confirmation; what is above the tip, or in no block, has none. */
export function confirmationsOf(tipHeight: number, height: number | null): number {
  return height === null ? 0 : Math.max(0, tipHeight - height + 1);
}
