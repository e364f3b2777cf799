/** Every signer's journal, each checked whole as it is read page by page, and merged in the order of time. */
import { createHash } from 'node:crypto';
import { openSigner, type AskSigner } from '../../client/signer.ts';
import { CeremonyError } from '../../signer/ceremony/files.ts';
import type { ReplayEntry } from '../../signer/ceremony/replay.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import { parseJournalLine } from '../../signer/protocol/journal-entry.ts';
import { parseJournalAnswer } from '../../signer/protocol/messages.ts';
import type { OperatorKit } from '../operator-kit.ts';

const ANSWER_WITHIN_MS = 15_000;
const NOTHING = '0'.repeat(64);

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

/** The first signer's word counts for what is no payment. `onProgress` is told entries read, of how many. */
export async function* mergedJournals(
  { signers }: OperatorKit,
  onProgress: (done: number, total: number) => void,
): AsyncGenerator<ReplayEntry> {
  const totals = new Map<string, number>();
  const read = new Map<string, number>();
  const sum = (counts: Map<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);
  const cursors = signers.map((signer, i) => {
    const { id } = signer;
    const told = (done: number, total: number): void => {
      read.set(id, done);
      totals.set(id, total);
      onProgress(sum(read), sum(totals));
    };
    return withoutVoid(entriesOf(id, openSigner(signer, ANSWER_WITHIN_MS), { isReference: i === 0, told }));
  });
  const heads = await Promise.all(cursors.map((cursor) => cursor.next()));
  for (;;) {
    let first = -1;
    for (const [i, head] of heads.entries())
      if (head.done !== true && (first < 0 || head.value.atMs < timeOf(heads[first]))) first = i;
    const [head, cursor] = [heads[first], cursors[first]];
    if (head === undefined || cursor === undefined || head.done === true) return;
    yield head.value;
    heads[first] = await cursor.next();
  }
}

const timeOf = (head: IteratorResult<ReplayEntry> | undefined): number =>
  head === undefined || head.done === true ? Infinity : head.value.atMs;

/** What peers refused was never signed: neither it nor the entry that says so. */
async function* withoutVoid(entries: AsyncGenerator<ReplayEntry>): AsyncGenerator<ReplayEntry> {
  let held: ReplayEntry | undefined;
  for await (const entry of entries) {
    if (held !== undefined && entry.kind !== 'void') yield held;
    held = entry.kind === 'void' ? undefined : entry;
  }
  if (held !== undefined) yield held;
}

async function* entriesOf(
  id: string,
  ask: AskSigner,
  { isReference, told }: { isReference: boolean; told: (done: number, total: number) => void },
): AsyncGenerator<ReplayEntry> {
  let [after, previous, atMs] = [0n, NOTHING, 0];
  for (;;) {
    const answer = parseJournalAnswer(await ask('GET', `/v1/journal?after=${after}`));
    if (!answer.ok) throw new CeremonyError('SIGNER_REFUSED', `${id}: ${answer.detail}`);
    if (!answer.value.ok) throw new CeremonyError('SIGNER_REFUSED', `${id}: ${answer.value.code}`);
    const { lines, journal } = answer.value;
    for (const line of lines) {
      const parsed = parseJournalLine(line, sha256);
      if (!parsed.ok || parsed.value.type !== 'entry')
        throw new CeremonyError('FILE_BROKEN', `${id}: entry ${after + 1n} of its journal`);
      const { entry, body, hash } = parsed.value;
      if (entry.signer !== id || entry.sequence !== after + 1n || toHex(entry.previous) !== previous)
        throw new CeremonyError('FILE_BROKEN', `${id}: entry ${after + 1n} does not follow the one before`);
      [after, previous] = [entry.sequence, toHex(hash)];
      // A clock that was set back a little keeps the journal's order.
      atMs = Math.max(atMs, Number(entry.at));
      yield {
        kind: entry.kind,
        body: JSON.parse(body) as unknown,
        atMs,
        sequence: entry.sequence,
        isReference,
      };
    }
    told(Number(after), Number(journal.sequence));
    if (lines.length === 0 || after >= BigInt(journal.sequence)) return;
  }
}
