/** A journal written here, line by line, as signers write theirs. */
import { toHex } from '../../signer/protocol/canonical.ts';
import { encodeJournalEntry, formatJournalLine } from '../../signer/protocol/journal-entry.ts';
import { sha256 } from '../../signer/test/plain-encoding.ts';
import { chainStart, type ChainEnd } from '../checks/journal-chain.ts';

export interface Written {
  readonly lines: readonly string[];
  /** Before the first entry, and after each. */
  readonly ends: readonly ChainEnd[];
}

export function writeJournal(
  signer: string,
  entries: readonly { readonly kind: string; readonly body: unknown }[],
): Written {
  const lines: string[] = [];
  const ends = [chainStart];
  for (const [i, { kind, body: value }] of entries.entries()) {
    const body = JSON.stringify(value);
    const entry = {
      signer,
      sequence: BigInt(i + 1),
      previous: Uint8Array.from(Buffer.from(ends.at(-1)?.hash ?? '', 'hex')),
      at: 1_770_000_000_000n,
      kind,
      bodyHash: sha256(new TextEncoder().encode(body)),
    };
    const hash = sha256(encodeJournalEntry(entry));
    lines.push(formatJournalLine({ type: 'entry', entry, body, hash }));
    ends.push({ sequence: entry.sequence, hash: toHex(hash) });
  }
  return { lines, ends };
}
