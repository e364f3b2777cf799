import { sql } from 'kysely';
import { dustLimitOf, parseBitcoinAddress } from '../chain/bitcoin/bitcoin.ts';
import { isGateOpen, isHalted } from '../controls/controls.ts';
import type { Config, Listing } from '../config/config.ts';
import type { DatabaseTransaction } from '../db/db.ts';
import { voidHold } from '../ledger/ledger.ts';
import { decideWithdrawal, type RiskDecision, type RiskTag } from '../risk/risk.ts';
import type { SpendDeps } from '../spends/spends.ts';
import type { WithdrawalRow } from './queries.ts';
import { commitMoves, type Move } from './steps.ts';
import type { WithdrawalState } from './withdrawal-states.ts';

/** Decided in one transaction; the rest waits for the next. */
const DECIDE_MAX = 500;
/** With less than this part of its time left an order is not begun: its fee could not be raised for long. */
const RESERVE_PART = 10;
/** One payment of the vault has 96 bits for its amount. */
export const EVM_UNITS_MAX = 2n ** 96n - 1n;

/**
 * Decides on withdrawals of one listing, oldest first. While its gate is closed or its network halted, approved ones
 * are held too; whatever is held is decided again as soon as that is over.
 */
export async function decideAll(deps: SpendDeps, listing: Listing): Promise<number> {
  const { asset, network } = listing;
  const gate = { asset: asset.id, network: network.id, direction: 'withdrawals' } as const;
  const flows = (await isGateOpen(deps.db, gate)) && !(await isHalted(deps.db, network.id));
  const ids = await undecided(deps, listing, flows);
  if (ids.length === 0) return 0;
  return deps.effects.commit('withdrawal.decide', async (trx) => {
    const at = deps.now();
    const rows = await trx
      .selectFrom('withdrawal')
      .selectAll()
      .where('id', 'in', ids)
      .where('state', 'in', ['requested', 'held', 'approved'])
      .orderBy('id')
      .forUpdate()
      .execute();
    const gateOpen = await isGateOpen(trx, gate);
    const networkHalted = await isHalted(trx, network.id);
    const own = await ownDestinations(trx, listing, rows);
    const moves = rows.flatMap((row) =>
      moveOf(
        row,
        decideWithdrawal({
          gateOpen,
          networkHalted,
          expired: isExpiring(deps.config, row, at),
          destinationIsOurs: own.has(row.destination),
          amountPayable: isPayable(listing, row.destination, row.units),
        }),
      ),
    );
    const ended = moves.filter(({ to }) => to === 'refused' || to === 'failed');
    const postings = ended.map(({ id }) => voidHold({ withdrawal: id }));
    await commitMoves(trx, { moves, postings, at });
    return moves.length;
  });
}

/** What would move: held ones only once money flows again, approved ones only while it does not; and what expires. */
async function undecided(deps: SpendDeps, { asset, network }: Listing, flows: boolean): Promise<string[]> {
  const rows = await deps.db
    .selectFrom('withdrawal')
    .select('id')
    .where('network', '=', network.id)
    .where('asset', '=', asset.id)
    .where('state', 'in', flows ? ['requested', 'held'] : ['requested', 'approved'])
    .orderBy('order_number')
    .limit(DECIDE_MAX)
    .execute();
  const before = deps.now().getTime() / 1000 + deps.config.orderExpirySeconds / RESERVE_PART;
  const expiring = await deps.db
    .selectFrom('withdrawal')
    .select('id')
    .where('network', '=', network.id)
    .where('asset', '=', asset.id)
    .where('state', 'in', ['requested', 'held', 'approved'])
    .where((eb) =>
      eb.or([
        eb(sql<bigint>`(document ->> 'expiry')::bigint`, '<', BigInt(Math.ceil(before))),
        eb(sql<bigint>`(document ->> 'epoch')::bigint`, '<>', BigInt(deps.config.epoch)),
      ]),
    )
    .orderBy('order_number')
    .limit(DECIDE_MAX)
    .execute();
  return [...new Set([...rows, ...expiring].map(({ id }) => id))];
}

function moveOf(row: WithdrawalRow, { decision, tag }: RiskDecision): Move[] {
  const from = row.state as WithdrawalState;
  const to = targetOf(from, decision, tag);
  return to === from ? [] : [{ id: row.id, from, to, actor: 'risk', reason: tag, evidence: {} }];
}

function targetOf(from: WithdrawalState, decision: RiskDecision['decision'], tag: RiskTag): WithdrawalState {
  switch (decision) {
    case 'approve':
      return 'approved';
    case 'hold':
      return 'held';
    case 'refuse':
      // What was good once and ran out of time has failed; the customer may ask anew.
      return tag === 'ORDER_EXPIRED' || from === 'approved' ? 'failed' : 'refused';
    default:
      return decision satisfies never;
  }
}

async function ownDestinations(
  trx: DatabaseTransaction,
  { network }: Listing,
  rows: readonly WithdrawalRow[],
): Promise<Set<string>> {
  const destinations = rows.map((row) => row.destination);
  if (destinations.length === 0) return new Set();
  const own = await trx
    .selectFrom('watched')
    .select('address')
    .where('network', '=', network.id)
    .where('address', 'in', destinations)
    .execute();
  return new Set(own.map(({ address }) => address));
}

/** Its time is nearly over, or it is an order for signers of another epoch. */
function isExpiring(config: Config, row: WithdrawalRow, at: Date): boolean {
  const { expiry, epoch } = row.document as { readonly expiry: string; readonly epoch: number };
  if (epoch !== config.epoch) return true;
  const leftSeconds = Number(expiry) - at.getTime() / 1000;
  return leftSeconds < config.orderExpirySeconds / RESERVE_PART;
}

/** Whether the network can carry this amount to this destination. */
export function isPayable({ network }: Listing, destination: string, units: bigint): boolean {
  if (network.kind === 'evm') return units <= EVM_UNITS_MAX;
  const parsed = parseBitcoinAddress(destination, network.chain);
  return parsed.ok && units >= dustLimitOf(parsed.script);
}
