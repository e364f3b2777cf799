-- One spend is one chain transaction for many orders; its attempts are versions that exclude one another.
create table spend (
  id         text primary key,
  network    text not null,
  contract   text not null,
  epoch      integer not null,
  state      text not null check (state in ('planned', 'signing', 'broadcast', 'settled', 'failed')),
  tx_id      text,
  cost_units numeric(78,0),                     -- miner's fee or gas, of the network's own coin
  reason     text not null default '',          -- why it does not go on by itself; '' while it does
  failures   integer not null default 0,        -- in a row, of asking signers or the node
  next_at    timestamptz,                       -- not tried before; null: at once
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index spend_open on spend (network, id) where state in ('planned', 'signing', 'broadcast');
create table spend_order (
  order_number bigint primary key,              -- an order belongs to one spend for ever
  spend_id     text not null references spend,
  document     jsonb not null,                  -- the canonical order as signers get it
  destination  text not null,
  units        numeric(78,0) not null check (units > 0),
  assertion    jsonb,                           -- the customer's, over the order's digest
  outcome      text check (outcome in ('paid', 'failed', 'expired'))
);
create index spend_order_by_spend on spend_order (spend_id);
create table spend_coin (
  spend_id text not null references spend,
  network  text not null,
  tx_id    text not null,
  vout     integer not null,
  units    numeric(78,0) not null,
  released boolean not null default false,
  primary key (spend_id, tx_id, vout)
);
create unique index spend_coin_once on spend_coin (network, tx_id, vout) where not released;
create table spend_attempt (
  id           text primary key,
  spend_id     text not null references spend,
  n            integer not null,
  request      jsonb not null,                  -- exactly what the signers are asked
  fee_units    numeric(78,0) not null,
  raw          bytea,                           -- complete transaction, stored before it is broadcast
  tx_id        text,
  state        text not null check (state in ('planned', 'signed', 'broadcast', 'replaced', 'confirmed')),
  made_at      timestamptz not null,
  broadcast_at timestamptz,
  unique (spend_id, n)
);
-- A child pays for its parent (CPFP) and has no order of its own: it spends the change of this attempt. One for each.
alter table spend add column child_of text unique references spend_attempt;
-- Each signer's coded answer to one attempt.
create table signer_answer (
  attempt_id text not null references spend_attempt,
  signer     text not null,
  ok         boolean not null,
  code       text not null,
  detail     text not null,
  answer     jsonb not null,
  at         timestamptz not null,
  primary key (attempt_id, signer)
);
create sequence change_index minvalue 0 start 0;
