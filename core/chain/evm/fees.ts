import { readList, readObject, readQuantity } from './read.ts';
import type { EvmRpc } from './rpc.ts';

/** Fields of an EIP-1559 transaction, in wei for one gas. */
export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

export interface FeeMarket {
  readonly baseFeePerGas: bigint;
  /** What the middle transaction of the last blocks gave on top. */
  readonly priorityFeePerGas: bigint;
}

const BLOCKS = 10;
/** Below this nodes of the geth family do not mine or relay by default. */
const PRIORITY_FEE_MIN = 1_000_000n;
/**
 * Nodes replace a transaction only by one that offers so much more on both fields: the geth family 10 %, the Parity
 * family 12.5 %.
 */
const REPLACEMENT_MIN = { numerator: 1125n, denominator: 1000n };
const REPLACEMENT = { numerator: 115n, denominator: 100n };

/** What the next block asks for, and what others give. */
export async function feeMarketOf(rpc: EvmRpc): Promise<FeeMarket> {
  const history = readObject(
    await rpc.call('eth_feeHistory', [`0x${BLOCKS.toString(16)}`, 'latest', [50]]),
    'eth_feeHistory',
  );
  const baseFees = readList(history['baseFeePerGas'], 'baseFeePerGas');
  const rewards = readList(history['reward'] ?? [], 'reward').map((row) =>
    readQuantity(readList(row, 'reward')[0], 'reward'),
  );
  const sorted = rewards.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0n;
  return {
    baseFeePerGas: readQuantity(baseFees.at(-1), 'baseFeePerGas'),
    priorityFeePerGas: middle > PRIORITY_FEE_MIN ? middle : PRIORITY_FEE_MIN,
  };
}

/**
 * Fees of a first attempt: twice the base fee, which outlasts six full blocks of rising fees, and the usual priority
 * fee, never above the limit. Undefined when even the base fee is above it.
 */
export function firstFees(market: FeeMarket, limitPerGas: bigint): Fees | undefined {
  if (market.baseFeePerGas >= limitPerGas) return undefined;
  const wanted = 2n * market.baseFeePerGas + market.priorityFeePerGas;
  const maxFeePerGas = smaller(wanted, limitPerGas);
  return { maxFeePerGas, maxPriorityFeePerGas: smaller(market.priorityFeePerGas, maxFeePerGas) };
}

/**
 * Fees of a replacement: what the market asks, and at least 15 % above the last attempt on both fields; less, down to
 * the 12.5 % that nodes insist on, where the limit leaves only that. Undefined where it leaves not even that.
 */
export function replacementFees(market: FeeMarket, last: Fees, limitPerGas: bigint): Fees | undefined {
  const wantedMax = larger(
    2n * market.baseFeePerGas + market.priorityFeePerGas,
    raised(last.maxFeePerGas, REPLACEMENT),
  );
  const maxFeePerGas = smaller(wantedMax, limitPerGas);
  if (maxFeePerGas < raised(last.maxFeePerGas, REPLACEMENT_MIN)) return undefined;
  const wantedPriority = larger(market.priorityFeePerGas, raised(last.maxPriorityFeePerGas, REPLACEMENT));
  const maxPriorityFeePerGas = smaller(wantedPriority, maxFeePerGas);
  if (maxPriorityFeePerGas < raised(last.maxPriorityFeePerGas, REPLACEMENT_MIN)) return undefined;
  return { maxFeePerGas, maxPriorityFeePerGas };
}

function raised(fee: bigint, { numerator, denominator }: { numerator: bigint; denominator: bigint }): bigint {
  return (fee * numerator + denominator - 1n) / denominator;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
