/**
 * The vault: holds one key share, decides for itself, journals, then signs. It has no network; one line of JSON
 * comes in, one goes out, one at a time. Refusals are answers; a VaultFault stops the process.
 */
import {
  parseJournalRequest,
  parseMakeKey,
  parsePassphrase,
  parseSignRequest,
  calls,
  type Call,
  type Identity,
  type JournalHead,
  type JournalPage,
  type Refused,
  type SignAnswer,
  type Status,
} from '../protocol/messages.ts';
import { enrolmentDocument, type Enrolled } from '../protocol/enrolment.ts';
import { freezeDocument, unfreezeDocument } from '../protocol/freeze.ts';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import { parseProveRequest, proofToJson } from '../protocol/possession.ts';
import { policyDocument } from '../protocol/policy.ts';
import type { DocumentType, Json } from '../protocol/document.ts';
import type { Awaiting, CountersignAnswer } from '../protocol/peers.ts';
import {
  parseSigned,
  signaturesToJson,
  type DocumentSignature,
  type SignedJson,
} from '../protocol/signatures.ts';
import { openKeys, openWallet, type BitcoinKeys, type BitcoinWallet } from './bitcoin-wallet.ts';
import { checkAttested, takeAttestation, type AttestationMemory } from './attestations.ts';
import { openCommit, type Commit } from './commit.ts';
import { decideEnrolment } from './customers.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { openJournal, type Journal } from './journal.ts';
import { readKeyFile, writeKeyFile } from './key-file.ts';
import { makeKey, unsealKey, type OpenKey, type SealedKey } from './key.ts';
import { checkNotFrozen, decideFreeze, decideUnfreeze } from './freezes.ts';
import { decideManifest, manifestAccounts } from './manifest-check.ts';
import { emptyMemory, remember, type Memory } from './memory.ts';
import { decidePolicy, policyAt } from './policies.ts';
import { provePossession } from './possession.ts';
import { openRefusalLog, type RefusalLog } from './refusal-log.ts';
import { decidePay } from './signing.ts';

/** How far the clock may stand before the last entry: corrections by a second are ordinary. */
const CLOCK_SKEW_MAX_MS = 60_000;

export interface VaultContext {
  readonly signer: string;
  readonly folder: string;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
}

export interface Vault {
  /** Answers one request frame, a line without its newline. Throws VaultFault when the process must stop. */
  handle(line: string): string;
  /** The answer to a line that was longer than a frame may be. */
  refuseOversized(): string;
  close(): void;
}

interface State {
  readonly context: VaultContext;
  readonly memory: Memory;
  readonly journal: Journal;
  readonly refusals: RefusalLog;
  readonly attestations: AttestationMemory;
  sealed: SealedKey | undefined;
  /** The key came out of a backup: it proves that it is the one, and signs nothing else. */
  readonly isRestored: boolean;
  open: { readonly key: OpenKey; readonly keys: BitcoinKeys } | undefined;
  wallet: BitcoinWallet | undefined;
  commit: Commit<Answer> | undefined;
}

/** The answer to `prove`; the proof in the form of parseProof. */
interface Proof {
  readonly ok: true;
  readonly signer: string;
  readonly proof: Json;
}

type DocumentRules = Memory & { readonly manifest: Manifest; readonly nowMs: number };
type Answer =
  | Identity
  | Status
  | JournalPage
  | SignAnswer
  | Proof
  | Acknowledged
  | Awaiting
  | CountersignAnswer
  | Enrolled
  | Refused;

/** Done, and how far the journal goes. */
interface Acknowledged {
  readonly ok: true;
  readonly signer: string;
  readonly journal: JournalHead;
}

/** Opens the data folder: verifies the journal and rebuilds memory from it. Throws VaultFault. */
export function openVault(context: VaultContext): Vault {
  const memory = emptyMemory();
  const journal = openJournal({ ...context, apply: (...entry) => remember(memory, ...entry) });
  const refusals = openRefusalLog(journal, context.nowMs);
  const { signer, folder } = context;
  const found = readKeyFile(folder, { signer, knownHash: memory.sealedKeyHash });
  const state: State = {
    context,
    memory,
    journal,
    refusals,
    attestations: new Map(),
    sealed: found?.sealed,
    isRestored: found?.isRestored ?? false,
    open: undefined,
    wallet: undefined,
    commit: undefined,
  };
  state.wallet = walletOf(memory);
  return {
    handle: (line) => handle(state, line),
    refuseOversized: () => frame(0, answerRefusal(state, refuse('FRAME_TOO_LARGE', 'longer than a frame'))),
    close: () => journal.close(),
  };
}

function handle(state: State, line: string): string {
  const request = parseFrame(line);
  if (request === undefined) return frame(0, answerRefusal(state, refuse('MALFORMED', 'not a frame')));
  const { id, call, body } = request;
  const known = calls.find((name) => name === call);
  const decision = known === undefined ? refuse('UNKNOWN_CALL', 'no such call') : answers[known](state, body);
  if (decision.ok) return frame(id, decision.value);
  // Its gate asks peers first, and then again.
  if (call !== 'identity' && call !== 'journal' && decision.code !== 'UNCONFIRMED')
    state.refusals.write(known ?? 'unknown', decision);
  return frame(id, answerRefusal(state, decision));
}

const answers: Readonly<Record<Call, (state: State, body: unknown) => Decision<Answer>>> = {
  identity: (state) => identity(state),
  status: (state) => accept(status(state)),
  journal: journalPage,
  'make-key': make,
  prove,
  unseal,
  manifest: pinManifest,
  freeze: documentCall('freeze', freezeDocument, decideFreeze),
  unfreeze: documentCall('unfreeze', unfreezeDocument, decideUnfreeze),
  policy: documentCall('policy', policyDocument, decidePolicy),
  attestation,
  enrolment,
  sign,
  confirm,
  countersign: (state, body) => committing(state, (commit) => commit.countersign(body)),
  release: (state, body) => committing(state, (commit) => commit.release(body)),
};

function sign(state: State, body: unknown): Decision<Answer> {
  const parsed = parseSignRequest(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const { memory, journal, open, wallet, context } = state;
  const manifest = memory.manifest;
  if (state.isRestored) return notReadmitted;
  if (open === undefined) return missingKey(state);
  if (manifest === undefined || wallet === undefined) return refuse('NO_MANIFEST', 'pin one first');
  const nowMs = context.nowMs();
  if (nowMs + CLOCK_SKEW_MAX_MS < journal.lastAtMs()) return refuse('CLOCK_BACKWARDS', `it is ${nowMs}`);
  const policy = policyAt(memory.policies, nowMs);
  if (policy === undefined) return refuse('NO_POLICY', 'have a quorum sign one');
  const { network } = parsed.value;
  const late = checkAttested(state.attestations, { network, policy, roster: memory.roster, nowMs });
  if (late !== undefined) return late;
  const commit = commitOf(state);
  if (commit?.isConfirmed() !== true) return refuse('UNCONFIRMED', 'its peers are asked first');
  const decision = decidePay(parsed.value, { manifest, policy, nowMs, memory, wallet, open });
  if (!decision.ok) return decision;
  const { entry, key, payment, sign: finish } = decision.value;
  if (entry !== undefined) journal.append(parsed.value.type, entry);
  return commit.await(memory.own.get(key) ?? 0n, entry !== undefined, () => {
    // One may have come while peers were asked.
    const frozen = checkNotFrozen(memory.freezes, payment);
    return frozen ?? accept({ ok: true, signer: context.signer, ...finish(), journal: journal.head() });
  });
}

/** Shows peers how far the journal goes: none of them may hold a later one. */
function confirm(state: State): Decision<Answer> {
  return committing(state, (commit) =>
    commit.isConfirmed() ? done(state) : commit.await(0n, false, () => done(state)),
  );
}

function committing(state: State, act: (commit: Commit<Answer>) => Decision<Answer>): Decision<Answer> {
  const commit = commitOf(state);
  if (commit !== undefined) return act(commit);
  return state.open === undefined ? missingKey(state) : refuse('NO_MANIFEST', 'pin one first');
}

function commitOf(state: State): Commit<Answer> | undefined {
  const { memory, open, journal, context } = state;
  if (open === undefined || memory.manifest === undefined) return undefined;
  const { signer, nowMs } = context;
  const { evmPrivateKey } = open.key;
  state.commit ??= openCommit({ signer, memory, journal, nowMs, manifest: memory.manifest, evmPrivateKey });
  return state.commit;
}

function make(state: State, body: unknown): Decision<Identity> {
  const parsed = parseMakeKey(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (state.sealed !== undefined) return refuse('KEY_EXISTS', 'it is never overwritten');
  if (state.memory.sealedKeyHash !== undefined) return refuse('KEY_LOST', 'its file is gone');
  const { signer, folder, randomBytes } = state.context;
  const { key, sealed } = makeKey({ ...parsed.value, signer, randomBytes });
  // A key file that the journal does not know is never used.
  writeKeyFile(folder, sealed, (sealedKeyHash) =>
    state.journal.append('key', { sealedKeyHash, xpub: key.identity.xpub }),
  );
  state.sealed = sealed;
  state.open = { key, keys: openKeys(key.account) };
  return identity(state);
}

function unseal(state: State, body: unknown): Decision<Identity> {
  const parsed = parsePassphrase(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (state.sealed === undefined) return missingKey(state);
  const key = unsealKey(state.sealed, parsed.value);
  if (key === undefined) return refuse('WRONG_PASSPHRASE', 'it does not open the key');
  state.open ??= { key, keys: openKeys(key.account) };
  return identity(state);
}

function prove({ open, context, ...state }: State, body: unknown): Decision<Proof> {
  const parsed = parseProveRequest(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (open === undefined) return missingKey(state);
  const proof = proofToJson(provePossession(open.key, parsed.value));
  return accept({ ok: true, signer: context.signer, proof });
}

function pinManifest(state: State, body: unknown): Decision<Answer> {
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
function documentCall<T>(
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

function attestation({ memory, attestations, ...state }: State, body: unknown): Decision<Answer> {
  const parsed = parseSigned(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const { manifest, roster } = memory;
  if (manifest === undefined) return refuse('NO_MANIFEST', 'pin one first');
  const nowMs = state.context.nowMs();
  const taken = takeAttestation(parsed.value, { manifest, roster, held: attestations, nowMs });
  return taken.ok ? done(state) : taken;
}

/** A customer's new credential: recorded with the hold that the own clock and policy give it. */
function enrolment(state: State, body: unknown): Decision<Answer> {
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

/** As it was signed, so that whoever reads the journal can check it again. */
function journalDocument(
  { journal }: State,
  kind: 'manifest' | 'freeze' | 'unfreeze' | 'policy',
  document: Json,
  signatures: readonly DocumentSignature[],
): void {
  journal.append(kind, { document, signatures: signaturesToJson(signatures) });
}

const done = ({ context, journal }: Pick<State, 'context' | 'journal'>): Decision<Answer> =>
  accept({ ok: true, signer: context.signer, journal: journal.head() });

function identity({ sealed, open, context }: State): Decision<Identity> {
  if (sealed === undefined) return refuse('NO_KEY', 'make one first');
  const { signer: _, ...rest } = sealed.identity;
  return accept({ ok: true, signer: context.signer, sealed: open === undefined, ...rest });
}

function status(state: State): Status {
  const { open, memory, journal, context, isRestored } = state;
  const sealed = open === undefined;
  const confirmed = commitOf(state)?.isConfirmed() ?? false;
  const ready = !sealed && !isRestored && memory.manifest !== undefined;
  const freezes = [...memory.freezes.standing].map(([id, standing]) => ({ id, ...standing }));
  return { ok: true, signer: context.signer, sealed, journal: journal.head(), ready, confirmed, freezes };
}

/** What was written, for whoever watches: nothing in it is secret from them, and nothing is decided by it. */
function journalPage({ journal, context }: State, body: unknown): Decision<Answer> {
  const after = parseJournalRequest(body);
  if (!after.ok) return refuse('MALFORMED', after.detail);
  const lines = journal.linesAfter(after.value);
  return accept({ ok: true, signer: context.signer, journal: journal.head(), lines });
}

const notReadmitted = refuse('NOT_READMITTED', 'its journal is not known');

function missingKey({ sealed, memory }: Pick<State, 'sealed' | 'memory'>): Refusal {
  if (sealed !== undefined) return refuse('SEALED', 'unseal first');
  return memory.sealedKeyHash === undefined
    ? refuse('NO_KEY', 'make one first')
    : refuse('KEY_LOST', 'its file is gone');
}

function walletOf({ manifest }: Memory): BitcoinWallet | undefined {
  return manifest === undefined ? undefined : openWallet(manifestAccounts(manifest), manifest.threshold);
}

const answerRefusal = ({ context }: State, { code, detail }: Refusal): Refused => ({
  ok: false,
  signer: context.signer,
  code,
  detail,
});

const frame = (id: number, answer: Answer): string => JSON.stringify({ id, answer });

function parseFrame(line: string): { id: number; call: unknown; body: unknown } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // JSON.parse has no other way to say that the text is none.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('id' in value && 'call' in value && 'body' in value))
    return undefined;
  const { id, call, body } = value;
  return Number.isSafeInteger(id) && Object.keys(value).length === 3
    ? { id: id as number, call, body }
    : undefined;
}
