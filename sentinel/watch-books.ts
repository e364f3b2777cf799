/**
 * Books beside chain, each reading at one block that both have reached. Books and chain move at their own pace, so one
 * reading proves nothing: only a shortfall of an asset that every reading of some time shows, whichever block it is at, is
 * one. Blocks may come faster than that.
 */
import { judgeShort, shortOf, type Held } from './checks/books-chain.ts';
import type { Finding } from './checks/finding.ts';
import type { NetworkReport } from './sentinel.ts';
import type { Books } from './sources/books.ts';

export interface BooksReport {
  /** Unix ms. */
  readonly at: number;
  /** The block at which books and chain were compared last. */
  readonly hash: string;
  /** Nothing is missing. */
  readonly isCovered: boolean;
  /** Decimal strings, by CAIP-19. */
  readonly held: Readonly<Record<string, { chain: string; books: string; underWay: string }>>;
}

export interface BooksWatch {
  /** Compares, when it is time to. A database that does not answer leaves the last report as it is. */
  look(report: NetworkReport, judged: (finding: Finding) => Promise<void>): Promise<void>;
  last(network: string): BooksReport | undefined;
}

export interface BooksNetwork {
  /** CAIP-2. */
  readonly network: string;
  /** As core names it. */
  readonly id: string;
  /** Core's names by CAIP-19. */
  readonly assets: Readonly<Record<string, string>>;
  /** Contracts by CAIP-19, in lower case; '' or absent is the network's own coin. */
  readonly contracts: Readonly<Record<string, string>>;
}

/** Readings are no further apart than this. */
const EVERY_MS = 1_000;

export function watchBooks(deps: {
  readonly books: Books;
  readonly networks: readonly BooksNetwork[];
  readonly agreeMs: number;
  readonly nowMs: () => number;
}): BooksWatch {
  const { books, agreeMs, nowMs } = deps;
  const read = new Map<string, number>();
  const last = new Map<string, BooksReport>();
  /** Assets of which every reading since then has missed something. */
  const missingSince = new Map<string, number>();
  return {
    last: (network) => last.get(network),
    look: async (report, judged) => {
      const network = deps.networks.find((one) => one.network === report.network);
      if (network === undefined || report.behind) return;
      if (nowMs() < (read.get(report.network) ?? -Infinity) + Math.min(agreeMs / 2, EVERY_MS)) return;
      read.set(report.network, nowMs());
      const { tip, isHalted, hot, underWay } = await books.read(network.id);
      if (isHalted || tip !== report.hash) return;
      const all = Object.entries(network.assets).map(([asset, name]): Held => ({
        asset,
        chain: BigInt(report.holdings[asset] ?? 0),
        books: hot[name] ?? 0n,
        underWay: underWay[network.contracts[asset] ?? ''] ?? 0n,
      }));
      const isCovered = all.every((held) => shortOf(held) === 0n);
      const held = Object.fromEntries(
        all.map((one) => [
          one.asset,
          { chain: `${one.chain}`, books: `${one.books}`, underWay: `${one.underWay}` },
        ]),
      );
      last.set(report.network, { at: nowMs(), hash: report.hash, isCovered, held });
      for (const one of all) {
        const since = shortOf(one) === 0n ? undefined : (missingSince.get(one.asset) ?? nowMs());
        if (since === undefined) missingSince.delete(one.asset);
        else missingSince.set(one.asset, since);
        if (since === undefined || nowMs() - since < agreeMs) continue;
        const finding = judgeShort(one, report.hash);
        if (finding !== undefined) await judged(finding);
      }
    },
  };
}
