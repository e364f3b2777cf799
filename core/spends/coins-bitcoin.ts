import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { newId } from '../../lib/ids/ids.ts';
import type { BitcoinChildRequest, BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import {
  deriveChecked,
  spendableCoins,
  walletOf,
  type BuiltPsbt,
  type Coin,
  type DerivedScript,
} from '../chain/bitcoin/bitcoin.ts';
import { tipOf, watchAddresses } from '../chain/chain.ts';
import { depthFor, listingsOf, type BitcoinNetwork, type Config, type Listing } from '../config/config.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import { insertAttempt } from './spend-rows.ts';
import type { SpendDeps } from './spends.ts';

/** One batch never pays more than this to miners, whatever the rate; signers pin a cap of their own. */
export const FEE_MAX_SAT = 2_000_000n;

/**
 * Coins at irreversible depth that no spend has taken. Change of our own waits as long: before that another attempt
 * of the spend that made it could still be mined in its place, and with it this coin would be gone for ever.
 * Undefined while the chain was never followed.
 */
export async function freeCoins(
  db: Database,
  network: BitcoinNetwork,
  listing: Listing,
): Promise<Coin[] | undefined> {
  const tip = await tipOf(db, network.id);
  if (!tip) return undefined;
  const coins = await spendableCoins(db, {
    network: network.id,
    tipHeight: tip.height,
    depositDepth: (units) => depthFor(listing, units).irreversible,
    changeDepth: depthFor(listing, 0n).irreversible,
  });
  const taken = await db
    .selectFrom('spend_coin')
    .innerJoin('bitcoin_coin', (join) =>
      join
        .onRef('bitcoin_coin.network', '=', 'spend_coin.network')
        .onRef('bitcoin_coin.tx_id', '=', 'spend_coin.tx_id')
        .onRef('bitcoin_coin.vout', '=', 'spend_coin.vout'),
    )
    .select(['spend_coin.tx_id', 'spend_coin.vout'])
    .where('spend_coin.network', '=', network.id)
    .where('spend_coin.released', '=', false)
    .where('bitcoin_coin.spent_tx_id', 'is', null)
    .execute();
  const names = new Set(taken.map((coin) => `${coin.tx_id}:${coin.vout}`));
  return coins.filter((coin) => !names.has(`${coin.txId}:${coin.vout}`));
}

/** The index on coins that are not released refuses a coin that another spend took meanwhile. */
export async function takeCoins(
  trx: DatabaseTransaction,
  spend: { readonly id: string; readonly network: BitcoinNetwork },
  coins: readonly Coin[],
): Promise<void> {
  if (coins.length === 0) return;
  const rows = coins.map(({ txId, vout, units }) => ({
    spend_id: spend.id,
    network: spend.network.id,
    tx_id: txId,
    vout,
    units,
  }));
  await trx.insertInto('spend_coin').values(rows).execute();
}

export async function addBitcoinAttempt(
  deps: Pick<SpendDeps, 'config' | 'now' | 'randomBytes'>,
  trx: DatabaseTransaction,
  attempt: {
    readonly spend: string;
    readonly n: number;
    readonly network: BitcoinNetwork;
    /** Undefined: it pays for its parent. */
    readonly orders: BitcoinPayRequest['orders'] | undefined;
    readonly built: BuiltPsbt;
  },
): Promise<void> {
  const { built, spend, n, orders } = attempt;
  const { psbt, inputs, outputs } = built;
  const asked = { network: attempt.network.caip2, epoch: deps.config.epoch, psbt, inputs, outputs };
  const request = orders
    ? ({ type: 'bitcoin-pay', ...asked, orders } as BitcoinPayRequest)
    : ({ type: 'bitcoin-child', ...asked } as BitcoinChildRequest);
  const at = deps.now();
  const id = newId('attempt', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
  await insertAttempt(trx, { id, spend, n, request, feeUnits: built.feeSat, txId: built.txId, at });
}

export interface Change extends DerivedScript {
  readonly index: number;
}

/** An address of branch 1 that was never used. Indices that a failed plan drew stay unused. */
export async function drawChange(deps: SpendDeps, network: BitcoinNetwork): Promise<Change> {
  const { rows } = await sql<{ index: bigint }>`select nextval('change_index') as index`.execute(deps.db);
  const [row] = rows;
  assert.ok(row, 'a sequence answers');
  const index = Number(row.index);
  return { index, ...deriveChecked(walletOf(deps.config, network), 1, index) };
}

/** Watched in the transaction that plans to pay it, so that no change is ever missed. */
export async function watchChange(
  trx: DatabaseTransaction,
  network: BitcoinNetwork,
  { address, script, index }: Change,
): Promise<void> {
  const derivation = `1/${index}`;
  await watchAddresses(trx, [{ network: network.id, address, script, purpose: 'change', derivation }]);
}

export function coinListingOf(config: Config, network: BitcoinNetwork): Listing {
  const listing = listingsOf(config).find(
    (entry) => entry.network.id === network.id && entry.contract === '',
  );
  assert.ok(listing, `${network.id} lists its coin`);
  return listing;
}

export function rateBoundsOf(network: BitcoinNetwork) {
  return {
    targetBlocks: network.feeTargetBlocks,
    minSatPerVb: network.feeRateMinSatPerVb,
    maxSatPerVb: network.feeRateMaxSatPerVb,
  };
}
