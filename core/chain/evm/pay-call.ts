import {
  concatHex,
  decodeErrorResult,
  encodeFunctionData,
  hashTypedData,
  pad,
  recoverAddress,
  toHex,
  zeroAddress,
  type Address,
  type Hex,
} from 'viem';
import { depositFactoryAbi } from '../../../contracts/abi/deposit-factory.ts';
import { hotVaultAbi } from '../../../contracts/abi/hot-vault.ts';
import { ChainError } from '../faults.ts';
import type { EvmRpc } from './rpc.ts';

/** One payment of a batch. */
export interface PayOrder {
  /** The order number, which the vault pays once for ever. */
  readonly number: bigint;
  readonly destination: string;
  readonly units: bigint;
}

/** What signers sign and `pay` carries. */
export interface PayBatch {
  /** Token contract; '' for ether. */
  readonly contract: string;
  /** Unix seconds. */
  readonly deadline: bigint;
  readonly orders: readonly PayOrder[];
}

export interface PayDomain {
  readonly chainId: number;
  readonly vault: string;
  readonly generation: bigint;
}

const PAY_TYPES = {
  Pay: [
    { name: 'token', type: 'address' },
    { name: 'deadline', type: 'uint64' },
    { name: 'generation', type: 'uint64' },
    { name: 'ids', type: 'uint64[]' },
    { name: 'items', type: 'bytes32[]' },
  ],
} as const;

/** The EIP-712 digest of a batch, as the vault and the signers compute it. The order of `orders` does not matter. */
export function payDigest(batch: PayBatch, { chainId, vault, generation }: PayDomain): Hex {
  const { ids, items } = itemsOf(batch.orders);
  return hashTypedData({
    domain: { name: 'Portcullis HotVault', version: '1', chainId, verifyingContract: vault as Address },
    types: PAY_TYPES,
    primaryType: 'Pay',
    message: { token: tokenOf(batch.contract), deadline: batch.deadline, generation, ids, items },
  });
}

export type OrderedSignatures =
  | { readonly ok: true; readonly signers: readonly Address[]; readonly signatures: Hex }
  | { readonly ok: false; readonly reason: 'SIGNATURE_MALFORMED' | 'SIGNER_TWICE' };

/** Half the order of secp256k1: a signature with a higher s is another form of the same, and the vault refuses it. */
const S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const SIGNATURE = /^0x[0-9a-f]{128}(?:1b|1c)$/i;

/**
 * Who signed this digest, and the signatures joined as the vault wants them: r, s, v of each, by ascending address.
 * The caller compares the signers with those it trusts.
 */
export async function orderSignatures(digest: Hex, signatures: readonly Hex[]): Promise<OrderedSignatures> {
  const found: { signer: Address; signature: Hex }[] = [];
  for (const signature of signatures) {
    if (!SIGNATURE.test(signature) || BigInt(`0x${signature.slice(66, 130)}`) > S_MAX) {
      return { ok: false, reason: 'SIGNATURE_MALFORMED' };
    }
    try {
      found.push({ signer: await recoverAddress({ hash: digest, signature }), signature });
    } catch {
      return { ok: false, reason: 'SIGNATURE_MALFORMED' };
    }
  }
  found.sort((a, b) => (BigInt(a.signer) < BigInt(b.signer) ? -1 : 1));
  const signers = found.map(({ signer }) => signer);
  if (new Set(signers).size < signers.length) return { ok: false, reason: 'SIGNER_TWICE' };
  return { ok: true, signers, signatures: concatHex(found.map(({ signature }) => signature)) };
}

/** Data of HotVault.pay, with signatures from orderSignatures. */
export function encodePay(batch: PayBatch, signatures: Hex): Hex {
  const { ids, items } = itemsOf(batch.orders);
  return encodeFunctionData({
    abi: hotVaultAbi,
    functionName: 'pay',
    args: [tokenOf(batch.contract), batch.deadline, ids, items, signatures],
  });
}

/** amount (96 bits) above recipient (160 bits), by ascending order number. */
function itemsOf(orders: readonly PayOrder[]): { ids: bigint[]; items: Hex[] } {
  const sorted = orders.toSorted((a, b) => (a.number < b.number ? -1 : 1));
  return {
    ids: sorted.map((order) => order.number),
    items: sorted.map((order) =>
      concatHex([toHex(order.units, { size: 12 }), pad(order.destination as Hex, { size: 20 })]),
    ),
  };
}

/** EIP-7825. */
const GAS_MAX = 2 ** 24;
/** Signatures, ids, the window; then what the vault wants left before its last payment: the recipient's gas and its own. */
const PAY_GAS = { base: 160_000, reserveEther: 100_000, reserveToken: 255_000 };
/**
 * Measured (contracts/gas.json) 39,000 for ether to a new account and 31,000 for a token. A recipient's contract may
 * burn its whole 50,000 of ether's gas; listed tokens cost what tokens cost.
 */
const PAY_GAS_EACH = { ether: 68_000, token: 80_000 };

/** Gas for a batch of `count` payments, whatever its recipients do, by the vault's default gas caps. */
export function payGasLimit(count: number, contract: string): number {
  const each = contract === '' ? PAY_GAS_EACH.ether : PAY_GAS_EACH.token;
  const reserve = contract === '' ? PAY_GAS.reserveEther : PAY_GAS.reserveToken;
  return Math.min(GAS_MAX, PAY_GAS.base + reserve + count * each);
}

/** Data of DepositFactory.flush: every named token and the ether of each address. */
export function encodeFlush(salts: readonly Hex[], tokens: readonly string[]): Hex {
  return encodeFunctionData({
    abi: depositFactoryAbi,
    functionName: 'flush',
    args: [salts, tokens.map((token) => token as Address)],
  });
}

/**
 * The factory wants so much left before each address. An address costs 50,000 gas with ether and some 17,000 for
 * each token before refunds (contracts/gas.json); real tokens behind a proxy and a cold destination cost more.
 */
const FLUSH_GAS = { base: 100_000, left: 150_000, leftToken: 100_000, each: 70_000, eachToken: 35_000 };

/** Gas for a flush of `addresses` addresses with `tokens` tokens. May be above what one transaction has: 2^24. */
export function flushGasLimit(addresses: number, tokens: number): number {
  const left = FLUSH_GAS.left + tokens * FLUSH_GAS.leftToken;
  return FLUSH_GAS.base + left + addresses * (FLUSH_GAS.each + tokens * FLUSH_GAS.eachToken);
}

export interface SimulatedCall {
  readonly from: string;
  readonly to: string;
  readonly data: Hex;
  readonly gasLimit: number;
}

export type Simulation =
  | { readonly ok: true }
  /** Name of the contract's error, or UNKNOWN; the detail is for people. */
  | { readonly ok: false; readonly reason: string; readonly detail: string };

/** Runs a call on the node's latest block without sending it. Throws ChainError when the node cannot. */
export async function simulateCall(rpc: EvmRpc, call: SimulatedCall): Promise<Simulation> {
  const { from, to, data, gasLimit } = call;
  try {
    await rpc.call('eth_call', [{ from, to, data, gas: toHex(gasLimit) }, 'latest']);
    return { ok: true };
  } catch (error) {
    if (!(error instanceof ChainError) || error.code !== 'NODE_ERROR') throw error;
    if (error.nodeCode !== REVERTED && !/revert|out of gas|outofgas/i.test(error.message)) throw error;
    return { ok: false, ...revertOf(error) };
  }
}

/** Code with which nodes answer a reverted call (geth, and those that follow it). */
const REVERTED = 3;

function revertOf(error: ChainError): { reason: string; detail: string } {
  const data = (error.cause as { data?: unknown } | undefined)?.data;
  if (typeof data === 'string' && data.startsWith('0x') && data.length >= 10) {
    for (const abi of [hotVaultAbi, depositFactoryAbi]) {
      try {
        const { errorName, args } = decodeErrorResult({ abi, data: data as Hex });
        return { reason: errorName, detail: `${errorName}(${(args ?? []).join(', ')})` };
      } catch {
        continue;
      }
    }
  }
  return { reason: 'UNKNOWN', detail: error.message };
}

export function tokenOf(contract: string): Address {
  return contract === '' ? zeroAddress : (contract as Address);
}
