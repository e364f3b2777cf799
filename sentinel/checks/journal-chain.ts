/** Whether what a signer shows of its journal goes on from what it showed before (docs/decisions/0001). */
import { toHex, type Sha256 } from '../../signer/protocol/canonical.ts';
import { parseJournalLine, type JournalEntry } from '../../signer/protocol/journal-entry.ts';
import type { JournalPage } from '../../signer/protocol/messages.ts';

export interface ChainEnd {
  readonly sequence: bigint;
  /** Lower-case hex; zeros before the first entry. */
  readonly hash: string;
}

export interface ChainEntry {
  readonly entry: JournalEntry;
  readonly body: unknown;
}

export type Extended =
  | {
      readonly ok: true;
      readonly end: ChainEnd;
      readonly entries: readonly ChainEntry[];
      /** It is shorter than it was, and contradicts nothing so far: a snapshot came back, or a host lost its disk. */
      readonly behind?: string;
    }
  /** The signer told two stories: an entry that it had shown is gone or another, or one does not follow. */
  | { readonly ok: false; readonly detail: string };

export const chainStart: ChainEnd = { sequence: 0n, hash: '00'.repeat(32) };

/**
 * Takes the page that a signer answered when asked for what follows `end`. `shown` is the furthest that it ever
 * showed: a journal that is shorter is behind, one that has another entry where it showed one is forked. `hashAt` is
 * what it showed at a number, when that is still known.
 */
export function extendChain(
  page: JournalPage,
  at: {
    readonly signer: string;
    readonly end: ChainEnd;
    readonly shown: ChainEnd;
    readonly hashAt: (sequence: bigint) => string | undefined;
    readonly sha256: Sha256;
  },
): Extended {
  const { signer, shown, sha256 } = at;
  let { end } = at;
  if (page.signer !== signer) return fork(`the answer is of ${page.signer}`);
  const head: ChainEnd = { ...page.journal, sequence: BigInt(page.journal.sequence) };
  const behind =
    head.sequence < shown.sequence || head.sequence < end.sequence
      ? { behind: `it ends at entry ${head.sequence} and had reached ${shown.sequence}` }
      : {};
  if (head.sequence < end.sequence) {
    const known = at.hashAt(head.sequence);
    return known === undefined || known === head.hash
      ? { ok: true, end, entries: [], ...behind }
      : fork(`entry ${head.sequence} is not the one that it showed before`);
  }
  const entries: ChainEntry[] = [];
  for (const source of page.lines) {
    const parsed = parseJournalLine(source, sha256);
    if (!parsed.ok || parsed.value.type !== 'entry') return fork(`after entry ${end.sequence}: no entry`);
    const { entry, body, hash } = parsed.value;
    if (entry.signer !== signer || entry.sequence !== end.sequence + 1n)
      return fork(`after entry ${end.sequence} comes ${entry.sequence} of ${entry.signer}`);
    if (toHex(entry.previous) !== end.hash)
      return fork(`entry ${entry.sequence} does not follow the one before`);
    end = { sequence: entry.sequence, hash: toHex(hash) };
    if (end.sequence === shown.sequence && end.hash !== shown.hash)
      return fork(`entry ${end.sequence} is not the one that it showed before`);
    entries.push({ entry, body: JSON.parse(body) as unknown });
  }
  if (page.lines.length === 0 && end.sequence < head.sequence)
    return fork(`it keeps back what follows entry ${end.sequence}`);
  if (end.sequence === head.sequence && end.hash !== head.hash)
    return fork(`entry ${end.sequence} is not the one that its status names`);
  return { ok: true, end, entries, ...behind };
}

const fork = (detail: string): Extended => ({ ok: false, detail });
