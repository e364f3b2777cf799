import { sql, type RawBuilder, type Selectable } from 'kysely';
import { confirmationsOf } from '../chain/chain.ts';
import { depthFor, type Listing } from '../config/config.ts';
import type { Deposit, Stray } from '../db/tables.ts';
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
  const rows = await lockDeposits(work, [...due.keys()]);
  for (const row of rows) {
    const found = due.get(row.id);
    const listing = work.listings.find((candidate) => candidate.asset.id === row.asset);
    if (!found || !listing || row.height === null) continue;
    const { units_at_risk: unitsAtRisk } = found;
    const confirmations = confirmationsOf(found.tip_height, row.height);
    const irreversible = confirmations >= depthFor(listing, unitsAtRisk).irreversible;
    await deepen(work, row, { irreversible, confirmations, unitsAtRisk });
  }
  return rows.length;
}

async function dueDeposits(work: Work) {
  const { trx, network, listings } = work;
  const closed = await closedAssets(work);
  const open = listings.filter((listing) => !closed.has(listing.asset.id));
  const name = sql.ref('deposit.asset');
  const safe = dueAt(open, name, (listing) => listing.asset.id, 'safe');
  const irreversible = dueAt(listings, name, (listing) => listing.asset.id, 'irreversible');
  const rows = await trx
    .selectFrom(openDeposits(network.id))
    .innerJoin('chain_tip as tip', 'tip.network', 'deposit.network')
    .innerJoin('chain_block as block', (join) =>
      join.onRef('block.network', '=', 'deposit.network').onRef('block.hash', '=', 'deposit.block_hash'),
    )
    .select(['deposit.id', 'deposit.units_at_risk', 'tip.height as tip_height'])
    .where('block.canonical', '=', true)
    .where(allRead(work))
    .where(
      sql<boolean>`((deposit.state = 'seen' and ${amountDue('deposit', safe)})
        or (deposit.state = 'safe' and ${amountDue('deposit', irreversible)}))`,
    )
    .orderBy('deposit.height')
    .orderBy('deposit.id')
    .limit(ROWS_MAX)
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** Only this step moves open deposits (see startWork), so that what was due is due still. */
async function lockDeposits({ trx }: Work, ids: readonly string[]) {
  if (ids.length === 0) return [];
  return trx
    .selectFrom('deposit')
    .selectAll()
    .where('id', 'in', ids)
    .where('state', 'in', ['seen', 'safe'])
    .orderBy('height')
    .orderBy('id')
    .forUpdate()
    .execute();
}

interface AtRisk {
  readonly units_at_risk: bigint;
}

/**
 * Every open deposit of a network that is in a block, with the value that it shares its fate with: counted for all
 * in one pass over the rows, for a join of each with all others takes ten times as long with 2,000 of them.
 */
function openDeposits(network: string) {
  return sql<Selectable<Deposit> & AtRisk>`(
    select open.*, greatest(
        sum(units) over (partition by asset, customer_id),
        sum(units) over (partition by asset, tx_id)) as units_at_risk
      from deposit open where network = ${network} and state in ('seen', 'safe') and height is not null
  )`.as<'deposit'>('deposit');
}

/** The same of strays: small payments of one customer may add up to a deposit. */
function openStrays(network: string) {
  return sql<Selectable<Stray> & AtRisk>`(
    select open.*, greatest(
        sum(units) over (partition by contract, coalesce(customer_id, id)),
        sum(units) over (partition by contract, tx_id)) as units_at_risk
      from stray open where network = ${network} and state = 'seen'
  )`.as<'stray'>('stray');
}

async function advanceStrays(work: Work): Promise<number> {
  const { trx, network, listings } = work;
  const contract = sql.ref('stray.contract');
  const wanted = dueAt(listings, contract, (listing) => listing.contract, 'irreversible');
  const due = await trx
    .selectFrom(openStrays(network.id))
    .innerJoin('chain_tip as tip', 'tip.network', 'stray.network')
    .innerJoin('chain_block as block', (join) =>
      join.onRef('block.network', '=', 'stray.network').onRef('block.hash', '=', 'stray.block_hash'),
    )
    .select('stray.id')
    .where('block.canonical', '=', true)
    .where(allRead(work))
    .where(amountDue('stray', wanted, unlistedDepth(listings)))
    .orderBy('stray.height')
    .orderBy('stray.id')
    .limit(ROWS_MAX)
    .execute();
  if (due.length === 0) return 0;
  const ids = due.map(({ id }) => id);
  const rows = await trx
    .selectFrom('stray')
    .innerJoin('watched', (join) =>
      join.onRef('watched.network', '=', 'stray.network').onRef('watched.address', '=', 'stray.address'),
    )
    .selectAll('stray')
    .select('watched.purpose')
    .where('stray.id', 'in', ids)
    .where('state', '=', 'seen')
    .orderBy('stray.height')
    .orderBy('stray.id')
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
        sql`when ${name} = ${tier.name} and units_at_risk >= ${tier.from}::numeric then ${tier.depth}::integer`,
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
