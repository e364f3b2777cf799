-- What the chains say about addresses of ours. One watcher per network writes all of it (it holds an
-- advisory lock), so `change` rises in commit order within a network and a reader can resume after the last.
create table chain_block (
  network   text not null,
  height    integer not null check (height >= 0),
  hash      text not null,
  parent    text not null,
  mined_at  timestamptz not null,
  canonical boolean not null,
  primary key (network, hash)
);
create unique index chain_block_canonical on chain_block (network, height) where canonical;

create table chain_tip (
  network  text primary key,
  height   integer not null,
  hash     text not null,
  at       timestamptz not null
);

create table watched (
  id         bigint generated always as identity primary key,
  network    text not null,
  address    text not null,                    -- canonical form of the network
  script     bytea,                            -- scriptPubKey where the network has scripts
  purpose    text not null check (purpose in ('deposit', 'change', 'vault', 'cold', 'relayer', 'factory')),
  derivation text not null,                    -- descriptor branch/index such as 0/17, or the salt
  unique (network, address)
);
create index watched_by_purpose on watched (network, purpose, id);

-- One incoming movement, as seen in one block (or in none yet). Mined again after a reorg it is a new row.
create table receipt (
  id         bigint generated always as identity primary key,
  network    text not null,
  tx_id      text not null,
  position   text not null,                    -- bitcoin: vout; evm: log:N (of the transaction), call:path, balance:address
  watched_id bigint not null references watched,
  contract   text not null,                    -- '' for the network's own coin
  units      numeric(78,0) not null check (units > 0),
  sender     text,
  block_hash text,
  height     integer,
  state      text not null check (state in ('mempool', 'mined', 'orphaned', 'replaced')),
  seen_at    timestamptz not null,
  change     bigint not null,
  check ((state in ('mined', 'orphaned')) = (block_hash is not null)),
  unique nulls not distinct (network, tx_id, position, block_hash)
);
create sequence receipt_change;
create index receipt_by_change on receipt (network, change);
create index receipt_mempool on receipt (network, tx_id) where state = 'mempool';
create index receipt_by_watched on receipt (watched_id, height);
create index receipt_by_block on receipt (network, block_hash) where block_hash is not null;

-- Every output that pays a script of ours, and what spent it.
create table bitcoin_coin (
  network          text not null,
  tx_id            text not null,
  vout             integer not null check (vout >= 0),
  watched_id       bigint not null references watched,
  units            numeric(78,0) not null check (units >= 0),
  coinbase         boolean not null,
  height           integer,
  block_hash       text,
  spent_tx_id      text,
  spent_height     integer,
  spent_block_hash text,
  primary key (network, tx_id, vout)
);
create index bitcoin_coin_spent_by on bitcoin_coin (network, spent_tx_id) where spent_tx_id is not null;
create index bitcoin_coin_unspent on bitcoin_coin (network, units) where spent_tx_id is null;
-- A reorg takes back what stands above a height; the mempool is compared with what stands in no block.
create index bitcoin_coin_by_height on bitcoin_coin (network, height);
create index bitcoin_coin_by_spent_height on bitcoin_coin (network, spent_height) where spent_height is not null;
create index bitcoin_coin_unconfirmed on bitcoin_coin (network, tx_id) where height is null;
create index bitcoin_coin_spending on bitcoin_coin (network, spent_tx_id)
  where spent_tx_id is not null and spent_height is null;

-- Outcome of one payout id at a vault, from the vault's events.
create table evm_payout (
  network    text not null,
  vault      text not null,
  payout_id  bigint not null,
  contract   text not null,
  recipient  text not null,
  units      numeric(78,0) not null,
  paid       boolean not null,
  tx_id      text not null,
  block_hash text not null,
  height     integer not null,
  canonical  boolean not null,
  primary key (network, block_hash, vault, payout_id)
);
create index evm_payout_by_id on evm_payout (network, payout_id) where canonical;

-- What a factory delivered from a deposit address, from the factory's events.
create table evm_delivery (
  network     text not null,
  tx_id       text not null,
  position    text not null,
  deposit     text not null,
  contract    text not null,
  destination text not null,
  units       numeric(78,0) not null,
  block_hash  text not null,
  height      integer not null,
  canonical   boolean not null,
  primary key (network, block_hash, tx_id, position)
);

create index evm_delivery_by_deposit on evm_delivery (network, deposit, contract, height) where canonical;

-- How far the check of balances got: addresses up to this id, at this height. After the last it begins anew.
create table evm_balance_check (
  network    text primary key,
  watched_id bigint not null,
  height     integer not null
);

-- A relayer's lane: nonces are allocated in the transaction that records the bytes; bytes before broadcast.
create table evm_call (
  id         text primary key,
  network    text not null,
  relayer    text,                             -- whose nonce it has
  key        text not null,                    -- the effect's idempotency key
  target     text not null,
  data       bytea not null,
  value      numeric(78,0) not null,
  gas_limit  bigint not null check (gas_limit between 21000 and 16777216),
  nonce      bigint,
  state      text not null check (state in ('queued', 'sent', 'succeeded', 'reverted')),
  tx_id      text,                             -- the attempt that was mined at irreversible depth
  cost_wei   numeric(78,0),
  height     integer,
  created_at timestamptz not null,
  unique (network, key),
  unique (network, relayer, nonce),
  check ((nonce is null) = (relayer is null)),
  check (state <> 'queued' or nonce is null)
);
create table evm_attempt (
  call_id              text not null references evm_call,
  n                    integer not null,
  tx_id                text not null,
  raw                  bytea not null,
  fee_per_gas_max      numeric(78,0) not null,
  priority_fee_max     numeric(78,0) not null,
  made_at              timestamptz not null,
  primary key (call_id, n),
  unique (tx_id)
);
-- Why a relayer's lane sends nothing; no row while nothing waits.
create table relay_wait (
  network text primary key,
  relayer text not null,
  reason  text not null check (reason in ('FEE_ABOVE_MAX', 'FUNDS_LOW')),
  since   timestamptz not null
);
