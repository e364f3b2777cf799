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
  type JournalPage,
  type Refused,
  type SignAnswer,
  type Status,
} from '../protocol/messages.ts';
import { freezeDocument, unfreezeDocument } from '../protocol/freeze.ts';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import { parseProveRequest, proofToJson } from '../protocol/possession.ts';
import { policyDocument } from '../protocol/policy.ts';
import type { DocumentType, Json } from '../protocol/document.ts';
import {
  parseSigned,
  signaturesToJson,
  type DocumentSignature,
  type SignedJson,
} from '../protocol/signatures.ts';
import { openKeys, openWallet, type BitcoinKeys, type BitcoinWallet } from './bitcoin-wallet.ts';
import { decideBitcoinChild } from './bitcoin-child.ts';
import { decideBitcoinPay, signBitcoin } from './bitcoin-pay.ts';
import { checkAttested, takeAttestation, type AttestationMemory } from './attestations.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { decideEvmPay, signEvmPay } from './evm-pay.ts';
import { openJournal, type Journal } from './journal.ts';
import { readKeyFile, writeKeyFile } from './key-file.ts';
import { makeKey, unsealKey, type OpenKey, type SealedKey } from './key.ts';
import { decideFreeze, decideUnfreeze } from './freezes.ts';
import { decideManifest, manifestAccounts } from './manifest-check.ts';
import { emptyMemory, remember, type Memory } from './memory.ts';
import { decidePolicy, policyAt } from './policies.ts';
import { provePossession } from './possession.ts';
import { openRefusalLog, type RefusalLog } from './refusal-log.ts';

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
}

/** The answer to `prove`; the proof in the form of parseProof. */
interface Proof {
  readonly ok: true;
  readonly signer: string;
  readonly proof: Json;
}

type DocumentRules = Memory & { readonly manifest: Manifest; readonly nowMs: number };
type Answer = Identity | Status | JournalPage | SignAnswer | Proof | Refused;

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
  if (call !== 'identity' && call !== 'journal') state.refusals.write(known ?? 'unknown', decision);
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
  sign,
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
  const request = parsed.value;
  const { epoch, threshold } = manifest;
  if (request.epoch !== epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${epoch}`);
  const { network } = request;
  const late = checkAttested(state.attestations, { network, policy, roster: memory.roster, nowMs });
  if (late !== undefined) return late;
  if (request.type !== 'evm-pay') {
    const entry = manifest.bitcoin.find((candidate) => candidate.network === request.network);
    if (entry === undefined) return refuse('UNKNOWN_NETWORK', request.network);
    const rules = { epoch, threshold, entry, policy, nowMs };
    const decision =
      request.type === 'bitcoin-pay'
        ? decideBitcoinPay(request, rules, wallet, memory)
        : decideBitcoinChild(request, rules, wallet, memory);
    if (!decision.ok) return decision;
    if (decision.value.entry !== undefined) journal.append(request.type, decision.value.entry);
    const psbt = signBitcoin(request, decision.value.transaction, open.keys);
    return accept({ ok: true, signer: context.signer, psbt, journal: journal.head() });
  }
  const entry = manifest.evm.find((candidate) => candidate.network === request.network);
  if (entry === undefined) return refuse('UNKNOWN_NETWORK', request.network);
  const decision = decideEvmPay(request, { epoch, entry, policy, nowMs }, memory);
  if (!decision.ok) return decision;
  if (decision.value.entry !== undefined) journal.append(request.type, decision.value.entry);
  const signature = signEvmPay(decision.value.digest, open.key.evmPrivateKey);
  const address = open.key.identity.evmAddress;
  return accept({ ok: true, signer: context.signer, signature, address, journal: journal.head() });
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

function status({ open, memory, journal, context, isRestored }: State): Status {
  const sealed = open === undefined;
  const ready = !sealed && !isRestored && memory.manifest !== undefined;
  const freezes = [...memory.freezes.standing].map(([id, standing]) => ({ id, ...standing }));
  return { ok: true, signer: context.signer, sealed, journal: journal.head(), ready, freezes };
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
