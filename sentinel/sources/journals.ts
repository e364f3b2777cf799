/** The signers' journals, read by the sentinel itself, each checked as one unbroken chain. */
import { createHash } from 'node:crypto';
import type { AskSigner } from '../../client/signer.ts';
import { U256_MAX, toHex } from '../../signer/protocol/canonical.ts';
import { unfreezeDocument } from '../../signer/protocol/freeze.ts';
import { readSigned } from '../../signer/protocol/signatures.ts';
import { parseJournalAnswer } from '../../signer/protocol/messages.ts';
import { chainStart, extendChain, type ChainEnd, type ChainEntry } from '../checks/journal-chain.ts';
import type { Witnesses } from '../checks/explain.ts';
import { endsInTime, type Sleep } from '../patience.ts';

/** A payment or child that a journal holds. */
export interface Journalled {
  /** Transaction id, on EVM the EIP-712 digest; lower-case hex. */
  readonly id: string;
  /** Order numbers, ascending. */
  readonly orders: readonly bigint[];
  readonly details: Readonly<Record<string, string | number>>;
}

export interface JournalFault {
  readonly signer: string;
  /** `contradicts`: it holds another order under a number than another signer's journal does. */
  readonly kind: 'forked' | 'contradicts' | 'silent' | 'behind';
  readonly detail: string;
}

export interface Journals {
  /**
   * Reads what is new at every signer, all at once; one refresh at a time. Signers that cannot be read, or let a page
   * wait, are silent until the next time; what a slow one answers later is taken when it comes.
   */
  refresh(): Promise<readonly JournalFault[]>;
  /** Who holds this id at this place (network, on EVM with the vault), as of the last refresh. */
  witnesses(place: string, id: string): Witnesses;
  /** Every payment of this order at this place, in any journal. */
  ofOrder(place: string, order: bigint): readonly Journalled[];
  /** How far each signer has shown its journal; kept, it catches a rollback across a restart. */
  ends(): Readonly<Record<string, ChainEnd>>;
  /** Whether as many journals hold the lifting of this freeze as a payment needs. */
  readonly isLifted: (freeze: string) => boolean;
  /** Signers whose journal could be read to its end the last time. */
  readable(): readonly string[];
  isForked(): boolean;
}

interface One {
  readonly id: string;
  readonly ask: AskSigner;
  end: ChainEnd;
  shown: ChainEnd;
  silent: boolean;
  /** A reading of it that an earlier refresh did not wait for any longer goes on. */
  overdue: boolean;
  forked: boolean;
  readonly held: Set<string>;
  /** What was held last, and the orders that were new with it. */
  last: { readonly held: string; readonly orders: readonly bigint[] };
  /** Digests of orders by their numbers. */
  readonly digests: Map<bigint, string>;
  /** The last hashes by their numbers. */
  readonly hashes: Map<bigint, string>;
  /** Freezes that a quorum has lifted. */
  readonly lifted: Set<string>;
}

export interface JournalsOptions {
  /** What ends() gave before the restart. */
  readonly shown: Readonly<Record<string, ChainEnd>>;
  readonly threshold: number;
  readonly sleep: Sleep;
  /** Told of each checked entry, from the journal's first on, also after a restart. */
  readonly told?: (signer: string, entry: ChainEntry) => void;
}

export function openJournals(
  signers: readonly { readonly id: string; readonly ask: AskSigner }[],
  { shown, threshold, sleep, told }: JournalsOptions,
): Journals {
  const byOrder = new Map<string, Map<string, Journalled>>();
  const all = signers.map((signer) => unread(signer, shown));
  // Also what a reading finds that nobody waits for any more.
  const found: JournalFault[] = [];
  const take = (one: One, checked: ChainEntry): void => {
    const { entry, body } = checked;
    told?.(one.id, checked);
    if (entry.kind === 'unfreeze') for (const id of liftedIn(body)) one.lifted.add(id);
    // Its peers refused what it wrote last, and it signed nothing for it.
    if (entry.kind === 'void') {
      one.held.delete(one.last.held);
      for (const order of one.last.orders) one.digests.delete(order);
    }
    if (!['bitcoin-pay', 'bitcoin-child', 'bitcoin-evacuate', 'evm-pay'].includes(entry.kind)) return;
    const { place, digests, ...journalled } = readEntry(body);
    one.last = {
      held: `${place} ${journalled.id}`,
      orders: journalled.orders.filter((order) => !one.digests.has(order)),
    };
    one.held.add(one.last.held);
    for (const [order, digest] of digests) {
      const fault = contradiction(one, order, digest, all);
      if (fault !== undefined) found.push(fault);
      one.digests.set(order, digest);
    }
    for (const order of journalled.orders) {
      const key = `${place} ${order}`;
      const known = byOrder.get(key) ?? new Map<string, Journalled>();
      byOrder.set(key, known.set(journalled.id, journalled));
    }
  };
  return {
    refresh: async () => {
      const faults = await Promise.all(
        all.map(async (one) =>
          readInTime(one, { take: (entry) => take(one, entry), sleep, late: (fault) => found.push(fault) }),
        ),
      );
      return [...faults, ...found.splice(0)].filter((fault) => fault !== undefined);
    },
    witnesses: (place, id) => {
      const holding = all.filter((one) => !one.forked && one.held.has(`${place} ${id}`)).length;
      const silent = all.filter((one) => one.silent && !one.held.has(`${place} ${id}`)).length;
      return { holding, silent, lacking: all.length - holding - silent };
    },
    ofOrder: (place, order) => [...(byOrder.get(`${place} ${order}`)?.values() ?? [])],
    isLifted: (freeze) => all.filter((one) => !one.forked && one.lifted.has(freeze)).length >= threshold,
    readable: () => all.filter(({ silent, forked }) => !silent && !forked).map(({ id }) => id),
    isForked: () => all.some(({ forked }) => forked),
    ends: () => Object.fromEntries(all.map((one) => [one.id, one.shown])),
  };
}

function unread({ id, ask }: Pick<One, 'id' | 'ask'>, shown: JournalsOptions['shown']): One {
  return {
    id,
    ask,
    end: chainStart,
    shown: shown[id] ?? chainStart,
    silent: true,
    overdue: false,
    forked: false,
    held: new Set(),
    last: { held: '', orders: [] },
    digests: new Map(),
    hashes: new Map(),
    lifted: new Set(),
  };
}

/**
 * Reads on as long as each page comes in time. Who is overdue is not waited for again until it has answered: its
 * answer may be older than what is judged by this reading, so it counts as silent.
 */
async function readInTime(one: One, { take, sleep, late }: ReadingRules): Promise<JournalFault | undefined> {
  if (one.forked) return undefined;
  if (one.overdue) return silence(one, 'no answer yet');
  return new Promise((resolve) => {
    const askInTime: AskSigner = async (...question) => {
      const answer = one.ask(...question);
      if (!(await endsInTime(answer, sleep))) {
        one.overdue = true;
        resolve(silence(one, 'no answer yet'));
      }
      return answer;
    };
    const read = async (): Promise<void> => {
      const fault = await readOn(one, askInTime, take);
      if (one.overdue && fault?.kind === 'forked') late(fault);
      if (!one.overdue && fault === undefined) one.silent = false;
      one.overdue = false;
      resolve(fault);
    };
    void read();
  });
}

interface ReadingRules {
  readonly take: (entry: ChainEntry) => void;
  readonly sleep: Sleep;
  /** A fork that a reading shows after it was overdue. */
  readonly late: (fork: JournalFault) => void;
}

/** Pages until there is no more. A fork is for ever: such a journal explains nothing any more. */
async function readOn(
  one: One,
  ask: AskSigner,
  take: (entry: ChainEntry) => void,
): Promise<JournalFault | undefined> {
  try {
    for (;;) {
      const parsed = parseJournalAnswer(await ask('GET', `/v1/journal?after=${one.end.sequence}`));
      if (!parsed.ok) return silence(one, parsed.detail);
      if (!parsed.value.ok) return silence(one, `${parsed.value.code}: ${parsed.value.detail}`);
      const { id: signer, end, shown, hashes } = one;
      const hashAt = (sequence: bigint): string | undefined => hashes.get(sequence);
      const extended = extendChain(parsed.value, { signer, end, shown, hashAt, sha256 });
      if (!extended.ok) {
        Object.assign(one, { forked: true, silent: false });
        return { signer: one.id, kind: 'forked', detail: extended.detail };
      }
      for (const entry of extended.entries) take(entry);
      one.end = extended.end;
      rememberHashes(one, extended.entries);
      if (one.end.sequence >= one.shown.sequence) one.shown = one.end;
      if (extended.behind !== undefined && one.end.sequence >= BigInt(parsed.value.journal.sequence))
        return { ...silence(one, extended.behind), kind: 'behind' };
      if (one.end.sequence >= BigInt(parsed.value.journal.sequence)) return undefined;
    }
  } catch (error) {
    return silence(one, error instanceof Error ? error.message : String(error));
  }
}

/** A signer whose journal is rolled back further than this, while a sentinel runs, is behind until it contradicts. */
const HASHES_MAX = 10_000;

function rememberHashes({ hashes, end }: One, entries: readonly ChainEntry[]): void {
  for (const [i, { entry }] of entries.entries()) {
    const after = entries[i + 1];
    hashes.set(entry.sequence, after === undefined ? end.hash : toHex(after.entry.previous));
  }
  for (const oldest of hashes.keys()) {
    if (hashes.size <= HASHES_MAX) break;
    hashes.delete(oldest);
  }
}

function contradiction(
  one: One,
  order: bigint,
  digest: string,
  all: readonly One[],
): JournalFault | undefined {
  const other = all.find(({ digests }) => (digests.get(order) ?? digest) !== digest);
  if (other === undefined) return undefined;
  const detail = `order ${order} is ${digest} here and ${other.digests.get(order)} in that of ${other.id}`;
  return { signer: one.id, kind: 'contradicts', detail };
}

function silence(one: One, detail: string): JournalFault {
  one.silent = true;
  return { signer: one.id, kind: 'silent', detail };
}

/** The parts of an entry's body that explain a movement. Throws TypeError for a body that is none. */
function readEntry(
  body: unknown,
): Journalled & { readonly place: string; readonly digests: readonly (readonly [bigint, string])[] } {
  const { place, id, orders, details } = body as Record<string, unknown>;
  if (typeof place !== 'string' || typeof id !== 'string')
    throw new TypeError('an entry without place or id');
  const digests = (Array.isArray(orders) ? orders : []).map((order: unknown) => {
    const [number, digest] = order as readonly unknown[];
    const value = BigInt(String(number));
    if (value < 0n || value > U256_MAX) throw new TypeError('an order number out of range');
    return [value, String(digest)] as const;
  });
  return {
    place,
    id,
    digests,
    orders: digests.map(([number]) => number),
    details: (details ?? {}) as Journalled['details'],
  };
}

/** Ids of the freezes that an entry lifts. */
function liftedIn(body: unknown): string[] {
  const { document } = readSigned(body, 'unfreeze');
  return unfreezeDocument.fromJson(document, 'unfreeze').freezes.map(toHex);
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
