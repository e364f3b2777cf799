import { listingsOf } from '../config/config.ts';
import type { SpendDeps } from '../spends/spends.ts';
import { planBatch } from './batch.ts';
import { decideAll } from './decide.ts';
import { followSpends } from './follow.ts';

export { cancelWithdrawal, type CancelResult } from './cancel.ts';
export {
  listWithdrawals,
  withdrawalById,
  type WithdrawalDetail,
  type WithdrawalRow,
  type WithdrawalStepRow,
} from './queries.ts';
export type { Authorization } from './authorization.ts';
export type { WithdrawalAsk, WithdrawalRefusal } from './ask.ts';
export { openWithdrawalDesk, type WithdrawalDesk } from './desk.ts';
export { quoteWithdrawal, type Quote, type QuoteResult, type WithdrawalDeps } from './quote.ts';
export { firstStepOf, requestWithdrawal, type RequestResult, type WithdrawalRequest } from './request.ts';
export { withdrawalStates, withdrawalTransitions, type WithdrawalState } from './withdrawal-states.ts';

/**
 * One step for all withdrawals: decide on new and held ones, plan batches, bring each to where its spend is, and
 * book what is irreversible. Each part is one transaction, so that a step that is killed did not happen. Answers how
 * many it moved; 0 means that there is nothing to do for now. A network whose node does not answer does not keep the
 * others waiting: the first fault is thrown after all had their turn.
 */
export async function runWithdrawals(deps: SpendDeps): Promise<number> {
  const listings = listingsOf(deps.config);
  const parts = [
    ...listings.map((listing) => () => decideAll(deps, listing)),
    ...listings.map((listing) => () => planBatch(deps, listing)),
    () => followSpends(deps),
  ];
  let moved = 0;
  let fault: unknown;
  for (const part of parts) {
    try {
      moved += await part();
    } catch (error) {
      fault ??= error;
    }
  }
  if (fault !== undefined) throw fault;
  return moved;
}
