/** Which evacuations were signed, here and by peers, and what their fees add to the windows. */
import { forgetSpent, rememberSpent, type Spending, type Spent } from './limits.ts';
import { attemptKey, type Evacuation } from './pay-entries.ts';
import { COUNTED_ONCE_MS, type Journalled } from './counting.ts';

/** Evacuations of exactly the same coins: at most one of them confirms. */
export interface EvacuationMemory {
  readonly ids: ReadonlySet<string>;
  /** Those in the own journal. */
  readonly ownIds: ReadonlySet<string>;
  /** Satoshi: the highest of theirs. */
  readonly fee: bigint;
  /** Unix milliseconds: when the windows took the first of them. */
  readonly atMs: number;
}

export interface EvacuationMemories {
  /** By place and coins. */
  readonly evacuations: Map<string, EvacuationMemory>;
  readonly spending: Spending;
  readonly own: Map<string, bigint>;
  undo: (() => void) | undefined;
}

export const evacuationKey = ({ place, coins }: Pick<Evacuation, 'place' | 'coins'>): string =>
  `${place} ${coins}`;

/**
 * What an evacuation adds to the windows of fees: what it pays above the dearest one of the same coins. Of other coins
 * the whole counts, also where some are the same: too much rather than too little.
 */
export function spentByEvacuation(
  evacuation: Evacuation,
  { evacuations }: Pick<EvacuationMemories, 'evacuations'>,
  { atMs, own }: { readonly atMs: number; readonly own: unknown },
): Spent {
  const { place, asset, fee } = evacuation;
  const known = evacuations.get(evacuationKey(evacuation));
  // A peer's word for long ago is in no window any more: whoever signs it now counts it now.
  const isOld = own !== undefined && known?.ownIds.size === 0 && known.atMs < atMs - COUNTED_ONCE_MS;
  const more = known === undefined || isOld ? fee : fee - known.fee;
  return { network: place, asset, value: 0n, count: 0, fee: more > 0n ? more : 0n, tiers: [] };
}

export function rememberEvacuation(
  memory: EvacuationMemories,
  evacuation: Evacuation,
  { atMs, own }: Journalled,
): void {
  const { place, id, fee } = evacuation;
  const name = evacuationKey(evacuation);
  const before = memory.evacuations.get(name);
  const spent = spentByEvacuation(evacuation, memory, { atMs, own });
  rememberSpent(memory.spending, spent, atMs);
  const isFresh = before === undefined || spent.fee === fee;
  memory.evacuations.set(name, {
    ids: new Set([...(before?.ids ?? []), id]),
    ownIds: new Set([...(before?.ownIds ?? []), ...(own === undefined ? [] : [id])]),
    fee: isFresh || fee > before.fee ? fee : before.fee,
    atMs: isFresh ? atMs : before.atMs,
  });
  if (own === undefined) return;
  const key = attemptKey(place, id);
  const earlier = memory.own.get(key);
  memory.own.set(key, own);
  memory.undo = () => {
    if (before === undefined) memory.evacuations.delete(name);
    else memory.evacuations.set(name, before);
    if (earlier === undefined) memory.own.delete(key);
    else memory.own.set(key, earlier);
    forgetSpent(memory.spending, spent, atMs);
  };
}
