import type { Executor } from '../db/db.ts';

export interface LedgerProblem {
  readonly code:
    | 'ASSET_UNBALANCED'
    | 'ENTRY_WITHOUT_ACCOUNT'
    | 'HISTORY_HAS_GAP'
    | 'HISTORY_WRONG_BALANCE'
    | 'ACCOUNT_NOT_ITS_ENTRIES'
    | 'ENTRIES_NOT_THEIR_LEGS'
    | 'LEG_WITHOUT_POSTING'
    | 'LOT_NOT_ITS_ENTRIES'
    | 'LOTS_NOT_PROVISIONAL'
    | 'HOLDS_NOT_HELD'
    | 'DEPOSIT_HAS_LOTS';
  /** The asset, account, posting or deposit concerned, and by how much. */
  readonly detail: string;
}

/**
 * One statement, so that it sees one moment, whatever is written meanwhile. Everything is computed from the
 * journal again and compared with what the tables say.
 */
const AUDIT = `
  with history as (
    select account_id, version, posting_id, amount, provisional, balance_after,
           lag(balance_after, 1, 0::numeric) over w as balance_before,
           row_number() over w as n
      from entry window w as (partition by account_id order by version)),
  totals as (
    select account_id, sum(amount) as amount, sum(provisional) as provisional, max(version) as version
      from entry group by account_id),
  sides as (
    select posting_id, account_id, sum(units) as units from (
      select posting_id, credit as account_id, units from leg
      union all select posting_id, debit, -units from leg) side group by posting_id, account_id),
  entered as (select posting_id, account_id, sum(amount) as units from entry group by posting_id, account_id),
  lots as (
    select deposit, account_id, sum(provisional) as units from entry
     where deposit is not null group by deposit, account_id having sum(provisional) <> 0)
  select 'ASSET_UNBALANCED' as code, asset || ' by ' || sum(final + provisional) as detail
    from account group by asset having sum(final + provisional) <> 0
  union all
  select 'ENTRY_WITHOUT_ACCOUNT', 'account ' || t.account_id
    from totals t where not exists (select 1 from account a where a.id = t.account_id)
  union all
  select 'HISTORY_HAS_GAP', 'account ' || account_id || ' version ' || version from history where n <> version
  union all
  select 'HISTORY_WRONG_BALANCE', 'account ' || account_id || ' version ' || version
    from history where balance_after <> balance_before + amount
  union all
  select 'ACCOUNT_NOT_ITS_ENTRIES', 'account ' || a.id
    from account a left join totals t on t.account_id = a.id
   where a.final + a.provisional <> coalesce(t.amount, 0) or a.provisional <> coalesce(t.provisional, 0)
      or a.version <> coalesce(t.version, 0)
  union all
  select 'ENTRIES_NOT_THEIR_LEGS', 'posting ' || coalesce(s.posting_id, e.posting_id) || ' account ' || coalesce(s.account_id, e.account_id)
    from sides s full join entered e on e.posting_id = s.posting_id and e.account_id = s.account_id
   where coalesce(s.units, 0) <> coalesce(e.units, 0)
  union all
  select 'LEG_WITHOUT_POSTING', 'posting ' || l.posting_id
    from leg l where not exists (select 1 from posting p where p.id = l.posting_id)
  union all
  select 'LOT_NOT_ITS_ENTRIES', 'deposit ' || coalesce(l.deposit, x.deposit) || ' account ' || coalesce(l.account_id, x.account_id)
    from lot l full join lots x on x.deposit = l.deposit and x.account_id = l.account_id
   where coalesce(l.units, 0) <> coalesce(x.units, 0)
  union all
  select 'LOTS_NOT_PROVISIONAL', 'account ' || a.id
    from account a left join (select account_id, sum(units) as units from lot group by account_id) l on l.account_id = a.id
   where a.provisional <> coalesce(l.units, 0)
  union all
  select 'HOLDS_NOT_HELD', 'account ' || a.id
    from account a left join (
      select account_id, sum(units) as units from hold where state = 'pending' group by account_id) h on h.account_id = a.id
   where a.held <> coalesce(h.units, 0)
  union all
  select 'DEPOSIT_HAS_LOTS', 'deposit ' || d.deposit || ' is ' || d.state
    from credited_deposit d where d.state in ('final', 'written_off')
     and exists (select 1 from lot l where l.deposit = d.deposit)`;

/** Everything in the books that does not add up; nothing when they are whole. Reads all of the journal. */
export async function auditLedger(executor: Executor): Promise<LedgerProblem[]> {
  return executor.query<LedgerProblem>(AUDIT, []);
}
