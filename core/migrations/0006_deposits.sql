create table deposit (
  id          text primary key,
  customer_id text not null references customer,
  address_id  text not null references deposit_address,
  network     text not null,
  asset       text not null,
  tx_id       text not null,
  position    text not null,
  units       numeric(78,0) not null check (units > 0),
  state       text not null,
  incarnation integer not null check (incarnation >= 1),   -- one more each time it is mined anew
  credited    boolean not null,                            -- this incarnation stands in the ledger
  block_hash  text,
  height      integer,
  late        boolean not null,                            -- paid to an address that was retired by then
  seen_at     timestamptz not null,
  updated_at  timestamptz not null,
  unique (network, tx_id, position)
);
create index deposit_open on deposit (network, height) where state in ('seen', 'safe');
create index deposit_by_customer on deposit (customer_id, id);
create table deposit_step (
  deposit_id text not null references deposit,
  n          integer not null,
  at         timestamptz not null,
  from_state text,
  to_state   text not null,
  reason     text not null,
  evidence   jsonb not null,
  primary key (deposit_id, n)
);
-- Money that reached an address of ours and is nobody's balance: what it is and what can be done about it.
create table stray (
  id         text primary key,
  network    text not null,
  tx_id      text not null,
  position   text not null,
  address    text not null,
  contract   text not null,
  units      numeric(78,0) not null check (units > 0),
  reason     text not null check (reason in ('UNSUPPORTED_TOKEN', 'INTERNAL_ADDRESS', 'BELOW_MINIMUM')),
  customer_id text references customer,
  state      text not null check (state in ('seen', 'recorded', 'orphaned', 'resolved')),
  booked     boolean not null,
  block_hash text,
  height     integer,
  seen_at    timestamptz not null,
  unique (network, tx_id, position)
);
create table deposit_cursor (
  network text primary key,
  change  bigint not null
);
