create table sweep (
  id         text primary key,
  network    text not null,
  call_id    text not null unique references evm_call,
  state      text not null check (state in ('sent', 'settled', 'failed')),
  created_at timestamptz not null
);
create table sweep_item (
  sweep_id   text not null references sweep,
  address    text not null,
  contract   text not null,
  units      numeric(78,0) not null check (units > 0),
  delivered  numeric(78,0),
  primary key (sweep_id, address, contract)
);
