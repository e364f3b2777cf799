import type { Id } from '../../lib/ids/ids.ts';
import type { BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import type { OrderJson } from '../../signer/protocol/order.ts';
import type { BitcoinNetwork } from '../config/config.ts';
import { executorOf } from '../db/db.ts';
import { orderOf, prepareConflict } from './conflict-bitcoin.ts';
import type { BitcoinPlan } from './plan-bitcoin.ts';
import {
  attemptsOf,
  insertSpendOrders,
  ordersOf,
  putOff,
  setSpend,
  type AttemptRow,
  type SpendRow,
} from './spend-rows.ts';
import type { Prepared, SpendDeps } from './spends.ts';

const EXPIRED = 'ORDER_EXPIRED';
/** Spends that wait for other orders; so many are tried before new orders are planned by themselves. */
const JOIN_MAX = 3;

/** No signer signs it any more. What they signed before stays good for ever: Bitcoin knows no deadline. */
export function isOver(deps: Pick<SpendDeps, 'now'>, { expiry }: OrderJson): boolean {
  return BigInt(expiry) * 1000n <= BigInt(deps.now().getTime());
}

/** No signer signs these payments any more, whatever fee they would pay now. */
export function hasOver(deps: Pick<SpendDeps, 'now'>, { request }: AttemptRow): boolean {
  return (request as BitcoinPayRequest).orders.some((order) => isOver(deps, order));
}

/**
 * Signers were asked, and the time of orders ran out before there were enough answers. An answer may have been
 * lost, so nothing is released; the next attempt pays the others from the same coins, and once it is irreversible
 * the ones that it leaves out can never be paid. Without others the spend waits for orders of other customers
 * (joinExpired). Undefined when no order is over.
 */
export async function leaveOutExpired(
  deps: SpendDeps,
  network: BitcoinNetwork,
  spend: SpendRow,
  last: AttemptRow,
): Promise<boolean | undefined> {
  if (spend.state !== 'signing' || spend.child_of !== null) return undefined;
  const { orders: asked } = last.request as BitcoinPayRequest;
  const left = new Set(asked.filter((order) => !isOver(deps, order)).map((order) => order.orderNumber));
  if (left.size === asked.length) return undefined;
  if (left.size === 0) {
    if (spend.reason === EXPIRED) return false;
    await deps.effects.commit('spend.why', (trx) => setSpend(trx, spend.id, deps.now(), { reason: EXPIRED }));
    return true;
  }
  const rows = await ordersOf(deps.db, spend.id);
  const orders = rows.map(orderOf).filter(({ orderNumber }) => left.has(String(orderNumber)));
  const conflict = await prepareConflict(deps, network, { last, orders });
  if (!conflict.ok) {
    await putOff(deps, spend, `STUCK_${conflict.reason}`);
    return false;
  }
  await deps.effects.commit('spend.anew', conflict.record);
  return true;
}

/**
 * Plans orders as the next attempt of a spend whose own orders are all over, so that it conflicts with whatever
 * was signed for these. Undefined when there is none, or its coins and some more do not pay for it.
 */
export async function joinExpired(
  deps: SpendDeps,
  { network, orders }: BitcoinPlan,
): Promise<Prepared | undefined> {
  for (const last of await expiredAttempts(deps, network)) {
    const conflict = await prepareConflict(deps, network, { last, orders });
    if (!conflict.ok) continue;
    return {
      ok: true,
      record: async (trx) => {
        const query = trx.selectFrom('spend').select('state').where('id', '=', last.spend_id);
        const locked = await query.forUpdate().executeTakeFirst();
        if (locked?.state !== 'signing') throw new Error(`${last.spend_id} went on meanwhile`);
        await insertSpendOrders(trx, last.spend_id, orders);
        await conflict.record(trx);
        return last.spend_id as Id<'spend'>;
      },
    };
  }
  return undefined;
}

/** The last attempts of spends that wait with no order left, and of which nothing is on the chain or before it. */
async function expiredAttempts(deps: SpendDeps, network: BitcoinNetwork): Promise<AttemptRow[]> {
  const spends = await executorOf(deps.db).query<{ id: string }>(
    `select s.id from spend s where s.network = $1 and s.state = 'signing' and s.reason = $2
       and not exists (select 1 from spend_coin sc
         join bitcoin_coin c on c.network = sc.network and c.tx_id = sc.tx_id and c.vout = sc.vout
         where sc.spend_id = s.id and not sc.released and c.spent_tx_id is not null)
     order by s.id limit $3`,
    [network.id, EXPIRED, JOIN_MAX],
  );
  const attempts = await Promise.all(spends.map(({ id }) => attemptsOf(deps.db, id)));
  return attempts
    .flatMap((all) => all.at(-1) ?? [])
    .filter(({ request }) => (request as BitcoinPayRequest).orders.every((order) => isOver(deps, order)));
}
