/** Decides on a child that pays for its parent (CPFP): our change of what we signed, unconfirmed or not, back to us. */
import type { BitcoinChildRequest } from '../protocol/messages.ts';
import {
  checkChange,
  checkFee,
  checkInputs,
  type BitcoinDecision,
  type BitcoinRules,
} from './bitcoin-pay.ts';
import { decodeTransaction, outpoint, previousVirtualSize } from './bitcoin-transaction.ts';
import type { BitcoinWallet } from './bitcoin-wallet.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { checkNotFrozen } from './freezes.ts';
import { checkFeeLimit, checkNamed } from './limits.ts';
import type { Memory } from './memory.ts';
import { attemptKey, childEntry } from './pay-entries.ts';
import { spentByChild } from './payments.ts';

/**
 * Every check of a child; nothing is signed and nothing remembered yet. It carries no order, so it can pay nobody:
 * one input, which is change at a claimed place of a transaction that this journal holds for orders, and one output,
 * which is change again. A child has no child; a stuck one is replaced by another that spends the same output.
 */
export function decideBitcoinChild(
  request: BitcoinChildRequest,
  rules: BitcoinRules,
  wallet: BitcoinWallet,
  memory: Memory,
): Decision<BitcoinDecision> {
  const { entry, policy, nowMs, epoch, threshold } = rules;
  const { network: place, asset } = entry;
  const frozen = checkNotFrozen(memory.freezes, { network: place, asset });
  if (frozen !== undefined) return frozen;
  const unnamed = checkNamed(policy, asset);
  if (unnamed !== undefined) return unnamed;
  const decoded = decodeTransaction(request.psbt);
  if (!decoded.ok) return decoded;
  const transaction = decoded.value;
  const bent = checkInputs(request, rules, wallet, transaction);
  if (bent !== undefined) return bent;
  const [input, output, claim] = [transaction.inputs[0], transaction.outputs[0], request.outputs[0]];
  if (input === undefined || output === undefined || claim === undefined || transaction.outputs.length !== 1)
    return refuse('CLAIMS_MISMATCH', `${transaction.outputs.length} outputs`);
  const away = checkChange(output, { claim, entry, wallet, i: 0 });
  if (away !== undefined) return away;
  const parentKey = attemptKey(place, input.txid);
  const parent = memory.attempts.get(parentKey);
  // A peer's word for what a parent costs is not enough.
  if (parent === undefined || !memory.own.has(parentKey)) return refuse('PARENT_UNKNOWN', input.txid);
  const size = previousVirtualSize(input, threshold);
  const fee = checkFee(transaction, rules, { fee: parent.fee, size });
  if (!fee.ok) return fee;
  const spends = outpoint(input);
  const before = memory.children.get(parentKey);
  if (before !== undefined && before.spends !== spends)
    return refuse('NOT_A_REPLACEMENT', `${input.txid} has a child that spends ${before.spends}`);
  if (memory.own.has(attemptKey(place, transaction.txid))) return accept({ entry: undefined, transaction });
  const counting = { atMs: nowMs, own: true };
  const { fee: more } = spentByChild({ place, asset, spends, fee: fee.value }, memory, counting);
  const beyond = checkFeeLimit(policy, memory.spending, { network: place, fee: more, nowMs });
  if (beyond !== undefined) return beyond;
  const details = { epoch };
  const child = { place, id: transaction.txid, asset, spends, fee: fee.value, details };
  return accept({ entry: childEntry(child), transaction });
}
