import assert from 'node:assert/strict';
import type { Pool, PoolClient } from 'pg';
import { accountName, type Account, type Books, type Journal } from './books.ts';
import { malformed } from './decide.ts';
import { asLedgerError, isStatementRefused } from './faults.ts';
import type { PostingOutcome } from './outcomes.ts';
import type { Posting } from './postings.ts';
import { settleInMemory } from './settle.ts';
import { idOf, numbers } from './write.ts';

/**
 * Transfers between accounts that the lane remembers are decided before the database is asked, and written by one
 * statement, which is its own transaction and does nothing unless the accounts still are what was remembered. So
 * one batch is written while the next one is decided on what it will leave behind. What does not hold goes the
 * long way, and is remembered anew.
 */
export interface Express {
  /**
   * Undefined when the batch needs the long way. Otherwise it is under way behind the earlier ones, and resolves to
   * its answers, or to undefined when nothing of it was written and it needs the long way after all.
   */
  readonly send: (batch: readonly Posting[]) => Promise<(PostingOutcome | Error)[] | undefined> | undefined;
  readonly close: () => void;
}

/**
 * Locks what the decisions were made on, in the order of all writers; compares; draws numbers; writes. All that an
 * account holds is compared: a hold leaves its version alone, and where a batch did not come to be, somebody else's
 * may have brought the version that was expected of it. A refused posting's key may be in the books all the same;
 * an applied one's would violate the key's uniqueness.
 */
const EXPRESS = `
  with locked as materialized (
    select final, provisional, held, version from account where id = any($1::bigint[]) order by id for no key update),
  guard as materialized (
    select coalesce(array_agg(version) = $2::bigint[] and array_agg(final) = $3::numeric[]
           and array_agg(held) = $4::numeric[] and bool_and(provisional = 0), false)
       and not exists (select from posting where key = any($5::text[])) as holds
      from locked),
  drawn as materialized (
    select array_agg(nextval('posting_id')) as ids from generate_series(1, $6::int) where (select holds from guard)),
  p as (
    insert into posting (id, key, kind, payload_hash)
    select (select ids from drawn)[n], key, 'transfer', hash
      from unnest($7::text[], $8::bytea[]) with ordinality r(key, hash, n) where (select holds from guard)),
  rows as materialized (
    select (select ids from drawn)[p] as posting_id, n, asset, debit, credit, units, debit_version, debit_after, credit_version, credit_after
      from unnest($9::int[], $10::int[], $11::text[], $12::bigint[], $13::bigint[], $14::numeric[], $15::bigint[], $16::numeric[], $17::bigint[], $18::numeric[])
           r(p, n, asset, debit, credit, units, debit_version, debit_after, credit_version, credit_after)
     where (select holds from guard)),
  l as (
    insert into leg (posting_id, n, asset, debit, credit, units)
    select posting_id, n, asset, debit, credit, units from rows),
  e as (
    insert into entry (account_id, version, posting_id, amount, provisional, deposit, balance_after)
    select debit, debit_version, posting_id, -units, 0, null, debit_after from rows
    union all
    select credit, credit_version, posting_id, units, 0, null, credit_after from rows),
  u as (
    update account a set final = r.final, version = r.version
      from unnest($19::bigint[], $20::numeric[], $21::bigint[]) r(id, final, version)
     where a.id = r.id and (select holds from guard))
  select holds, ids from guard, drawn`;

/** Takes a connection of the pool until it is closed. */
export async function openExpress(pool: Pool, known: Map<string, Account>): Promise<Express> {
  const client = await pool.connect();
  let broken: Error | undefined;

  async function land(order: Order): Promise<(PostingOutcome | Error)[] | undefined> {
    try {
      const ids = await ask(client, order);
      if (ids) return order.outcomes.map((outcome) => numbered(outcome, ids));
    } catch (error) {
      if (!isStatementRefused(error)) {
        broken = error instanceof Error ? error : new Error(String(error));
        return order.outcomes.map(() => asLedgerError(error));
      }
    }
    return undefined;
  }

  return {
    send: (batch) => {
      const order = broken ? undefined : decideBatch(batch, known);
      return order && land(order);
    },
    close: () => client.release(broken),
  };
}

/** What is decided, and the statement's values. */
interface Order {
  readonly outcomes: readonly PostingOutcome[];
  readonly values: readonly unknown[];
}

function decideBatch(batch: readonly Posting[], known: ReadonlyMap<string, Account>): Order | undefined {
  const accounts = new Map<string, Account>();
  const faulty = new Set<Posting>();
  for (const posting of batch) {
    if (posting.kind !== 'transfer') return undefined;
    if (malformed(posting)) {
      faulty.add(posting);
      continue;
    }
    for (const { from, to, asset } of posting.movements) {
      for (const customer of [from, to]) {
        const name = accountName({ kind: 'customer', asset, customer });
        const account = known.get(name);
        if (account?.id === undefined || account.provisional > 0n) return undefined;
        accounts.set(name, account);
      }
    }
  }
  const books: Books = { accounts, holds: new Map(), deposits: new Map(), postings: new Map() };
  const read = [...accounts.values()].toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const before = [
    numbers(read, idOf),
    numbers(read, (account) => account.version),
    numbers(read, (account) => account.final),
    numbers(read, (account) => account.held),
  ];
  for (const account of read) account.touched = false;
  const { outcomes, changes } = settleInMemory(books, batch, (n) => BigInt(n + 1));
  const refused = batch.filter((posting, i) => outcomes[i]?.status === 'refused' && !faulty.has(posting));
  const touched = read.filter((account) => account.touched);
  const { applied, journal } = changes;
  const values = [
    ...before,
    texts(refused, (posting) => posting.key),
    applied.length,
    texts(applied, (posting) => posting.key),
    texts(applied, (posting) => `\\x${posting.payloadHash}`),
    ...journalValues(journal),
    numbers(touched, idOf),
    numbers(touched, (account) => account.final),
    numbers(touched, (account) => account.version),
  ];
  return { outcomes, values };
}

/** Each leg made two entries: the debit account's, then the credit account's. */
function journalValues({ legs, entries }: Journal): string[] {
  assert.equal(entries.length, 2 * legs.length);
  const debits = entries.filter((_, i) => i % 2 === 0);
  const credits = entries.filter((_, i) => i % 2 === 1);
  return [
    numbers(legs, (row) => row.posting),
    numbers(legs, (row) => row.n),
    texts(legs, (row) => row.leg.debit.ref.asset),
    numbers(legs, (row) => idOf(row.leg.debit)),
    numbers(legs, (row) => idOf(row.leg.credit)),
    numbers(legs, (row) => row.leg.units),
    numbers(debits, (row) => row.version),
    numbers(debits, (row) => row.balanceAfter),
    numbers(credits, (row) => row.version),
    numbers(credits, (row) => row.balanceAfter),
  ];
}

/** The numbers drawn for the applied postings; undefined when the accounts are not what was remembered. */
async function ask(client: PoolClient, order: Order): Promise<readonly bigint[] | undefined> {
  const { rows } = await client.query<{ holds: boolean; ids: bigint[] | null }>({
    name: 'ledger_express',
    text: EXPRESS,
    values: [...order.values],
  });
  const [row] = rows;
  return row?.holds ? (row.ids ?? []) : undefined;
}

/** From the place in the batch's journal, counted from 1, to the posting's number. */
function numbered(outcome: PostingOutcome, ids: readonly bigint[]): PostingOutcome {
  if (outcome.status === 'refused') return outcome;
  const posting = ids[Number(outcome.posting) - 1];
  assert.ok(posting !== undefined, 'a number was drawn for every applied posting');
  return { status: outcome.status, posting };
}

function texts<Row>(rows: readonly Row[], value: (row: Row) => string): string {
  return `{${rows.map((row) => `"${value(row).replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
