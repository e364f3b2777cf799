import {
  dustLimitOf,
  feeFor,
  outputBytesOf,
  sumOf,
  weightOf,
  WEIGHT_MAX,
  type InputForm,
  type TransactionOutput,
} from './transaction.ts';

/** A coin of ours, and where its keys are. */
export interface Coin {
  readonly txId: string;
  readonly vout: number;
  /** Satoshi. */
  readonly units: bigint;
  readonly branch: 0 | 1;
  readonly index: number;
  /** The block it stands in; null: none yet. */
  readonly blockHash: string | null;
}

export interface Selection {
  readonly form: InputForm;
  readonly coins: readonly Coin[];
  readonly outputs: readonly TransactionOutput[];
  /** Where change would go: only its size counts here. */
  readonly changeScript: Uint8Array;
  readonly feeRateSatPerVb: number;
  readonly feeMaxSat: bigint;
  /** What signers take in one request. */
  readonly inputsMax?: number;
  /** So many of the smallest coins go along for free change space while fees are low. */
  readonly consolidateMax?: number;
}

export type SelectionRefusal =
  /** All coins together do not pay for outputs and fee. */
  | 'COINS_INSUFFICIENT'
  /** They would, but in more inputs than one transaction may have. */
  | 'TOO_MANY_INPUTS'
  | 'TRANSACTION_TOO_LARGE'
  | 'FEE_ABOVE_CAP'
  /** Nodes would not relay one of the outputs. */
  | 'OUTPUT_DUST';

export interface Selected {
  readonly ok: true;
  readonly coins: readonly Coin[];
  /** 0n: no change output. */
  readonly changeSat: bigint;
  readonly feeSat: bigint;
  readonly vbytes: number;
}

export type SelectionResult = Selected | { readonly ok: false; readonly reason: SelectionRefusal };

export const INPUTS_MAX = 200;
/** Subsets that the search for a payment without change looks at: 2 ms at most. */
const SEARCH_STEPS_MAX = 20_000;

/**
 * Chooses coins so that inputs = outputs + fee (+ change). First a set without change is looked for, whose
 * excess over the fee is at most 1 sat/vB (branch and bound, as Bitcoin Core has it); then the smallest coin
 * that does it alone; then the largest coins, few inputs being cheap inputs. Only where all coins together leave
 * less than a change output is worth does the rest go to the miner. All inputs of the wallet have one size, so
 * a fee depends on counts alone.
 */
export function selectCoins(selection: Selection): SelectionResult {
  const { coins, outputs } = selection;
  if (outputs.some((output) => output.units < dustLimitOf(output.script))) return refuse('OUTPUT_DUST');
  const sums = pricesOf(selection);
  const sorted = coins.toSorted((a, b) => (a.units === b.units ? 0 : a.units > b.units ? -1 : 1));
  const inputsMax = Math.min(selection.inputsMax ?? INPUTS_MAX, sorted.length);
  const extra = selection.consolidateMax ?? 0;
  const chosen =
    (extra === 0 ? withoutChange(sorted, sums, inputsMax) : undefined) ??
    withChange(sorted, sums, inputsMax, extra) ??
    restToMiner(sorted, sums, inputsMax);
  if (!chosen) return refuse(enoughInAll(sorted, sums) ? 'TOO_MANY_INPUTS' : 'COINS_INSUFFICIENT');
  return finish(selection, sums, chosen);
}

/** What n inputs must bring, by count. */
interface Prices {
  readonly paid: bigint;
  readonly dust: bigint;
  readonly vbytes: (inputs: number, change: boolean) => number;
  readonly fee: (inputs: number, change: boolean) => bigint;
}

function pricesOf({ form, outputs, changeScript, feeRateSatPerVb }: Selection): Prices {
  const bytes = outputs.reduce((sum, output) => sum + outputBytesOf(output), 0);
  const changeBytes = outputBytesOf({ script: changeScript });
  const vbytes = (inputs: number, change: boolean): number =>
    Math.ceil(
      weightOf(inputs, bytes + (change ? changeBytes : 0), outputs.length + (change ? 1 : 0), form) / 4,
    );
  return {
    paid: sumOf(outputs),
    dust: dustLimitOf(changeScript),
    vbytes,
    fee: (inputs, change) => feeFor(vbytes(inputs, change), feeRateSatPerVb),
  };
}

interface Chosen {
  readonly coins: readonly Coin[];
  readonly change: boolean;
}

function finish(selection: Selection, prices: Prices, { coins, change }: Chosen): SelectionResult {
  const vbytes = prices.vbytes(coins.length, change);
  if (vbytes * 4 > WEIGHT_MAX) return refuse('TRANSACTION_TOO_LARGE');
  const rest = sumOf(coins) - prices.paid;
  const feeSat = change ? prices.fee(coins.length, true) : rest;
  if (feeSat > selection.feeMaxSat) return refuse('FEE_ABOVE_CAP');
  return { ok: true, coins, changeSat: rest - feeSat, feeSat, vbytes };
}

/** Depth first over coins from the largest: each is in or out; a branch that can no longer reach the sum ends. */
function withoutChange(sorted: readonly Coin[], prices: Prices, inputsMax: number): Chosen | undefined {
  const left: bigint[] = Array.from({ length: sorted.length + 1 }, () => 0n);
  for (let i = sorted.length - 1; i >= 0; i -= 1) left[i] = (left[i + 1] ?? 0n) + (sorted[i]?.units ?? 0n);
  const picked: Coin[] = [];
  let steps = 0;

  const search = (from: number, sum: bigint): boolean => {
    const count = picked.length;
    if (count > 0) {
      const excess = sum - prices.paid - prices.fee(count, false);
      if (excess >= 0n) return excess <= BigInt(prices.vbytes(count, false));
    }
    if (count === inputsMax) return false;
    const needed = prices.paid + prices.fee(count + 1, false);
    for (let at = from; at < sorted.length && sum + (left[at] ?? 0n) >= needed;) {
      steps += 1;
      const coin = sorted[at];
      if (!coin || steps > SEARCH_STEPS_MAX) return false;
      picked.push(coin);
      if (search(at + 1, sum + coin.units)) return true;
      picked.pop();
      // Coins of the same size lead to the same sums.
      while (sorted[at]?.units === coin.units) at += 1;
    }
    return false;
  };
  return search(0, 0n) ? { coins: picked, change: false } : undefined;
}

function withChange(
  sorted: readonly Coin[],
  prices: Prices,
  inputsMax: number,
  extra: number,
): Chosen | undefined {
  const enough = (sum: bigint, count: number): boolean =>
    sum - prices.paid - prices.fee(count, true) >= prices.dust;
  const single = sorted.findLast((coin) => enough(coin.units, 1));
  const picked: Coin[] = single ? [single] : [];
  let sum = single?.units ?? 0n;
  for (const coin of single ? [] : sorted) {
    if (picked.length === inputsMax) return undefined;
    picked.push(coin);
    sum += coin.units;
    if (enough(sum, picked.length)) break;
  }
  if (picked.length === 0 || !enough(sum, picked.length)) return undefined;
  addSmallest(picked, sorted, prices, Math.min(inputsMax, picked.length + extra));
  return { coins: picked, change: true };
}

/** Small coins that are worth more than their own input costs. */
function addSmallest(picked: Coin[], sorted: readonly Coin[], prices: Prices, countMax: number): void {
  const own = prices.fee(picked.length + 1, true) - prices.fee(picked.length, true);
  for (const coin of sorted.toReversed()) {
    if (picked.length >= countMax) return;
    if (coin.units > own && !picked.includes(coin)) picked.push(coin);
  }
}

/** Too little for a change output that nodes would relay: as few coins as do it, and the miner gets the rest. */
function restToMiner(sorted: readonly Coin[], prices: Prices, inputsMax: number): Chosen | undefined {
  const picked: Coin[] = [];
  let sum = 0n;
  for (const coin of sorted.slice(0, inputsMax)) {
    picked.push(coin);
    sum += coin.units;
    if (sum >= prices.paid + prices.fee(picked.length, false)) return { coins: picked, change: false };
  }
  return undefined;
}

function enoughInAll(sorted: readonly Coin[], prices: Prices): boolean {
  return sumOf(sorted) >= prices.paid + prices.fee(sorted.length, false);
}

function refuse(reason: SelectionRefusal): SelectionResult {
  return { ok: false, reason };
}
