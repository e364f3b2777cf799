import {
  buildPsbt,
  changeOutput,
  paymentOutputs,
  planOf,
  previousIn,
  vbytesOf,
  type BuiltPsbt,
  type ClaimedOutput,
  type PayOptions,
  type PsbtPlan,
  type StoredRequest,
} from './build-psbt.ts';
import type { BitcoinWallet } from './derive.ts';
import { INPUTS_MAX, type Coin } from './select-coins.ts';
import { dustLimitOf, feeFor, feeOf, sumOf, WEIGHT_MAX } from './transaction.ts';

export type ReplaceRefusal = 'FEE_ABOVE_CAP' | 'COINS_INSUFFICIENT' | 'TRANSACTION_TOO_LARGE';

export type ReplaceResult =
  | { readonly ok: true; readonly built: BuiltPsbt; readonly addedCoins: readonly Coin[] }
  | { readonly ok: false; readonly reason: ReplaceRefusal };

export interface ReplacementOptions {
  readonly wallet: BitcoinWallet;
  /** The attempt to replace, as it was asked of the signers. */
  readonly request: StoredRequest;
  /** What is paid instead of the attempt's payments. */
  readonly payments?: PayOptions['orders'];
  readonly feeRateSatPerVb: number;
  readonly feeMaxSat: bigint;
  /** Where change goes if the attempt had none. */
  readonly changeIndex: number;
  /** Confirmed coins to add when the change cannot pay for the bump (BIP-125 rule 2: never unconfirmed ones). */
  readonly extraCoins: readonly Coin[];
  readonly extraPrevious: ReadonlyMap<string, Uint8Array>;
  /** Fees of transactions that spend the attempt's change and would be evicted with it. */
  readonly descendantFeesSat?: bigint;
  /** What nodes want for their own bandwidth. */
  readonly incrementalSatPerVb?: number;
}

const INCREMENTAL_SAT_PER_VB = 1;

/**
 * The same payments, or others, from the same coins at a higher fee, which the change pays, or one more coin. It spends all
 * that the attempt spent, so at most one of the two is ever mined. BIP-125: the fee is above that of everything
 * evicted (rule 3) by at least the relay fee of the new size (rule 4).
 */
export function buildReplacement(options: ReplacementOptions): ReplaceResult {
  const { wallet, request, feeRateSatPerVb, feeMaxSat, changeIndex } = options;
  const old = planOf(request);
  const evictedSat = feeOf(old) + (options.descendantFeesSat ?? 0n);
  const incremental = options.incrementalSatPerVb ?? INCREMENTAL_SAT_PER_VB;
  const needed = (vbytes: number): bigint =>
    larger(feeFor(vbytes, feeRateSatPerVb), evictedSat + feeFor(vbytes, incremental));
  const paid = options.payments
    ? paymentOutputs(options.payments)
    : old.outputs.filter((output) => 'order' in output.claim);
  const oldChange = old.outputs.find((output) => 'change' in output.claim);
  const index = oldChange && 'change' in oldChange.claim ? oldChange.claim.change : changeIndex;

  const extras = options.extraCoins.toSorted((a, b) => (a.units > b.units ? -1 : 1));
  const added: Coin[] = [];
  for (;;) {
    const inputs = [...old.inputs, ...added];
    const outputs = fit({ wallet, inputs, paid, index, needed });
    if (outputs) {
      if (sumOf(inputs) - sumOf(outputs) > feeMaxSat) return { ok: false, reason: 'FEE_ABOVE_CAP' };
      if (vbytesOf(wallet, { inputs, outputs }) * 4 > WEIGHT_MAX) {
        return { ok: false, reason: 'TRANSACTION_TOO_LARGE' };
      }
      const previous = new Map([...previousIn(request), ...options.extraPrevious]);
      return { ok: true, built: buildPsbt(wallet, { inputs, outputs }, previous), addedCoins: added };
    }
    const next = extras[added.length];
    if (!next || inputs.length === INPUTS_MAX) return { ok: false, reason: 'COINS_INSUFFICIENT' };
    added.push(next);
  }
}

interface Fit {
  readonly wallet: BitcoinWallet;
  readonly inputs: readonly Coin[];
  readonly paid: readonly ClaimedOutput[];
  readonly index: number;
  readonly needed: (vbytes: number) => bigint;
}

/** Outputs that leave the needed fee: with what change is left, else without; undefined when inputs are short. */
function fit({ wallet, inputs, paid, index, needed }: Fit): readonly ClaimedOutput[] | undefined {
  const rest = sumOf(inputs) - sumOf(paid);
  const probe = changeOutput(wallet, index, 0n);
  const changeSat = rest - needed(vbytesOf(wallet, { inputs, outputs: [...paid, probe] }));
  if (changeSat >= dustLimitOf(probe.script)) return [...paid, { ...probe, units: changeSat }];
  return paid.length > 0 && rest >= needed(vbytesOf(wallet, { inputs, outputs: paid })) ? paid : undefined;
}

export interface ChildOptions {
  readonly wallet: BitcoinWallet;
  /** The attempt that is stuck, as it was asked of the signers. */
  readonly parent: StoredRequest;
  readonly parentTxId: string;
  /** Its bytes, with or without witnesses. */
  readonly parentRaw: Uint8Array;
  /** Of parent and child together. */
  readonly feeRateSatPerVb: number;
  readonly feeRateMaxSatPerVb: number;
  readonly feeMaxSat: bigint;
  /** Where the coin goes. */
  readonly changeIndex: number;
  /** What the child before this one pays, which leaves with it. */
  readonly earlierFeeSat?: bigint;
}

export type ChildResult =
  | { readonly ok: true; readonly built: BuiltPsbt }
  | { readonly ok: false; readonly reason: ReplaceRefusal | 'NO_CHANGE' };

/**
 * Spends a transaction's change back to us at a fee that lifts it too, where it cannot be replaced (CPFP). A later
 * child spends the same output, so at most one is ever mined. Both together stay within both caps.
 */
export function buildChildPaysForParent(options: ChildOptions): ChildResult {
  const { wallet, feeRateSatPerVb, feeMaxSat, changeIndex, earlierFeeSat } = options;
  const parent = planOf(options.parent);
  const coin = changeIn(parent, options.parentTxId);
  if (!coin) return { ok: false, reason: 'NO_CHANGE' };
  const probe = changeOutput(wallet, changeIndex, 0n);
  const vbytes = vbytesOf(wallet, { inputs: [coin], outputs: [probe] });
  const together = vbytesOf(wallet, parent) + vbytes;
  const relay = feeFor(vbytes, INCREMENTAL_SAT_PER_VB);
  const feeSat = larger(feeFor(together, feeRateSatPerVb) - feeOf(parent), (earlierFeeSat ?? 0n) + relay);
  const max = smaller(feeMaxSat, feeFor(together, options.feeRateMaxSatPerVb));
  if (feeOf(parent) + feeSat > max) return { ok: false, reason: 'FEE_ABOVE_CAP' };
  const units = coin.units - feeSat;
  if (units < dustLimitOf(probe.script)) return { ok: false, reason: 'COINS_INSUFFICIENT' };
  const previous = new Map([[coin.txId, options.parentRaw]]);
  return {
    ok: true,
    built: buildPsbt(wallet, { inputs: [coin], outputs: [{ ...probe, units }] }, previous),
  };
}

/** The change of a transaction of ours, as a coin. */
function changeIn({ outputs }: PsbtPlan, txId: string): Coin | undefined {
  for (const [vout, { units, claim }] of outputs.entries()) {
    if ('change' in claim) return { txId, vout, units, branch: 1, index: claim.change, blockHash: null };
  }
  return undefined;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
