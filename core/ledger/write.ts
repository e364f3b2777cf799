import assert from 'node:assert/strict';
import type { Executor } from '../db/db.ts';
import { accountName, type Account, type Books, type Journal } from './books.ts';

/** What a batch changed, to be written. */
export interface Changes {
  readonly books: Books;
  readonly journal: Journal;
  readonly applied: readonly {
    readonly id: bigint;
    readonly key: string;
    readonly kind: string;
    readonly payloadHash: string;
  }[];
}

const INSERT_ACCOUNTS = `
  insert into account (kind, asset, network, customer)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
  on conflict do nothing returning id, kind, asset, network, customer`;

/** Journal and balances in one statement; the rows were computed from locked accounts. */
const WRITE = `
  with p as (
    insert into posting (id, key, kind, payload_hash)
    select id, key, kind, decode(hash, 'hex')
      from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) r(id, key, kind, hash)),
  l as (
    insert into leg (posting_id, n, asset, debit, credit, units)
    select * from unnest($5::bigint[], $6::int[], $7::text[], $8::bigint[], $9::bigint[], $10::numeric[])),
  e as (
    insert into entry (account_id, version, posting_id, amount, provisional, deposit, balance_after)
    select * from unnest($11::bigint[], $12::bigint[], $13::bigint[], $14::numeric[], $15::numeric[], $16::text[], $17::numeric[]))
  update account a set final = r.final, provisional = r.provisional, held = r.held, version = r.version
    from unnest($18::bigint[], $19::numeric[], $20::numeric[], $21::numeric[], $22::bigint[]) r(id, final, provisional, held, version)
   where a.id = r.id`;

const DELETE_LOTS = `
  delete from lot l using unnest($1::text[], $2::bigint[]) r(deposit, account_id)
   where l.deposit = r.deposit and l.account_id = r.account_id`;

const WRITE_LOTS = `
  insert into lot (deposit, account_id, units, since)
  select * from unnest($1::text[], $2::bigint[], $3::numeric[], $4::bigint[])
  on conflict (deposit, account_id) do update set units = excluded.units, since = excluded.since`;

const WRITE_HOLDS = `
  insert into hold (id, account_id, units, state)
  select * from unnest($1::text[], $2::bigint[], $3::numeric[], $4::text[])
  on conflict (id) do update set state = excluded.state`;

const WRITE_DEPOSITS = `
  insert into credited_deposit (deposit, incarnation, state, account_id, into_account, units)
  select * from unnest($1::text[], $2::int[], $3::text[], $4::bigint[], $5::bigint[], $6::numeric[])
  on conflict (deposit) do update set incarnation = excluded.incarnation, state = excluded.state`;

/** Creates the accounts that the batch needs. False when somebody else created one meanwhile: decide anew. */
export async function createAccounts(executor: Executor, books: Books): Promise<boolean> {
  // Sorted, so that two who create the same accounts never wait for each other in a circle.
  const created = [...books.accounts]
    .filter(([, account]) => account.touched && account.id === undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, account]) => account);
  if (created.length === 0) return true;
  const rows = await executor.query<{
    id: bigint;
    kind: Account['ref']['kind'];
    asset: string;
    network: string | null;
    customer: string | null;
  }>(INSERT_ACCOUNTS, [
    created.map(({ ref }) => ref.kind),
    created.map(({ ref }) => ref.asset),
    created.map(({ ref }) => ref.network ?? null),
    created.map(({ ref }) => ref.customer ?? null),
  ]);
  if (rows.length < created.length) return false;
  for (const { id, kind, asset, network, customer } of rows) {
    const name = accountName({ kind, asset, network: network ?? '', customer: customer ?? '' });
    const account = books.accounts.get(name);
    assert.ok(account, name);
    account.id = id;
  }
  return true;
}

export async function writeChanges(executor: Executor, changes: Changes): Promise<void> {
  const { applied, books } = changes;
  if (applied.length === 0) return;
  const { legs, entries } = changes.journal;
  const touched = [...books.accounts.values()].filter((account) => account.touched);
  await executor.query(WRITE, [
    numbers(applied, (posting) => posting.id),
    applied.map((posting) => posting.key),
    applied.map((posting) => posting.kind),
    applied.map((posting) => posting.payloadHash),
    numbers(legs, (row) => row.posting),
    numbers(legs, (row) => BigInt(row.n)),
    legs.map((row) => row.leg.debit.ref.asset),
    numbers(legs, (row) => idOf(row.leg.debit)),
    numbers(legs, (row) => idOf(row.leg.credit)),
    numbers(legs, (row) => row.leg.units),
    numbers(entries, (row) => idOf(row.account)),
    numbers(entries, (row) => row.version),
    numbers(entries, (row) => row.posting),
    numbers(entries, (row) => row.amount),
    numbers(entries, (row) => row.provisional),
    entries.map((row) => row.deposit ?? null),
    numbers(entries, (row) => row.balanceAfter),
    numbers(touched, idOf),
    numbers(touched, (account) => account.final),
    numbers(touched, (account) => account.provisional),
    numbers(touched, (account) => account.held),
    numbers(touched, (account) => account.version),
  ]);
  await writeLots(executor, touched);
  await writeHolds(executor, books);
  await writeDeposits(executor, books);
}

async function writeLots(executor: Executor, touched: readonly Account[]): Promise<void> {
  const changed = touched.flatMap((account) =>
    [...account.lots]
      .filter(
        ([, lot]) =>
          lot.units !== (lot.written?.units ?? 0n) || (lot.written && lot.written.since !== lot.since),
      )
      .map(([deposit, lot]) => ({ deposit, account, ...lot })),
  );
  const gone = changed.filter((lot) => lot.units === 0n);
  const kept = changed.filter((lot) => lot.units > 0n);
  if (gone.length > 0) {
    await executor.query(DELETE_LOTS, [
      gone.map((lot) => lot.deposit),
      numbers(gone, (lot) => idOf(lot.account)),
    ]);
  }
  if (kept.length > 0) {
    await executor.query(WRITE_LOTS, [
      kept.map((lot) => lot.deposit),
      numbers(kept, (lot) => idOf(lot.account)),
      numbers(kept, (lot) => lot.units),
      numbers(kept, (lot) => lot.since),
    ]);
  }
}

async function writeHolds(executor: Executor, books: Books): Promise<void> {
  const changed = [...books.holds.values()].filter((hold) => !hold.written);
  if (changed.length === 0) return;
  await executor.query(WRITE_HOLDS, [
    changed.map((hold) => hold.id),
    numbers(changed, (hold) => idOf(hold.account)),
    numbers(changed, (hold) => hold.units),
    changed.map((hold) => hold.state),
  ]);
}

async function writeDeposits(executor: Executor, books: Books): Promise<void> {
  const changed = [...books.deposits.values()].filter((deposit) => !deposit.written);
  if (changed.length === 0) return;
  await executor.query(WRITE_DEPOSITS, [
    changed.map((deposit) => deposit.deposit),
    changed.map((deposit) => deposit.incarnation),
    changed.map((deposit) => deposit.state),
    numbers(changed, (deposit) => idOf(deposit.account)),
    numbers(changed, (deposit) => idOf(deposit.into)),
    numbers(changed, (deposit) => deposit.units),
  ]);
}

/** A PostgreSQL array of whole numbers, written as text: several times faster than the driver's own quoting. */
export function numbers<Row>(rows: readonly Row[], value: (row: Row) => bigint | number): string {
  return `{${rows.map(value).join(',')}}`;
}

/** The account's number; it must exist in the database. */
export function idOf(account: Account): bigint {
  assert.ok(account.id !== undefined, accountName(account.ref));
  return account.id;
}
