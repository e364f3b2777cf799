/**
 * Before a signature leaves, enough peers hold the entry that allows it and accept it. The vault has no network: it
 * gives its gate an ask for peers, and what waits for their countersignatures is finished when they come.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex } from '../protocol/canonical.ts';
import { parseJournalLine } from '../protocol/journal-entry.ts';
import type { Manifest } from '../protocol/manifest.ts';
import {
  askDocument,
  countersignDocument,
  parseCountersign,
  parseRelease,
  type Ask,
  type Awaiting,
  type CountersignAnswer,
} from '../protocol/peers.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import type { EvmKey } from './evm-key.ts';
import type { Journal } from './journal.ts';
import type { Memory } from './memory.ts';
import {
  acceptEntry,
  checkAsk,
  countersignaturesNeeded,
  countersignaturesOf,
  receiveLines,
  signForPeers,
} from './peers.ts';
import { policyAt } from './policies.ts';

/** What a gate may have under way at once; the oldest is forgotten, and asked for anew. */
const AWAITED_MAX = 64;

interface Awaited<T> {
  /** Number of the entry to accept; zero for none. */
  readonly entry: bigint;
  readonly ask: Ask;
  readonly finish: () => Decision<T>;
}

export interface Commit<T> {
  /** Since the start, enough peers have shown that they hold no later journal of this signer. */
  isConfirmed(): boolean;
  /**
   * Gives what `finish` gives, at once where nobody else has to hold the entry; else what the gate has to bring.
   * `isNew`: the entry was written just now, so that nothing was ever signed for it.
   */
  await(entry: bigint, isNew: boolean, finish: () => Decision<T>): Decision<T | Awaiting>;
  release(body: unknown): Decision<T | Awaiting>;
  /** Answers the ask of a peer. */
  countersign(body: unknown): Decision<CountersignAnswer>;
}

interface Parts {
  readonly signer: string;
  readonly memory: Memory;
  readonly journal: Journal;
  readonly nowMs: () => number;
  readonly manifest: Manifest;
  readonly evm: EvmKey;
}

/** Commit of a vault whose key is open and whose manifest is pinned. */
export function openCommit<T>(parts: Parts): Commit<T> {
  const { memory, manifest } = parts;
  const awaited = new Map<number, Awaited<T>>();
  /** Entries of this life: those whose signature has left, and those for which nothing was signed yet. */
  const released = new Set<bigint>();
  const unsigned = new Set<bigint>();
  let isConfirmed = manifest.journalCopies === 1;
  let last = 0;
  const ask = (id: number, entry: bigint, finish: () => Decision<T>): Decision<Awaiting> => {
    const made = askFor(entry, parts);
    const asked = awaitingOf({ id, needed: countersignaturesNeeded(manifest, isConfirmed), ...made }, parts);
    if (asked.ok) awaited.set(id, { entry, ask: made.ask, finish });
    // Without an ask nobody can accept the entry.
    else if (unsigned.has(entry) && voidEntry(entry, parts)) forget(entry);
    return asked;
  };
  /** No ask for it is released any more, an earlier one neither. */
  const forget = (entry: bigint): void => {
    unsigned.delete(entry);
    for (const [id, one] of awaited) if (one.entry === entry) awaited.delete(id);
  };
  return {
    isConfirmed: () => isConfirmed,
    await: (entry, isNew, finish) => {
      if (isNew) unsigned.add(entry);
      if (released.has(entry) || manifest.journalCopies === 1) return finish();
      last += 1;
      const [oldest] = awaited.keys();
      if (awaited.size === AWAITED_MAX && oldest !== undefined) awaited.delete(oldest);
      return ask(last, entry, finish);
    },
    release: (body) => {
      const parsed = parseRelease(body);
      if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
      const { id, countersignatures } = parsed.value;
      const one = awaited.get(id);
      if (one === undefined) return refuse('NOTHING_AWAITED', `${id}`);
      // What peers accepted did not include what has come to count since.
      if (memory.peers.grownAt > one.ask.sequence) return ask(id, one.entry, one.finish);
      const needed = countersignaturesNeeded(manifest, isConfirmed);
      const count = countersignaturesOf(one.ask, countersignatures, manifest);
      if (count < needed) {
        if (unsigned.has(one.entry) && voidEntry(one.entry, parts)) forget(one.entry);
        return refuse('NOT_COUNTERSIGNED', `${count} of ${needed}`);
      }
      isConfirmed = true;
      awaited.delete(id);
      unsigned.delete(one.entry);
      if (one.entry > 0n) released.add(one.entry);
      return one.finish();
    },
    countersign: (body) =>
      countersign(body, { ...parts, isConfirmed, isReleased: (entry) => released.has(entry) }),
  };
}

/** How far the own journal goes, and the line of the entry to accept; empty for none. */
function askFor(
  entry: bigint,
  { signer, journal, manifest }: Parts,
): { readonly ask: Ask; readonly line: string } {
  const { sequence, hash } = journal.head();
  const [line = ''] = entry === 0n ? [] : journal.linesAfter(entry - 1n);
  const parsed = line === '' ? undefined : parseJournalLine(line, sha256);
  const entryHash =
    parsed?.ok === true && parsed.value.type === 'entry' ? parsed.value.hash : new Uint8Array(32);
  const { epoch } = manifest;
  const ask = { epoch, of: signer, sequence: BigInt(sequence), hash: fromHex(hash), entry, entryHash };
  return { ask, line };
}

function awaitingOf(
  made: { readonly id: number; readonly needed: number; readonly ask: Ask; readonly line: string },
  { signer, evm }: Parts,
): Decision<Awaiting> {
  const { id, needed, ask, line } = made;
  const signed = signForPeers(askDocument.digest(ask, sha256), evm);
  if (!signed.ok) return signed;
  const { value: signature } = signed;
  return accept({
    ok: true,
    signer,
    awaiting: { id, needed, ask: askDocument.toJson(ask), signature, line },
  });
}

/** Nothing was signed for the entry: if nothing was written since either, it need not count for a day. */
function voidEntry(entry: bigint, { journal, memory }: Parts): boolean {
  const { sequence } = journal.head();
  if (sequence !== entry.toString() || memory.undo === undefined) return false;
  journal.append('void', { entry: sequence });
  return true;
}

function countersign(
  body: unknown,
  parts: Parts & { readonly isConfirmed: boolean; readonly isReleased: (entry: bigint) => boolean },
): Decision<CountersignAnswer> {
  const { signer, memory, journal, manifest, isConfirmed, isReleased } = parts;
  const parsed = parseCountersign(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const request = parsed.value;
  const { ask } = request;
  const stranger = checkAsk(request, manifest, signer);
  if (stranger !== undefined) return stranger;
  const nowMs = parts.nowMs();
  const received = receiveLines(request, memory, nowMs);
  if (!received.ok) return received;
  const { before, rest, end } = received.value;
  for (const entry of before) journal.append('peer', entry);
  const isAsked = ask.entry > 0n && end === ask.sequence;
  // What it forgot itself it would not count.
  if (isAsked && !isConfirmed) return refuse('UNCONFIRMED', signer);
  const judge = (): Refusal | undefined => {
    const policy = policyAt(memory.policies, nowMs);
    return isAsked ? acceptEntry(request, { memory, policy, nowMs, isReleased }) : undefined;
  };
  // What is refused as the last entry is void there, and is not held here.
  const first = judge();
  if (first !== undefined) return first;
  for (const entry of rest()) journal.append('peer', entry);
  // The peer may have learned more since it wrote the entry: all of it counts.
  const refusal = judge();
  if (refusal !== undefined) return refusal;
  if (end < ask.sequence) return accept({ ok: true, signer, holds: end.toString() });
  const digest = countersignDocument.digest({ ...ask, by: signer }, sha256);
  const signed = signForPeers(digest, parts.evm);
  return signed.ok ? accept({ ok: true, signer, countersignature: signed.value }) : signed;
}
