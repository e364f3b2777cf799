import assert from 'node:assert/strict';
import type { BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import type { OrderJson } from '../../signer/protocol/order.ts';
import {
  buildReplacement,
  estimateFeeRate,
  feeFor,
  parseBitcoinAddress,
  previousTransactions,
  walletOf,
  type ReplaceRefusal,
} from '../chain/bitcoin/bitcoin.ts';
import type { BitcoinNetwork } from '../config/config.ts';
import type { DatabaseTransaction } from '../db/db.ts';
import {
  addBitcoinAttempt,
  coinListingOf,
  drawChange,
  FEE_MAX_SAT,
  freeCoins,
  rateBoundsOf,
  takeCoins,
  watchChange,
} from './coins-bitcoin.ts';
import { PSBT_LENGTH_USABLE } from './select-fitting.ts';
import { GOING, setAttempt, setSpend, type AttemptRow, type SpendOrderRow } from './spend-rows.ts';
import type { SpendDeps, SpendOrder } from './spends.ts';

/** It pays at least a quarter more than what the market asks: the attempt before it was too little. */
export const BUMP = 1.25;
/** Coins that it may add; each needs its previous transaction from the node. */
const EXTRA_COINS_MAX = 3;

export type Conflict =
  | { readonly ok: true; readonly record: (trx: DatabaseTransaction) => Promise<void> }
  | { readonly ok: false; readonly reason: ReplaceRefusal };

/**
 * The next attempt of a spend: all coins of the last one and at most some more, at a higher fee (BIP-125). It
 * conflicts with every earlier attempt, so at most one of them is ever mined. It pays what the last one paid, or
 * `orders` instead. Asks nodes and changes nothing; `record` writes it in the caller's transaction, and throws a
 * unique violation when another attempt came first.
 */
export async function prepareConflict(
  deps: SpendDeps,
  network: BitcoinNetwork,
  from: {
    readonly last: AttemptRow;
    readonly orders?: readonly SpendOrder[];
    readonly descendantFeesSat?: bigint;
  },
): Promise<Conflict> {
  const { last, orders } = from;
  const rpc = deps.bitcoinRpc(network);
  const request = last.request as BitcoinPayRequest;
  const free = (await freeCoins(deps.db, network, coinListingOf(deps.config, network))) ?? [];
  // Other payments may need more than a fee: the largest coins first.
  const ranked = orders ? free.toSorted((a, b) => (a.units > b.units ? -1 : 1)) : free;
  const extraCoins = ranked.slice(0, EXTRA_COINS_MAX);
  const market = await estimateFeeRate(rpc, rateBoundsOf(network));
  const change = await drawChange(deps, network);
  const replaced = buildReplacement({
    wallet: walletOf(deps.config, network),
    request,
    ...(orders ? { payments: paymentsOf(network, orders) } : {}),
    feeRateSatPerVb: Math.min(network.feeRateMaxSatPerVb, market.satPerVb * BUMP),
    feeMaxSat: FEE_MAX_SAT,
    changeIndex: change.index,
    descendantFeesSat: from.descendantFeesSat ?? 0n,
    extraCoins,
    extraPrevious: extraCoins.length > 0 ? await previousTransactions(rpc, extraCoins) : new Map(),
  });
  if (!replaced.ok) return replaced;
  const { built, addedCoins } = replaced;
  // What is in the mempool may still be mined; a recipient who makes its replacement dear decides no fee of ours.
  if (built.feeSat > feeFor(built.vbytes, network.feeRateMaxSatPerVb)) {
    return { ok: false, reason: 'FEE_ABOVE_CAP' };
  }
  // An extra coin may bring a previous transaction of any size.
  if (built.psbt.length > PSBT_LENGTH_USABLE) return { ok: false, reason: 'TRANSACTION_TOO_LARGE' };
  const documents = orders?.map(({ document }) => document) ?? request.orders;
  const attempt = { spend: last.spend_id, n: last.n + 1, network, orders: documents, built };
  return {
    ok: true,
    record: async (trx) => {
      await setAttempt(trx, last.id, { state: 'replaced' });
      await watchChange(trx, network, change);
      await takeCoins(trx, { id: last.spend_id, network }, addedCoins);
      await addBitcoinAttempt(deps, trx, attempt);
      await setSpend(trx, last.spend_id, deps.now(), GOING);
    },
  };
}

/** An order as it was planned. */
export function orderOf(row: SpendOrderRow): SpendOrder {
  const { order_number: orderNumber, document, destination, units } = row;
  return { orderNumber, document: document as OrderJson, destination, units };
}

/** What signers are told that each order is paid. */
export function paymentsOf(network: BitcoinNetwork, orders: readonly SpendOrder[]) {
  return orders.map(({ orderNumber, destination, units }) => {
    const parsed = parseBitcoinAddress(destination, network.chain);
    assert.ok(parsed.ok, 'a destination was parsed before it was recorded');
    return { orderNumber, script: parsed.script, units };
  });
}
