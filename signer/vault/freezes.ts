/** Freezes: one person stops a scope at once, a quorum starts it again (threats: items 3 and 7). */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../protocol/canonical.ts';
import {
  EVERYTHING,
  freezeDocument,
  isInScope,
  unfreezeDocument,
  type Freeze,
  type Unfreeze,
} from '../protocol/freeze.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { SignedJson } from '../protocol/signatures.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { checkOne, checkQuorum, type RosterMemory } from './roster.ts';

export interface FreezeMemory {
  /** Standing freezes by their id in hex. */
  readonly standing: Map<string, { readonly scope: string; readonly by: string; readonly reason: string }>;
  /** Ids that were lifted, taken before or not: none of them takes effect any more. */
  readonly lifted: Set<string>;
  /** Digests of the unfreezes that were taken: each is taken once. */
  readonly taken: Set<string>;
}

export const emptyFreezes = (): FreezeMemory => ({
  standing: new Map(),
  lifted: new Set(),
  taken: new Set(),
});

interface Rules {
  readonly manifest: Manifest;
  readonly freezes: FreezeMemory;
  readonly roster: RosterMemory;
  readonly nowMs: number;
}

/** A document that was kept back cannot stop payments on a day of somebody's choice. */
const AGE_MAX_SECONDS = 600n;
const AHEAD_MAX_SECONDS = 120n;
/** Of one person and scope: what was found later must not be lifted with what was found first. */
const STANDING_MAX = 8;
/** Long enough to gather people, short enough that a forgotten one is worthless. */
const UNFREEZE_AHEAD_MAX_SECONDS = 7n * 86_400n;

/** The freeze to journal; nothing when it stands already. */
export function decideFreeze(signed: SignedJson, rules: Rules): Decision<Freeze | undefined> {
  const parsed = freezeDocument.parse(signed.document);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const freeze = parsed.value;
  const { manifest, freezes, roster, nowMs } = rules;
  if (freeze.epoch !== manifest.epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${manifest.epoch}`);
  if (!knownScopes(manifest).has(freeze.scope)) return refuse('SCOPE_UNKNOWN', freeze.scope);
  const digest = freezeDocument.digest(freeze, sha256);
  const one = checkOne(signed.signatures, { by: freeze.by, digest, manifest, roster });
  if (!one.ok) return one;
  const id = toHex(freeze.id);
  if (freezes.lifted.has(id)) return refuse('FREEZE_LIFTED', id);
  if (freezes.standing.has(id)) return accept(undefined);
  const now = BigInt(nowMs) / 1000n;
  if (freeze.issuedAt + AGE_MAX_SECONDS < now || freeze.issuedAt > now + AHEAD_MAX_SECONDS)
    return refuse('DOCUMENT_STALE', `issued at ${freeze.issuedAt}, it is ${now}`);
  const alike = [...freezes.standing.values()].filter(
    ({ by, scope }) => by === freeze.by && scope === freeze.scope,
  );
  // Nobody fills the journal with them.
  if (alike.length >= STANDING_MAX) return refuse('FREEZES_TOO_MANY', `${freeze.scope}, by ${freeze.by}`);
  return accept(freeze);
}

/** The unfreeze to journal; nothing when all of it holds already. */
export function decideUnfreeze(signed: SignedJson, rules: Rules): Decision<Unfreeze | undefined> {
  const parsed = unfreezeDocument.parse(signed.document);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const unfreeze = parsed.value;
  const { manifest, freezes, roster, nowMs } = rules;
  if (unfreeze.epoch !== manifest.epoch)
    return refuse('WRONG_EPOCH', `the pinned epoch is ${manifest.epoch}`);
  const known = new Set([...manifest.operators, ...manifest.sentinels].map(({ id }) => id));
  const stranger = [...unfreeze.suspend, ...unfreeze.restore].find((id) => !known.has(id));
  if (stranger !== undefined) return refuse('NOT_IN_ROSTER', stranger);
  if (holdsAlready(unfreeze, freezes, roster)) return accept(undefined);
  const now = BigInt(nowMs) / 1000n;
  if (unfreeze.expiry <= now || unfreeze.expiry > now + UNFREEZE_AHEAD_MAX_SECONDS)
    return refuse('DOCUMENT_STALE', `expires at ${unfreeze.expiry}, it is ${now}`);
  const digest = unfreezeDocument.digest(unfreeze, sha256);
  // Passkeys without a counter would let whoever kept it suspend and restore people with it until it expires.
  if (freezes.taken.has(toHex(digest))) return refuse('DOCUMENT_STALE', 'taken already, and undone since');
  const quorum = checkQuorum(signed.signatures, { digest, manifest, roster });
  return quorum.ok ? accept(unfreeze) : quorum;
}

/** FROZEN when any standing freeze stops payments of this asset. */
export function checkNotFrozen(
  { standing }: FreezeMemory,
  payment: { network: string; asset: string },
): Refusal | undefined {
  for (const [id, { scope, by, reason }] of standing) {
    if (isInScope(scope, payment)) return refuse('FROZEN', `${scope}, by ${by} (${id}): ${reason}`);
  }
  return undefined;
}

/** NOT_FROZEN unless a freeze stands that stops payments of this asset. */
export const checkFrozen = (
  memory: FreezeMemory,
  payment: { network: string; asset: string },
): Refusal | undefined =>
  checkNotFrozen(memory, payment) === undefined ? refuse('NOT_FROZEN', payment.network) : undefined;

export function rememberFreeze(memory: FreezeMemory, { id, scope, by, reason }: Freeze): void {
  if (!memory.lifted.has(toHex(id))) memory.standing.set(toHex(id), { scope, by, reason });
}

export function rememberUnfreeze(
  { freezes, roster }: { freezes: FreezeMemory; roster: RosterMemory },
  unfreeze: Unfreeze,
): void {
  freezes.taken.add(toHex(unfreezeDocument.digest(unfreeze, sha256)));
  for (const bytes of unfreeze.freezes) {
    freezes.standing.delete(toHex(bytes));
    freezes.lifted.add(toHex(bytes));
  }
  for (const id of unfreeze.suspend) roster.suspended.add(id);
  for (const id of unfreeze.restore) roster.suspended.delete(id);
}

function holdsAlready(
  { freezes: ids, suspend, restore }: Unfreeze,
  { lifted }: FreezeMemory,
  { suspended }: RosterMemory,
): boolean {
  return (
    ids.every((id) => lifted.has(toHex(id))) &&
    suspend.every((id) => suspended.has(id)) &&
    restore.every((id) => !suspended.has(id))
  );
}

function knownScopes({ bitcoin, evm }: Manifest): Set<string> {
  const assets = [...bitcoin, ...evm.flatMap(({ tokens }) => tokens)].map(({ asset }) => asset);
  return new Set([EVERYTHING, ...[...bitcoin, ...evm].map(({ network }) => network), ...assets]);
}
