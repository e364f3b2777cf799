create table customer (
  id          text primary key,
  external_id text not null unique check (length(external_id) between 1 and 128),
  created_at  timestamptz not null
);
-- What a customer signs orders with, as they enrolled it; what each signer answered to it; since when it can be used.
create table credential (
  customer_id text not null references customer,
  key         bytea not null check (length(key) = 33),
  enrolment   jsonb not null,
  taken       jsonb not null,
  usable_at   timestamptz,
  ended_at    timestamptz,
  created_at  timestamptz not null,
  primary key (customer_id, key)
);
create index credential_untaken on credential (created_at) where usable_at is null;
-- An address is bound to its customer for ever. position: descriptor index, or the salt's counter.
create table deposit_address (
  id          text primary key,
  customer_id text not null references customer,
  network     text not null,
  address     text not null,
  watched_id  bigint not null unique references watched,
  epoch       integer not null,
  position    bigint not null check (position >= 0),
  status      text not null check (status in ('active', 'retired', 'compromised')),
  valid_from  timestamptz not null,
  retired_at  timestamptz,
  replaced_by text references deposit_address,
  unique (network, address),
  unique (customer_id, network, position),
  check ((status = 'active') = (retired_at is null))
);
create unique index deposit_address_active on deposit_address (customer_id, network) where status = 'active';
create sequence descriptor_index minvalue 0 start 0;
