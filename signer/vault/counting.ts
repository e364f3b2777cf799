/** When what a journal holds is counted. */

/** When it was journalled, and under which number if by this signer itself. */
export interface Journalled {
  /** Unix milliseconds; of a peer's entry by its word, no earlier than what was held of it before, no later than now. */
  readonly atMs: number;
  readonly own: bigint | undefined;
}

/** Signers that sign one order within this time count it once: another signer's word for older than that is not taken. */
export const COUNTED_ONCE_MS = 60_000;
