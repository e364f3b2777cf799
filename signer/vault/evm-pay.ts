/** Decides on a payment by the EVM vault contract, and signs its EIP-712 digest. */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { concat, fixed, fromHex, toHex, u256 } from '../protocol/canonical.ts';
import type { ManifestEvm } from '../protocol/manifest.ts';
import type { EvmPay } from '../protocol/messages.ts';
import { evmAddressHex } from './addresses.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import type { EvmKey } from './evm-key.ts';
import type { Policy } from '../protocol/policy.ts';
import { checkNotFrozen } from './freezes.ts';
import { checkOrderLimits } from './limits.ts';
import type { Memory } from './memory.ts';
import { checkTiers } from './tiers.ts';
import { checkOrders, freshOf, signedBefore, type OrderRules } from './orders.ts';
import { payEntry, type PayEntry } from './pay-entries.ts';

/** An item of the contract keeps 96 bits for the amount. */
const AMOUNT_MAX = 2n ** 96n - 1n;
const ZERO = '0'.repeat(40);

const DOMAIN_TYPE = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';
const PAY_TYPE = 'Pay(address token,uint64 deadline,uint64 generation,uint64[] ids,bytes32[] items)';

export interface EvmRules {
  readonly epoch: number;
  readonly entry: ManifestEvm;
  readonly policy: Policy;
  readonly nowMs: number;
  readonly authorise: OrderRules['authorise'];
  readonly fundsOf: OrderRules['fundsOf'];
}

export interface EvmDecision {
  /** What must be journalled before signing; undefined when this very digest was signed before. */
  readonly entry: PayEntry | undefined;
  readonly digest: Uint8Array;
  /** Network and vault. */
  readonly place: string;
  /** The digest, in hex. */
  readonly id: string;
  readonly asset: string;
}

/** Every check of an EVM request; chain id, vault and token are the manifest's, never the request's. */
export function decideEvmPay(request: EvmPay, rules: EvmRules, memory: Memory): Decision<EvmDecision> {
  const { epoch, nowMs, entry } = rules;
  if (request.vault !== entry.vault) return refuse('WRONG_VAULT', `not ${entry.vault}`);
  const token = entry.tokens.find((candidate) => candidate.token === request.token);
  if (token === undefined) return refuse('UNKNOWN_TOKEN', request.token);
  const frozen = checkNotFrozen(memory.freezes, { network: entry.network, asset: token.asset });
  if (frozen !== undefined) return frozen;
  const place = `${entry.network} ${entry.vault}`;
  const { authorise, fundsOf } = rules;
  const bounds = {
    place,
    epoch,
    asset: token.asset,
    nowMs,
    amountMax: AMOUNT_MAX,
    holdSeconds: rules.policy.credentialHoldSeconds,
    authorise,
    fundsOf,
  };
  const orders = checkOrders(request.orders, bounds, memory);
  if (!orders.ok) return orders;
  const late = checkDeadline(request.deadline, rules);
  if (late !== undefined) return late;
  const items = itemsOf(request, entry);
  if (!items.ok) return items;
  const digest = payDigest({
    ...request,
    vault: entry.vault,
    token: token.token,
    chainId: entry.chainId,
    items: items.value,
  });
  const attempt = { place, id: toHex(digest), inputs: [], orders: orders.value };
  const before = signedBefore(memory, attempt);
  if (!before.ok) return before;
  const { asset } = token;
  const decision = { digest, place, id: attempt.id, asset };
  if (before.value) return accept({ entry: undefined, ...decision });
  const fresh = freshOf(orders.value, memory, nowMs);
  const beyond =
    checkOrderLimits(rules.policy, memory.spending, { asset, ...fresh, nowMs }) ??
    checkTiers(rules.policy, memory.spending, { asset, fresh: fresh.tiers, nowMs });
  if (beyond !== undefined) return beyond;
  const { deadline, generation } = request;
  const details = {
    epoch,
    token: token.token,
    deadline: deadline.toString(),
    generation: generation.toString(),
  };
  return accept({ entry: payEntry({ ...attempt, asset, fee: 0n, details }), ...decision });
}

/** 0x and r ‖ s ‖ v with v 27 or 28, and the lower s. */
export function signEvmPay(digest: Uint8Array, key: EvmKey): Decision<string> {
  const recovered = key.sign(digest);
  if (!recovered.ok) return recovered;
  const v = 27 + (recovered.value[0] ?? 0);
  return accept(`0x${toHex(recovered.value.subarray(1))}${v.toString(16)}`);
}

/** EIP-712 digest of a Pay of the HotVault (docs/decisions/0001). */
export function payDigest(pay: {
  chainId: bigint;
  vault: string;
  token: string;
  deadline: bigint;
  generation: bigint;
  orders: readonly { orderNumber: bigint }[];
  items: readonly Uint8Array[];
}): Uint8Array {
  const domain = keccak_256(
    concat([
      hashText(DOMAIN_TYPE),
      hashText('Portcullis HotVault'),
      hashText('1'),
      u256(pay.chainId),
      addressWord(pay.vault),
    ]),
  );
  const message = keccak_256(
    concat([
      hashText(PAY_TYPE),
      addressWord(pay.token),
      u256(pay.deadline),
      u256(pay.generation),
      keccak_256(concat(pay.orders.map((order) => u256(order.orderNumber)))),
      keccak_256(concat(pay.items)),
    ]),
  );
  return keccak_256(concat([fromHex('1901'), domain, message]));
}

function checkDeadline(deadline: bigint, { nowMs, entry }: EvmRules): Refusal | undefined {
  const aheadMs = deadline * 1000n - BigInt(nowMs);
  return aheadMs > 0n && aheadMs <= BigInt(entry.deadlineMaxSeconds) * 1000n
    ? undefined
    : refuse('DEADLINE_REFUSED', `within ${entry.deadlineMaxSeconds} seconds from now`);
}

/** Amount (96 bits) ‖ recipient (160 bits), one word for each order. */
function itemsOf(request: EvmPay, { vault, tokens }: ManifestEvm): Decision<readonly Uint8Array[]> {
  const never = new Set([
    ZERO,
    vault.slice(2).toLowerCase(),
    ...tokens.map(({ token }) => token.slice(2).toLowerCase()),
  ]);
  const items: Uint8Array[] = [];
  for (const order of request.orders) {
    const recipient = evmAddressHex(order.destination);
    if (recipient === undefined || never.has(recipient)) {
      return refuse('ADDRESS_REFUSED', `order ${order.orderNumber}`);
    }
    items.push(fixed(concat([u256(order.amount).subarray(20), fromHex(recipient)]), 32));
  }
  return accept(items);
}

const hashText = (words: string): Uint8Array => keccak_256(new TextEncoder().encode(words));

const addressWord = (address: string): Uint8Array =>
  concat([new Uint8Array(12), fromHex(address.slice(2).toLowerCase())]);
