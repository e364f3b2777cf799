import type { OrderJson } from '../../signer/protocol/order.ts';
import type { EvmPayRequest } from '../../signer/protocol/messages.ts';
import type { CallOutcome, PayoutRow } from '../chain/evm/evm.ts';
import type { EvmNetwork } from '../config/config.ts';
import { setSpend, type AttemptRow, type SpendOrderRow, type SpendRow } from './spend-rows.ts';
import type { SpendDeps } from './spends.ts';

/** A spend from a vault with all that one step looks at. */
export interface Case {
  readonly deps: SpendDeps;
  readonly network: EvmNetwork;
  readonly spend: SpendRow;
  readonly attempts: readonly AttemptRow[];
  readonly last: AttemptRow;
  readonly orders: readonly SpendOrderRow[];
  /** Of the last attempt; undefined while the relayer has none. */
  readonly call: CallOutcome | undefined;
  /** What the vault says, on our chain as it stands. */
  readonly payouts: readonly PayoutRow[];
  /** No event says what became of these. */
  readonly pending: readonly SpendOrderRow[];
  /** Of these, those with time enough that signers of this epoch may still be asked. */
  readonly payable: readonly SpendOrderRow[];
}

/** With less than this left, an attempt is made anew before it is sent, and an order is not paid any more. */
const LEFT_MIN_SECONDS = 120;

export function requestOf(attempt: AttemptRow): EvmPayRequest {
  return attempt.request as EvmPayRequest;
}

export function documentOf(order: SpendOrderRow): OrderJson {
  return order.document as OrderJson;
}

/** The orders of an attempt. */
export function askedIn(request: EvmPayRequest, orders: readonly SpendOrderRow[]): readonly SpendOrderRow[] {
  const numbers = new Set(request.orders.map(({ orderNumber }) => BigInt(orderNumber)));
  return orders.filter((order) => numbers.has(order.order_number));
}

/** Too near to be signed for, or sent: it could be past before the next block. Short ones, as in a test, leave a quarter. */
export function isNear(deps: SpendDeps, network: EvmNetwork, unixSeconds: string): boolean {
  const left = Number(unixSeconds) - deps.now().getTime() / 1000;
  return left < Math.min(LEFT_MIN_SECONDS, Math.floor(network.payDeadlineSeconds / 4));
}

/** No signer of this epoch would sign it, or not for long enough. */
export function isOver(deps: SpendDeps, network: EvmNetwork, order: SpendOrderRow): boolean {
  const { epoch, expiry } = documentOf(order);
  return epoch !== deps.config.epoch || isNear(deps, network, expiry);
}

/** Says on the row why it waits, or '' that it does not, without putting it off. True when that is new. */
export async function sayWhy({ deps, spend }: Case, reason: string): Promise<boolean> {
  if (spend.reason === reason) return false;
  await deps.effects.commit('spend.why', (trx) => setSpend(trx, spend.id, deps.now(), { reason }));
  return true;
}
