import { newId, type Id } from '../../lib/ids/ids.ts';
import type { EvmPayRequest } from '../../signer/protocol/messages.ts';
import { tokenMoves, vaultState, type VaultState } from '../chain/evm/evm.ts';
import type { EvmNetwork, Listing } from '../config/config.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';
import { quorumOf } from '../signing/signing.ts';
import { insertAttempt, insertSpend } from './spend-rows.ts';
import type { Prepared, PrepareRefusal, SpendDeps, SpendOrder } from './spends.ts';

export interface EvmPlan {
  readonly id: Id<'spend'>;
  readonly network: EvmNetwork;
  readonly listing: Listing;
  readonly orders: readonly SpendOrder[];
}

/** One `pay` of the vault, which must be open and have the money and the room under its cap at this moment. */
export async function prepareEvmSpend(deps: SpendDeps, plan: EvmPlan): Promise<Prepared> {
  const { network, listing, orders } = plan;
  const { contract } = listing;
  const units = orders.reduce((sum, order) => sum + order.units, await unitsOnTheirWay(deps.db, listing));
  const recipient = orders[0]?.destination ?? network.cold;
  const state = await vaultState(deps.evmRpc(network), { vault: network.vault, contract });
  const refusal = await vaultRefusal(deps, network, { contract, units, recipient, state });
  if (refusal) return { ok: false, reason: refusal };
  return {
    ok: true,
    record: async (trx) => {
      const { epoch } = deps.config;
      await insertSpend(trx, { id: plan.id, network: network.id, contract, epoch, at: deps.now(), orders });
      await addEvmAttempt(deps, trx, {
        spend: plan.id,
        n: 1,
        network,
        contract,
        generation: state.generation,
        orders: orders.map((order) => order.document),
      });
      return plan.id;
    },
  };
}

/** Why the vault would not pay so much now, or would have every payment of it fail. */
export async function vaultRefusal(
  deps: Pick<SpendDeps, 'evmRpc'>,
  network: EvmNetwork,
  wanted: {
    readonly contract: string;
    readonly units: bigint;
    readonly recipient: string;
    readonly state: VaultState;
  },
): Promise<PrepareRefusal | undefined> {
  const { contract, units, recipient, state } = wanted;
  const { vault, cold } = network;
  if (state.paused) return 'VAULT_PAUSED';
  if (state.balanceUnits < units) return 'LIQUIDITY_SHORT';
  if (state.capLeftUnits < units) return 'CAP_REACHED';
  if (contract === '') return undefined;
  const transfer = { contract, vault, units, recipients: [cold, recipient] };
  return (await tokenMoves(deps.evmRpc(network), transfer)) ? undefined : 'TOKEN_REFUSES';
}

/** Planned, and by our chain not yet paid: the vault still holds it, and it is spoken for. */
async function unitsOnTheirWay(db: Database, { network, contract }: Listing): Promise<bigint> {
  const [row] = await executorOf(db).query<{ units: bigint }>(
    `select coalesce(sum(o.units), 0) as units from spend s join spend_order o on o.spend_id = s.id
     where s.network = $1 and s.contract = $2 and s.state in ('planned', 'signing', 'broadcast')
       and not exists (select 1 from evm_payout p
         where p.network = s.network and p.payout_id = o.order_number and p.canonical)`,
    [network.id, contract],
  );
  return row?.units ?? 0n;
}

/** Records what signers will be asked. No deadline is later than an order may be paid. */
export async function addEvmAttempt(
  deps: Pick<SpendDeps, 'config' | 'now' | 'randomBytes'>,
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
  const { network, spend, n } = attempt;
  const at = deps.now();
  const latest = Math.floor(at.getTime() / 1000) + network.payDeadlineSeconds;
  const deadline = Math.min(latest, ...attempt.orders.map(({ expiry }) => Number(expiry)));
  const request: EvmPayRequest = {
    type: 'evm-pay',
    network: network.caip2,
    epoch: deps.config.epoch,
    vault: network.vault,
    token: quorumOf(deps.config).tokenOf(network, attempt.contract),
    deadline: String(deadline),
    generation: attempt.generation.toString(),
    orders: attempt.orders,
  };
  const id = newId('attempt', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
  await insertAttempt(trx, { id, spend, n, request, feeUnits: 0n, txId: null, at });
}
