/** What a check has found. Pure data: who acts on it is sentinel.ts. */
export interface Finding {
  /**
   * `freeze`: money left, or may be about to, without the signers' journals saying so. `alarm`: somebody should
   * look, and nothing is stopped: whatever an outsider can bring about is at most this.
   */
  readonly level: 'freeze' | 'alarm';
  readonly code: FindingCode;
  /** What a freeze stops: everything, a network (CAIP-2) or an asset (CAIP-19). */
  readonly scope: string;
  /** The same thing found again has the same name: it freezes once. */
  readonly key: string;
  readonly detail: string;
}

export const findingCodes = [
  'UNEXPLAINED_SPEND',
  'UNEXPLAINED_PAYOUT',
  'UNEXPLAINED_TRANSFER',
  'BALANCE_DROPPED',
  'ADMIN_EVENT',
  'JOURNAL_FORK',
  'CHAIN_SHORT',
  'JOURNAL_UNREACHABLE',
  'JOURNAL_BEHIND',
  'JOURNALS_FEW',
  'DEEP_REORG',
  'CHAIN_LAG',
] as const;
export type FindingCode = (typeof findingCodes)[number];
