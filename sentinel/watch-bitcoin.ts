/** One Bitcoin network: takes what its node shows, and judges every spend of ours by the journals. */
import { judgeSpend, type Spend } from './checks/bitcoin-outflow.ts';
import type { Finding } from './checks/finding.ts';
import type { BitcoinSource } from './sources/bitcoin.ts';
import type { Journals } from './sources/journals.ts';
import type { NetworkReport } from './sentinel.ts';

/** A spend that is not settled: journals that may explain it are silent. */
export interface OpenSpend extends Spend {
  /** Unix ms. */
  readonly since: number;
}

export interface BitcoinWatch {
  /** Looks once. `judged` is given each finding as soon as it is made. */
  look(judged: (finding: Finding) => Promise<void>): Promise<NetworkReport>;
}

/** Journals may be silent as long as a host needs to start again; then a spend that none explains freezes. */
export const PATIENCE_MS = 60_000;
export const REORG_ALARM_DEPTH = 6;
/** Explained spends, so that what stays in the mempool is not looked up at every look. */
const EXPLAINED_MAX = 100_000;

export function watchBitcoin(deps: {
  readonly network: string;
  /** CAIP-19. */
  readonly asset: string;
  readonly threshold: number;
  readonly source: BitcoinSource;
  readonly journals: Journals;
  readonly open: OpenSpend[];
  readonly nowMs: () => number;
}): BitcoinWatch {
  const { network, threshold, source, journals, open, nowMs } = deps;
  const explained = new Set<string>();
  return {
    look: async (judged) => {
      const facts = await source.step();
      const unknown = facts.spends.filter(({ txid }) => !explained.has(txid));
      const asked = [...open, ...unknown.map((spend) => ({ ...spend, since: nowMs() }))];
      open.splice(0, open.length, ...asked);
      // Only after they were seen: an entry is written before its signature leaves the signer.
      if (asked.length > 0) await journals.refresh();
      const seen = new Set<string>();
      const still: OpenSpend[] = [];
      for (const spend of asked) {
        if (seen.has(spend.txid)) continue;
        seen.add(spend.txid);
        const verdict = judgeSpend(spend, journals.witnesses(network, spend.txid), {
          threshold,
          waitedMs: nowMs() - spend.since,
          patienceMs: PATIENCE_MS,
        });
        if (verdict.settled) remember(explained, spend.txid);
        else still.push(spend);
        if (verdict.finding !== undefined) await judged(verdict.finding);
      }
      open.splice(0, open.length, ...still);
      if (facts.reorgDepth >= REORG_ALARM_DEPTH)
        await judged({
          level: 'alarm',
          code: 'DEEP_REORG',
          scope: network,
          key: `reorg ${network} ${facts.hash}`,
          detail: `${facts.reorgDepth} blocks were given up`,
        });
      const { height, hash, time, satoshi, behind } = facts;
      const holdings = { [deps.asset]: satoshi.toString() };
      return { network, height, hash, time, behind, open: open.length, holdings, at: nowMs() };
    },
  };
}

function remember(explained: Set<string>, txid: string): void {
  explained.add(txid);
  for (const oldest of explained) {
    if (explained.size <= EXPLAINED_MAX) break;
    explained.delete(oldest);
  }
}
