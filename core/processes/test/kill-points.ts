/** Where processes of ours may be killed, what else may be killed there, and the seeded choice between them. */
import { createHash } from 'node:crypto';

export type Side = 'before' | 'after';

/** What a mortal process tells its parent. */
export type Said =
  | { readonly kind: 'up' }
  | { readonly kind: 'point'; readonly id: number; readonly side: Side; readonly name: string };

export interface Point {
  readonly process: string;
  readonly side: Side;
  readonly name: string;
}

export const OTHERS = [
  'postgres',
  'backend',
  'bitcoind',
  'anvil',
  'signer',
  'lag',
  'garbage',
  'lost',
] as const;

/** What is struck: the process itself, or something it hangs on. */
export type Stroke = 'process' | (typeof OTHERS)[number];

export interface Fate {
  /** What is to be struck at this point; undefined: it may go on. */
  readonly strokeAt: (point: Point) => Stroke | undefined;
  /** How often each was struck at each point so far: `pipeline before sign` → `process` → 1. */
  readonly tally: ReadonlyMap<string, ReadonlyMap<Stroke, number>>;
  readonly points: () => number;
  readonly strokes: () => number;
}

/** Done again at every start, whatever happens: once is enough, or no life would come further. */
const AT_START = new Set(['chain.watch', 'treasury.watch']);
/** Commits that only say why something waits. */
const NO_PROGRESS = new Set([...AT_START, 'spend.put-off', 'withdrawal.wait']);
const EFFECTS_OUTSIDE = new Set(['sign', 'broadcast', 'send']);

/**
 * The first time at each point its process is killed. From then on, at every `every`-th point, something is struck
 * that seed chooses: 1 in `others` strokes is another part, the rest the process itself. No point is struck again
 * before a commit of the same process went through, so that each life comes further than the last.
 */
export function fateOf({ seed, every, others }: { seed: number; every: number; others: number }): Fate {
  const tally = new Map<string, Map<Stroke, number>>();
  const stuck = new Map<string, Set<string>>();
  const next = seededNumbers(seed);
  let deck: Stroke[] = [];
  let points = 0;
  let open = next() % every;
  let strokes = 0;
  const draw = (): Stroke => {
    if (deck.length === 0)
      deck = [...OTHERS]
        .map((one) => ({ one, at: next() }))
        .toSorted(byAt)
        .map(one);
    return deck.pop() ?? 'process';
  };
  const choose = (point: Point, id: string): Stroke | undefined => {
    if (!tally.has(id)) return 'process';
    if (AT_START.has(point.name) || stuckAt(stuck, point).has(id)) return undefined;
    open += 1;
    if (open % every !== 0) return undefined;
    return next() % others === 0 ? draw() : 'process';
  };
  return {
    tally,
    points: () => points,
    strokes: () => strokes,
    strokeAt(point) {
      const id = `${point.process} ${point.side} ${point.name}`;
      points += 1;
      const isProgress = !EFFECTS_OUTSIDE.has(point.name) && !NO_PROGRESS.has(point.name);
      if (point.side === 'after' && isProgress) stuckAt(stuck, point).clear();
      const stroke = choose(point, id);
      if (stroke === undefined) return undefined;
      strokes += 1;
      stuckAt(stuck, point).add(id);
      const counts = tally.get(id) ?? new Map<Stroke, number>();
      tally.set(id, counts.set(stroke, (counts.get(stroke) ?? 0) + 1));
      return stroke;
    },
  };
}

const byAt = (a: { at: number }, b: { at: number }): number => a.at - b.at;
const one = (entry: { one: Stroke }): Stroke => entry.one;

function stuckAt(stuck: Map<string, Set<string>>, { process }: Point): Set<string> {
  const set = stuck.get(process) ?? new Set();
  stuck.set(process, set);
  return set;
}

/** The same numbers for the same seed, below 2^32. */
export function seededNumbers(seed: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return createHash('sha256').update(`${seed} ${drawn}`).digest().readUInt32BE(0);
  };
}
