import { PSBT_LENGTH_MAX } from '../../signer/protocol/messages.ts';
import {
  previousTransactions,
  selectCoins,
  type BitcoinRpc,
  type Coin,
  type Selected,
  type Selection,
  type SelectionRefusal,
} from '../chain/bitcoin/bitcoin.ts';

/**
 * Base64 of a PSBT that signers can be asked for. They read PSBT_LENGTH_MAX, and so do we: an answer is the request
 * with a signature and a key for each of 200 inputs, 112 bytes each.
 */
export const PSBT_LENGTH_USABLE = PSBT_LENGTH_MAX - 32 * 1024;
/** Of these bytes, what the transaction itself, scripts and field names take at most: 200 inputs and 520 outputs. */
const FRAME_BYTES = 128 * 1024;
const PREVIOUS_BYTES_MAX = Math.floor((PSBT_LENGTH_USABLE * 3) / 4) - FRAME_BYTES;
/** Each asks the node for the previous transactions of other coins. */
const ROUNDS_MAX = 8;

export type FittingResult =
  | (Selected & { readonly previous: ReadonlyMap<string, Uint8Array> })
  | { readonly ok: false; readonly reason: SelectionRefusal };

/**
 * Coins for a payment whose previous transactions fit into a request to the signers. Whoever pays us chooses how
 * large his transaction is, up to 100 kB as nodes relay it: where the chosen coins bring too much, the ones that
 * bring most are left for a smaller payment and others are looked for.
 */
export async function selectFitting(rpc: BitcoinRpc, selection: Selection): Promise<FittingResult> {
  let { coins } = selection;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const selected = selectCoins({ ...selection, coins });
    if (!selected.ok) {
      const left = coins.length < selection.coins.length && selected.reason === 'COINS_INSUFFICIENT';
      return left ? { ok: false, reason: 'TRANSACTION_TOO_LARGE' } : selected;
    }
    const previous = await previousTransactions(rpc, selected.coins);
    const heavy = beyond(selected.coins, previous);
    if (heavy.size === 0) return { ...selected, previous };
    coins = coins.filter((coin) => !heavy.has(coin));
  }
  return { ok: false, reason: 'TRANSACTION_TOO_LARGE' };
}

/** The coins with the largest previous transactions, as many as it takes for the others to fit. */
function beyond(coins: readonly Coin[], previous: ReadonlyMap<string, Uint8Array>): Set<Coin> {
  // Each input carries its own copy, where two spend one transaction too.
  const sized = coins.map((coin) => ({ coin, bytes: previous.get(coin.txId)?.length ?? 0 }));
  let total = sized.reduce((sum, { bytes }) => sum + bytes, 0);
  const heavy = new Set<Coin>();
  for (const { coin, bytes } of sized.toSorted((a, b) => b.bytes - a.bytes)) {
    if (total <= PREVIOUS_BYTES_MAX) break;
    heavy.add(coin);
    total -= bytes;
  }
  return heavy;
}
