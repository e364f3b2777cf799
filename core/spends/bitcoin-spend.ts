import { sql } from 'kysely';
import { newId, type Id } from '../../lib/ids/ids.ts';
import type { BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import {
  buildPayPsbt,
  buildReplacement,
  combineAndFinalize,
  deriveChecked,
  estimateFeeRate,
  inputFormOf,
  parseBitcoinAddress,
  previousTransactions,
  selectCoins,
  spendableCoins,
  walletOf,
  type BuiltPsbt,
  type Coin,
} from '../chain/bitcoin/bitcoin.ts';
import { confirmationsOf, tipOf, watchAddresses } from '../chain/chain.ts';
import { depthFor, listingsOf, type BitcoinNetwork, type Listing } from '../config/config.ts';
import { haltNetwork } from '../controls/controls.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import { gatherSignatures } from '../signing/signing.ts';
import {
  attemptsOf,
  endSpend,
  insertAttempt,
  insertSpend,
  ordersOf,
  setAttempt,
  setSpend,
  type AttemptRow,
  type SpendRow,
} from './spend-rows.ts';
import type { Prepared, PrepareRefusal, SpendDeps, SpendOrder } from './spends.ts';

/** One batch never pays more than this to miners, whatever the rate; signers pin a cap of their own. */
const FEE_MAX_SAT = 2_000_000n;
/** A replacement pays at least a quarter more than what it replaces. */
const BUMP = 1.25;
/** Our own change is spent again once it stands in a block. */
const CHANGE_DEPTH = 1;

export interface BitcoinPlan {
  readonly id: Id<'spend'>;
  readonly network: BitcoinNetwork;
  readonly listing: Listing;
  readonly orders: readonly SpendOrder[];
}

export async function prepareBitcoinSpend(deps: SpendDeps, plan: BitcoinPlan): Promise<Prepared> {
  const { network } = plan;
  const wallet = walletOf(deps.config, network);
  const rpc = deps.bitcoinRpc(network);
  const coins = await freeCoins(deps.db, plan);
  if (!coins) return { ok: false, reason: 'NO_TIP' };
  const rate = await estimateFeeRate(rpc, boundsOf(network));
  const changeIndex = await drawChangeIndex(deps.db);
  const change = deriveChecked(wallet, 1, changeIndex);
  const outputs = plan.orders.map((order) => ({
    script: scriptOf(network, order.destination),
    units: order.units,
  }));
  const selected = selectCoins({
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
    orders: plan.orders.map((order, i) => ({
      orderNumber: order.orderNumber,
      script: outputs[i]?.script ?? new Uint8Array(),
      units: order.units,
    })),
    changeIndex,
    changeSat: selected.changeSat,
    previous: await previousTransactions(rpc, selected.coins),
  });
  return {
    ok: true,
    record: async (trx) => {
      const at = deps.now();
      await watchAddresses(trx, [changeAddress(network, change, changeIndex)]);
      await insertSpend(trx, {
        id: plan.id,
        network: network.id,
        contract: '',
        epoch: deps.config.epoch,
        at,
        orders: plan.orders,
      });
      await insertCoins(trx, plan, selected.coins);
      await addAttempt(deps, trx, {
        spend: plan.id,
        n: 1,
        network,
        orders: plan.orders.map((order) => order.document),
        built,
      });
      return plan.id;
    },
  };
}

/** One step of one spend: ask signers, broadcast, watch, replace. True when it moved. */
export async function advanceBitcoinSpend(
  deps: SpendDeps,
  network: BitcoinNetwork,
  spend: SpendRow,
): Promise<boolean> {
  const attempts = await attemptsOf(deps.db, spend.id);
  const last = attempts.at(-1);
  if (!last) throw new Error(`spend ${spend.id} has no attempt`);
  if (spend.state !== 'planned' && (await followChain(deps, network, spend, attempts))) return true;
  if (last.state === 'planned') return signAttempt(deps, spend, last);
  if (last.state === 'refused') return false;
  const sent = await bringToNode(deps, network, spend, last);
  return (await replaceIfStuck(deps, network, spend, attempts)) || sent;
}

async function signAttempt(deps: SpendDeps, spend: SpendRow, attempt: AttemptRow): Promise<boolean> {
  if (spend.state === 'planned') {
    const begun = await deps.effects.commit('spend.signing', async (trx) => {
      const row = await trx
        .selectFrom('spend')
        .select('state')
        .where('id', '=', spend.id)
        .forUpdate()
        .executeTakeFirst();
      if (row?.state !== 'planned') return false;
      await setSpend(trx, spend.id, deps.now(), { state: 'signing' });
      return true;
    });
    if (!begun) return true;
  }
  const request = attempt.request as BitcoinPayRequest;
  const gathered = await gatherSignatures({ ...deps, attempt: attempt.id, request });
  const combined = combineAndFinalize(
    request,
    gathered.signed.flatMap((answer) => (answer.psbt === undefined ? [] : [answer.psbt])),
  );
  if (!combined.ok) {
    if (!gathered.refused) return false;
    await deps.effects.commit('spend.refused', (trx) => setAttempt(trx, attempt.id, { state: 'refused' }));
    return true;
  }
  // The bytes are on disk before anybody else can have them.
  await deps.effects.commit('spend.signed', async (trx) => {
    await setAttempt(trx, attempt.id, { state: 'signed', raw: combined.raw, tx_id: combined.txId });
    await setSpend(trx, spend.id, deps.now(), { tx_id: combined.txId });
  });
  return true;
}

/** Gives the stored bytes to the node, again and again until a block has them: a lost answer changes nothing. */
async function bringToNode(
  deps: SpendDeps,
  network: BitcoinNetwork,
  spend: SpendRow,
  attempt: AttemptRow,
): Promise<boolean> {
  if (attempt.raw === null) return false;
  const result = await deps.effects.broadcast(deps.bitcoinRpc(network), attempt.raw);
  if (!result.ok || attempt.state === 'broadcast') return false;
  await deps.effects.commit('spend.broadcast', async (trx) => {
    await setAttempt(trx, attempt.id, { state: 'broadcast', broadcast_at: deps.now() });
    await setSpend(trx, spend.id, deps.now(), { state: 'broadcast' });
  });
  return true;
}

/** What the chain says about our coins: settled at irreversible depth, or spent by somebody who is not us. */
async function followChain(
  deps: SpendDeps,
  network: BitcoinNetwork,
  spend: SpendRow,
  attempts: readonly AttemptRow[],
): Promise<boolean> {
  const spent = await deps.db
    .selectFrom('spend_coin as s')
    .innerJoin('bitcoin_coin as c', (join) =>
      join
        .onRef('c.network', '=', 's.network')
        .onRef('c.tx_id', '=', 's.tx_id')
        .onRef('c.vout', '=', 's.vout'),
    )
    .select(['c.spent_tx_id', 'c.spent_height'])
    .where('s.spend_id', '=', spend.id)
    .where('c.spent_height', 'is not', null)
    .execute();
  const [confirmed] = spent;
  if (!confirmed || confirmed.spent_height === null) return false;
  const attempt = attempts.find((candidate) => candidate.tx_id === confirmed.spent_tx_id);
  if (!attempt) {
    await deps.effects.commit('spend.unknown', (trx) =>
      haltNetwork(
        trx,
        network.id,
        'UNKNOWN_SPEND',
        `${confirmed.spent_tx_id} spends a coin of ${spend.id} and is none of its attempts`,
        deps.now(),
      ),
    );
    return false;
  }
  const tip = await tipOf(deps.db, network.id);
  const orders = await ordersOf(deps.db, spend.id);
  const listing = listingOf(deps, network);
  const depth = Math.max(...orders.map((order) => depthFor(listing, order.units).irreversible));
  if (!tip || confirmationsOf(tip.height, confirmed.spent_height) < depth) return false;
  await deps.effects.commit('spend.settled', async (trx) => {
    await setAttempt(trx, attempt.id, { state: 'confirmed' });
    const outcomes = new Map(orders.map((order) => [order.order_number, 'paid' as const]));
    await endSpend(trx, {
      spend: spend.id,
      state: 'settled',
      txId: attempt.tx_id,
      costUnits: attempt.fee_units,
      at: deps.now(),
      outcomes,
    });
  });
  return true;
}

/** Same coins, same payments, higher fee: whichever of the two is mined, each order is paid once. */
async function replaceIfStuck(
  deps: SpendDeps,
  network: BitcoinNetwork,
  spend: SpendRow,
  attempts: readonly AttemptRow[],
): Promise<boolean> {
  const last = attempts.at(-1);
  if (!last || last.state !== 'broadcast' || last.broadcast_at === null) return false;
  if (deps.now().getTime() - last.broadcast_at.getTime() < network.stuckAfterMs) return false;
  const seen = await deps.db
    .selectFrom('bitcoin_coin')
    .select('spent_height')
    .where('network', '=', network.id)
    .where(
      'spent_tx_id',
      'in',
      attempts.flatMap((attempt) => (attempt.tx_id === null ? [] : [attempt.tx_id])),
    )
    .where('spent_height', 'is not', null)
    .executeTakeFirst();
  if (seen) return false;
  const wallet = walletOf(deps.config, network);
  const rpc = deps.bitcoinRpc(network);
  const request = last.request as BitcoinPayRequest;
  const extraCoins = (await freeCoins(deps.db, { network, listing: listingOf(deps, network) })) ?? [];
  const market = await estimateFeeRate(rpc, boundsOf(network));
  const changeIndex = await drawChangeIndex(deps.db);
  const replaced = buildReplacement({
    wallet,
    request,
    feeRateSatPerVb: Math.min(network.feeRateMaxSatPerVb, market.satPerVb * BUMP),
    feeMaxSat: FEE_MAX_SAT,
    changeIndex,
    extraCoins,
    extraPrevious: await previousTransactions(rpc, extraCoins),
  });
  if (!replaced.ok) return false;
  const changeScript = deriveChecked(wallet, 1, changeIndex);
  await deps.effects.commit('spend.replace', async (trx) => {
    await setAttempt(trx, last.id, { state: 'replaced' });
    await watchAddresses(trx, [changeAddress(network, changeScript, changeIndex)]);
    await insertCoins(trx, { id: spend.id, network }, replaced.addedCoins);
    await addAttempt(deps, trx, {
      spend: spend.id,
      n: last.n + 1,
      network,
      orders: request.orders,
      built: replaced.built,
    });
  });
  return true;
}

/** Coins at irreversible depth that no unfinished spend has taken. Undefined while the chain was never followed. */
async function freeCoins(
  db: Database,
  of: { readonly network: BitcoinNetwork; readonly listing: Listing },
): Promise<Coin[] | undefined> {
  const tip = await tipOf(db, of.network.id);
  if (!tip) return undefined;
  const coins = await spendableCoins(db, {
    network: of.network.id,
    tipHeight: tip.height,
    depositDepth: (units) => depthFor(of.listing, units).irreversible,
    changeDepth: CHANGE_DEPTH,
  });
  const taken = await db
    .selectFrom('spend_coin')
    .select(['tx_id', 'vout'])
    .where('network', '=', of.network.id)
    .where('released', '=', false)
    .execute();
  const names = new Set(taken.map((coin) => `${coin.tx_id}:${coin.vout}`));
  return coins.filter((coin) => !names.has(`${coin.txId}:${coin.vout}`));
}

async function insertCoins(
  trx: DatabaseTransaction,
  of: { readonly id: string; readonly network: BitcoinNetwork },
  coins: readonly Coin[],
): Promise<void> {
  if (coins.length === 0) return;
  const rows = coins.map(({ txId, vout, units }) => ({
    spend_id: of.id,
    network: of.network.id,
    tx_id: txId,
    vout,
    units,
  }));
  await trx.insertInto('spend_coin').values(rows).execute();
}

async function addAttempt(
  deps: SpendDeps,
  trx: DatabaseTransaction,
  attempt: {
    readonly spend: string;
    readonly n: number;
    readonly network: BitcoinNetwork;
    readonly orders: BitcoinPayRequest['orders'];
    readonly built: BuiltPsbt;
  },
): Promise<void> {
  const { built } = attempt;
  const request: BitcoinPayRequest = {
    type: 'bitcoin-pay',
    network: attempt.network.caip2,
    epoch: deps.config.epoch,
    orders: attempt.orders,
    psbt: built.psbt,
    inputs: built.inputs,
    outputs: built.outputs,
  };
  const at = deps.now();
  const id = newId('attempt', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
  await insertAttempt(trx, { id, spend: attempt.spend, n: attempt.n, request, feeUnits: built.feeSat, at });
}

function listingOf(deps: SpendDeps, network: BitcoinNetwork): Listing {
  const listing = listingsOf(deps.config).find(
    (candidate) => candidate.network.id === network.id && candidate.contract === '',
  );
  if (!listing) throw new Error(`${network.id} lists no coin`);
  return listing;
}

function boundsOf(network: BitcoinNetwork) {
  return {
    targetBlocks: network.feeTargetBlocks,
    minSatPerVb: network.feeRateMinSatPerVb,
    maxSatPerVb: network.feeRateMaxSatPerVb,
  };
}

function scriptOf(network: BitcoinNetwork, destination: string): Uint8Array {
  const parsed = parseBitcoinAddress(destination, network.chain);
  if (!parsed.ok) throw new Error(`${destination} was an address when it was asked for: ${parsed.reason}`);
  return parsed.script;
}

function refusalOf(reason: string): PrepareRefusal {
  return reason === 'FEE_ABOVE_CAP' ? 'FEE_ABOVE_CAP' : 'LIQUIDITY_SHORT';
}

async function drawChangeIndex(db: Database): Promise<number> {
  const { rows } = await sql<{ index: bigint }>`select nextval('change_index') as index`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('the sequence of change indices does not answer');
  return Number(row.index);
}

function changeAddress(
  network: BitcoinNetwork,
  change: { readonly address: string; readonly script: Uint8Array },
  index: number,
) {
  return {
    network: network.id,
    address: change.address,
    script: change.script,
    purpose: 'change',
    derivation: `1/${index}`,
  } as const;
}
