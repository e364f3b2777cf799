-- One call of the deposit factory, recorded in the transaction that enqueues it.
create table sweep (
  id         text primary key,
  network    text not null,
  call_id    text not null unique references evm_call,
  state      text not null check (state in ('sent', 'settled', 'failed')),
  created_at timestamptz not null
);
create index sweep_open on sweep (network) where state = 'sent';
create table sweep_item (
  sweep_id   text not null references sweep,
  network    text not null,
  address    text not null,
  contract   text not null,
  units      numeric(78,0) not null check (units > 0),     -- irreversible value that was there when it was planned
  settled    boolean not null default false,
  delivered  numeric(78,0),                                -- null when settled: it failed, and is still there
  primary key (sweep_id, address, contract)
);
-- An address is in at most one unsettled sweep: a salt named twice fails, and value would be counted twice.
create unique index sweep_item_once on sweep_item (network, address, contract) where not settled;
create index sweep_item_by_address on sweep_item (network, address);
-- Deliveries that stand in the books, whoever called the factory: anybody may.
create table booked_delivery (
  network   text not null,
  tx_id     text not null,
  position  text not null,
  address   text not null,
  contract  text not null,
  delivered numeric(78,0) not null check (delivered > 0),
  removed   numeric(78,0) not null check (removed >= delivered), -- what left the address: more when the token takes a fee
  primary key (network, tx_id, position)
);
create index booked_delivery_by_address on booked_delivery (network, address, contract);
-- What stands at each deposit address, irreversible and not yet delivered: what a sweep may count on. Computed
-- anew from deposits, strays and deliveries whenever one of them says that the address changed.
create table unswept (
  network       text not null,
  address       text not null,
  contract      text not null,
  units         numeric(78,0) not null check (units >= 0),
  failures      integer not null default 0 check (failures >= 0), -- sweeps in a row that left it there
  next_sweep_at timestamptz,                                       -- not before, after a failure
  primary key (network, address, contract)
);
create index unswept_by_units on unswept (network, contract, units) where units > 0;
-- How far each reader of the treasury got: an event's seq, or a network's height.
create table treasury_cursor (
  name text primary key,
  at   bigint not null
);
