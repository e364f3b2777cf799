/** The vault never holds less than before, less what it reported as paid; and tokens leave it by its own payments. */
import type { Finding } from './finding.ts';

/** Base units by token address in lower case; the zero address is the chain's own coin. */
export type Amounts = Readonly<Record<string, bigint>>;

export interface VaultMoves {
  /** CAIP-2. */
  readonly network: string;
  readonly block: number;
  readonly hash: string;
  /** At the block up to which it was looked at before. */
  readonly before: Amounts;
  readonly after: Amounts;
  /** What the vault reported in between: payments, and evacuations to cold. */
  readonly reported: Amounts;
  /** What the tokens say has left the vault, by transaction. */
  readonly transferred: readonly {
    readonly txHash: string;
    readonly token: string;
    readonly amount: bigint;
  }[];
  /** What the vault reported, by transaction and token: `txHash token`. */
  readonly reportedBy: ReadonlyMap<string, bigint>;
}

/**
 * Whatever comes in only raises a balance, so an outsider cannot bring this about; an outflow beside an inflow of the
 * same size in one range of blocks is caught by the tokens' own events.
 */
export function judgeMoves(moves: VaultMoves, assetOf: (token: string) => string): Finding[] {
  const { network, block, hash } = moves;
  const dropped = dropsIn(moves).map(({ token, now, least }): Finding => {
    const detail = `in block ${block} the vault holds ${now}, at least ${least} was expected`;
    const key = `drop ${network} ${token} ${hash}`;
    return { level: 'freeze', code: 'BALANCE_DROPPED', scope: assetOf(token), key, detail };
  });
  const left = new Map<string, bigint>();
  for (const { txHash, token, amount } of moves.transferred) {
    const name = `${txHash} ${token}`;
    left.set(name, (left.get(name) ?? 0n) + amount);
  }
  const beyond = [...left].flatMap(([name, amount]): Finding[] => {
    const said = moves.reportedBy.get(name) ?? 0n;
    if (amount <= said) return [];
    const [txHash = '', token = ''] = name.split(' ');
    const detail = `${txHash} moves ${amount} out of the vault, which reported ${said}`;
    const key = `transfer ${network} ${name}`;
    return [{ level: 'freeze', code: 'UNEXPLAINED_TRANSFER', scope: assetOf(token), key, detail }];
  });
  return [...dropped, ...beyond];
}

/** Tokens of which less is there than has to be. */
export function dropsIn({
  before,
  after,
  reported,
}: Pick<VaultMoves, 'before' | 'after' | 'reported'>): { token: string; now: bigint; least: bigint }[] {
  return Object.entries(before).flatMap(([token, balance]) => {
    const least = balance - (reported[token] ?? 0n);
    const now = after[token] ?? 0n;
    return now >= least ? [] : [{ token, now, least }];
  });
}
