/**
 * Peers' journals as far as they have come here: what they signed counts as if this signer had signed it, and no
 * entry of theirs is accepted that this signer's own limits forbid (docs/decisions/0029-shared-journals.md).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { U64_MAX, parsing, toHex } from '../protocol/canonical.ts';
import { JOURNAL_PAGE_MAX, parseJournalLine, type JournalEntry } from '../protocol/journal-entry.ts';
import {
  SIGNER_ID,
  parseJson,
  readDecimal,
  readHex,
  readList,
  readNumber,
  readObject,
  readOneOf,
  readText,
} from '../protocol/json.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { askDocument, countersignDocument, type Ask, type CountersignRequest } from '../protocol/peers.ts';
import type { Policy } from '../protocol/policy.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { evacuationKey, spentByEvacuation } from './evacuations.ts';
import type { EvmKey } from './evm-key.ts';
import { checkFrozen, checkNotFrozen, type FreezeMemory } from './freezes.ts';
import { checkFeeLimit, checkNamed, checkOrderLimits, type Spent } from './limits.ts';
import { attemptKey, isSpendingKind, spendingKinds, type SpendingKind } from './pay-entries.ts';
import { rememberSpend, spentBy, spentByChild, tierSpending, type PaymentMemory } from './payments.ts';
import { recoveredAddress } from './possession.ts';
import { checkHeldTiers, checkTiers } from './tiers.ts';

/** The last entry of a peer's journal that is held here. */
interface Held {
  readonly sequence: bigint;
  readonly hash: string;
  /** Since when, by the own clock, Unix ms: what follows it was written later. */
  readonly atMs: number;
}

export interface PeerMemory {
  readonly held: Map<string, Held>;
  /** Number of the own entry that last added to what counts: what peers accepted before that is asked again. */
  grownAt: bigint;
}

export const emptyPeers = (): PeerMemory => ({ held: new Map(), grownAt: 0n });

/** Body of a `peer` entry: how far a peer's journal is held, and what was learned from it. */
export interface PeerEntry {
  readonly of: string;
  readonly sequence: string;
  readonly hash: string;
  /** Kind, body and time (Unix ms) of each payment that was not known. */
  readonly learned: readonly Learned[];
}

type Learned = readonly [kind: SpendingKind, body: unknown, atMs: number];

/** Characters of what is learned in one entry, beside the first of it: with the longest payment it stays in bounds. */
const LEARNED_LENGTH_MAX = 1 << 18;
const spends = Object.keys(spendingKinds) as SpendingKind[];

type PeerMemories = PaymentMemory & { readonly peers: PeerMemory };

export function rememberPeer(
  memory: PeerMemories,
  body: unknown,
  place: { readonly sequence: bigint; readonly atMs: number },
): void {
  const { of, sequence, hash, learned } = readPeerEntry(body);
  for (const [kind, spend, atMs] of learned) rememberSpend(memory, kind, spend, { atMs, own: undefined });
  memory.peers.held.set(of, { sequence: BigInt(sequence), hash, atMs: place.atMs });
  if (learned.length > 0) memory.peers.grownAt = place.sequence;
}

function readPeerEntry(body: unknown): PeerEntry {
  const entry = readObject(body, 'peer', ['of', 'sequence', 'hash', 'learned']);
  return {
    of: readText(entry['of'], 'of', SIGNER_ID),
    sequence: readDecimal(entry['sequence'], 'sequence', U64_MAX).toString(),
    hash: toHex(readHex(entry['hash'], 'hash', 32)),
    learned: readList(entry['learned'], 'learned', { min: 0, max: JOURNAL_PAGE_MAX }, (item, path) => {
      const [kind, spend, atMs] = readList(item, path, { min: 3, max: 3 }, (part) => part);
      const known = readOneOf(kind, path, spends);
      spendingKinds[known](spend);
      return [known, spend, readNumber(atMs, path, Number.MAX_SAFE_INTEGER)] as const;
    }),
  };
}

/** How many signers besides this one must hold an entry before a signature leaves. */
export function countersignaturesNeeded({ signers, journalCopies }: Manifest, isConfirmed: boolean): number {
  const others = journalCopies - 1;
  // What it signed last is held by so many others: among these peers is one of them, whoever is away.
  return isConfirmed ? others : Math.max(others, signers.length - others);
}

/** Whether the ask is by this peer, in this epoch. */
export function checkAsk(
  { ask, signature }: CountersignRequest,
  manifest: Manifest,
  self: string,
): Refusal | undefined {
  if (ask.epoch !== manifest.epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${manifest.epoch}`);
  const peer = manifest.signers.find(({ id }) => id === ask.of && id !== self);
  if (peer === undefined) return refuse('NOT_A_PEER', ask.of);
  return recoveredAddress(signature, askDocument.digest(ask, sha256)) === peer.evmAddress
    ? undefined
    : refuse('SIGNATURE_REFUSED', `${ask.of} did not sign the ask`);
}

export interface Received {
  /** What to journal before the entry in question is decided on. */
  readonly before: readonly PeerEntry[];
  /** What to journal of that entry and all after it, as memory is then. */
  readonly rest: () => readonly PeerEntry[];
  /** Number of the last entry that is held then. */
  readonly end: bigint;
}

/**
 * What to journal of the lines of an ask: they go on where the held ones end, none missing, none changed, none beyond
 * what the ask shows. A journal that is shorter than what is held, or another one, was rolled back or forked.
 */
export function receiveLines(
  { ask, lines }: CountersignRequest,
  memory: PeerMemories,
  nowMs: number,
): Decision<Received> {
  const held = memory.peers.held.get(ask.of) ?? { sequence: 0n, hash: '00'.repeat(32), atMs: 0 };
  const forked = (at: bigint): Refusal =>
    refuse('PEER_FORKED', `${ask.of} at entry ${at}, held to ${held.sequence}`);
  if (ask.sequence < held.sequence)
    return refuse('PEER_ROLLED_BACK', `${ask.of} shows ${ask.sequence} entries, ${held.sequence} are held`);
  if (ask.sequence === held.sequence && toHex(ask.hash) !== held.hash) return forked(ask.sequence);
  const read: ReadLine[] = [];
  let end: Omit<Held, 'atMs'> = held;
  for (const source of lines) {
    const line = parseJournalLine(source, sha256);
    if (!line.ok) return refuse('MALFORMED', line.detail);
    if (line.value.type !== 'entry') return refuse('MALFORMED', 'a line that is no entry');
    const { entry, body, hash } = line.value;
    if (entry.signer !== ask.of || entry.sequence > ask.sequence)
      return refuse('MALFORMED', 'a line of another journal');
    if (entry.sequence <= held.sequence) continue;
    if (entry.sequence !== end.sequence + 1n)
      return refuse('MALFORMED', `entry ${end.sequence + 1n} is missing`);
    if (toHex(entry.previous) !== end.hash) return forked(entry.sequence);
    const news = spendsIn(entry, body);
    if (!news.ok) return news;
    // What its peers refused was never signed.
    if (entry.kind === 'void') read.splice(-1, 1, ...read.slice(-1).map((last) => ({ ...last, news: [] })));
    end = { sequence: entry.sequence, hash: toHex(hash) };
    read.push({ ...end, news: news.value });
  }
  if (end.sequence === ask.sequence && end.hash !== toHex(ask.hash)) return forked(ask.sequence);
  const isBefore = ({ sequence }: ReadLine): boolean => ask.entry > 0n && sequence < ask.entry;
  return accept({
    before: peerEntries(ask.of, read.filter(isBefore), memory, { start: held, nowMs }),
    rest: () => {
      const now = memory.peers.held.get(ask.of) ?? held;
      const after = read.filter((line) => !isBefore(line));
      return peerEntries(ask.of, after, memory, { start: { ...now, atMs: held.atMs }, nowMs });
    },
    end: end.sequence,
  });
}

/** A line of a peer's journal, and the payments in it. */
interface ReadLine extends Omit<Held, 'atMs'> {
  readonly news: readonly News[];
}

/** Entries for the own journal: how far these lines go, and what in them is new. */
function peerEntries(
  of: string,
  lines: readonly ReadLine[],
  memory: PaymentMemory,
  { start, nowMs }: { readonly start: Held; readonly nowMs: number },
): PeerEntry[] {
  const entries: PeerEntry[] = [];
  const seen = new Set<string>();
  let [learned, length]: [Learned[], number] = [[], 0];
  const close = ({ sequence, hash }: Omit<Held, 'atMs'>): void => {
    entries.push({ of, sequence: sequence.toString(), hash, learned });
    [learned, length] = [[], 0];
  };
  for (const [i, { news }] of lines.entries()) {
    for (const one of news) {
      if (isKnown(memory, one) || seen.has(one.text)) continue;
      seen.add(one.text);
      // What is left of this line comes with the next entry; whoever stops between them reads the line again.
      if (length + one.text.length > LEARNED_LENGTH_MAX || learned.length === JOURNAL_PAGE_MAX)
        close(lines[i - 1] ?? start);
      // Its clock is believed between what was held before and now.
      learned.push([one.kind, one.body, Math.min(Math.max(one.atMs, start.atMs), nowMs)]);
      length += one.text.length;
    }
  }
  const last = lines.at(-1);
  if (last !== undefined) close(last);
  return entries;
}

interface News {
  readonly kind: SpendingKind;
  readonly body: unknown;
  readonly text: string;
  /** Unix milliseconds, by whoever tells it. */
  readonly atMs: number;
  readonly place: string;
  readonly id: string;
  /** What it was signed for: the orders, or of a child the output that it spends. */
  readonly purpose: string;
}

/** The payments in a line: the owner's own, or what it learned from others. */
function spendsIn({ kind, at }: JournalEntry, body: string): Decision<News[]> {
  const parsed = parsing(() => {
    if (isSpendingKind(kind)) return [newsOf([kind, parseJson(body), Number(at)])];
    return kind === 'peer' ? readPeerEntry(parseJson(body)).learned.map(newsOf) : [];
  });
  return parsed.ok ? accept(parsed.value) : refuse('MALFORMED', parsed.detail);
}

function newsOf([kind, body, atMs]: Learned): News {
  const read = spendingKinds[kind](body);
  const { place } = read;
  // The details are for readers of the journal that they stand in, and of any length.
  const plain = { ...(body as object), details: {} };
  const news = { kind, body: plain, atMs, text: JSON.stringify(plain), place };
  return 'attempt' in read
    ? { ...news, id: read.attempt.id, purpose: read.attempt.orders }
    : { ...news, id: read.id, purpose: 'coins' in read ? read.coins : read.spends };
}

function isKnown(
  { attempts, children, evacuations }: PaymentMemory,
  { kind, place, id, purpose }: News,
): boolean {
  if (kind === 'bitcoin-evacuate')
    return evacuations.get(evacuationKey({ place, coins: purpose }))?.ids.has(id) === true;
  if (kind !== 'bitcoin-child') return attempts.get(attemptKey(place, id))?.orders === purpose;
  const known = children.get(attemptKey(place, purpose.slice(0, purpose.indexOf(':'))));
  return known?.spends === purpose && known.ids.has(id);
}

/**
 * Whether this signer's own rules allow the entry beside all that counts already: not frozen, an evacuation frozen; each order the one it
 * knows, in its place; each pair of its transactions in conflict; limits and windows of its own policy kept.
 */
export function acceptEntry(
  { ask, line }: CountersignRequest,
  rules: {
    readonly memory: PeerMemories & { readonly freezes: FreezeMemory };
    readonly policy: Policy | undefined;
    readonly nowMs: number;
    /** The signature that an own entry allows has left, since the start. */
    readonly isReleased: (entry: bigint) => boolean;
  },
): Refusal | undefined {
  const { memory, policy, nowMs } = rules;
  const parsed = parseJournalLine(line, sha256);
  if (!parsed.ok || parsed.value.type !== 'entry') return refuse('MALFORMED', 'the entry to accept is none');
  const { entry, hash, body } = parsed.value;
  if (entry.signer !== ask.of || entry.sequence !== ask.entry || toHex(hash) !== toHex(ask.entryHash))
    return refuse('MALFORMED', 'another entry than the ask names');
  if (!isSpendingKind(entry.kind)) return refuse('MALFORMED', 'an entry that pays nothing');
  if (policy === undefined) return refuse('NO_POLICY', 'have a quorum sign one');
  const spend = spendingKinds[entry.kind](parseJson(body));
  const { place, asset } = spend;
  const [network = place] = place.split(' ');
  const isEvacuation = 'coins' in spend;
  const frozen = (isEvacuation ? checkFrozen : checkNotFrozen)(memory.freezes, { network, asset });
  if (frozen !== undefined) return frozen;
  if (!asset.startsWith(`${network}/`)) return refuse('WRONG_ASSET', `${asset} on ${network}`);
  const key = attemptKey(place, 'attempt' in spend ? spend.attempt.id : spend.id);
  const own = memory.own.get(key);
  // It can be paid already, whatever has come to count since; one that only waits here is no reason.
  if (own !== undefined && rules.isReleased(own)) return undefined;
  const counting = { atMs: nowMs, own: undefined };
  const spent = spentOf(spend, memory, counting);
  if ('attempt' in spend) {
    const bent = checkOrdersOf(spend, memory);
    if (bent !== undefined) return bent;
    const amounts = spend.orders.map(({ amount }) => amount);
    const beyond = checkOrderLimits(policy, memory.spending, { ...spent, amounts, nowMs });
    if (beyond !== undefined) return beyond;
    const fresh = tierSpending(spend.orders, memory, counting);
    const full = checkTiers(policy, memory.spending, { asset, fresh, nowMs });
    if (full !== undefined) return full;
    const over = checkHeldTiers(policy, memory.spending, { asset, orders: spend.orders, nowMs });
    if (over !== undefined) return over;
  }
  const unnamed = isEvacuation ? undefined : checkNamed(policy, asset);
  if (unnamed !== undefined) return unnamed;
  return entry.kind === 'evm-pay'
    ? undefined
    : checkFeeLimit(policy, memory.spending, { network, fee: spent.fee, nowMs });
}

function spentOf(
  spend: ReturnType<(typeof spendingKinds)[SpendingKind]>,
  memory: PaymentMemory,
  counting: { readonly atMs: number; readonly own: undefined },
): Spent {
  if ('attempt' in spend) return spentBy(spend, memory, counting);
  return 'coins' in spend
    ? spentByEvacuation(spend, memory, counting)
    : spentByChild(spend, memory, counting);
}

function checkOrdersOf(
  {
    place,
    attempt,
    orders,
  }: Extract<ReturnType<(typeof spendingKinds)['bitcoin-pay']>, { attempt: unknown }>,
  memory: PaymentMemory,
): Refusal | undefined {
  const inputs = new Set(attempt.inputs);
  for (const { number, digest } of orders) {
    const known = memory.orders.get(number);
    if (known === undefined) continue;
    if (known.digest !== digest) return refuse('ORDER_CHANGED', `order ${number}`);
    if (known.place !== place) return refuse('ORDER_ELSEWHERE', `order ${number}`);
    // On EVM the payout id itself excludes a second payment.
    const beside = known.attempts.find(
      ({ id, inputs: spent }) =>
        id !== attempt.id && inputs.size > 0 && !spent.some((input) => inputs.has(input)),
    );
    if (beside !== undefined)
      return refuse('NOT_A_REPLACEMENT', `order ${number} was signed in ${beside.id}`);
  }
  return undefined;
}

/** Signs a digest of these documents. It is no payment: that digest is a Keccak hash, this one SHA-256 with a domain. */
export function signForPeers(digest: Uint8Array, key: EvmKey): Decision<string> {
  const signature = key.sign(digest);
  return signature.ok ? accept(toHex(signature.value)) : signature;
}

/** How many distinct peers of the manifest countersigned this ask. */
export function countersignaturesOf(
  ask: Ask,
  given: readonly { readonly signer: string; readonly signature: Uint8Array }[],
  { signers }: Manifest,
): number {
  const valid = given.filter(({ signer, signature }) => {
    const peer = signers.find(({ id }) => id === signer && id !== ask.of);
    const digest = countersignDocument.digest({ ...ask, by: signer }, sha256);
    return peer !== undefined && recoveredAddress(signature, digest) === peer.evmAddress;
  });
  return new Set(valid.map(({ signer }) => signer)).size;
}
