import { openSigner, type AskSigner } from '../../client/signer.ts';
import { checkedProof, type AnsweredChallenge } from '../../signer/ceremony/compose.ts';
import { CeremonyError } from '../../signer/ceremony/files.ts';
import { manifestHash, manifestInLines } from '../../signer/ceremony/pinned.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import type { Manifest } from '../../signer/protocol/manifest.ts';
import { parseIdentityAnswer, parseJournalAnswer, type Identity } from '../../signer/protocol/messages.ts';
import { UsageError } from '../connection.ts';
import type { OperatorKit } from '../operator-kit.ts';

/** Has one signer make its key; one that has its key already is unsealed, and answers with that. */
export async function makeKeyAt(
  kit: OperatorKit,
  id: string,
  request: {
    readonly passphrase: string;
    readonly epoch: number;
    readonly chain: string;
    readonly dice: string;
    /** Of the signer's token, where its EVM key is to be made. */
    readonly pin?: string;
  },
): Promise<Identity & { readonly isNew: boolean }> {
  const signer = kit.signers.find((one) => one.id === id);
  if (signer === undefined) throw new UsageError(`The kit knows no signer ${id}.`);
  const ask = openSigner(signer);
  const answer = await ask('GET', '/v1/identity');
  const isNew = answer['code'] === 'NO_KEY';
  const { passphrase, epoch, chain, pin } = request;
  const identity = identityOf(
    id,
    isNew
      ? await ask('POST', '/v1/make-key', request)
      : await ask('POST', '/v1/unseal', { passphrase, ...(pin === undefined ? {} : { pin }) }),
  );
  if (identity.epoch !== epoch || identity.chain !== chain)
    throw new CeremonyError(
      'SIGNER_REFUSED',
      `${id} has a key of epoch ${identity.epoch}, ${identity.chain} chain`,
    );
  return { ...identity, isNew };
}

/** Challenges every signer of the kit, and verifies each answer. Throws CeremonyError that names who did not prove. */
export async function proveAll(
  kit: OperatorKit,
  randomChallenge: () => Uint8Array,
): Promise<AnsweredChallenge[]> {
  return Promise.all(
    kit.signers.map(async (signer) => {
      const challenge = randomChallenge();
      const answer = await openSigner(signer)('POST', '/v1/prove', { challenge: toHex(challenge) });
      return checkedProof(requireOk(signer.id, answer)['proof'], challenge, signer.id);
    }),
  );
}

/** One after the other; a signer that has pinned it before says so without harm. */
export async function pinAt(kit: OperatorKit, signed: object): Promise<void> {
  for (const signer of kit.signers)
    requireOk(signer.id, await openSigner(signer)('POST', '/v1/manifest', signed));
}

/** Names of the signers whose own journals hold this very manifest. Throws CeremonyError that names one whose do not. */
export async function pinnedAt(kit: OperatorKit, manifest: Manifest): Promise<string[]> {
  const own = toHex(manifestHash(manifest));
  const named = manifest.signers.map(({ id }) => id).toSorted();
  const reached = kit.signers.map(({ id }) => id).toSorted();
  if (named.join() !== reached.join())
    throw new CeremonyError(
      'MANIFEST_DIFFERS',
      `the kit reaches ${reached.join()}, the manifest names ${named.join()}`,
    );
  for (const signer of kit.signers) {
    const pinned = manifestInLines(await journalOf(signer.id, openSigner(signer)));
    const theirs = pinned === undefined ? undefined : toHex(manifestHash(pinned));
    if (theirs !== own)
      throw new CeremonyError(
        'MANIFEST_DIFFERS',
        `${signer.id} has pinned ${theirs ?? 'none'}, ours is ${own}`,
      );
  }
  return reached;
}

async function journalOf(id: string, ask: AskSigner): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const parsed = parseJournalAnswer(await ask('GET', `/v1/journal?after=${lines.length}`));
    if (!parsed.ok) throw new CeremonyError('SIGNER_REFUSED', `${id}: ${parsed.detail}`);
    if (!parsed.value.ok) throw new CeremonyError('SIGNER_REFUSED', `${id}: ${parsed.value.code}`);
    lines.push(...parsed.value.lines);
    if (parsed.value.lines.length === 0 || BigInt(lines.length) >= BigInt(parsed.value.journal.sequence))
      return lines;
  }
}

function identityOf(id: string, answer: unknown): Identity {
  const parsed = parseIdentityAnswer(answer);
  if (!parsed.ok) throw new CeremonyError('SIGNER_REFUSED', `${id}: ${parsed.detail}`);
  if (!parsed.value.ok)
    throw new CeremonyError('SIGNER_REFUSED', `${id}: ${parsed.value.code}: ${parsed.value.detail}`);
  return parsed.value;
}

function requireOk(id: string, answer: Record<string, unknown>): Record<string, unknown> {
  if (answer['ok'] === true) return answer;
  throw new CeremonyError('SIGNER_REFUSED', `${id}: ${String(answer['code'])}: ${String(answer['detail'])}`);
}
