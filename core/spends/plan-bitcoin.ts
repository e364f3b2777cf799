import type { Id } from '../../lib/ids/ids.ts';
import {
  buildPayPsbt,
  estimateFeeRate,
  inputFormOf,
  walletOf,
  type SelectionRefusal,
} from '../chain/bitcoin/bitcoin.ts';
import type { BitcoinNetwork, Listing } from '../config/config.ts';
import {
  addBitcoinAttempt,
  drawChange,
  FEE_MAX_SAT,
  freeCoins,
  rateBoundsOf,
  takeCoins,
  watchChange,
} from './coins-bitcoin.ts';
import { paymentsOf } from './conflict-bitcoin.ts';
import { joinExpired } from './expired-bitcoin.ts';
import { PSBT_LENGTH_USABLE, selectFitting } from './select-fitting.ts';
import { insertSpend } from './spend-rows.ts';
import type { Prepared, PrepareRefusal, SpendOrder, SpendDeps } from './spends.ts';

export interface BitcoinPlan {
  readonly id: Id<'spend'>;
  readonly network: BitcoinNetwork;
  readonly listing: Listing;
  readonly orders: readonly SpendOrder[];
}

/** Chooses coins at the rate of this moment, and builds the transaction that signers will be asked for. */
export async function prepareBitcoinSpend(deps: SpendDeps, plan: BitcoinPlan): Promise<Prepared> {
  const { network, listing, orders } = plan;
  const joined = await joinExpired(deps, plan);
  if (joined) return joined;
  const wallet = walletOf(deps.config, network);
  const rpc = deps.bitcoinRpc(network);
  const coins = await freeCoins(deps.db, network, listing);
  if (!coins) return { ok: false, reason: 'NO_TIP' };
  const rate = await estimateFeeRate(rpc, rateBoundsOf(network));
  const change = await drawChange(deps, network);
  const outputs = paymentsOf(network, orders);
  const selected = await selectFitting(rpc, {
    form: inputFormOf(wallet),
    coins,
    outputs,
    changeScript: change.script,
    feeRateSatPerVb: rate.satPerVb,
    feeMaxSat: FEE_MAX_SAT,
  });
  if (!selected.ok) return { ok: false, reason: refusalOf(selected.reason) };
  const built = buildPayPsbt({
    wallet,
    coins: selected.coins,
    orders: outputs,
    changeIndex: change.index,
    changeSat: selected.changeSat,
    previous: selected.previous,
  });
  if (built.psbt.length > PSBT_LENGTH_USABLE) return { ok: false, reason: 'TRANSACTION_TOO_LARGE' };
  return {
    ok: true,
    record: async (trx) => {
      const { epoch } = deps.config;
      const spend = { id: plan.id, network: network.id, contract: '', epoch, at: deps.now(), orders };
      await watchChange(trx, network, change);
      await insertSpend(trx, spend);
      await takeCoins(trx, plan, selected.coins);
      const documents = orders.map((order) => order.document);
      await addBitcoinAttempt(deps, trx, { spend: plan.id, n: 1, network, orders: documents, built });
      return plan.id;
    },
  };
}

function refusalOf(reason: SelectionRefusal): PrepareRefusal {
  switch (reason) {
    case 'COINS_INSUFFICIENT':
      return 'LIQUIDITY_SHORT';
    case 'FEE_ABOVE_CAP':
      return 'FEE_ABOVE_CAP';
    case 'TOO_MANY_INPUTS':
    case 'TRANSACTION_TOO_LARGE':
      return 'TRANSACTION_TOO_LARGE';
    case 'OUTPUT_DUST':
      throw new Error('an amount below dust passed the checks of its request');
    default:
      return reason satisfies never;
  }
}
