import type { Executor } from '../db/db.ts';
import { accountName, type AccountKind, type AccountRef } from './books.ts';
import type { Posting } from './postings.ts';

/** What a batch of postings touches: everything that decide may ask for has to be in here, and locked. */
export interface Scope {
  readonly refs: ReadonlyMap<string, AccountRef>;
  /** Accounts known by number: of holds, deposits and lots. */
  readonly ids: ReadonlySet<bigint>;
  /** Holds that postings settle or void. */
  readonly withdrawals: readonly string[];
  readonly deposits: readonly string[];
  /** Deposits of which every holder is needed. */
  readonly lotWide: readonly string[];
}

interface Owner {
  readonly asset: string;
  readonly customer: string;
}

interface SubjectRow extends Owner {
  readonly subject: string;
  readonly account_id: bigint;
}

const HELD_BY = `
  select h.id as subject, h.account_id, a.asset, a.customer
    from hold h join account a on a.id = h.account_id where h.id = any($1::text[])`;

const CREDITED_TO = `
  select d.deposit as subject, unnest(array[d.account_id, d.into_account]) as account_id, a.asset, a.customer
    from credited_deposit d join account a on a.id = d.account_id where d.deposit = any($1::text[])`;

const LOT_HOLDERS = `select distinct account_id from lot where deposit = any($1::text[])`;

/** Which accounts a batch is about, as far as can be known before they are locked. */
export async function scopeOf(executor: Executor, postings: readonly Posting[]): Promise<Scope> {
  const withdrawals = new Set<string>();
  const deposits = new Set<string>();
  const lotWide = new Set<string>();
  for (const posting of postings) {
    if (posting.kind === 'settle_withdrawal' || posting.kind === 'void_hold')
      withdrawals.add(posting.withdrawal);
    if ('deposit' in posting) deposits.add(posting.deposit);
    if (posting.kind === 'finalize_deposit' || posting.kind === 'write_off_deposit')
      lotWide.add(posting.deposit);
  }
  const ids = new Set<bigint>();
  const owners = ownersInBatch(postings);
  const found = [
    ...(withdrawals.size > 0 ? await executor.query<SubjectRow>(HELD_BY, [[...withdrawals]]) : []),
    ...(deposits.size > 0 ? await executor.query<SubjectRow>(CREDITED_TO, [[...deposits]]) : []),
  ];
  for (const row of found) {
    ids.add(row.account_id);
    push(owners, row.subject, { asset: row.asset, customer: row.customer });
  }
  if (lotWide.size > 0) {
    const holders = await executor.query<{ account_id: bigint }>(LOT_HOLDERS, [[...lotWide]]);
    for (const row of holders) ids.add(row.account_id);
  }
  const refs = new Map<string, AccountRef>();
  for (const posting of postings) {
    for (const ref of refsOf(posting, owners)) refs.set(accountName(ref), ref);
  }
  return {
    refs,
    ids,
    withdrawals: [...withdrawals],
    deposits: [...deposits],
    lotWide: [...lotWide],
  };
}

/** A batch may settle a hold, or take back a deposit, that it makes itself. */
function ownersInBatch(postings: readonly Posting[]): Map<string, Owner[]> {
  const owners = new Map<string, Owner[]>();
  for (const posting of postings) {
    if (posting.kind === 'hold_withdrawal') push(owners, posting.withdrawal, posting);
    if (posting.kind === 'credit_deposit') push(owners, posting.deposit, posting);
  }
  return owners;
}

function push(owners: Map<string, Owner[]>, subject: string, { asset, customer }: Owner): void {
  const list = owners.get(subject) ?? [];
  if (!list.some((owner) => owner.asset === asset && owner.customer === customer))
    list.push({ asset, customer });
  owners.set(subject, list);
}

function refsOf(posting: Posting, owners: ReadonlyMap<string, readonly Owner[]>): AccountRef[] {
  switch (posting.kind) {
    case 'transfer':
      return posting.movements.flatMap(({ from, to, asset }) =>
        [from, to].map((customer): AccountRef => ({ kind: 'customer', asset, customer })),
      );
    case 'hold_withdrawal':
      return [{ kind: 'customer', asset: posting.asset, customer: posting.customer }];
    case 'credit_deposit':
      return [...depositorRefs(posting), onNetwork(posting.into, posting)];
    case 'finalize_deposit':
    case 'reverse_deposit':
    case 'write_off_deposit':
      return (owners.get(posting.deposit) ?? []).flatMap(depositorRefs);
    case 'void_hold':
      return (owners.get(posting.withdrawal) ?? []).map((owner) => ({ kind: 'customer', ...owner }));
    case 'settle_withdrawal':
      return (owners.get(posting.withdrawal) ?? []).flatMap(({ asset, customer }): AccountRef[] => [
        { kind: 'customer', asset, customer },
        { kind: 'fees', asset },
        onNetwork('hot', { asset, network: posting.network }),
      ]);
    case 'record_network_cost':
      return [onNetwork('network-costs', posting), onNetwork(posting.paidFrom, posting)];
    case 'record_sweep':
      return [onNetwork('unswept', posting), onNetwork('hot', posting)];
    case 'record_stray':
      return [onNetwork(posting.into, posting), { kind: 'suspense', asset: posting.asset }];
    case 'record_house_funding':
      return [onNetwork(posting.into, posting), { kind: 'house', asset: posting.asset }];
    case 'record_cold_move':
      return [
        onNetwork(posting.direction === 'cold_to_gas' ? 'gas' : 'hot', posting),
        onNetwork('cold', posting),
      ];
    case 'resolve_stray':
      return [
        { kind: 'suspense', asset: posting.asset },
        posting.to === 'house'
          ? { kind: 'house', asset: posting.asset }
          : { kind: 'customer', asset: posting.asset, customer: posting.to.customer },
      ];
    default:
      return posting satisfies never;
  }
}

function depositorRefs({ asset, customer }: Owner): AccountRef[] {
  return [
    { kind: 'customer', asset, customer },
    { kind: 'exposure', asset, customer },
    { kind: 'house', asset },
  ];
}

function onNetwork(kind: AccountKind, { asset, network }: { asset: string; network: string }): AccountRef {
  return { kind, asset, network };
}
