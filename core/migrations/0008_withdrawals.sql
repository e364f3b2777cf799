-- Payout ids: one sequence for ever, over all networks, vaults and epochs.
create sequence order_number minvalue 1 start 1;
create table quote (
  id           text primary key,
  order_number bigint not null unique,
  customer_id  text not null references customer,
  document     jsonb not null,
  digest       bytea not null,
  fee_units    numeric(78,0) not null,
  expires_at   timestamptz not null,
  used_by      text
);
create table withdrawal (
  id            text primary key,
  order_number  bigint not null unique,
  customer_id   text not null references customer,
  external_id   text not null check (length(external_id) between 1 and 128),
  asset         text not null,
  network       text not null,
  destination   text not null,
  units         numeric(78,0) not null check (units > 0),
  fee_units     numeric(78,0) not null check (fee_units >= 0),
  document      jsonb not null,                 -- canonical order
  digest        bytea not null,
  authorization_document jsonb,
  state         text not null,
  reason        text not null,
  spend_id      text references spend,
  tx_id         text,
  created_at    timestamptz not null,
  updated_at    timestamptz not null,
  unique (customer_id, external_id)
);
create index withdrawal_open on withdrawal (network, asset, order_number)
  where state not in ('settled', 'refused', 'cancelled', 'failed');
create index withdrawal_by_customer on withdrawal (customer_id, id);
create index withdrawal_by_spend on withdrawal (spend_id) where spend_id is not null;
create table withdrawal_step (
  withdrawal_id text not null references withdrawal,
  n             integer not null,
  at            timestamptz not null,
  from_state    text,
  to_state      text not null,
  actor         text not null,
  reason        text not null,
  evidence      jsonb not null,
  primary key (withdrawal_id, n)
);
