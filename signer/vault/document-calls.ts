/** Calls that bring a signed document: what is taken is journalled as it was signed, and so remembered. */
import { parseCertifyRequest } from '../protocol/certificates.ts';
import { toHex } from '../protocol/canonical.ts';
import { enrolmentDocument } from '../protocol/enrolment.ts';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import type { DocumentType, Json } from '../protocol/document.ts';
import {
  parseSigned,
  signaturesToJson,
  type DocumentSignature,
  type SignedJson,
} from '../protocol/signatures.ts';
import { takeAttestation } from './attestations.ts';
import { decideCertify } from './certificates.ts';
import { decideEnrolment } from './customers.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { decideManifest } from './manifest-check.ts';
import type { Memory } from './memory.ts';
import { decideDeposits } from './paid-in.ts';
import { signForPeers } from './peers.ts';
import { policyAt } from './policies.ts';
import { done, missingKey, notReadmitted, walletOf, type Answer, type State } from './state.ts';

type DocumentRules = Memory & { readonly manifest: Manifest; readonly nowMs: number };
export function pinManifest(state: State, body: unknown): Decision<Answer> {
  const parsed = parseSigned(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (state.sealed === undefined) return missingKey(state);
  if (state.isRestored) return notReadmitted;
  const { memory } = state;
  const decision = decideManifest(parsed.value, { pinned: memory.manifest, own: state.sealed.identity });
  if (!decision.ok) return decision;
  if (decision.value !== undefined) {
    journalDocument(state, 'manifest', manifestDocument.toJson(decision.value), parsed.value.signatures);
    state.wallet = walletOf(memory);
  }
  return done(state);
}

/** A call that brings a signed document: what `decide` gives is journalled, and so remembered. */
export function documentCall<T>(
  kind: 'freeze' | 'unfreeze' | 'policy',
  type: DocumentType<T>,
  decide: (signed: SignedJson, rules: DocumentRules) => Decision<T | undefined>,
): (state: State, body: unknown) => Decision<Answer> {
  return (state, body) => {
    const parsed = parseSigned(body);
    if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
    const { memory, context } = state;
    if (memory.manifest === undefined) return refuse('NO_MANIFEST', 'pin one first');
    const decision = decide(parsed.value, { ...memory, manifest: memory.manifest, nowMs: context.nowMs() });
    if (!decision.ok) return decision;
    if (decision.value !== undefined)
      journalDocument(state, kind, type.toJson(decision.value), parsed.value.signatures);
    return done(state);
  };
}

export function attestation({ memory, attestations, ...state }: State, body: unknown): Decision<Answer> {
  const parsed = parseSigned(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const { manifest, roster } = memory;
  if (manifest === undefined) return refuse('NO_MANIFEST', 'pin one first');
  const nowMs = state.context.nowMs();
  const taken = takeAttestation(parsed.value, { manifest, roster, held: attestations, nowMs });
  return taken.ok ? done(state) : taken;
}

/** A customer's new credential: recorded with the hold that the own clock and policy give it. */
export function enrolment(state: State, body: unknown): Decision<Answer> {
  const parsed = parseSigned(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const { memory, context, journal } = state;
  const { manifest, customers } = memory;
  const nowMs = context.nowMs();
  if (manifest === undefined) return refuse('NO_MANIFEST', 'pin one first');
  const policy = policyAt(memory.policies, nowMs);
  if (policy === undefined) return refuse('NO_POLICY', 'have a quorum sign one');
  const decision = decideEnrolment(parsed.value, { manifest, policy, customers, nowMs });
  if (!decision.ok) return decision;
  const { enrolment: taken, usableFromMs: usableFrom } = decision.value;
  if (taken !== undefined) {
    const document = enrolmentDocument.toJson(taken);
    const signed = { document, signatures: signaturesToJson(parsed.value.signatures) };
    journal.append('enrolment', { signed, usableFrom });
  }
  return accept({ ok: true, signer: context.signer, journal: journal.head(), usableFrom });
}

/** Addresses as core gave them out, derived here again and bound; the signature stands for all of them. */
export function certify(state: State, body: unknown): Decision<Answer> {
  const parsed = parseCertifyRequest(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const { memory, context, journal, open, wallet, isRestored } = state;
  const { manifest, customers, certified } = memory;
  if (isRestored) return notReadmitted;
  if (open === undefined) return missingKey(state);
  if (manifest === undefined || wallet === undefined) return refuse('NO_MANIFEST', 'pin one first');
  const rules = { manifest, wallet, customers, certified, nowMs: context.nowMs() };
  const decision = decideCertify(parsed.value, rules);
  if (!decision.ok) return decision;
  const { root, digest, entry } = decision.value;
  if (entry !== undefined) journal.append('certify', { ...entry });
  const made = signForPeers(digest, open.evm);
  if (!made.ok) return made;
  const { value: signature } = made;
  return accept({ ok: true, signer: context.signer, journal: journal.head(), root: toHex(root), signature });
}

/** What a sentinel saw paid in; see paid-in for what of it counts. */
export function deposits({ memory, context, journal }: State, body: unknown): Decision<Answer> {
  const parsed = parseSigned(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (memory.manifest === undefined) return refuse('NO_MANIFEST', 'pin one first');
  const decision = decideDeposits(parsed.value, { ...memory, manifest: memory.manifest });
  if (!decision.ok) return decision;
  const { fresh, counted } = decision.value;
  if (fresh) {
    const { document, signatures } = parsed.value;
    journal.append('deposits', { document: document as Json, signatures: signaturesToJson(signatures) });
  }
  return accept({ ok: true, signer: context.signer, journal: journal.head(), counted });
}

/** As it was signed, so that whoever reads the journal can check it again. */
function journalDocument(
  { journal }: State,
  kind: 'manifest' | 'freeze' | 'unfreeze' | 'policy',
  document: Json,
  signatures: readonly DocumentSignature[],
): void {
  journal.append(kind, { document, signatures: signaturesToJson(signatures) });
}
