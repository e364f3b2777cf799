-- The books. balance = credits less debits = final + provisional, so what we owe is positive and what we hold is
-- negative, and all balances of one asset always add up to zero. core/ledger alone writes these tables; the
-- constraints and triggers below only forbid, so that a fault in that code stops instead of making money.
create sequence posting_id;
create table posting (
  id           bigint primary key,
  key          text not null unique,
  kind         text not null,
  payload_hash bytea not null check (length(payload_hash) = 32),
  at           timestamptz not null default now()
);

create table account (
  id          bigint generated always as identity primary key,
  kind        text not null check (kind in ('customer', 'fees', 'house', 'suspense', 'exposure', 'hot', 'unswept', 'cold', 'gas', 'network-costs')),
  asset       text not null check (asset <> ''),
  network     text check (network <> ''),
  customer    text check (customer <> ''),
  final       numeric(78,0) not null default 0,
  provisional numeric(78,0) not null default 0,
  held        numeric(78,0) not null default 0,
  version     bigint not null default 0 check (version >= 0),   -- of its latest entry; 0: none
  constraint account_identity unique nulls not distinct (kind, asset, network, customer),
  constraint account_network_known check ((network is not null) = (kind in ('hot', 'unswept', 'cold', 'gas', 'network-costs'))),
  constraint account_customer_known check ((customer is not null) = (kind in ('customer', 'exposure'))),
  constraint account_provisional check (provisional >= 0 and (provisional = 0 or kind in ('customer', 'exposure'))),
  constraint account_held check (held >= 0 and (held = 0 or kind = 'customer')),
  constraint account_covered check (kind <> 'customer' or final - held >= 0),
  constraint account_not_negative check (kind not in ('customer', 'fees', 'suspense') or final >= 0),
  constraint account_not_positive check (kind not in ('exposure', 'network-costs') or final + provisional <= 0)
) with (fillfactor = 50);
-- `is not distinct from` uses no index, so a lookup that may meet nulls goes by this one.
create index account_lookup on account (kind, asset, coalesce(network, ''), coalesce(customer, ''));
create index account_by_customer on account (customer) where customer is not null;

-- A debit and a credit of one amount of one asset: a leg that does not balance cannot be written down. That its
-- posting and its accounts exist, and are of its asset, leg_between_accounts sees to below.
create table leg (
  posting_id bigint not null,
  n          integer not null check (n >= 1),
  asset      text not null,
  debit      bigint not null,
  credit     bigint not null check (credit <> debit),
  units      numeric(78,0) not null check (units > 0),
  primary key (posting_id, n)
);

-- An account's own side of a leg. Value that only becomes final has an entry too, with amount 0.
-- An entry without its posting's legs, or an account without its entry, is what auditLedger looks for.
create table entry (
  account_id    bigint not null,
  version       bigint not null check (version >= 1),
  posting_id    bigint not null,
  amount        numeric(78,0) not null,
  provisional   numeric(78,0) not null,
  deposit       text,                                            -- whose lot the provisional part changes
  balance_after numeric(78,0) not null,
  primary key (account_id, version),
  constraint entry_lot check ((provisional = 0) = (deposit is null)),
  constraint entry_says_something check (amount <> 0 or provisional <> 0)
);

-- What an account holds of a deposit that is not yet irreversible. An account's lots add up to its provisional.
create table lot (
  deposit    text not null,
  account_id bigint not null references account,
  units      numeric(78,0) not null check (units > 0),
  since      bigint not null,                                    -- posting that brought it; the oldest is spent first
  primary key (deposit, account_id)
);
create index lot_by_account on lot (account_id);

create table hold (
  id         text primary key,
  account_id bigint not null references account,
  units      numeric(78,0) not null check (units > 0),
  state      text not null check (state in ('pending', 'posted', 'voided'))
);
create index hold_pending on hold (account_id) where state = 'pending';

-- Where each deposit stands in the books. incarnation: of its latest credit.
create table credited_deposit (
  deposit      text primary key,
  incarnation  integer not null check (incarnation >= 1),
  state        text not null check (state in ('credited', 'final', 'reversed', 'written_off')),
  account_id   bigint not null references account,               -- the depositor's
  into_account bigint not null references account,               -- where the coins are
  units        numeric(78,0) not null check (units > 0)
);

create function ledger_forbid() returns trigger language plpgsql as $$
begin
  raise exception 'ledger: % of % is forbidden', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger posting_append_only before update or delete or truncate on posting execute function ledger_forbid();
create trigger leg_append_only before update or delete or truncate on leg execute function ledger_forbid();
create trigger entry_append_only before update or delete or truncate on entry execute function ledger_forbid();
create trigger account_stays before delete or truncate on account execute function ledger_forbid();
create trigger account_identity_stays before update of id, kind, asset, network, customer on account execute function ledger_forbid();
create trigger account_begins_empty before insert on account for each row
  when (new.final <> 0 or new.provisional <> 0 or new.held <> 0 or new.version <> 0) execute function ledger_forbid();

create function ledger_forbid_unbalanced() returns trigger language plpgsql as $$
declare
  unbalanced text;
begin
  select string_agg(asset, ', ') into unbalanced from (
    select asset from (
      select asset, final + provisional as balance from new_rows
      union all
      select asset, -(final + provisional) from old_rows) change
    group by asset having sum(balance) <> 0) found;
  if unbalanced is not null then
    raise exception 'ledger: balances of % would no longer add up to zero', unbalanced using errcode = 'check_violation';
  end if;
  return null;
end $$;
create trigger account_balanced after update on account
  referencing old table as old_rows new table as new_rows
  for each statement execute function ledger_forbid_unbalanced();

-- What foreign keys would say, once for a statement instead of three times for a row. It needs no lock on what it
-- finds, because postings and accounts neither go away nor change their asset. No sequential scans: a plan made
-- while the tables were small would be kept.
create function ledger_forbid_stray_legs() returns trigger language plpgsql set enable_seqscan = off as $$
declare
  stray bigint;
begin
  select posting_id into stray from new_rows l
   where (select p.id from posting p where p.id = l.posting_id) is null
      or (select a.asset from account a where a.id = l.debit) is distinct from l.asset
      or (select a.asset from account a where a.id = l.credit) is distinct from l.asset
   limit 1;
  if found then
    raise exception 'ledger: a leg of posting % is of no posting, or not between two accounts of its asset', stray
      using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
create trigger leg_between_accounts after insert on leg
  referencing new table as new_rows
  for each statement execute function ledger_forbid_stray_legs();
