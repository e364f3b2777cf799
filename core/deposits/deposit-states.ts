/**
 * A deposit's life. `seen`: on the chain, or in a mempool; `safe`: credited, usable inside the exchange;
 * `irreversible`: may leave it; `orphaned`: no block holds it any more. Mined anew it begins again as seen.
 */
export const depositStates = ['seen', 'safe', 'irreversible', 'orphaned'] as const;
export type DepositState = (typeof depositStates)[number];

/** Every move that there is. API, UI and tests read this table. */
export const depositTransitions: Readonly<Record<DepositState, readonly DepositState[]>> = {
  seen: ['safe', 'orphaned'],
  safe: ['irreversible', 'orphaned'],
  irreversible: ['orphaned'],
  orphaned: ['seen'],
};

export function mayMove(from: DepositState, to: DepositState): boolean {
  return depositTransitions[from].includes(to);
}
