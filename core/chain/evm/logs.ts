import { decodeEventLog, toEventSelector, type Address, type Hex } from 'viem';
import { depositFactoryAbi } from '../../../contracts/abi/deposit-factory.ts';
import { hotVaultAbi } from '../../../contracts/abi/hot-vault.ts';
import { canonical } from './read.ts';
import type { EvmLog } from './receipts.ts';

/** ERC-20 Transfer; ERC-721 has the same topic and one topic more. */
const TRANSFER = toEventSelector('Transfer(address,address,uint256)');
const ADDRESS_PADDING = '0x000000000000000000000000';
const WORD = 2 + 64;

/** A claim by a contract that somebody got tokens of it. Addresses are in lower case. */
export interface TokenMove {
  readonly contract: Address;
  readonly from: Address;
  readonly to: Address;
  readonly units: bigint;
}

/** Reads a Transfer of a positive amount; undefined for all else. */
export function tokenMove({ address, topics, data }: EvmLog): TokenMove | undefined {
  const [selector, from, to, ...more] = topics;
  if (selector !== TRANSFER || from === undefined || to === undefined || more.length > 0) return undefined;
  if (data.length !== WORD || !from.startsWith(ADDRESS_PADDING) || !to.startsWith(ADDRESS_PADDING))
    return undefined;
  const units = BigInt(data);
  if (units === 0n) return undefined;
  return { contract: address, from: addressIn(from), to: addressIn(to), units };
}

function addressIn(topic: Hex): Address {
  return `0x${topic.slice(ADDRESS_PADDING.length)}`;
}

/** What the vault says became of a payout id. Addresses are canonical, the contract in lower case, '' for ether. */
export interface PayoutLog {
  readonly payoutId: bigint;
  readonly contract: string;
  readonly recipient: Address;
  readonly units: bigint;
  readonly paid: boolean;
}

/** Reads the vault's own event; call it for logs of the vault's address only. */
export function payoutLog({ topics, data }: EvmLog): PayoutLog | undefined {
  const event = decode(hotVaultAbi, topics, data);
  if (event?.eventName !== 'Paid' && event?.eventName !== 'PayFailed') return undefined;
  const { id, token, to, amount } = event.args;
  return {
    payoutId: id,
    contract: contractOf(token),
    recipient: canonical(to),
    units: amount,
    paid: event.eventName === 'Paid',
  };
}

export interface DeliveryLog {
  readonly deposit: Address;
  readonly contract: string;
  readonly destination: Address;
  /** What the destination really gained. */
  readonly units: bigint;
}

/** Reads the factory's own event; call it for logs of the factory's address only. */
export function deliveryLog({ topics, data }: EvmLog): DeliveryLog | undefined {
  const event = decode(depositFactoryAbi, topics, data);
  if (event?.eventName !== 'Swept') return undefined;
  const { deposit, token, destination, amount } = event.args;
  return {
    deposit: canonical(deposit),
    contract: contractOf(token),
    destination: canonical(destination),
    units: amount,
  };
}

const ZERO = /^0x0{40}$/;

function contractOf(token: Address): string {
  return ZERO.test(token) ? '' : token.toLowerCase();
}

/** An event of the contract that we have no use for, or none of it, is undefined. */
function decode<const Abi extends typeof hotVaultAbi | typeof depositFactoryAbi>(
  abi: Abi,
  topics: readonly Hex[],
  data: Hex,
) {
  const [selector, ...indexed] = topics;
  if (selector === undefined) return undefined;
  try {
    return decodeEventLog({ abi, topics: [selector, ...indexed], data, strict: true });
  } catch {
    return undefined;
  }
}
