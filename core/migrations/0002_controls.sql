-- Gates say what may move; a halt says that a network's books can no longer be followed by machine.
create table gate (
  asset     text not null,
  network   text not null,
  direction text not null check (direction in ('deposits', 'withdrawals')),
  state     text not null check (state in ('open', 'closed')),
  reason    text not null,
  since     timestamptz not null,
  primary key (asset, network, direction)
);
create table halt (
  network    text primary key,
  code       text not null,
  detail     text not null,
  since      timestamptz not null
);
