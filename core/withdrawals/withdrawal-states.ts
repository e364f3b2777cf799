/** The life of a withdrawal. Everything that shows or checks a state reads this table. */
export const withdrawalTransitions = {
  requested: ['approved', 'held', 'refused', 'cancelled'],
  held: ['approved', 'refused', 'cancelled', 'failed'],
  approved: ['batched', 'held', 'cancelled', 'failed'],
  batched: ['signing', 'approved', 'cancelled'],
  signing: ['broadcast', 'failed'],
  broadcast: ['confirming', 'settled', 'failed'],
  confirming: ['settled', 'broadcast', 'failed'],
  settled: [],
  refused: [],
  cancelled: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>;

export type WithdrawalState = keyof typeof withdrawalTransitions;

export const withdrawalStates = Object.keys(withdrawalTransitions) as [WithdrawalState, ...WithdrawalState[]];

/** Until the signers are first asked, nothing has left and nothing can. */
export const cancellableStates: readonly WithdrawalState[] = ['requested', 'held', 'approved', 'batched'];

export function mayBecome(from: WithdrawalState, to: WithdrawalState): boolean {
  return (withdrawalTransitions[from] as readonly string[]).includes(to);
}
