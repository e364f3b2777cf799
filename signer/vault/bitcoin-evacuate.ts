/** Decides on an evacuation: under a freeze, whatever the wallet holds may go to the manifest's cold address, and nowhere else. */
import { toHex } from '../protocol/canonical.ts';
import type { BitcoinEvacuation } from '../protocol/evacuation.ts';
import { bitcoinScript } from './addresses.ts';
import { checkFee, checkInputs, type BitcoinRules } from './bitcoin-pay.ts';
import { decodeTransaction, outpoint, type UnsignedTransaction } from './bitcoin-transaction.ts';
import type { BitcoinWallet } from './bitcoin-wallet.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { evacuationKey, spentByEvacuation } from './evacuations.ts';
import { checkFrozen } from './freezes.ts';
import { checkFeeLimit } from './limits.ts';
import type { Memory } from './memory.ts';
import { coinList, type EvacuateEntry } from './pay-entries.ts';

export interface EvacuationDecision {
  /** What must be journalled before signing; undefined when this very transaction was signed before. */
  readonly entry: EvacuateEntry | undefined;
  readonly transaction: UnsignedTransaction;
}

/**
 * Every check of an evacuation; nothing is signed and nothing remembered yet. It may take coins of payments that were
 * signed: it can only stop those, and what they were for is still replaced by their own rule alone.
 */
export function decideBitcoinEvacuate(
  request: BitcoinEvacuation,
  rules: Pick<BitcoinRules, 'epoch' | 'threshold' | 'entry' | 'policy' | 'nowMs'>,
  wallet: BitcoinWallet,
  memory: Memory,
): Decision<EvacuationDecision> {
  const { epoch, entry, policy, nowMs } = rules;
  const { network: place, asset } = entry;
  const open = checkFrozen(memory.freezes, entry);
  if (open !== undefined) return open;
  const decoded = decodeTransaction(request.psbt);
  if (!decoded.ok) return decoded;
  const transaction = decoded.value;
  const bent = checkInputs(request, rules, wallet, transaction);
  if (bent !== undefined) return bent;
  const cold = bitcoinScript(entry.cold, entry.chain);
  const [output] = transaction.outputs;
  if (
    cold === undefined ||
    output === undefined ||
    transaction.outputs.length !== 1 ||
    toHex(output.script) !== toHex(cold.script)
  )
    return refuse('NOT_TO_COLD', `${transaction.outputs.length} outputs, ${entry.cold} expected`);
  if (output.amount < cold.dustLimit) return refuse('DUST', `${output.amount} sat`);
  const fee = checkFee(transaction, rules);
  if (!fee.ok) return fee;
  const inputs = transaction.inputs.map(outpoint);
  const evacuation = { place, asset, id: transaction.txid, coins: coinList(inputs), fee: fee.value };
  if (memory.evacuations.get(evacuationKey(evacuation))?.ownIds.has(transaction.txid) === true)
    return accept({ entry: undefined, transaction });
  const { fee: more } = spentByEvacuation(evacuation, memory, { atMs: nowMs, own: true });
  const beyond = checkFeeLimit(policy, memory.spending, { network: place, fee: more, nowMs });
  if (beyond !== undefined) return beyond;
  const { id } = evacuation;
  return accept({
    entry: { place, id, asset, inputs, fee: fee.value.toString(), details: { epoch } },
    transaction,
  });
}
