-- A payment to a customer's address. A transaction that a reorg makes anew may do something else at the same
-- position of an EVM block, so what it did is part of what it is: other units or another address, another deposit.
create table deposit (
  id          text primary key,
  customer_id text not null references customer,
  address_id  text not null references deposit_address,
  network     text not null,
  asset       text not null,
  tx_id       text not null,
  position    text not null,
  units       numeric(78,0) not null check (units > 0),
  state       text not null check (state in ('seen', 'safe', 'irreversible', 'orphaned')),
  incarnation integer not null check (incarnation >= 1),   -- one more each time it is mined anew
  credited    boolean not null,                            -- stands in the ledger
  final       boolean not null check (credited or not final), -- was irreversible once: nothing takes it out again
  written_off boolean not null default false,              -- the house paid: what arrives after that is a stray
  block_hash  text,                                        -- null: not in a block
  height      integer,
  late        boolean not null,                            -- paid to an address that was retired by then
  seen_at     timestamptz not null,
  updated_at  timestamptz not null,
  unique (network, tx_id, position, address_id, asset, units),
  check ((block_hash is null) = (height is null)),
  check (state in ('seen', 'orphaned') or (credited and block_hash is not null)),
  check (state <> 'irreversible' or final),
  check (not written_off or (state = 'orphaned' and not credited))
);
create index deposit_open on deposit (network, height) where state in ('seen', 'safe');
create index deposit_by_customer on deposit (customer_id, id);
create index deposit_unswept on deposit (network, asset, address_id) where final;
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
  id          text primary key,
  network     text not null,
  tx_id       text not null,
  position    text not null,
  address     text not null,
  contract    text not null,
  asset       text,                                        -- null: no listing, so the books cannot hold it
  units       numeric(78,0) not null check (units > 0),
  reason      text not null check (reason in ('UNSUPPORTED_TOKEN', 'INTERNAL_ADDRESS', 'BELOW_MINIMUM', 'WRITTEN_OFF')),
  customer_id text references customer,
  state       text not null check (state in ('seen', 'recorded', 'orphaned', 'resolved')),
  booked      boolean not null check (asset is not null or not booked),
  resolved_to text,                                        -- 'house', or a customer
  block_hash  text,
  height      integer,
  seen_at     timestamptz not null,
  unique (network, tx_id, position, address, contract, units),
  check ((state = 'resolved') = (resolved_to is not null))
);
create index stray_open on stray (network, height) where state = 'seen';
create index stray_below_minimum on stray (customer_id, network, contract)
  where state = 'recorded' and reason = 'BELOW_MINIMUM';
create index stray_unswept on stray (network, address, contract) where booked;
create table deposit_cursor (
  network text primary key,
  change  bigint not null
);
