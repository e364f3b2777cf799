/** The order: the document that every payout follows, and whose number is the payout id. */
import {
  MalformedError,
  U256_MAX,
  U32_MAX,
  U64_MAX,
  decodeDocument,
  encodeDocument,
  fixed,
  parsing,
  text,
  toHex,
  u256,
  u32,
  u64,
  u8,
  type Parsed,
} from './canonical.ts';
import { ADDRESS, ASSET, readDecimal, readHex, readNumber, readObject, readOneOf, readText } from './json.ts';

export const ORDER_DOMAIN = 'portcullis/order/1';

/** Kinds and their byte in the encoding. */
export const orderKinds = Object.freeze({
  customer: 1,
  house: 2,
  'gas-refill': 3,
  refill: 4,
  skim: 5,
} as const);
export type OrderKind = keyof typeof orderKinds;
const kindNames = Object.keys(orderKinds) as OrderKind[];

export interface Order {
  readonly kind: OrderKind;
  /** The payout id: from one sequence, never used again. u64. */
  readonly orderNumber: bigint;
  /** 16 bytes: the UUID of the customer's id; zero for the kinds that have no customer. */
  readonly customer: Uint8Array;
  /** 32 bytes: hash of what the customer had enrolled; zero: nothing. */
  readonly credentialSetHash: Uint8Array;
  /** The wallet epoch that may sign it. u32. */
  readonly epoch: number;
  /** CAIP-19. */
  readonly asset: string;
  /** The address in its network's canonical form. */
  readonly destination: string;
  /** Base units that the recipient receives. u256. */
  readonly amount: bigint;
  /** Base units of the same asset that may be debited on top, at most. u256. */
  readonly maxFee: bigint;
  /** Unix seconds; no signer signs later. u64. */
  readonly expiry: bigint;
}

/** An order in JSON: integers as decimal strings, bytes as lower-case hex. */
export interface OrderJson {
  readonly kind: OrderKind;
  readonly orderNumber: string;
  readonly customer: string;
  readonly credentialSetHash: string;
  readonly epoch: number;
  readonly asset: string;
  readonly destination: string;
  readonly amount: string;
  readonly maxFee: string;
  readonly expiry: string;
}

const FIELDS = [
  'kind',
  'orderNumber',
  'customer',
  'credentialSetHash',
  'epoch',
  'asset',
  'destination',
  'amount',
  'maxFee',
  'expiry',
] as const;

/** Canonical bytes; their SHA-256 is the order's digest. Throws MalformedError when a field is out of range. */
export function encodeOrder(order: Order): Uint8Array {
  return encodeDocument(ORDER_DOMAIN, [
    u8(orderKinds[order.kind]),
    u64(order.orderNumber),
    fixed(order.customer, 16),
    fixed(order.credentialSetHash, 32),
    u32(order.epoch),
    text(readText(order.asset, 'asset', ASSET)),
    text(readText(order.destination, 'destination', ADDRESS)),
    u256(order.amount),
    u256(order.maxFee),
    u64(order.expiry),
  ]);
}

/** The order behind canonical bytes; refuses every other encoding. */
export function decodeOrder(bytes: Uint8Array): Parsed<Order> {
  return decodeDocument(bytes, ORDER_DOMAIN, (from) => ({
    kind: kindOf(from.u8()),
    orderNumber: from.u64(),
    customer: from.bytes(16),
    credentialSetHash: from.bytes(32),
    epoch: from.u32(),
    asset: readText(from.text(), 'asset', ASSET),
    destination: readText(from.text(), 'destination', ADDRESS),
    amount: from.u256(),
    maxFee: from.u256(),
    expiry: from.u64(),
  }));
}

export function orderToJson(order: Order): OrderJson {
  return {
    kind: order.kind,
    orderNumber: order.orderNumber.toString(),
    customer: toHex(order.customer),
    credentialSetHash: toHex(order.credentialSetHash),
    epoch: order.epoch,
    asset: order.asset,
    destination: order.destination,
    amount: order.amount.toString(),
    maxFee: order.maxFee.toString(),
    expiry: order.expiry.toString(),
  };
}

export function parseOrderJson(value: unknown): Parsed<Order> {
  return parsing(() => readOrder(value, 'order'));
}

/** As parseOrderJson, inside a larger reader: throws MalformedError. */
export function readOrder(value: unknown, path: string): Order {
  const order = readObject(value, path, FIELDS);
  return {
    kind: readOneOf(order['kind'], `${path}.kind`, kindNames),
    orderNumber: readDecimal(order['orderNumber'], `${path}.orderNumber`, U64_MAX),
    customer: readHex(order['customer'], `${path}.customer`, 16),
    credentialSetHash: readHex(order['credentialSetHash'], `${path}.credentialSetHash`, 32),
    epoch: readNumber(order['epoch'], `${path}.epoch`, U32_MAX),
    asset: readText(order['asset'], `${path}.asset`, ASSET),
    destination: readText(order['destination'], `${path}.destination`, ADDRESS),
    amount: readDecimal(order['amount'], `${path}.amount`, U256_MAX),
    maxFee: readDecimal(order['maxFee'], `${path}.maxFee`, U256_MAX),
    expiry: readDecimal(order['expiry'], `${path}.expiry`, U64_MAX),
  };
}

function kindOf(byte: number): OrderKind {
  const found = kindNames.find((name) => orderKinds[name] === byte);
  if (found === undefined) throw new MalformedError('an order of an unknown kind');
  return found;
}
