/** What is known about a withdrawal when it is decided. */
export interface WithdrawalFacts {
  readonly gateOpen: boolean;
  readonly networkHalted: boolean;
  readonly expired: boolean;
}

export type RiskTag = 'ALLOWED' | 'GATE_CLOSED' | 'NETWORK_HALTED' | 'ORDER_EXPIRED';

/** `hold` is looked at again; `refuse` is the end of it. */
export type RiskDecision = { readonly decision: 'approve' | 'hold' | 'refuse'; readonly tag: RiskTag };

/** Pure, first match wins, and writes nothing: whoever asks acts on the answer. */
export function decideWithdrawal(facts: WithdrawalFacts): RiskDecision {
  if (facts.expired) return { decision: 'refuse', tag: 'ORDER_EXPIRED' };
  if (facts.networkHalted) return { decision: 'hold', tag: 'NETWORK_HALTED' };
  if (!facts.gateOpen) return { decision: 'hold', tag: 'GATE_CLOSED' };
  return { decision: 'approve', tag: 'ALLOWED' };
}
