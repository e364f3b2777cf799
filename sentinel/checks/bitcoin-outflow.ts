/** Every spend of a coin of ours is a transaction that signers' journals hold. */
import { explain, type Witnesses } from './explain.ts';
import type { Finding } from './finding.ts';

/** A transaction that spends coins of ours. */
export interface Spend {
  /** CAIP-2. */
  readonly network: string;
  readonly txid: string;
  /** Satoshi of ours that it spends. */
  readonly satoshi: bigint;
  /** Absent: in the mempool. */
  readonly height?: number;
}

export interface SpendVerdict {
  readonly finding?: Finding;
  /** Nothing more will be learnt about it. */
  readonly settled: boolean;
}

/**
 * `witnessesOf` must come from journals that were read after the spend was seen. `waitedMs` is how long it has not
 * been known; beyond `patienceMs` not knowing is as bad as knowing.
 */
export function judgeSpend(
  spend: Spend,
  witnesses: Witnesses,
  rules: { readonly threshold: number; readonly waitedMs: number; readonly patienceMs: number },
): SpendVerdict {
  const { network, txid, satoshi, height } = spend;
  const what = `${txid} spends ${satoshi} sat of ours, ${height === undefined ? 'in the mempool' : `in block ${height}`}`;
  const held = `${witnesses.holding} journals hold it, ${witnesses.lacking} do not, ${witnesses.silent} are silent`;
  const freeze: Finding = {
    level: 'freeze',
    code: 'UNEXPLAINED_SPEND',
    scope: network,
    key: `spend ${network} ${txid}`,
    detail: `${what}; ${held}`,
  };
  switch (explain(witnesses, rules.threshold)) {
    case 'explained':
      return { settled: true };
    case 'unexplained':
      return { settled: true, finding: freeze };
    case 'few':
      return { settled: false, finding: { ...freeze, level: 'alarm', code: 'JOURNALS_FEW' } };
    case 'unknown':
      return rules.waitedMs > rules.patienceMs
        ? { settled: true, finding: freeze }
        : { settled: false, finding: { ...freeze, level: 'alarm', code: 'JOURNAL_UNREACHABLE' } };
  }
}
