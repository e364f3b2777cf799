import { readFileSync } from 'node:fs';
import { zeroAddress, type Hex } from 'viem';
import { newId, type Id } from '../../lib/ids/ids.ts';
import { parseManifest } from '../../signer/protocol/manifest.ts';
import type { EvmPayRequest } from '../../signer/protocol/messages.ts';
import { confirmationsOf, tipOf } from '../chain/chain.ts';
import {
  callOutcome,
  encodePay,
  enqueueCall,
  orderSignatures,
  payDigest,
  payGasLimit,
  payoutsOf,
  vaultState,
  type PayBatch,
} from '../chain/evm/evm.ts';
import { depthFor, listingsOf, type Config, type EvmNetwork, type Listing } from '../config/config.ts';
import type { DatabaseTransaction } from '../db/db.ts';
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
  type SpendOrderRow,
  type SpendRow,
} from './spend-rows.ts';
import type { Prepared, SpendDeps, SpendOrder } from './spends.ts';

export interface EvmPlan {
  readonly id: Id<'spend'>;
  readonly network: EvmNetwork;
  readonly listing: Listing;
  readonly orders: readonly SpendOrder[];
}

export async function prepareEvmSpend(deps: SpendDeps, plan: EvmPlan): Promise<Prepared> {
  const { network, listing, orders } = plan;
  const state = await vaultState(deps.evmRpc(network), { vault: network.vault, contract: listing.contract });
  const total = orders.reduce((sum, order) => sum + order.units, 0n);
  if (state.paused) return { ok: false, reason: 'VAULT_PAUSED' };
  if (state.balanceUnits < total) return { ok: false, reason: 'LIQUIDITY_SHORT' };
  if (state.capLeftUnits < total) return { ok: false, reason: 'CAP_REACHED' };
  return {
    ok: true,
    record: async (trx) => {
      const at = deps.now();
      await insertSpend(trx, {
        id: plan.id,
        network: network.id,
        contract: listing.contract,
        epoch: deps.config.epoch,
        at,
        orders,
      });
      await addAttempt(deps, trx, {
        spend: plan.id,
        n: 1,
        network,
        contract: listing.contract,
        generation: state.generation,
        orders: orders.map((order) => order.document),
      });
      return plan.id;
    },
  };
}

/** One step of one spend: ask signers, hand the call to the relayer, book what the vault says. True when it moved. */
export async function advanceEvmSpend(
  deps: SpendDeps,
  network: EvmNetwork,
  spend: SpendRow,
): Promise<boolean> {
  const attempts = await attemptsOf(deps.db, spend.id);
  const last = attempts.at(-1);
  if (!last) throw new Error(`spend ${spend.id} has no attempt`);
  if (last.state === 'planned') return signAttempt(deps, network, spend, last);
  if (last.state === 'broadcast') return followCall(deps, network, spend, attempts);
  return false;
}

async function signAttempt(
  deps: SpendDeps,
  network: EvmNetwork,
  spend: SpendRow,
  attempt: AttemptRow,
): Promise<boolean> {
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
  const request = attempt.request as EvmPayRequest;
  const batch = await batchOf(deps, spend, request);
  const gathered = await gatherSignatures({ ...deps, attempt: attempt.id, request });
  const quorum = quorumOf(deps.config);
  const signatures = gathered.signed
    .flatMap((answer) => (answer.signature === undefined ? [] : [answer.signature as Hex]))
    .slice(0, quorum.threshold);
  const digest = payDigest(batch, {
    chainId: network.chainId,
    vault: network.vault,
    generation: BigInt(request.generation),
  });
  const ordered = await orderSignatures(digest, signatures);
  const trusted =
    ordered.ok &&
    ordered.signers.length === quorum.threshold &&
    ordered.signers.every((signer) => quorum.addresses.has(signer));
  if (!trusted) {
    if (!gathered.refused) return false;
    await deps.effects.commit('spend.refused', (trx) => setAttempt(trx, attempt.id, { state: 'refused' }));
    return true;
  }
  await deps.effects.commit('spend.enqueued', async (trx) => {
    const at = deps.now();
    const id = newId('call', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
    const data = encodePay(batch, ordered.signatures);
    const gasLimit = payGasLimit(batch.orders.length, batch.contract);
    await enqueueCall(
      trx,
      { id, network, key: attempt.id, target: network.vault, data, value: 0n, gasLimit },
      at,
    );
    await setAttempt(trx, attempt.id, { state: 'broadcast', broadcast_at: at });
    await setSpend(trx, spend.id, at, { state: 'broadcast' });
  });
  return true;
}

/** Books the vault's own events once the call is irreversible; a call that reverted is tried anew. */
async function followCall(
  deps: SpendDeps,
  network: EvmNetwork,
  spend: SpendRow,
  attempts: readonly AttemptRow[],
): Promise<boolean> {
  const last = attempts.at(-1);
  const call = last && (await callOutcome(deps.db, network.id, last.id));
  if (!last || !call) return false;
  const txId = call.txId ?? call.txIds.at(-1) ?? null;
  if (txId !== null && spend.tx_id !== txId && call.state === 'sent') {
    await deps.effects.commit('spend.sent', (trx) => setSpend(trx, spend.id, deps.now(), { tx_id: txId }));
  }
  if (call.state !== 'succeeded' && call.state !== 'reverted') return false;
  const orders = await ordersOf(deps.db, spend.id);
  const outcomes = await outcomesAtDepth(deps, network, spend, orders);
  const cost = (spend.cost_units ?? 0n) + (call.costWei ?? 0n);
  if (outcomes) {
    await deps.effects.commit('spend.settled', async (trx) => {
      await setAttempt(trx, last.id, { state: 'confirmed', tx_id: txId });
      await endSpend(trx, {
        spend: spend.id,
        state: 'settled',
        txId,
        costUnits: cost,
        at: deps.now(),
        outcomes,
      });
    });
    return true;
  }
  if (call.state === 'succeeded') return false;
  const state = await vaultState(deps.evmRpc(network), { vault: network.vault, contract: spend.contract });
  if (state.paused) return false;
  await deps.effects.commit('spend.again', async (trx) => {
    await setAttempt(trx, last.id, { state: 'replaced', tx_id: txId });
    await setSpend(trx, spend.id, deps.now(), { state: 'signing', cost_units: cost });
    const { orders: documents } = last.request as EvmPayRequest;
    await addAttempt(deps, trx, {
      spend: spend.id,
      n: last.n + 1,
      network,
      contract: spend.contract,
      generation: state.generation,
      orders: documents,
    });
  });
  return true;
}

/** What became of every order, once the last of them is irreversible; undefined before. */
async function outcomesAtDepth(
  deps: SpendDeps,
  network: EvmNetwork,
  spend: SpendRow,
  orders: readonly SpendOrderRow[],
): Promise<Map<bigint, 'paid' | 'failed'> | undefined> {
  const tip = await tipOf(deps.db, network.id);
  const listing = listingsOf(deps.config).find(
    (entry) => entry.network.id === network.id && entry.contract === spend.contract,
  );
  if (!tip || !listing) return undefined;
  const payouts = await payoutsOf(
    deps.db,
    network.id,
    orders.map((order) => order.order_number),
  );
  const outcomes = new Map<bigint, 'paid' | 'failed'>();
  for (const order of orders) {
    const payout = payouts.find((entry) => entry.payoutId === order.order_number);
    if (!payout || confirmationsOf(tip.height, payout.height) < depthFor(listing, order.units).irreversible)
      return undefined;
    outcomes.set(order.order_number, payout.paid ? 'paid' : 'failed');
  }
  return outcomes;
}

async function addAttempt(
  deps: SpendDeps,
  trx: DatabaseTransaction,
  attempt: {
    readonly spend: string;
    readonly n: number;
    readonly network: EvmNetwork;
    readonly contract: string;
    readonly generation: bigint;
    readonly orders: EvmPayRequest['orders'];
  },
): Promise<void> {
  const { network } = attempt;
  const at = deps.now();
  const token = quorumOf(deps.config).tokenOf(network, attempt.contract);
  const request: EvmPayRequest = {
    type: 'evm-pay',
    network: network.caip2,
    epoch: deps.config.epoch,
    vault: network.vault,
    token,
    deadline: String(Math.floor(at.getTime() / 1000) + network.payDeadlineSeconds),
    generation: attempt.generation.toString(),
    orders: attempt.orders,
  };
  const id = newId('attempt', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
  await insertAttempt(trx, { id, spend: attempt.spend, n: attempt.n, request, feeUnits: 0n, at });
}

async function batchOf(deps: SpendDeps, spend: SpendRow, request: EvmPayRequest): Promise<PayBatch> {
  const orders = await ordersOf(deps.db, spend.id);
  return {
    contract: spend.contract,
    deadline: BigInt(request.deadline),
    orders: orders.map((order) => ({
      number: order.order_number,
      destination: order.destination,
      units: order.units,
    })),
  };
}

interface Quorum {
  readonly threshold: number;
  readonly addresses: ReadonlySet<string>;
  readonly tokenOf: (network: EvmNetwork, contract: string) => string;
}

const quorums = new WeakMap<Config, Quorum>();

/** Signers, threshold and token texts of the pinned manifest. */
function quorumOf(config: Config): Quorum {
  const known = quorums.get(config);
  if (known) return known;
  const parsed = parseManifest(JSON.parse(readFileSync(config.walletManifestFile, 'utf8')));
  if (!parsed.ok) throw new Error(`the wallet manifest is malformed: ${parsed.detail}`);
  const manifest = parsed.value;
  const made: Quorum = {
    threshold: manifest.threshold,
    addresses: new Set(manifest.signers.map((signer) => signer.evmAddress)),
    tokenOf: (network, contract) => {
      if (contract === '') return zeroAddress;
      const entry = manifest.evm.find((candidate) => candidate.network === network.caip2);
      const token = entry?.tokens.find((candidate) => candidate.token.toLowerCase() === contract);
      if (!token) throw new Error(`${contract} is not in the manifest of ${network.id}`);
      return token.token;
    },
  };
  quorums.set(config, made);
  return made;
}
