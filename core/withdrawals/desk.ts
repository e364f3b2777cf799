import { setImmediate as nextTurn } from 'node:timers/promises';
import type { WithdrawalDeps } from './quote.ts';
import { requestWithdrawals, type RequestResult, type WithdrawalRequest } from './request.ts';

/** Takes requests of many callers at once: whatever waits when it is free goes into one transaction. */
export interface WithdrawalDesk {
  /** Resolves once the answer is durable. Rejects when the database could not be asked. */
  readonly request: (one: WithdrawalRequest) => Promise<RequestResult>;
  /** Resolves when all that was asked is answered. */
  readonly stop: () => Promise<void>;
}

/**
 * Requests in one transaction. One balance is one row of the ledger, so its requests are one after the other
 * anyway: together they share round trips and the flush of the commit. The measurement is in docs/decisions/0008.
 */
const BATCH_MAX = 100;

interface Waiting {
  readonly one: WithdrawalRequest;
  readonly resolve: (result: RequestResult) => void;
  readonly reject: (error: unknown) => void;
}

export function openWithdrawalDesk(deps: WithdrawalDeps): WithdrawalDesk {
  let queue: Waiting[] = [];
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    while (queue.length > 0) {
      // Callers whom the last batch woke join this one.
      await nextTurn();
      const batch = queue.slice(0, BATCH_MAX);
      queue = queue.slice(batch.length);
      await answer(deps, batch);
    }
    working = undefined;
  }

  return {
    request: (one) =>
      new Promise((resolve, reject) => {
        queue.push({ one, resolve, reject });
        working ??= work();
      }),
    stop: async () => working,
  };
}

/** A batch that fails as a whole is tried one by one, so that what is wrong with one stays that caller's. */
async function answer(deps: WithdrawalDeps, batch: readonly Waiting[]): Promise<void> {
  try {
    const results = await requestWithdrawals(
      deps,
      batch.map(({ one }) => one),
    );
    for (const [i, { resolve, reject }] of batch.entries()) {
      const result = results[i];
      if (result) resolve(result);
      else reject(new Error('the batch gave no answer'));
    }
  } catch (error) {
    if (batch.length === 1 || !isOfOne(error)) {
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const waiting of batch) await answer(deps, [waiting]);
  }
}

/** SQLSTATE classes 22 (data) and 23 (integrity): the statement met a value that it cannot take. */
function isOfOne(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown };
  return typeof code === 'string' && /^2[23][0-9A-Z]{3}$/.test(code);
}
