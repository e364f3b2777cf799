/** What a signer remembers, rebuilt from its journal alone. */
import { MalformedError, U256_MAX, U64_MAX } from '../protocol/canonical.ts';
import {
  ASSET,
  readDecimal,
  readList,
  readNumber,
  readObject,
  readText,
  type TextRule,
} from '../protocol/json.ts';
import { freezeDocument, unfreezeDocument } from '../protocol/freeze.ts';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import { policyDocument } from '../protocol/policy.ts';
import { readSigned, type SignedJson } from '../protocol/signatures.ts';
import { emptyFreezes, rememberFreeze, rememberUnfreeze, type FreezeMemory } from './freezes.ts';
import { emptySpending, rememberSpent, type Spending, type Spent } from './limits.ts';
import { emptyPolicies, rememberPolicy, type PolicyMemory } from './policies.ts';
import { countersIn, emptyRoster, rememberCounters, type RosterMemory } from './roster.ts';

/** A transaction that was signed for some orders; on EVM it has no inputs and `id` is the signed digest. */
export interface Attempt {
  readonly id: string;
  readonly inputs: readonly string[];
  /** Numbers and digests of all its orders, as one text. */
  readonly orders: string;
  /** Satoshi; 0 on EVM. */
  readonly fee: bigint;
}

export interface OrderMemory {
  readonly digest: string;
  /** The network, on EVM with the vault: where the order may be paid. */
  readonly place: string;
  readonly attempts: Attempt[];
}

/** Children that were signed for one parent: all spend the same output, so at most one of them confirms. */
export interface ChildMemory {
  /** The parent's output, `txid:vout`. */
  readonly spends: string;
  readonly ids: Set<string>;
  /** Satoshi: the highest of theirs. */
  fee: bigint;
}

export interface Memory {
  manifest: Manifest | undefined;
  readonly roster: RosterMemory;
  readonly freezes: FreezeMemory;
  readonly policies: PolicyMemory;
  readonly spending: Spending;
  /** SHA-256 of the sealed key file that belongs to this journal. */
  sealedKeyHash: string | undefined;
  readonly orders: Map<bigint, OrderMemory>;
  /** All attempts by place and id. */
  readonly attempts: Map<string, Attempt>;
  /** By place and id of the parent. */
  readonly children: Map<string, ChildMemory>;
}

export interface SignedOrder {
  readonly number: bigint;
  readonly digest: string;
}

/** Body of a `bitcoin-pay` or `evm-pay` entry; `details` are for readers of the journal, not for memory. */
export interface PayEntry {
  readonly place: string;
  readonly id: string;
  readonly inputs: readonly string[];
  readonly orders: readonly (readonly [number: string, digest: string])[];
  /** Decimal strings: the transaction's whole fee, and what it adds to what was spent before. */
  readonly fee: string;
  readonly spent: {
    readonly asset: string;
    readonly value: string;
    readonly count: number;
    readonly fee: string;
  };
  readonly details: Readonly<Record<string, string | number>>;
}

/** Body of a `bitcoin-child` entry. */
export type ChildEntry = Omit<PayEntry, 'inputs' | 'orders'> & { readonly spends: string };

export function emptyMemory(): Memory {
  return {
    manifest: undefined,
    roster: emptyRoster(),
    freezes: emptyFreezes(),
    policies: emptyPolicies(),
    spending: emptySpending(),
    sealedKeyHash: undefined,
    orders: new Map(),
    attempts: new Map(),
    children: new Map(),
  };
}

export function payEntry(options: {
  place: string;
  id: string;
  inputs: readonly string[];
  orders: readonly SignedOrder[];
  fee: bigint;
  spent: Spent;
  details: Readonly<Record<string, string | number>>;
}): PayEntry {
  return {
    ...options,
    ...feesOf(options),
    orders: options.orders.map((order) => [order.number.toString(), order.digest] as const),
  };
}

export function childEntry(options: {
  place: string;
  id: string;
  spends: string;
  fee: bigint;
  spent: Spent;
  details: Readonly<Record<string, string | number>>;
}): ChildEntry {
  return { ...options, ...feesOf(options) };
}

const feesOf = ({ fee, spent }: { fee: bigint; spent: Spent }): Pick<PayEntry, 'fee' | 'spent'> => ({
  fee: fee.toString(),
  spent: { ...spent, value: spent.value.toString(), fee: spent.fee.toString() },
});

/** Takes one journal entry into memory. Throws MalformedError for an entry that it does not understand. */
export function remember(memory: Memory, kind: string, body: unknown, atMs: number): void {
  switch (kind) {
    case 'key':
      memory.sealedKeyHash = readText(
        readObject(body, 'key', ['sealedKeyHash', 'xpub'])['sealedKeyHash'],
        'key',
        HASH,
      );
      return;
    case 'manifest':
      rememberManifest(memory, readSigned(body, kind));
      return;
    case 'freeze':
      rememberFreeze(memory.freezes, freezeDocument.fromJson(readSigned(body, kind).document, kind));
      return;
    case 'policy':
      rememberPolicy(memory.policies, policyDocument.fromJson(readSigned(body, kind).document, kind), atMs);
      rememberCounters(memory.roster, countersIn(readSigned(body, kind).signatures));
      return;
    case 'unfreeze': {
      const { document, signatures } = readSigned(body, kind);
      rememberUnfreeze(memory, unfreezeDocument.fromJson(document, kind));
      rememberCounters(memory.roster, countersIn(signatures));
      return;
    }
    case 'bitcoin-pay':
    case 'evm-pay':
      rememberPay(memory, body, atMs);
      return;
    case 'bitcoin-child':
      rememberChild(memory, body, atMs);
      return;
    case 'refusal':
    case 'note':
      return;
    default:
      throw new MalformedError('an entry of an unknown kind');
  }
}

/** How orders are named together, to compare what a transaction was signed for. */
export const orderList = (orders: readonly SignedOrder[]): string =>
  orders
    .map((order) => `${order.number}:${order.digest}`)
    .toSorted()
    .join(' ');

export const attemptKey = (place: string, id: string): string => `${place} ${id}`;

const HASH: TextRule = { lengthMax: 64, pattern: /^[0-9a-f]{64}$/ };
const OUTPOINT: TextRule = { lengthMax: 75, pattern: /^[0-9a-f]{64}:[0-9]{1,10}$/ };
const PLACE: TextRule = { lengthMax: 90, pattern: /^[!-~]+( 0x[0-9a-fA-F]{40})?$/ };
const NUMBER: TextRule = { lengthMax: 20, pattern: /^(0|[1-9][0-9]*)$/ };

function rememberManifest(memory: Memory, { document, signatures }: SignedJson): void {
  memory.manifest = manifestDocument.fromJson(document, 'manifest');
  rememberCounters(memory.roster, countersIn(signatures));
}

function rememberPay(memory: Memory, body: unknown, atMs: number): void {
  const entry = readObject(body, 'body', ['place', 'id', 'inputs', 'orders', 'fee', 'spent', 'details']);
  const place = readText(entry['place'], 'place', PLACE);
  const id = readText(entry['id'], 'id', HASH);
  const inputs = readList(entry['inputs'], 'inputs', { min: 0, max: 1000 }, (item, path) =>
    readText(item, path, OUTPOINT),
  );
  const orders = readList(entry['orders'], 'orders', { min: 1, max: 1000 }, (item, path): SignedOrder => {
    const [number, digest] = readList(item, path, { min: 2, max: 2 }, (part) => part);
    return { number: BigInt(readText(number, path, NUMBER)), digest: readText(digest, path, HASH) };
  });
  const fee = readDecimal(entry['fee'], 'fee', U64_MAX);
  const attempt: Attempt = { id, inputs, orders: orderList(orders), fee };
  rememberSpent(memory.spending, readSpent(entry['spent']), atMs);
  memory.attempts.set(attemptKey(place, id), attempt);
  for (const { number, digest } of orders) {
    const known = memory.orders.get(number);
    if (known === undefined) memory.orders.set(number, { digest, place, attempts: [attempt] });
    else known.attempts.push(attempt);
  }
}

function rememberChild(memory: Memory, body: unknown, atMs: number): void {
  const entry = readObject(body, 'body', ['place', 'id', 'spends', 'fee', 'spent', 'details']);
  const place = readText(entry['place'], 'place', PLACE);
  const id = readText(entry['id'], 'id', HASH);
  const spends = readText(entry['spends'], 'spends', OUTPOINT);
  const fee = readDecimal(entry['fee'], 'fee', U64_MAX);
  const parent = attemptKey(place, spends.slice(0, spends.indexOf(':')));
  const known = memory.children.get(parent) ?? { spends, ids: new Set(), fee: 0n };
  if (!memory.attempts.has(parent) || known.spends !== spends) {
    throw new MalformedError('a child without its parent, or beside another child');
  }
  rememberSpent(memory.spending, readSpent(entry['spent']), atMs);
  known.ids.add(id);
  if (fee > known.fee) known.fee = fee;
  memory.children.set(parent, known);
}

function readSpent(value: unknown): Spent {
  const spent = readObject(value, 'spent', ['asset', 'value', 'count', 'fee']);
  return {
    asset: readText(spent['asset'], 'asset', ASSET),
    value: readDecimal(spent['value'], 'value', U256_MAX),
    count: readNumber(spent['count'], 'count', 1000),
    fee: readDecimal(spent['fee'], 'fee', U64_MAX),
  };
}
