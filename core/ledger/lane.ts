import { setImmediate as nextTurn } from 'node:timers/promises';
import { LedgerError, type PostingOutcome } from './outcomes.ts';
import type { Posting } from './postings.ts';

/** One writer that gathers the postings of concurrent callers into batches. */
export interface LedgerLane {
  /** Resolves once the outcome is durable. Rejects with LedgerError when the books could not be asked. */
  readonly submit: (posting: Posting) => Promise<PostingOutcome>;
  /** Takes nothing new, and resolves when all that was submitted is answered. */
  readonly stop: () => Promise<void>;
}

export interface LaneLimits {
  /** Postings in one transaction, at most. */
  readonly batchMax: number;
  /** Postings that may wait; above that, LEDGER_OVERLOADED. */
  readonly queueMax: number;
}

interface Waiting {
  readonly posting: Posting;
  readonly resolve: (outcome: PostingOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** `run` answers each posting of a batch, in order, with its outcome or its error; it never rejects. */
export function startWriterLane(
  run: (batch: readonly Posting[]) => Promise<readonly (PostingOutcome | Error)[]>,
  limits: LaneLimits,
): LedgerLane {
  let queue: Waiting[] = [];
  let pumping: Promise<void> | undefined;
  let stopped = false;

  async function pump(): Promise<void> {
    while (queue.length > 0) {
      // Callers whom the last batch woke join this one.
      await nextTurn();
      const batch = queue.slice(0, limits.batchMax);
      queue = queue.slice(batch.length);
      const answers = await run(batch.map((waiting) => waiting.posting));
      for (const [i, waiting] of batch.entries()) answer(waiting, answers[i]);
    }
    pumping = undefined;
  }

  return {
    submit: (posting) =>
      new Promise((resolve, reject) => {
        if (stopped) return reject(new LedgerError('LEDGER_STOPPED', 'The ledger lane is stopped'));
        if (queue.length >= limits.queueMax) {
          return reject(new LedgerError('LEDGER_OVERLOADED', `${queue.length} postings are waiting already`));
        }
        queue.push({ posting, resolve, reject });
        pumping ??= pump();
      }),
    stop: async () => {
      stopped = true;
      await pumping;
    },
  };
}

function answer(waiting: Waiting, result: PostingOutcome | Error | undefined): void {
  if (result === undefined || result instanceof Error) {
    waiting.reject(result ?? new LedgerError('LEDGER_UNAVAILABLE', 'The batch gave no answer'));
  } else {
    waiting.resolve(result);
  }
}
