/**
 * The vault: holds one key share, decides for itself, journals, then signs. It has no network; one line of JSON
 * comes in, one goes out, one at a time. Refusals are answers; a VaultFault stops the process.
 */
import {
  parseJournalRequest,
  parseSignRequest,
  calls,
  type Call,
  type Refused,
  type Status,
} from '../protocol/messages.ts';
import { parseEvacuation } from '../protocol/evacuation.ts';
import { freezeDocument, unfreezeDocument } from '../protocol/freeze.ts';
import { policyDocument } from '../protocol/policy.ts';
import { checkAttested } from './attestations.ts';
import type { Commit } from './commit.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { attestation, certify, deposits, documentCall, enrolment, pinManifest } from './document-calls.ts';
import { openJournal } from './journal.ts';
import { readKeyFile } from './key-file.ts';
import { identity, make, prove, unseal } from './key-calls.ts';
import { decideFreeze, decideUnfreeze } from './freezes.ts';
import { emptyMemory, remember } from './memory.ts';
import { decidePolicy, policyAt, versionsAt } from './policies.ts';
import { standingPolicy } from './standing-policy.ts';
import { openRefusalLog } from './refusal-log.ts';
import { decideEvacuation, decidePay, type Approved, type SigningRules } from './signing.ts';
import {
  commitOf,
  done,
  missingKey,
  notReadmitted,
  walletOf,
  type Answer,
  type State,
  type VaultContext,
} from './state.ts';
import { openToken } from './token.ts';

/** How far the clock may stand before the last entry: corrections by a second are ordinary. */
const CLOCK_SKEW_MAX_MS = 60_000;

export interface Vault {
  /** Answers one request frame, a line without its newline. Throws VaultFault when the process must stop. */
  handle(line: string): string;
  /** The answer to a line that was longer than a frame may be. */
  refuseOversized(): string;
  close(): void;
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
    token: context.tokenPipe && openToken(context.tokenPipe),
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
    state.refusals.write(known ?? 'unknown', decision, body);
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
  policies: (state) => accept(standingPolicy(state)),
  attestation,
  enrolment,
  certify,
  deposits,
  sign,
  evacuate,
  confirm,
  countersign: (state, body) => committing(state, (commit) => commit.countersign(body)),
  release: (state, body) => committing(state, (commit) => commit.release(body)),
};

function sign(state: State, body: unknown): Decision<Answer> {
  const parsed = parseSignRequest(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const { attestations, memory } = state;
  const { network, type } = parsed.value;
  return signing(state, type, (rules) => {
    const late = checkAttested(attestations, { ...rules, network, roster: memory.roster });
    return late ?? ((): Decision<Approved> => decidePay(parsed.value, rules));
  });
}

/** No attestation is asked for: a freeze stands, and the sentinel may be why. */
function evacuate(state: State, body: unknown): Decision<Answer> {
  const parsed = parseEvacuation(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  return signing(state, parsed.value.type, (rules) => () => decideEvacuation(parsed.value, rules));
}

/** `begin` gives a refusal, or what decides once peers have shown what they hold. */
function signing(
  state: State,
  kind: string,
  begin: (rules: SigningRules) => Refusal | (() => Decision<Approved>),
): Decision<Answer> {
  const { memory, journal, open, wallet, context } = state;
  const manifest = memory.manifest;
  if (state.isRestored) return notReadmitted;
  if (open === undefined) return missingKey(state);
  if (manifest === undefined || wallet === undefined) return refuse('NO_MANIFEST', 'pin one first');
  const nowMs = context.nowMs();
  if (nowMs + CLOCK_SKEW_MAX_MS < journal.lastAtMs()) return refuse('CLOCK_BACKWARDS', `it is ${nowMs}`);
  const policy = policyAt(memory.policies, nowMs);
  if (policy === undefined) return refuse('NO_POLICY', 'have a quorum sign one');
  const decide = begin({ manifest, policy, nowMs, memory, wallet, open });
  if (typeof decide !== 'function') return decide;
  const commit = commitOf(state);
  if (commit?.isConfirmed() !== true) return refuse('UNCONFIRMED', 'its peers are asked first');
  const decision = decide();
  if (!decision.ok) return decision;
  const { entry, key, recheck, sign: finish } = decision.value;
  if (entry !== undefined) journal.append(kind, entry);
  return commit.await(memory.own.get(key) ?? 0n, entry !== undefined, () => {
    const frozen = recheck();
    if (frozen !== undefined) return frozen;
    const signed = finish();
    if (!signed.ok) return signed;
    return accept({ ok: true, signer: context.signer, ...signed.value, journal: journal.head() });
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

function status(state: State): Omit<Status, 'witness'> {
  const { open, memory, journal, context, isRestored } = state;
  const sealed = open === undefined;
  const confirmed = commitOf(state)?.isConfirmed() ?? false;
  const ready = !sealed && !isRestored && memory.manifest !== undefined;
  const freezes = [...memory.freezes.standing].map(([id, standing]) => ({ id, ...standing }));
  const policy = versionsAt(memory.policies, context.nowMs());
  const { signer } = context;
  return { ok: true, signer, sealed, journal: journal.head(), ready, confirmed, freezes, policy };
}

/** What was written, for whoever watches: nothing in it is secret from them, and nothing is decided by it. */
function journalPage({ journal, context }: State, body: unknown): Decision<Answer> {
  const after = parseJournalRequest(body);
  if (!after.ok) return refuse('MALFORMED', after.detail);
  const lines = journal.linesAfter(after.value);
  return accept({ ok: true, signer: context.signer, journal: journal.head(), lines });
}

const answerRefusal = ({ context }: State, { code, detail, order }: Refusal): Refused => ({
  ok: false,
  signer: context.signer,
  code,
  detail,
  ...(order === undefined ? {} : { order }),
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
