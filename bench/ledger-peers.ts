import type { Pool } from 'pg';

/** What our ledger is measured against: SQL that others write, on our tables. */

export interface PeerTransfer {
  readonly key: string;
  readonly asset: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly units: bigint;
}

const LOCK = `select id, final, held, version from account where id in ($1, $2) order by id for update`;

/** All rows of one transfer in one round trip, so that the peer pays for round trips no more than it must. */
const WRITE = `
  with p as (insert into posting (id, key, kind, payload_hash)
    values (nextval('posting_id'), $1, 'transfer', sha256($1::text::bytea)) returning id),
  l as (insert into leg (posting_id, n, asset, debit, credit, units)
    select id, 1, $2, $3::bigint, $4::bigint, $5::numeric from p),
  e as (insert into entry (account_id, version, posting_id, amount, provisional, deposit, balance_after)
    select $3::bigint, $6::bigint, id, -($5::numeric), 0, null, $8::numeric from p
    union all select $4::bigint, $7::bigint, id, $5::numeric, 0, null, $9::numeric from p)
  update account a set final = r.final, version = r.version
    from (values ($3::bigint, $8::numeric, $6::bigint), ($4::bigint, $9::numeric, $7::bigint)) r(id, final, version)
   where a.id = r.id`;

interface LockedRow {
  id: bigint;
  final: bigint;
  held: bigint;
  version: bigint;
}

/** One transaction per transfer: lock both rows in id order, check, write, commit. True when applied. */
export async function peerTransfer(pool: Pool, transfer: PeerTransfer): Promise<boolean> {
  const { key, asset, from, to, units } = transfer;
  const client = await pool.connect();
  try {
    await client.query('begin');
    const { rows } = await client.query<LockedRow>({ name: 'peer_lock', text: LOCK, values: [from, to] });
    const source = rows.find((row) => row.id === from);
    const target = rows.find((row) => row.id === to);
    if (!source || !target || source.final - source.held < units) {
      await client.query('rollback');
      return false;
    }
    const values = [
      `peer:${key}`,
      asset,
      from,
      to,
      units,
      source.version + 1n,
      target.version + 1n,
      source.final - units,
      target.final + units,
    ];
    await client.query({ name: 'peer_write', text: WRITE, values });
    await client.query('commit');
    return true;
  } finally {
    client.release();
  }
}

/** Empty tables of the same rows and indexes, without constraints between them and without balances. */
export async function createLimitTables(pool: Pool): Promise<void> {
  await pool.query(`
    create table if not exists limit_posting (like posting including all);
    create table if not exists limit_leg (like leg including all);
    create table if not exists limit_entry (like entry including all);
    truncate limit_posting, limit_leg, limit_entry`);
}

const INSERT_ONLY = `
  with p as (
    insert into limit_posting (id, key, kind, payload_hash)
    select id, 'limit:' || id, 'transfer', sha256(id::text::bytea) from unnest($1::bigint[]) r(id)),
  l as (
    insert into limit_leg (posting_id, n, asset, debit, credit, units)
    select id, 1, $2, debit, credit, units from unnest($1::bigint[], $3::bigint[], $4::bigint[], $5::numeric[]) r(id, debit, credit, units))
  insert into limit_entry (account_id, version, posting_id, amount, provisional, balance_after)
  select account, id, id, amount, 0, amount
    from unnest($3::bigint[] || $4::bigint[], $1::bigint[] || $1::bigint[], $6::numeric[]) r(account, id, amount)`;

/** A batch of journal rows, nothing read, nothing checked, nothing added up. */
export async function insertOnly(
  pool: Pool,
  rows: {
    readonly asset: string;
    readonly first: number;
    readonly batch: readonly Omit<PeerTransfer, 'key' | 'asset'>[];
  },
): Promise<void> {
  const { asset, first, batch } = rows;
  const list = (values: readonly (bigint | number)[]): string => `{${values.join(',')}}`;
  await pool.query({
    name: 'limit_insert',
    text: INSERT_ONLY,
    values: [
      list(batch.map((_, i) => first + i + 1)),
      asset,
      list(batch.map((row) => row.from)),
      list(batch.map((row) => row.to)),
      list(batch.map((row) => row.units)),
      list([...batch.map((row) => -row.units), ...batch.map((row) => row.units)]),
    ],
  });
}
