/** The life of a withdrawal. Everything that shows or checks a state reads this table. */
export const withdrawalTransitions = {
  requested: ['approved', 'held', 'refused', 'cancelled', 'failed'],
  held: ['approved', 'refused', 'cancelled', 'failed'],
  approved: ['batched', 'held', 'cancelled', 'failed'],
  batched: ['signing', 'approved', 'cancelled', 'failed'],
  signing: ['broadcast', 'failed'],
  broadcast: ['confirming', 'failed'],
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

/** States that a withdrawal goes through, one after the other, while its spend is on its way. */
export const spendingStates = ['batched', 'signing', 'broadcast', 'confirming'] as const;

export function mayBecome(from: WithdrawalState, to: WithdrawalState): boolean {
  return (withdrawalTransitions[from] as readonly string[]).includes(to);
}
