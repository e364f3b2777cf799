import { followStep, type FollowDeps, type FollowStep } from './follow.ts';
import { ChainError } from './faults.ts';

export { ChainError, type ChainErrorCode, type ChainHaltCode } from './faults.ts';
export {
  followStep,
  lockNetwork,
  type AfterCommit,
  type BlockHandler,
  type BlockRef,
  type ChainSource,
  type FollowDeps,
  type FollowStep,
  type ReorgNotice,
  type SourceBlock,
} from './follow.ts';
export {
  receiptsAfter,
  recordMempool,
  recordMined,
  recordReplaced,
  type NewReceipt,
  type ReceiptRow,
  type ReceiptState,
} from './receipts.ts';
export { confirmationsOf, tipOf, type ChainTip } from './tip.ts';
export {
  watchAddresses,
  watchedAfter,
  type WatchAddress,
  type WatchedPurpose,
  type WatchedRow,
} from './watched.ts';

/** Where a loop says what it does. pino's logger fits. */
export interface Log {
  readonly info: (data: object, message: string) => void;
  readonly warn: (data: object, message: string) => void;
}

export interface FollowLoop<Raw> extends FollowDeps<Raw> {
  readonly pollMs: number;
  /** Resolves after the time, or at once when the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Runs whenever we stand on the node's tip: the mempool is worth a look only from there. */
  readonly onCaughtUp?: () => Promise<void>;
}

/** A node that is down is asked again after at most this long. */
const BACKOFF_MAX_MS = 15_000;

/**
 * Follows a chain until the signal aborts. A node that does not answer, answers nonsense or lags is asked again
 * with growing pauses, and nothing is written. A lost database ends the loop by an error: whoever runs the
 * process starts it again.
 */
export async function followChain<Raw>(loop: FollowLoop<Raw>): Promise<void> {
  const { network, pollMs, sleep, signal, log } = loop;
  let failures = 0;
  let last = '';
  while (!signal.aborted) {
    let pauseMs = pollMs;
    try {
      const step = await followStep(loop);
      if (step.kind === 'caught-up') await loop.onCaughtUp?.();
      failures = 0;
      pauseMs = step.kind === 'block' || step.kind === 'reorg' ? 0 : pollMs;
      last = tell(log, network.id, step, last);
    } catch (error) {
      if (!(error instanceof ChainError) || !error.retryable) throw error;
      failures += 1;
      pauseMs = Math.min(pollMs * 2 ** Math.min(failures, 16), BACKOFF_MAX_MS);
      log.warn({ network: network.id, code: error.code, detail: error.message, failures }, 'node trouble');
    }
    if (pauseMs > 0) await sleep(pauseMs, signal);
  }
}

/** Says each thing once: a network that waits or stands halted does not fill the log. */
function tell(log: Log, network: string, step: FollowStep, last: string): string {
  const now = step.kind === 'block' ? '' : step.kind;
  if (step.kind === 'reorg') {
    log.warn({ network, forkHeight: step.forkHeight, depth: step.depth }, 'reorg');
  } else if (step.kind === 'halted' && last !== 'halted') {
    log.warn({ network, code: step.code }, 'halted: a person must look');
  } else if (step.kind === 'waiting' && last !== 'waiting') {
    log.warn({ network, nodeHeight: step.nodeHeight }, 'the node is behind us');
  } else if (step.kind === 'caught-up' && last !== 'caught-up') {
    log.info({ network, height: step.tip.height }, 'caught up');
  }
  return now;
}
