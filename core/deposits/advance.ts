import { sql, type RawBuilder } from 'kysely';
import { confirmationsOf } from '../chain/chain.ts';
import { depthFor, type Listing } from '../config/config.ts';
import { deepen } from './deposit-moves.ts';
import { recordIrreversible } from './strays.ts';
import type { Work } from './work.ts';

/** Deposits, and strays, in one transaction. */
const ROWS_MAX = 200;

/**
 * Moves what the tip's height made safe or irreversible: more value wants more depth. The value is not the payment's
 * alone, or a large one in small pieces would need the depth of a piece: it is what one reorg could take back with
 * it, all that is in blocks and not irreversible of the same asset and customer, or of the same transaction. The
 * rows, the tip and the block that holds each are read in one statement, so that no deposit ever advances on a block
 * that a reorg has already taken away but whose receipts were not read yet; and none advances while receipts of a
 * block are unread, which may add to what is at risk.
 */
export async function advanceOpen(work: Work): Promise<number> {
  return (await advanceDeposits(work)) + (await advanceStrays(work));
}

async function advanceDeposits(work: Work): Promise<number> {
  const due = await dueDeposits(work);
  for (const { tip_height: tipHeight, units_at_risk: unitsAtRisk, ...row } of due) {
    const listing = work.listings.find((candidate) => candidate.asset.id === row.asset);
    if (!listing || row.height === null) continue;
    const confirmations = confirmationsOf(tipHeight, row.height);
    const irreversible = confirmations >= depthFor(listing, unitsAtRisk).irreversible;
    await deepen(work, row, { irreversible, confirmations, unitsAtRisk });
  }
  return due.length;
}

async function dueDeposits(work: Work) {
  const { trx, network, listings } = work;
  const closed = await closedAssets(work);
  const open = listings.filter((listing) => !closed.has(listing.asset.id));
  const name = sql.ref('deposit.asset');
  const safe = dueAt(open, name, (listing) => listing.asset.id, 'safe');
  const irreversible = dueAt(listings, name, (listing) => listing.asset.id, 'irreversible');
  return trx
    .selectFrom('deposit')
    .innerJoin('chain_tip as tip', 'tip.network', 'deposit.network')
    .innerJoin('chain_block as block', (join) =>
      join.onRef('block.network', '=', 'deposit.network').onRef('block.hash', '=', 'deposit.block_hash'),
    )
    .innerJoin(depositsAtRisk(work), (join) => join.onRef('at_risk.id', '=', 'deposit.id'))
    .selectAll('deposit')
    .select(['tip.height as tip_height', 'at_risk.units as units_at_risk'])
    .where('deposit.network', '=', network.id)
    .where('block.canonical', '=', true)
    .where(allRead(work))
    .where(
      sql<boolean>`((deposit.state = 'seen' and ${amountDue('deposit', safe)})
        or (deposit.state = 'safe' and ${amountDue('deposit', irreversible)}))`,
    )
    .orderBy('deposit.height')
    .orderBy('deposit.id')
    .limit(ROWS_MAX)
    .forUpdate('deposit')
    .execute();
}

/** Every open deposit of a network that is in a block, with the value that it shares its fate with. */
function depositsAtRisk({ network }: Work) {
  return sql<{ id: string; units: bigint }>`(
    select id, greatest(
        sum(units) over (partition by asset, customer_id),
        sum(units) over (partition by asset, tx_id)) as units
      from deposit where network = ${network.id} and state in ('seen', 'safe') and height is not null
  )`.as<'at_risk'>('at_risk');
}

/** The same of strays: small payments of one customer may add up to a deposit. */
function straysAtRisk({ network }: Work) {
  return sql<{ id: string; units: bigint }>`(
    select id, greatest(
        sum(units) over (partition by contract, coalesce(customer_id, id)),
        sum(units) over (partition by contract, tx_id)) as units
      from stray where network = ${network.id} and state = 'seen'
  )`.as<'at_risk'>('at_risk');
}

async function advanceStrays(work: Work): Promise<number> {
  const { trx, network, listings } = work;
  const due = dueAt(listings, sql.ref('stray.contract'), (listing) => listing.contract, 'irreversible');
  const rows = await trx
    .selectFrom('stray')
    .innerJoin('watched', (join) =>
      join.onRef('watched.network', '=', 'stray.network').onRef('watched.address', '=', 'stray.address'),
    )
    .innerJoin('chain_tip as tip', 'tip.network', 'stray.network')
    .innerJoin('chain_block as block', (join) =>
      join.onRef('block.network', '=', 'stray.network').onRef('block.hash', '=', 'stray.block_hash'),
    )
    .innerJoin(straysAtRisk(work), (join) => join.onRef('at_risk.id', '=', 'stray.id'))
    .selectAll('stray')
    .select('watched.purpose')
    .where('stray.network', '=', network.id)
    .where('stray.state', '=', 'seen')
    .where('block.canonical', '=', true)
    .where(allRead(work))
    .where(amountDue('stray', due, unlistedDepth(listings)))
    .orderBy('stray.height')
    .orderBy('stray.id')
    .limit(ROWS_MAX)
    .forUpdate('stray')
    .execute();
  for (const row of rows) await recordIrreversible(work, row);
  return rows.length;
}

function allRead({ network }: Work): RawBuilder<boolean> {
  return sql<boolean>`not exists (
    select from receipt unread join deposit_cursor cursor on cursor.network = unread.network
     where unread.network = ${network.id} and unread.change > cursor.change and unread.state = 'mined')`;
}

/** A token without a listing has no value that we know: it waits as long as anything of the least value does. */
function unlistedDepth(listings: readonly Listing[]): number {
  return Math.max(1, ...listings.map((listing) => listing.depths[0]?.irreversible ?? 1));
}

/** The depth that each amount of each listed asset wants, as SQL: null for what is not in the list. */
function dueAt(
  listings: readonly Listing[],
  name: RawBuilder<unknown>,
  nameOf: (listing: Listing) => string,
  stage: 'safe' | 'irreversible',
): RawBuilder<number | null> {
  const cases = listings.flatMap((listing) =>
    listing.depths.map((tier, i) => {
      // The highest tier first; below the lowest the lowest holds.
      const from = i === 0 ? 0n : tier.fromUnits;
      return { name: nameOf(listing), from, depth: tier[stage] };
    }),
  );
  if (cases.length === 0) return sql`null::integer`;
  const whens = cases
    .toReversed()
    .map(
      (tier) =>
        sql`when ${name} = ${tier.name} and at_risk.units >= ${tier.from}::numeric then ${tier.depth}::integer`,
    );
  return sql`case ${sql.join(whens, sql` `)} end`;
}

function amountDue(
  table: 'deposit' | 'stray',
  depth: RawBuilder<number | null>,
  otherwise?: number,
): RawBuilder<boolean> {
  const height = sql.ref(`${table}.height`);
  const wanted = otherwise === undefined ? depth : sql`coalesce(${depth}, ${otherwise}::integer)`;
  return sql<boolean>`coalesce(tip.height - ${height} + 1 >= ${wanted}, false)`;
}

/** Assets whose deposit gate is closed here: seen and recorded, credited when it opens. */
async function closedAssets({ trx, network }: Work): Promise<Set<string>> {
  const rows = await trx
    .selectFrom('gate')
    .select('asset')
    .where('network', '=', network.id)
    .where('direction', '=', 'deposits')
    .where('state', '=', 'closed')
    .execute();
  return new Set(rows.map((row) => row.asset));
}
