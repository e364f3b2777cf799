/** What signers are asked for an evacuation, and what their journals say about payments under way. */
import { createHash } from 'node:crypto';
import { parseJournalLine } from '../signer/protocol/journal-entry.ts';
import type { Manifest } from '../signer/protocol/manifest.ts';
import { parseJournalAnswer, parseSignAnswer } from '../signer/protocol/messages.ts';
import { finished, signaturesIn, type Asked, type Signatures } from './bitcoin-transaction.ts';

/** One signer's gate, as an operator asks it. */
export interface Signer {
  readonly id: string;
  readonly ask: (method: 'GET' | 'POST', path: string, body?: object) => Promise<Record<string, unknown>>;
}

export type SignedEvacuation =
  | { readonly ok: true; readonly txid: string; readonly raw: string }
  /** Too few signed: every signer and its reason. */
  | { readonly ok: false; readonly detail: string };

/** Asks all at once; a quorum is enough, whoever else is slow. */
export async function signedBy(signers: readonly Signer[], asked: Asked): Promise<SignedEvacuation> {
  const { threshold } = asked.wallet;
  const signatures: Signatures[] = [];
  const refusals: string[] = [];
  return new Promise((resolve) => {
    const settle = (): void => {
      if (signatures.length === threshold) resolve({ ok: true, ...finished(asked, signatures) });
      else if (signatures.length + refusals.length === signers.length)
        resolve({ ok: false, detail: refusals.join('; ') });
    };
    const askOne = async ({ id, ask }: Signer): Promise<void> => {
      const { signed, refusal } = await answerOf(ask, asked);
      if (signed !== undefined) signatures.push(signed);
      else refusals.push(`${id}: ${refusal}`);
      settle();
    };
    for (const signer of signers) void askOne(signer);
  });
}

async function answerOf(
  ask: Signer['ask'],
  asked: Asked,
): Promise<{ signed?: Signatures; refusal?: string }> {
  try {
    const parsed = parseSignAnswer(await ask('POST', '/v1/evacuate', asked.request));
    if (!parsed.ok) return { refusal: parsed.detail };
    if (!parsed.value.ok) return { refusal: `${parsed.value.code}: ${parsed.value.detail}` };
    // Of a signer that signs something else the others' signatures do.
    return { signed: signaturesIn(asked, parsed.value.psbt ?? '') };
  } catch (error) {
    return { refusal: error instanceof Error ? error.message : String(error) };
  }
}

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

/** Ids of transactions that as many journals hold as a payment needs: what a thief signed alone is in none of them. */
export async function journalledBy(
  signers: readonly Signer[],
  { threshold }: Manifest,
): Promise<ReadonlySet<string>> {
  const holders = new Map<string, number>();
  const read = signers.map(async ({ ask }) => {
    // A journal that cannot be read explains nothing.
    for (const id of await idsIn(ask).catch(() => new Set<string>()))
      holders.set(id, (holders.get(id) ?? 0) + 1);
  });
  await Promise.all(read);
  return new Set([...holders].filter(([, count]) => count >= threshold).map(([id]) => id));
}

async function idsIn(ask: Signer['ask']): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let after = 0n; ;) {
    const answer = parseJournalAnswer(await ask('GET', `/v1/journal?after=${after}`));
    if (!answer.ok || !answer.value.ok) throw new TypeError('no journal');
    const { lines, journal } = answer.value;
    for (const line of lines) {
      const parsed = parseJournalLine(line, sha256);
      if (!parsed.ok || parsed.value.type !== 'entry' || !parsed.value.entry.kind.startsWith('bitcoin-'))
        continue;
      const { id } = JSON.parse(parsed.value.body) as { id?: unknown };
      if (typeof id === 'string') ids.add(id);
    }
    after += BigInt(lines.length);
    if (lines.length === 0 || after >= BigInt(journal.sequence)) return ids;
  }
}
