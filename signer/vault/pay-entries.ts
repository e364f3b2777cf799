/** What a signer journals of a payment: shapes, and strict readers of what it or a peer wrote. */
import { U256_MAX, U64_MAX } from '../protocol/canonical.ts';
import {
  ADDRESS,
  ASSET,
  readBoolean,
  readDecimal,
  readList,
  readObject,
  readOneOf,
  readText,
  type TextRule,
} from '../protocol/json.ts';

/** A transaction that was signed for some orders; on EVM it has no inputs and `id` is the signed digest. */
export interface Attempt {
  readonly id: string;
  readonly inputs: readonly string[];
  /** Numbers and digests of all its orders, as one text. */
  readonly orders: string;
  /** Satoshi; 0 on EVM. */
  readonly fee: bigint;
}

/** How far an order is backed; the house's own stand by themselves. */
export const orderTiers = ['house', 'unproven', 'unfunded', 'funded'] as const;
export type OrderTier = (typeof orderTiers)[number];

/** Where an order goes that a credential has signed. */
export interface OrderDestination {
  /** In its network's canonical form. */
  readonly address: string;
  /** The customer's credentials have not paid there for as long as the hold. */
  readonly isNew: boolean;
}

export interface SignedOrder {
  readonly number: bigint;
  readonly digest: string;
  /** CAIP-19. */
  readonly asset: string;
  /** Base units. */
  readonly amount: bigint;
  /** UUID in hex; zeros for the house. */
  readonly customer: string;
  readonly tier: OrderTier;
  /** None for an order that no credential has signed. */
  readonly to?: OrderDestination | undefined;
}

/** Body of a `bitcoin-pay` or `evm-pay` entry; `details` are for readers of the journal, not for memory. */
export interface PayEntry {
  readonly place: string;
  readonly id: string;
  readonly asset: string;
  readonly inputs: readonly string[];
  readonly orders: readonly (readonly [
    number: string,
    digest: string,
    amount: string,
    customer: string,
    tier: OrderTier,
    to?: OrderDestination,
  ])[];
  /** Satoshi of the whole transaction, decimal. */
  readonly fee: string;
  readonly details: Readonly<Record<string, string | number>>;
}

/** Body of a `bitcoin-child` entry. */
export type ChildEntry = Omit<PayEntry, 'inputs' | 'orders'> & { readonly spends: string };

/** Body of a `bitcoin-evacuate` entry. */
export type EvacuateEntry = Omit<PayEntry, 'orders'>;

export function payEntry(options: {
  place: string;
  id: string;
  asset: string;
  inputs: readonly string[];
  orders: readonly SignedOrder[];
  fee: bigint;
  details: Readonly<Record<string, string | number>>;
}): PayEntry {
  return {
    ...options,
    fee: options.fee.toString(),
    orders: options.orders.map(({ number, digest, amount, customer, tier, to }): PayEntry['orders'][number] =>
      to === undefined
        ? [number.toString(), digest, amount.toString(), customer, tier]
        : [number.toString(), digest, amount.toString(), customer, tier, to],
    ),
  };
}

export function childEntry(options: {
  place: string;
  id: string;
  asset: string;
  spends: string;
  fee: bigint;
  details: Readonly<Record<string, string | number>>;
}): ChildEntry {
  return { ...options, fee: options.fee.toString() };
}

/** How orders are named together, to compare what a transaction was signed for. */
export const orderList = (orders: readonly Pick<SignedOrder, 'number' | 'digest'>[]): string =>
  orders
    .map((order) => `${order.number}:${order.digest}`)
    .toSorted()
    .join(' ');

export const attemptKey = (place: string, id: string): string => `${place} ${id}`;

/** Kinds of entries that spend, and what their bodies are read by. Each throws MalformedError. */
export const spendingKinds = Object.freeze({
  'bitcoin-pay': readPay,
  'evm-pay': readPay,
  'bitcoin-child': readChild,
  'bitcoin-evacuate': readEvacuation,
});
export type SpendingKind = keyof typeof spendingKinds;

export const isSpendingKind = (kind: string): kind is SpendingKind => Object.hasOwn(spendingKinds, kind);

const CUSTOMER: TextRule = { lengthMax: 32, pattern: /^[0-9a-f]{32}$/ };
const HASH: TextRule = { lengthMax: 64, pattern: /^[0-9a-f]{64}$/ };
const OUTPOINT: TextRule = { lengthMax: 75, pattern: /^[0-9a-f]{64}:[0-9]{1,10}$/ };
const PLACE: TextRule = { lengthMax: 90, pattern: /^[!-~]+( 0x[0-9a-fA-F]{40})?$/ };

/** A transaction for orders as its entry says. */
export interface Pay {
  readonly place: string;
  readonly asset: string;
  readonly attempt: Attempt;
  readonly orders: readonly SignedOrder[];
}

function readPay(body: unknown): Pay {
  const entry = readObject(body, 'body', ['place', 'id', 'asset', 'inputs', 'orders', 'fee', 'details']);
  const asset = readText(entry['asset'], 'asset', ASSET);
  const orders = readList(entry['orders'], 'orders', { min: 1, max: 1000 }, (item, path): SignedOrder => {
    const parts = readList(item, path, { min: 5, max: 6 }, (part) => part);
    const [number, digest, amount, customer, tier, to] = parts;
    return {
      number: readDecimal(number, path, U64_MAX),
      digest: readText(digest, path, HASH),
      asset,
      amount: readDecimal(amount, path, U256_MAX),
      customer: readText(customer, path, CUSTOMER),
      tier: readOneOf(tier, path, orderTiers),
      to: to === undefined ? undefined : readDestination(to, path),
    };
  });
  const attempt = {
    id: readText(entry['id'], 'id', HASH),
    inputs: readList(entry['inputs'], 'inputs', { min: 0, max: 1000 }, (item, path) =>
      readText(item, path, OUTPOINT),
    ),
    orders: orderList(orders),
    fee: readDecimal(entry['fee'], 'fee', U64_MAX),
  };
  return {
    place: readText(entry['place'], 'place', PLACE),
    asset,
    attempt,
    orders,
  };
}

function readDestination(value: unknown, path: string): OrderDestination {
  const { address, isNew } = readObject(value, path, ['address', 'isNew']);
  return { address: readText(address, path, ADDRESS), isNew: readBoolean(isNew, path) };
}

export interface Child {
  readonly place: string;
  readonly asset: string;
  readonly id: string;
  readonly spends: string;
  readonly fee: bigint;
}

function readChild(body: unknown): Child {
  const entry = readObject(body, 'body', ['place', 'id', 'asset', 'spends', 'fee', 'details']);
  return {
    place: readText(entry['place'], 'place', PLACE),
    asset: readText(entry['asset'], 'asset', ASSET),
    id: readText(entry['id'], 'id', HASH),
    spends: readText(entry['spends'], 'spends', OUTPOINT),
    fee: readDecimal(entry['fee'], 'fee', U64_MAX),
  };
}

/** A transaction that takes coins of ours to the cold address. */
export interface Evacuation {
  readonly place: string;
  readonly asset: string;
  readonly id: string;
  /** The coins that it takes, each `txid:vout`, in the order of text, as one: of two with the same coins one confirms. */
  readonly coins: string;
  readonly fee: bigint;
}

function readEvacuation(body: unknown): Evacuation {
  const entry = readObject(body, 'body', ['place', 'id', 'asset', 'inputs', 'fee', 'details']);
  const inputs = readList(entry['inputs'], 'inputs', { min: 1, max: 1000 }, (item, path) =>
    readText(item, path, OUTPOINT),
  );
  return {
    place: readText(entry['place'], 'place', PLACE),
    asset: readText(entry['asset'], 'asset', ASSET),
    id: readText(entry['id'], 'id', HASH),
    coins: coinList(inputs),
    fee: readDecimal(entry['fee'], 'fee', U64_MAX),
  };
}

export const coinList = (inputs: readonly string[]): string => inputs.toSorted().join(' ');
