import assert from 'node:assert/strict';

export type AccountKind =
  | 'customer'
  | 'fees'
  | 'house'
  | 'suspense'
  | 'exposure'
  | 'hot'
  | 'unswept'
  | 'cold'
  | 'gas'
  | 'network-costs';

/** What names an account. Held assets and network costs have a network, customer and exposure a customer. */
export interface AccountRef {
  readonly kind: AccountKind;
  readonly asset: string;
  readonly network?: string;
  readonly customer?: string;
}

/** What numeric(78,0) holds. */
export const BALANCE_MAX = 10n ** 78n - 1n;

export interface Lot {
  units: bigint;
  /** The posting that brought it. */
  since: bigint;
  /** How it stands in the database, to know what to write. */
  written: { readonly units: bigint; readonly since: bigint } | undefined;
}

/** An account as the batch in hand sees it. */
export interface Account {
  /** Undefined until it exists in the database. */
  id: bigint | undefined;
  readonly ref: AccountRef;
  final: bigint;
  provisional: bigint;
  held: bigint;
  version: bigint;
  /** By deposit. A lot that is used up stays, with zero units. */
  readonly lots: Map<string, Lot>;
  touched: boolean;
}

export interface Hold {
  readonly id: string;
  readonly account: Account;
  readonly units: bigint;
  state: 'pending' | 'posted' | 'voided';
  written: boolean;
}

export interface CreditedDeposit {
  readonly deposit: string;
  readonly account: Account;
  readonly into: Account;
  readonly units: bigint;
  incarnation: number;
  state: 'credited' | 'final' | 'reversed' | 'written_off';
  written: boolean;
}

/** The part of the books that a batch is about, locked. */
export interface Books {
  readonly accounts: Map<string, Account>;
  readonly holds: Map<string, Hold>;
  readonly deposits: Map<string, CreditedDeposit>;
  readonly postings: Map<string, { readonly id: bigint; readonly payloadHash: string }>;
}

/** Units from `debit` to `credit`; a lot names the deposit whose lot that side's change is, none means final value. */
export interface Leg {
  readonly debit: Account;
  readonly credit: Account;
  readonly units: bigint;
  readonly debitLot?: string;
  readonly creditLot?: string;
}

/** All that a posting will change, decided before anything is. */
export interface Plan {
  readonly legs: readonly Leg[];
  /** Lots that become final, whole. */
  readonly finals?: readonly { readonly account: Account; readonly deposit: string }[];
  readonly holds?: readonly { readonly account: Account; readonly units: bigint }[];
  readonly hold?: Hold;
  readonly deposit?: CreditedDeposit;
}

export interface LegRow {
  readonly posting: bigint;
  readonly n: number;
  readonly leg: Leg;
}

export interface EntryRow {
  readonly account: Account;
  readonly version: bigint;
  readonly posting: bigint;
  readonly amount: bigint;
  readonly provisional: bigint;
  readonly deposit: string | undefined;
  readonly balanceAfter: bigint;
}

export interface Journal {
  readonly legs: LegRow[];
  readonly entries: EntryRow[];
}

export function accountName(ref: AccountRef): string {
  return `${ref.kind} ${ref.asset} ${ref.network ?? ''} ${ref.customer ?? ''}`;
}

/** The account of this name; one that does not exist yet is empty. */
export function accountOf(books: Books, ref: AccountRef): Account {
  const name = accountName(ref);
  let account = books.accounts.get(name);
  if (!account) {
    account = emptyAccount(ref);
    books.accounts.set(name, account);
  }
  return account;
}

export function emptyAccount(ref: AccountRef): Account {
  return {
    id: undefined,
    ref,
    final: 0n,
    provisional: 0n,
    held: 0n,
    version: 0n,
    lots: new Map(),
    touched: false,
  };
}

export const balanceOf = (account: Account): bigint => account.final + account.provisional;

/** Final value that is not held: what may leave. */
export const freeFinalOf = (account: Account): bigint => account.final - account.held;

export const lotUnits = (account: Account, deposit: string): bigint => account.lots.get(deposit)?.units ?? 0n;

/** Lots that hold something, in the order in which they are spent. */
export function lotsOldestFirst(account: Account): { deposit: string; units: bigint }[] {
  if (account.provisional === 0n) return [];
  return [...account.lots]
    .filter(([, lot]) => lot.units > 0n)
    .toSorted(([a, x], [b, y]) => (x.since === y.since ? (a < b ? -1 : 1) : x.since < y.since ? -1 : 1))
    .map(([deposit, lot]) => ({ deposit, units: lot.units }));
}

/** Carries a plan out, in memory; the journal gets the rows to write. */
export function carryOut(plan: Plan, posting: bigint, journal: Journal): void {
  for (const [i, leg] of plan.legs.entries()) {
    journal.legs.push({ posting, n: i + 1, leg });
    enter(journal, posting, { account: leg.debit, amount: -leg.units, lot: leg.debitLot });
    enter(journal, posting, { account: leg.credit, amount: leg.units, lot: leg.creditLot });
  }
  for (const { account, deposit } of plan.finals ?? []) becomeFinal(journal, posting, account, deposit);
  for (const { account, units } of plan.holds ?? []) {
    account.held += units;
    account.touched = true;
  }
  for (const leg of plan.legs) {
    assertWhole(leg.debit);
    assertWhole(leg.credit);
  }
  for (const { account } of plan.holds ?? []) assertWhole(account);
}

interface Side {
  readonly account: Account;
  readonly amount: bigint;
  readonly lot: string | undefined;
}

function enter(journal: Journal, posting: bigint, { account, amount, lot }: Side): void {
  if (lot === undefined) {
    account.final += amount;
  } else {
    account.provisional += amount;
    changeLot(account, lot, amount, posting);
  }
  pushEntry(journal, posting, {
    account,
    amount,
    provisional: lot === undefined ? 0n : amount,
    deposit: lot,
  });
}

function becomeFinal(journal: Journal, posting: bigint, account: Account, deposit: string): void {
  const units = lotUnits(account, deposit);
  if (units === 0n) return;
  account.provisional -= units;
  account.final += units;
  changeLot(account, deposit, -units, posting);
  pushEntry(journal, posting, { account, amount: 0n, provisional: -units, deposit });
}

function pushEntry(
  journal: Journal,
  posting: bigint,
  change: Pick<EntryRow, 'account' | 'amount' | 'provisional' | 'deposit'>,
): void {
  const { account } = change;
  account.version += 1n;
  account.touched = true;
  journal.entries.push({ ...change, posting, version: account.version, balanceAfter: balanceOf(account) });
}

/** A lot that was used up and comes back is as young as its return. */
function changeLot(account: Account, deposit: string, change: bigint, posting: bigint): void {
  const lot = account.lots.get(deposit);
  if (!lot) {
    assert.ok(change > 0n, 'a lot begins with something');
    account.lots.set(deposit, { units: change, since: posting, written: undefined });
    return;
  }
  if (lot.units === 0n) lot.since = posting;
  lot.units += change;
  assert.ok(lot.units >= 0n, 'a lot is never overdrawn');
}

/** The rules that the table's constraints state too. */
function assertWhole(account: Account): void {
  const { final, provisional, held, ref } = account;
  assert.ok(provisional >= 0n && held >= 0n, accountName(ref));
  switch (ref.kind) {
    case 'customer':
      assert.ok(final >= 0n && final - held >= 0n, accountName(ref));
      return;
    case 'fees':
    case 'suspense':
      assert.ok(final >= 0n, accountName(ref));
      return;
    case 'exposure':
    case 'network-costs':
      assert.ok(final + provisional <= 0n, accountName(ref));
      return;
    case 'house':
    case 'hot':
    case 'unswept':
    case 'cold':
    case 'gas':
      return;
  }
}
