import type { Executor } from '../db/db.ts';
import {
  accountName,
  emptyAccount,
  type Account,
  type AccountKind,
  type AccountRef,
  type Books,
  type CreditedDeposit,
  type Hold,
} from './books.ts';
import type { Posting } from './postings.ts';
import type { Scope } from './scope.ts';

/** Accounts that are known to be committed, by name; what they hold may be outdated. */
export type KnownAccounts = ReadonlyMap<string, Account>;

export interface AccountIdsFound {
  readonly ids: readonly bigint[];
  readonly missing: number;
}

interface AccountRow {
  id: bigint;
  kind: AccountKind;
  asset: string;
  network: string | null;
  customer: string | null;
  final: bigint;
  provisional: bigint;
  held: bigint;
  version: bigint;
}

const LOOKUP = `
  select a.id
    from unnest($1::text[], $2::text[], $3::text[], $4::text[]) r(kind, asset, network, customer)
    join account a on a.kind = r.kind and a.asset = r.asset
     and coalesce(a.network, '') = r.network and coalesce(a.customer, '') = r.customer`;

/** One lock order for every writer: by account number. The locks let foreign keys be checked meanwhile. */
const LOCK = `
  select id, kind, asset, network, customer, final, provisional, held, version
    from account where id = any($1::bigint[]) order by id for no key update`;

/** Numbers are drawn after the locks, so that an account's entries have rising posting numbers. */
const KEYS = `
  select id, key, encode(payload_hash, 'hex') as payload_hash from posting where key = any($1::text[])
  union all select nextval('posting_id'), null, null from generate_series(1, $2::int)`;

const LOTS = `
  select deposit, account_id, units, since from lot
   where account_id = any($1::bigint[]) or deposit = any($2::text[])`;

const HOLDS = `select id, account_id, units, state from hold where id = any($1::text[])`;

const DEPOSITS = `
  select deposit, incarnation, state, account_id, into_account, units
    from credited_deposit where deposit = any($1::text[])`;

/** The account numbers of a scope, as far as the accounts exist. */
export async function findAccounts(
  executor: Executor,
  scope: Scope,
  known: KnownAccounts,
): Promise<AccountIdsFound> {
  const ids = new Set(scope.ids);
  const unknown: AccountRef[] = [];
  for (const [name, ref] of scope.refs) {
    const id = known.get(name)?.id;
    if (id === undefined) unknown.push(ref);
    else ids.add(id);
  }
  let missing = 0;
  if (unknown.length > 0) {
    const rows = await executor.query<{ id: bigint }>(LOOKUP, [
      unknown.map((ref) => ref.kind),
      unknown.map((ref) => ref.asset),
      unknown.map((ref) => ref.network ?? ''),
      unknown.map((ref) => ref.customer ?? ''),
    ]);
    for (const row of rows) ids.add(row.id);
    missing = unknown.length - rows.length;
  }
  return { ids: [...ids].toSorted((a, b) => (a < b ? -1 : 1)), missing };
}

export interface LoadedBooks {
  readonly books: Books;
  /** Fresh posting numbers, rising, one for each posting of the batch. */
  readonly numbers: readonly bigint[];
}

/**
 * Locks the accounts and reads the rest of the scope. Undefined when somebody moved a hold, a deposit or a lot of
 * the scope to an account outside of it before the locks held: look again.
 */
export async function lockAndLoad(
  executor: Executor,
  load: { scope: Scope; ids: readonly bigint[]; postings: readonly Posting[] },
): Promise<LoadedBooks | undefined> {
  const { scope, ids, postings } = load;
  const accounts = new Map<string, Account>();
  const byId = new Map<bigint, Account>();
  for (const row of ids.length > 0 ? await executor.query<AccountRow>(LOCK, [ids]) : []) {
    const account = accountFrom(row);
    accounts.set(accountName(account.ref), account);
    byId.set(row.id, account);
  }
  const books: Books = { accounts, holds: new Map(), deposits: new Map(), postings: new Map() };
  const numbers = await loadKeys(executor, books, postings);
  const complete =
    (await loadLots(executor, byId, scope)) &&
    (await loadHolds(executor, { books, byId, scope })) &&
    (await loadDeposits(executor, { books, byId, scope }));
  return complete ? { books, numbers } : undefined;
}

async function loadKeys(executor: Executor, books: Books, postings: readonly Posting[]): Promise<bigint[]> {
  const rows = await executor.query<{ id: bigint; key: string | null; payload_hash: string | null }>(KEYS, [
    postings.map((posting) => posting.key),
    postings.length,
  ]);
  const numbers: bigint[] = [];
  for (const { id, key, payload_hash } of rows) {
    if (key === null || payload_hash === null) numbers.push(id);
    else books.postings.set(key, { id, payloadHash: payload_hash });
  }
  return numbers;
}

async function loadLots(
  executor: Executor,
  byId: ReadonlyMap<bigint, Account>,
  scope: Scope,
): Promise<boolean> {
  const provisional = [...byId].filter(([, account]) => account.provisional > 0n).map(([id]) => id);
  if (provisional.length === 0 && scope.lotWide.length === 0) return true;
  const rows = await executor.query<{ deposit: string; account_id: bigint; units: bigint; since: bigint }>(
    LOTS,
    [provisional, scope.lotWide],
  );
  return rows.every(({ deposit, account_id, units, since }) => {
    byId.get(account_id)?.lots.set(deposit, { units, since, written: { units, since } });
    return byId.has(account_id);
  });
}

interface Loading {
  readonly books: Books;
  readonly byId: ReadonlyMap<bigint, Account>;
  readonly scope: Scope;
}

async function loadHolds(executor: Executor, { books, byId, scope }: Loading): Promise<boolean> {
  if (scope.withdrawals.length === 0) return true;
  const rows = await executor.query<{
    id: string;
    account_id: bigint;
    units: bigint;
    state: Hold['state'];
  }>(HOLDS, [scope.withdrawals]);
  return rows.every(({ id, account_id, units, state }) => {
    const account = byId.get(account_id);
    if (account) books.holds.set(id, { id, account, units, state, written: true });
    return account !== undefined;
  });
}

async function loadDeposits(executor: Executor, { books, byId, scope }: Loading): Promise<boolean> {
  if (scope.deposits.length === 0) return true;
  const rows = await executor.query<{
    deposit: string;
    incarnation: number;
    state: CreditedDeposit['state'];
    account_id: bigint;
    into_account: bigint;
    units: bigint;
  }>(DEPOSITS, [scope.deposits]);
  return rows.every(({ deposit, incarnation, state, account_id, into_account, units }) => {
    const account = byId.get(account_id);
    const into = byId.get(into_account);
    if (!account || !into) return false;
    books.deposits.set(deposit, { deposit, account, into, units, incarnation, state, written: true });
    return true;
  });
}

function accountFrom(row: AccountRow): Account {
  const ref: AccountRef = {
    kind: row.kind,
    asset: row.asset,
    ...(row.network === null ? {} : { network: row.network }),
    ...(row.customer === null ? {} : { customer: row.customer }),
  };
  const { id, final, provisional, held, version } = row;
  return { ...emptyAccount(ref), id, final, provisional, held, version };
}
