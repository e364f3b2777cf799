/** Waiting for one of several hosts no longer than it may hold up the others. */

/** Resolves after `ms`, or at once when aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** A signer that answers is waited for this long; later its answer is still taken, by whoever asked. */
const PATIENCE_MS = 1000;

/** Whether `work` ended in time; `work` itself goes on. Rejects as it does, when it does so in time. */
export async function endsInTime(work: Promise<unknown>, sleep: Sleep): Promise<boolean> {
  const ended = new AbortController();
  const late = sleep(PATIENCE_MS, ended.signal).then(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    ended.abort();
  }
}
