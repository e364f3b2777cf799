/** What a signer's journal says of its policy, of what it signed and of its freezes. Each journal is checked whole. */
import { createHash } from 'node:crypto';
import { MalformedError, toHex } from '../../signer/protocol/canonical.ts';
import { freezeDocument, unfreezeDocument } from '../../signer/protocol/freeze.ts';
import { parseJournalLine, type JournalLine } from '../../signer/protocol/journal-entry.ts';
import { isTighter, policyDocument, type Policy } from '../../signer/protocol/policy.ts';
import { readSigned } from '../../signer/protocol/signatures.ts';

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

type Entry = Extract<JournalLine, { type: 'entry' }>;
type Body = Readonly<Record<string, unknown>>;

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

/** Throws MalformedError for a journal that is no unbroken chain of this signer from its first entry. */
export function factsOf(signer: string, lines: readonly string[], nowMs: number): SignerFacts {
  const entries = chainOf(signer, lines);
  const kept = withoutVoid(entries);
  const freezes = new Map<string, string>();
  const lifted = new Set<string>();
  let policies: Policies = { now: undefined, pending: undefined };
  const orders: Signed[] = [];
  const fees: Fee[] = [];
  for (const { entry, body } of kept) {
    const atMs = Number(entry.at);
    const value = JSON.parse(body) as Body;
    if (entry.kind === 'policy') {
      const policy = policyDocument.fromJson(readSigned(value, 'policy').document, 'policy');
      policies = taken(policies, policy, atMs);
    } else if (entry.kind === 'freeze') {
      const { id, scope } = freezeDocument.fromJson(readSigned(value, 'freeze').document, 'freeze');
      freezes.set(toHex(id), scope);
    } else if (entry.kind === 'unfreeze') {
      const document = unfreezeDocument.fromJson(readSigned(value, 'unfreeze').document, 'unfreeze');
      for (const id of document.freezes) lifted.add(toHex(id));
    } else if (isSpending(entry.kind)) spend(entry.kind, value, atMs, { orders, fees });
  }
  const frozen = [...freezes].filter(([id]) => !lifted.has(id)).map(([, scope]) => scope);
  const { now, pending } = settled(policies, nowMs);
  const may = [now, pending?.policy].filter((policy) => policy !== undefined);
  return { signer, policies: may, orders, fees, frozen };
}

const isSpending = (kind: string): boolean => ['bitcoin-pay', 'evm-pay', 'bitcoin-child'].includes(kind);

function spend(kind: string, body: Body, atMs: number, to: { orders: Signed[]; fees: Fee[] }): void {
  const [network = ''] = String(body['place']).split(' ');
  const fee = BigInt(String(body['fee']));
  if (kind === 'bitcoin-child') {
    to.fees.push({ network, of: String(body['spends']), fee, atMs });
    return;
  }
  const rows = body['orders'] as readonly (readonly string[])[];
  for (const [number = '', , amount = '0', customer = '', tier = ''] of rows)
    to.orders.push({ number, asset: String(body['asset']), amount: BigInt(amount), customer, tier, atMs });
  to.fees.push({ network, of: rows.map(([number]) => number).join(' '), fee, atMs });
}

function chainOf(signer: string, lines: readonly string[]): Entry[] {
  const entries: Entry[] = [];
  let last = new Uint8Array(32);
  for (const line of lines) {
    const parsed = parseJournalLine(line, sha256);
    if (!parsed.ok) throw new MalformedError(parsed.detail);
    if (parsed.value.type !== 'entry') continue;
    const { entry, hash } = parsed.value;
    if (entry.signer !== signer || entry.sequence !== BigInt(entries.length + 1))
      throw new MalformedError(`entry ${entry.sequence} of ${entry.signer} out of place`);
    if (toHex(entry.previous) !== toHex(last))
      throw new MalformedError(`entry ${entry.sequence}: broken chain`);
    last = new Uint8Array(hash);
    entries.push(parsed.value);
  }
  return entries;
}

/** Without payments that peers refused: the entry before a `void`. */
function withoutVoid(entries: readonly Entry[]): Entry[] {
  return entries.filter(({ entry }, i) => !(isSpending(entry.kind) && entries[i + 1]?.entry.kind === 'void'));
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
