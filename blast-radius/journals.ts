/** What a signer's journal says of its policy, of what it signed and of its freezes. Each journal is checked whole. */
import { createHash } from 'node:crypto';
import { MalformedError, toHex } from '../signer/protocol/canonical.ts';
import { freezeDocument, unfreezeDocument } from '../signer/protocol/freeze.ts';
import { parseJournalLine, type JournalEntry } from '../signer/protocol/journal-entry.ts';
import { isTighter, policyDocument, WINDOW_MAX_SECONDS, type Policy } from '../signer/protocol/policy.ts';
import { readSigned } from '../signer/protocol/signatures.ts';

/** An order that a signer signed. */
export interface Signed {
  readonly number: string;
  readonly asset: string;
  /** Base units. */
  readonly amount: bigint;
  readonly customer: string;
  readonly tier: string;
  /** Unix milliseconds by the signer's clock. */
  readonly atMs: number;
}

/** Fees of one set of orders, of which one transaction confirms, or of a child. */
export interface Fee {
  readonly network: string;
  readonly of: string;
  /** Satoshi. */
  readonly fee: bigint;
  readonly atMs: number;
}

export interface SignerFacts {
  readonly signer: string;
  /** What holds now, and a looser one that waits for its delay. None: it signs nothing. */
  readonly policies: readonly Policy[];
  readonly orders: readonly Signed[];
  readonly fees: readonly Fee[];
  /** Scopes that are frozen. */
  readonly frozen: readonly string[];
}

/** An entry of a journal whose place in the chain was checked. */
export interface CheckedEntry {
  readonly entry: Pick<JournalEntry, 'kind' | 'at'>;
  /** As JSON gave it. */
  readonly body: unknown;
}

/** Takes a signer's entries one after the other, from the first on. */
export interface FactsBook {
  take(entry: CheckedEntry): void;
  factsAt(nowMs: number): SignerFacts;
}

type Body = Readonly<Record<string, unknown>>;

/** No window is longer. */
const KEPT_MS = WINDOW_MAX_SECONDS * 1000;

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

/** Throws MalformedError for a journal that is no unbroken chain of this signer from its first entry. */
export function factsOf(signer: string, lines: readonly string[], nowMs: number): SignerFacts {
  const book = openFacts(signer);
  for (const entry of chainOf(signer, lines)) book.take(entry);
  return book.factsAt(nowMs);
}

/** Of a journal that is read on and on. It keeps what the longest window may still count. */
export function openFacts(signer: string): FactsBook {
  const freezes = new Map<string, string>();
  let policies: Policies = { now: undefined, pending: undefined };
  let orders: Signed[] = [];
  let fees: Fee[] = [];
  /** What the entry before added: peers that refuse it are journalled next. */
  let last = { orders: 0, fees: 0 };
  const spend = (kind: string, body: Body, atMs: number): void => {
    const from = orders[0]?.atMs ?? fees[0]?.atMs ?? atMs;
    if (from < atMs - 2 * KEPT_MS) {
      orders = orders.filter((one) => one.atMs > atMs - KEPT_MS);
      fees = fees.filter((one) => one.atMs > atMs - KEPT_MS);
    }
    const added = spentBy(kind, body, atMs);
    orders.push(...added.orders);
    fees.push(added.fee);
    last = { orders: added.orders.length, fees: 1 };
  };
  return {
    take: ({ entry: { kind, at }, body }) => {
      const atMs = Number(at);
      const value = body as Body;
      const before = last;
      last = { orders: 0, fees: 0 };
      if (kind === 'void') {
        orders.length -= before.orders;
        fees.length -= before.fees;
      } else if (kind === 'policy') {
        const policy = policyDocument.fromJson(readSigned(value, 'policy').document, 'policy');
        policies = taken(policies, policy, atMs);
      } else if (kind === 'freeze') {
        const { id, scope } = freezeDocument.fromJson(readSigned(value, 'freeze').document, 'freeze');
        freezes.set(toHex(id), scope);
      } else if (kind === 'unfreeze') {
        const document = unfreezeDocument.fromJson(readSigned(value, 'unfreeze').document, 'unfreeze');
        for (const id of document.freezes) freezes.delete(toHex(id));
      } else if (isSpending(kind)) spend(kind, value, atMs);
    },
    factsAt: (nowMs) => {
      const { now, pending } = settled(policies, nowMs);
      const may = [now, pending?.policy].filter((policy) => policy !== undefined);
      return { signer, policies: may, orders, fees, frozen: [...freezes.values()] };
    },
  };
}

const isSpending = (kind: string): boolean =>
  ['bitcoin-pay', 'evm-pay', 'bitcoin-child', 'bitcoin-evacuate'].includes(kind);

function spentBy(kind: string, body: Body, atMs: number): { orders: Signed[]; fee: Fee } {
  const [network = ''] = String(body['place']).split(' ');
  const fee = BigInt(String(body['fee']));
  if (kind === 'bitcoin-child')
    return { orders: [], fee: { network, of: String(body['spends']), fee, atMs } };
  if (kind === 'bitcoin-evacuate') {
    const of = (body['inputs'] as readonly string[]).toSorted().join(' ');
    return { orders: [], fee: { network, of, fee, atMs } };
  }
  const rows = body['orders'] as readonly (readonly string[])[];
  const orders = rows.map(([number = '', , amount = '0', customer = '', tier = '']) => ({
    number,
    asset: String(body['asset']),
    amount: BigInt(amount),
    customer,
    tier,
    atMs,
  }));
  return { orders, fee: { network, of: rows.map(([number]) => number).join(' '), fee, atMs } };
}

function chainOf(signer: string, lines: readonly string[]): CheckedEntry[] {
  const entries: CheckedEntry[] = [];
  let last = new Uint8Array(32);
  for (const line of lines) {
    const parsed = parseJournalLine(line, sha256);
    if (!parsed.ok) throw new MalformedError(parsed.detail);
    if (parsed.value.type !== 'entry') continue;
    const { entry, body, hash } = parsed.value;
    if (entry.signer !== signer || entry.sequence !== BigInt(entries.length + 1))
      throw new MalformedError(`entry ${entry.sequence} of ${entry.signer} out of place`);
    if (toHex(entry.previous) !== toHex(last))
      throw new MalformedError(`entry ${entry.sequence}: broken chain`);
    last = new Uint8Array(hash);
    entries.push({ entry, body: JSON.parse(body) as unknown });
  }
  return entries;
}

/**
 * Which policies may hold: the one in force, and one that waits. What a quorum had approved before comes back at once
 * at a signer and waits here: both are named, so that nothing looser is missed.
 */
interface Policies {
  readonly now: Policy | undefined;
  readonly pending: { readonly policy: Policy; readonly atMs: number } | undefined;
}

function taken(before: Policies, policy: Policy, atMs: number): Policies {
  const { now } = settled(before, atMs);
  return now === undefined || isTighter(policy, now)
    ? { now: policy, pending: undefined }
    : { now, pending: { policy, atMs: atMs + now.loosenDelaySeconds * 1000 } };
}

const settled = (policies: Policies, nowMs: number): Policies =>
  policies.pending !== undefined && nowMs >= policies.pending.atMs
    ? { now: policies.pending.policy, pending: undefined }
    : policies;
