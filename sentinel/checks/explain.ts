/**
 * Whether signers' journals explain a movement of money. A journal entry is on disk before its signature leaves
 * the signer, so a movement that was signed by the rules is found in the journals of everybody who signed it.
 */

/** What the journals say of one movement. */
export interface Witnesses {
  /** Signers whose journal holds it. */
  readonly holding: number;
  /** Signers whose journal, read after the movement was seen, does not. */
  readonly lacking: number;
  /** Signers whose journal could not be read. */
  readonly silent: number;
}

export type Verdict = 'explained' | 'few' | 'unknown' | 'unexplained';

/**
 * `threshold` signatures moved it, so as many journals must hold it. One signer's journal alone proves nothing: whoever
 * holds that host writes in it what he likes. Yet a host that died after it signed must stop nothing: with one
 * journal that holds it, and the missing ones silent, somebody should look (`few`). Held by none and enough of
 * them silent it is not known yet (`unknown`), and the caller waits only so long.
 */
export function explain({ holding, silent }: Witnesses, threshold: number): Verdict {
  if (holding >= threshold) return 'explained';
  if (holding + silent < threshold) return 'unexplained';
  return holding > 0 ? 'few' : 'unknown';
}
