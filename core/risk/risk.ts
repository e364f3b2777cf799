/** What is known about a withdrawal when it is decided. */
export interface WithdrawalFacts {
  readonly gateOpen: boolean;
  readonly networkHalted: boolean;
  /** Too little is left of the order's time to sign it and to raise its fee later. */
  readonly expired: boolean;
  /** The destination has become an address of ours: money would go in a circle. */
  readonly destinationIsOurs: boolean;
  /** The network can carry this amount: above dust, below what one payment holds. */
  readonly amountPayable: boolean;
}

export type RiskTag =
  | 'ALLOWED'
  | 'GATE_CLOSED'
  | 'NETWORK_HALTED'
  | 'ORDER_EXPIRED'
  | 'OWN_ADDRESS'
  | 'AMOUNT_UNPAYABLE';

/** `hold` is looked at again; `refuse` is the end of it. */
export interface RiskDecision {
  readonly decision: 'approve' | 'hold' | 'refuse';
  readonly tag: RiskTag;
}

/** Pure, first match wins, and writes nothing: whoever asks acts on the answer. */
export function decideWithdrawal(facts: WithdrawalFacts): RiskDecision {
  if (facts.expired) return { decision: 'refuse', tag: 'ORDER_EXPIRED' };
  if (facts.destinationIsOurs) return { decision: 'refuse', tag: 'OWN_ADDRESS' };
  if (!facts.amountPayable) return { decision: 'refuse', tag: 'AMOUNT_UNPAYABLE' };
  if (facts.networkHalted) return { decision: 'hold', tag: 'NETWORK_HALTED' };
  if (!facts.gateOpen) return { decision: 'hold', tag: 'GATE_CLOSED' };
  return { decision: 'approve', tag: 'ALLOWED' };
}
