-- Written by tools/schema.ts from the migrated database. Do not edit.

create table account (
  id bigint not null,
  kind text not null,
  asset text not null,
  network text,
  customer text,
  final numeric(78,0) not null default 0,
  provisional numeric(78,0) not null default 0,
  held numeric(78,0) not null default 0,
  version bigint not null default 0,
  constraint account_identity UNIQUE NULLS NOT DISTINCT (kind, asset, network, customer),
  constraint account_pkey PRIMARY KEY (id),
  constraint account_asset_check CHECK ((asset <> ''::text)),
  constraint account_covered CHECK (((kind <> 'customer'::text) OR ((final - held) >= (0)::numeric))),
  constraint account_customer_check CHECK ((customer <> ''::text)),
  constraint account_customer_known CHECK (((customer IS NOT NULL) = (kind = ANY (ARRAY['customer'::text, 'exposure'::text])))),
  constraint account_held CHECK (((held >= (0)::numeric) AND ((held = (0)::numeric) OR (kind = 'customer'::text)))),
  constraint account_kind_check CHECK ((kind = ANY (ARRAY['customer'::text, 'fees'::text, 'house'::text, 'suspense'::text, 'exposure'::text, 'hot'::text, 'unswept'::text, 'cold'::text, 'gas'::text, 'network-costs'::text]))),
  constraint account_network_check CHECK ((network <> ''::text)),
  constraint account_network_known CHECK (((network IS NOT NULL) = (kind = ANY (ARRAY['hot'::text, 'unswept'::text, 'cold'::text, 'gas'::text, 'network-costs'::text])))),
  constraint account_not_negative CHECK (((kind <> ALL (ARRAY['customer'::text, 'fees'::text, 'suspense'::text])) OR (final >= (0)::numeric))),
  constraint account_not_positive CHECK (((kind <> ALL (ARRAY['exposure'::text, 'network-costs'::text])) OR ((final + provisional) <= (0)::numeric))),
  constraint account_provisional CHECK (((provisional >= (0)::numeric) AND ((provisional = (0)::numeric) OR (kind = ANY (ARRAY['customer'::text, 'exposure'::text]))))),
  constraint account_version_check CHECK ((version >= 0))
);

create table api_key (
  id text not null,
  label text not null,
  key_hash bytea not null,
  scopes text[] not null default '{}'::text[],
  created_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  constraint api_key_key_hash_key UNIQUE (key_hash),
  constraint api_key_pkey PRIMARY KEY (id)
);

create table bitcoin_coin (
  network text not null,
  tx_id text not null,
  vout integer not null,
  watched_id bigint not null,
  units numeric(78,0) not null,
  coinbase boolean not null,
  height integer,
  block_hash text,
  spent_tx_id text,
  spent_height integer,
  spent_block_hash text,
  constraint bitcoin_coin_pkey PRIMARY KEY (network, tx_id, vout),
  constraint bitcoin_coin_watched_id_fkey FOREIGN KEY (watched_id) REFERENCES watched(id),
  constraint bitcoin_coin_units_check CHECK ((units >= (0)::numeric)),
  constraint bitcoin_coin_vout_check CHECK ((vout >= 0))
);

create table booked_delivery (
  network text not null,
  tx_id text not null,
  "position" text not null,
  address text not null,
  contract text not null,
  delivered numeric(78,0) not null,
  removed numeric(78,0) not null,
  constraint booked_delivery_pkey PRIMARY KEY (network, tx_id, "position"),
  constraint booked_delivery_check CHECK ((removed >= delivered)),
  constraint booked_delivery_delivered_check CHECK ((delivered > (0)::numeric))
);

create table chain_block (
  network text not null,
  height integer not null,
  hash text not null,
  parent text not null,
  mined_at timestamp with time zone not null,
  canonical boolean not null,
  constraint chain_block_pkey PRIMARY KEY (network, hash),
  constraint chain_block_height_check CHECK ((height >= 0))
);

create table chain_tip (
  network text not null,
  height integer not null,
  hash text not null,
  at timestamp with time zone not null,
  constraint chain_tip_pkey PRIMARY KEY (network)
);

create table credential (
  customer_id text not null,
  key bytea not null,
  enrolment jsonb not null,
  taken jsonb not null,
  usable_at timestamp with time zone,
  ended_at timestamp with time zone,
  created_at timestamp with time zone not null,
  constraint credential_pkey PRIMARY KEY (customer_id, key),
  constraint credential_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer(id),
  constraint credential_key_check CHECK ((length(key) = 33))
);

create table credited_deposit (
  deposit text not null,
  incarnation integer not null,
  state text not null,
  account_id bigint not null,
  into_account bigint not null,
  units numeric(78,0) not null,
  constraint credited_deposit_pkey PRIMARY KEY (deposit),
  constraint credited_deposit_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id),
  constraint credited_deposit_into_account_fkey FOREIGN KEY (into_account) REFERENCES account(id),
  constraint credited_deposit_incarnation_check CHECK ((incarnation >= 1)),
  constraint credited_deposit_state_check CHECK ((state = ANY (ARRAY['credited'::text, 'final'::text, 'reversed'::text, 'written_off'::text]))),
  constraint credited_deposit_units_check CHECK ((units > (0)::numeric))
);

create table customer (
  id text not null,
  external_id text not null,
  created_at timestamp with time zone not null,
  constraint customer_external_id_key UNIQUE (external_id),
  constraint customer_pkey PRIMARY KEY (id),
  constraint customer_external_id_check CHECK (((length(external_id) >= 1) AND (length(external_id) <= 128)))
);

create table deposit (
  id text not null,
  customer_id text not null,
  address_id text not null,
  network text not null,
  asset text not null,
  tx_id text not null,
  "position" text not null,
  units numeric(78,0) not null,
  state text not null,
  incarnation integer not null,
  credited boolean not null,
  final boolean not null,
  written_off boolean not null default false,
  block_hash text,
  height integer,
  late boolean not null,
  seen_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  constraint deposit_network_tx_id_position_address_id_asset_units_key UNIQUE (network, tx_id, "position", address_id, asset, units),
  constraint deposit_pkey PRIMARY KEY (id),
  constraint deposit_address_id_fkey FOREIGN KEY (address_id) REFERENCES deposit_address(id),
  constraint deposit_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer(id),
  constraint deposit_check CHECK ((credited OR (NOT final))),
  constraint deposit_check1 CHECK (((block_hash IS NULL) = (height IS NULL))),
  constraint deposit_check2 CHECK (((state = ANY (ARRAY['seen'::text, 'orphaned'::text])) OR (credited AND (block_hash IS NOT NULL)))),
  constraint deposit_check3 CHECK (((state <> 'irreversible'::text) OR final)),
  constraint deposit_check4 CHECK (((NOT written_off) OR ((state = 'orphaned'::text) AND (NOT credited)))),
  constraint deposit_incarnation_check CHECK ((incarnation >= 1)),
  constraint deposit_state_check CHECK ((state = ANY (ARRAY['seen'::text, 'safe'::text, 'irreversible'::text, 'orphaned'::text]))),
  constraint deposit_units_check CHECK ((units > (0)::numeric))
);

create table deposit_address (
  id text not null,
  customer_id text not null,
  network text not null,
  address text not null,
  watched_id bigint not null,
  epoch integer not null,
  "position" bigint not null,
  status text not null,
  valid_from timestamp with time zone not null,
  retired_at timestamp with time zone,
  replaced_by text,
  constraint deposit_address_customer_id_network_position_key UNIQUE (customer_id, network, "position"),
  constraint deposit_address_network_address_key UNIQUE (network, address),
  constraint deposit_address_watched_id_key UNIQUE (watched_id),
  constraint deposit_address_pkey PRIMARY KEY (id),
  constraint deposit_address_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer(id),
  constraint deposit_address_replaced_by_fkey FOREIGN KEY (replaced_by) REFERENCES deposit_address(id),
  constraint deposit_address_watched_id_fkey FOREIGN KEY (watched_id) REFERENCES watched(id),
  constraint deposit_address_check CHECK (((status = 'active'::text) = (retired_at IS NULL))),
  constraint deposit_address_position_check CHECK (("position" >= 0)),
  constraint deposit_address_status_check CHECK ((status = ANY (ARRAY['active'::text, 'retired'::text, 'compromised'::text])))
);

create table deposit_cursor (
  network text not null,
  change bigint not null,
  constraint deposit_cursor_pkey PRIMARY KEY (network)
);

create table deposit_step (
  deposit_id text not null,
  n integer not null,
  at timestamp with time zone not null,
  from_state text,
  to_state text not null,
  reason text not null,
  evidence jsonb not null,
  constraint deposit_step_pkey PRIMARY KEY (deposit_id, n),
  constraint deposit_step_deposit_id_fkey FOREIGN KEY (deposit_id) REFERENCES deposit(id)
);

create table entry (
  account_id bigint not null,
  version bigint not null,
  posting_id bigint not null,
  amount numeric(78,0) not null,
  provisional numeric(78,0) not null,
  deposit text,
  balance_after numeric(78,0) not null,
  constraint entry_pkey PRIMARY KEY (account_id, version),
  constraint entry_lot CHECK (((provisional = (0)::numeric) = (deposit IS NULL))),
  constraint entry_says_something CHECK (((amount <> (0)::numeric) OR (provisional <> (0)::numeric))),
  constraint entry_version_check CHECK ((version >= 1))
);

create table event (
  seq bigint not null,
  at timestamp with time zone not null,
  type text not null,
  subject text not null,
  data jsonb not null,
  constraint event_pkey PRIMARY KEY (seq),
  constraint event_type_check CHECK ((type ~ '^[a-z_]+(\.[a-z_]+)+$'::text))
);

create table evm_attempt (
  call_id text not null,
  n integer not null,
  tx_id text not null,
  raw bytea not null,
  fee_per_gas_max numeric(78,0) not null,
  priority_fee_max numeric(78,0) not null,
  made_at timestamp with time zone not null,
  constraint evm_attempt_tx_id_key UNIQUE (tx_id),
  constraint evm_attempt_pkey PRIMARY KEY (call_id, n),
  constraint evm_attempt_call_id_fkey FOREIGN KEY (call_id) REFERENCES evm_call(id)
);

create table evm_balance_check (
  network text not null,
  watched_id bigint not null,
  height integer not null,
  constraint evm_balance_check_pkey PRIMARY KEY (network)
);

create table evm_call (
  id text not null,
  network text not null,
  relayer text,
  key text not null,
  target text not null,
  data bytea not null,
  value numeric(78,0) not null,
  gas_limit bigint not null,
  nonce bigint,
  state text not null,
  tx_id text,
  cost_wei numeric(78,0),
  height integer,
  created_at timestamp with time zone not null,
  constraint evm_call_network_key_key UNIQUE (network, key),
  constraint evm_call_network_relayer_nonce_key UNIQUE (network, relayer, nonce),
  constraint evm_call_pkey PRIMARY KEY (id),
  constraint evm_call_check CHECK (((nonce IS NULL) = (relayer IS NULL))),
  constraint evm_call_check1 CHECK (((state <> 'queued'::text) OR (nonce IS NULL))),
  constraint evm_call_gas_limit_check CHECK (((gas_limit >= 21000) AND (gas_limit <= 16777216))),
  constraint evm_call_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sent'::text, 'succeeded'::text, 'reverted'::text])))
);

create table evm_delivery (
  network text not null,
  tx_id text not null,
  "position" text not null,
  deposit text not null,
  contract text not null,
  destination text not null,
  units numeric(78,0) not null,
  block_hash text not null,
  height integer not null,
  canonical boolean not null,
  constraint evm_delivery_pkey PRIMARY KEY (network, block_hash, tx_id, "position")
);

create table evm_payout (
  network text not null,
  vault text not null,
  payout_id bigint not null,
  contract text not null,
  recipient text not null,
  units numeric(78,0) not null,
  paid boolean not null,
  tx_id text not null,
  block_hash text not null,
  height integer not null,
  canonical boolean not null,
  constraint evm_payout_pkey PRIMARY KEY (network, block_hash, vault, payout_id)
);

create table gate (
  asset text not null,
  network text not null,
  direction text not null,
  state text not null,
  reason text not null,
  since timestamp with time zone not null,
  constraint gate_pkey PRIMARY KEY (asset, network, direction),
  constraint gate_direction_check CHECK ((direction = ANY (ARRAY['deposits'::text, 'withdrawals'::text]))),
  constraint gate_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text])))
);

create table halt (
  network text not null,
  code text not null,
  detail text not null,
  since timestamp with time zone not null,
  constraint halt_pkey PRIMARY KEY (network)
);

create table hold (
  id text not null,
  account_id bigint not null,
  units numeric(78,0) not null,
  state text not null,
  constraint hold_pkey PRIMARY KEY (id),
  constraint hold_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id),
  constraint hold_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'posted'::text, 'voided'::text]))),
  constraint hold_units_check CHECK ((units > (0)::numeric))
);

create table idempotency_key (
  api_key_id text not null,
  key text not null,
  fingerprint bytea not null,
  status integer,
  response jsonb,
  created_at timestamp with time zone not null,
  constraint idempotency_key_pkey PRIMARY KEY (api_key_id, key),
  constraint idempotency_key_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES api_key(id),
  constraint idempotency_key_key_check CHECK (((length(key) >= 1) AND (length(key) <= 128)))
);

create table leg (
  posting_id bigint not null,
  n integer not null,
  asset text not null,
  debit bigint not null,
  credit bigint not null,
  units numeric(78,0) not null,
  constraint leg_pkey PRIMARY KEY (posting_id, n),
  constraint leg_check CHECK ((credit <> debit)),
  constraint leg_n_check CHECK ((n >= 1)),
  constraint leg_units_check CHECK ((units > (0)::numeric))
);

create table lot (
  deposit text not null,
  account_id bigint not null,
  units numeric(78,0) not null,
  since bigint not null,
  constraint lot_pkey PRIMARY KEY (deposit, account_id),
  constraint lot_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id),
  constraint lot_units_check CHECK ((units > (0)::numeric))
);

create table posting (
  id bigint not null,
  key text not null,
  kind text not null,
  payload_hash bytea not null,
  at timestamp with time zone not null default now(),
  constraint posting_key_key UNIQUE (key),
  constraint posting_pkey PRIMARY KEY (id),
  constraint posting_payload_hash_check CHECK ((length(payload_hash) = 32))
);

create table quote (
  id text not null,
  order_number bigint not null,
  customer_id text not null,
  document jsonb not null,
  digest bytea not null,
  fee_units numeric(78,0) not null,
  expires_at timestamp with time zone not null,
  used_by text,
  constraint quote_order_number_key UNIQUE (order_number),
  constraint quote_pkey PRIMARY KEY (id),
  constraint quote_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer(id)
);

create table receipt (
  id bigint not null,
  network text not null,
  tx_id text not null,
  "position" text not null,
  watched_id bigint not null,
  contract text not null,
  units numeric(78,0) not null,
  sender text,
  block_hash text,
  height integer,
  state text not null,
  seen_at timestamp with time zone not null,
  change bigint not null,
  constraint receipt_network_tx_id_position_block_hash_key UNIQUE NULLS NOT DISTINCT (network, tx_id, "position", block_hash),
  constraint receipt_pkey PRIMARY KEY (id),
  constraint receipt_watched_id_fkey FOREIGN KEY (watched_id) REFERENCES watched(id),
  constraint receipt_check CHECK (((state = ANY (ARRAY['mined'::text, 'orphaned'::text])) = (block_hash IS NOT NULL))),
  constraint receipt_state_check CHECK ((state = ANY (ARRAY['mempool'::text, 'mined'::text, 'orphaned'::text, 'replaced'::text]))),
  constraint receipt_units_check CHECK ((units > (0)::numeric))
);

create table relay_wait (
  network text not null,
  relayer text not null,
  reason text not null,
  since timestamp with time zone not null,
  constraint relay_wait_pkey PRIMARY KEY (network),
  constraint relay_wait_reason_check CHECK ((reason = ANY (ARRAY['FEE_ABOVE_MAX'::text, 'FUNDS_LOW'::text])))
);

create table signer_answer (
  attempt_id text not null,
  signer text not null,
  ok boolean not null,
  code text not null,
  detail text not null,
  answer jsonb not null,
  at timestamp with time zone not null,
  constraint signer_answer_pkey PRIMARY KEY (attempt_id, signer),
  constraint signer_answer_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES spend_attempt(id)
);

create table spend (
  id text not null,
  network text not null,
  contract text not null,
  epoch integer not null,
  state text not null,
  tx_id text,
  cost_units numeric(78,0),
  reason text not null default ''::text,
  failures integer not null default 0,
  next_at timestamp with time zone,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  child_of text,
  constraint spend_child_of_key UNIQUE (child_of),
  constraint spend_pkey PRIMARY KEY (id),
  constraint spend_child_of_fkey FOREIGN KEY (child_of) REFERENCES spend_attempt(id),
  constraint spend_state_check CHECK ((state = ANY (ARRAY['planned'::text, 'signing'::text, 'broadcast'::text, 'settled'::text, 'failed'::text])))
);

create table spend_attempt (
  id text not null,
  spend_id text not null,
  n integer not null,
  request jsonb not null,
  fee_units numeric(78,0) not null,
  raw bytea,
  tx_id text,
  state text not null,
  made_at timestamp with time zone not null,
  broadcast_at timestamp with time zone,
  constraint spend_attempt_spend_id_n_key UNIQUE (spend_id, n),
  constraint spend_attempt_pkey PRIMARY KEY (id),
  constraint spend_attempt_spend_id_fkey FOREIGN KEY (spend_id) REFERENCES spend(id),
  constraint spend_attempt_state_check CHECK ((state = ANY (ARRAY['planned'::text, 'signed'::text, 'broadcast'::text, 'replaced'::text, 'confirmed'::text])))
);

create table spend_coin (
  spend_id text not null,
  network text not null,
  tx_id text not null,
  vout integer not null,
  units numeric(78,0) not null,
  released boolean not null default false,
  constraint spend_coin_pkey PRIMARY KEY (spend_id, tx_id, vout),
  constraint spend_coin_spend_id_fkey FOREIGN KEY (spend_id) REFERENCES spend(id)
);

create table spend_order (
  order_number bigint not null,
  spend_id text not null,
  document jsonb not null,
  destination text not null,
  units numeric(78,0) not null,
  assertion jsonb,
  outcome text,
  constraint spend_order_pkey PRIMARY KEY (order_number),
  constraint spend_order_spend_id_fkey FOREIGN KEY (spend_id) REFERENCES spend(id),
  constraint spend_order_outcome_check CHECK ((outcome = ANY (ARRAY['paid'::text, 'failed'::text, 'expired'::text]))),
  constraint spend_order_units_check CHECK ((units > (0)::numeric))
);

create table stray (
  id text not null,
  network text not null,
  tx_id text not null,
  "position" text not null,
  address text not null,
  contract text not null,
  asset text,
  units numeric(78,0) not null,
  reason text not null,
  customer_id text,
  state text not null,
  booked boolean not null,
  resolved_to text,
  block_hash text,
  height integer,
  seen_at timestamp with time zone not null,
  constraint stray_network_tx_id_position_address_contract_units_key UNIQUE (network, tx_id, "position", address, contract, units),
  constraint stray_pkey PRIMARY KEY (id),
  constraint stray_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer(id),
  constraint stray_check CHECK (((asset IS NOT NULL) OR (NOT booked))),
  constraint stray_check1 CHECK (((state = 'resolved'::text) = (resolved_to IS NOT NULL))),
  constraint stray_reason_check CHECK ((reason = ANY (ARRAY['UNSUPPORTED_TOKEN'::text, 'INTERNAL_ADDRESS'::text, 'BELOW_MINIMUM'::text, 'WRITTEN_OFF'::text]))),
  constraint stray_state_check CHECK ((state = ANY (ARRAY['seen'::text, 'recorded'::text, 'orphaned'::text, 'resolved'::text]))),
  constraint stray_units_check CHECK ((units > (0)::numeric))
);

create table sweep (
  id text not null,
  network text not null,
  call_id text not null,
  state text not null,
  created_at timestamp with time zone not null,
  constraint sweep_call_id_key UNIQUE (call_id),
  constraint sweep_pkey PRIMARY KEY (id),
  constraint sweep_call_id_fkey FOREIGN KEY (call_id) REFERENCES evm_call(id),
  constraint sweep_state_check CHECK ((state = ANY (ARRAY['sent'::text, 'settled'::text, 'failed'::text])))
);

create table sweep_item (
  sweep_id text not null,
  network text not null,
  address text not null,
  contract text not null,
  units numeric(78,0) not null,
  settled boolean not null default false,
  delivered numeric(78,0),
  constraint sweep_item_pkey PRIMARY KEY (sweep_id, address, contract),
  constraint sweep_item_sweep_id_fkey FOREIGN KEY (sweep_id) REFERENCES sweep(id),
  constraint sweep_item_units_check CHECK ((units > (0)::numeric))
);

create table treasury_cursor (
  name text not null,
  at bigint not null,
  constraint treasury_cursor_pkey PRIMARY KEY (name)
);

create table unswept (
  network text not null,
  address text not null,
  contract text not null,
  units numeric(78,0) not null,
  failures integer not null default 0,
  next_sweep_at timestamp with time zone,
  constraint unswept_pkey PRIMARY KEY (network, address, contract),
  constraint unswept_failures_check CHECK ((failures >= 0)),
  constraint unswept_units_check CHECK ((units >= (0)::numeric))
);

create table watched (
  id bigint not null,
  network text not null,
  address text not null,
  script bytea,
  purpose text not null,
  derivation text not null,
  constraint watched_network_address_key UNIQUE (network, address),
  constraint watched_pkey PRIMARY KEY (id),
  constraint watched_purpose_check CHECK ((purpose = ANY (ARRAY['deposit'::text, 'change'::text, 'vault'::text, 'cold'::text, 'relayer'::text, 'factory'::text])))
);

create table withdrawal (
  id text not null,
  order_number bigint not null,
  customer_id text not null,
  external_id text not null,
  asset text not null,
  network text not null,
  destination text not null,
  units numeric(78,0) not null,
  fee_units numeric(78,0) not null,
  document jsonb not null,
  digest bytea not null,
  authorization_document jsonb,
  state text not null,
  reason text not null,
  spend_id text,
  tx_id text,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  constraint withdrawal_customer_id_external_id_key UNIQUE (customer_id, external_id),
  constraint withdrawal_order_number_key UNIQUE (order_number),
  constraint withdrawal_pkey PRIMARY KEY (id),
  constraint withdrawal_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer(id),
  constraint withdrawal_spend_id_fkey FOREIGN KEY (spend_id) REFERENCES spend(id),
  constraint withdrawal_external_id_check CHECK (((length(external_id) >= 1) AND (length(external_id) <= 128))),
  constraint withdrawal_fee_units_check CHECK ((fee_units >= (0)::numeric)),
  constraint withdrawal_units_check CHECK ((units > (0)::numeric))
);

create table withdrawal_step (
  withdrawal_id text not null,
  n integer not null,
  at timestamp with time zone not null,
  from_state text,
  to_state text not null,
  actor text not null,
  reason text not null,
  evidence jsonb not null,
  constraint withdrawal_step_pkey PRIMARY KEY (withdrawal_id, n),
  constraint withdrawal_step_withdrawal_id_fkey FOREIGN KEY (withdrawal_id) REFERENCES withdrawal(id)
);

CREATE INDEX account_by_customer ON public.account USING btree (customer) WHERE (customer IS NOT NULL);
CREATE INDEX account_lookup ON public.account USING btree (kind, asset, COALESCE(network, ''::text), COALESCE(customer, ''::text));
CREATE INDEX bitcoin_coin_by_height ON public.bitcoin_coin USING btree (network, height);
CREATE INDEX bitcoin_coin_by_spent_height ON public.bitcoin_coin USING btree (network, spent_height) WHERE (spent_height IS NOT NULL);
CREATE INDEX bitcoin_coin_spending ON public.bitcoin_coin USING btree (network, spent_tx_id) WHERE ((spent_tx_id IS NOT NULL) AND (spent_height IS NULL));
CREATE INDEX bitcoin_coin_spent_by ON public.bitcoin_coin USING btree (network, spent_tx_id) WHERE (spent_tx_id IS NOT NULL);
CREATE INDEX bitcoin_coin_unconfirmed ON public.bitcoin_coin USING btree (network, tx_id) WHERE (height IS NULL);
CREATE INDEX bitcoin_coin_unspent ON public.bitcoin_coin USING btree (network, units) WHERE (spent_tx_id IS NULL);
CREATE INDEX booked_delivery_by_address ON public.booked_delivery USING btree (network, address, contract);
CREATE UNIQUE INDEX chain_block_canonical ON public.chain_block USING btree (network, height) WHERE canonical;
CREATE INDEX credential_untaken ON public.credential USING btree (created_at) WHERE (usable_at IS NULL);
CREATE UNIQUE INDEX deposit_address_active ON public.deposit_address USING btree (customer_id, network) WHERE (status = 'active'::text);
CREATE INDEX deposit_by_customer ON public.deposit USING btree (customer_id, id);
CREATE INDEX deposit_open ON public.deposit USING btree (network, height) WHERE (state = ANY (ARRAY['seen'::text, 'safe'::text]));
CREATE INDEX deposit_unswept ON public.deposit USING btree (network, asset, address_id) WHERE final;
CREATE INDEX event_subject ON public.event USING btree (subject, seq);
CREATE INDEX evm_delivery_by_deposit ON public.evm_delivery USING btree (network, deposit, contract, height) WHERE canonical;
CREATE INDEX evm_payout_by_id ON public.evm_payout USING btree (network, payout_id) WHERE canonical;
CREATE INDEX hold_pending ON public.hold USING btree (account_id) WHERE (state = 'pending'::text);
CREATE INDEX idempotency_key_by_age ON public.idempotency_key USING btree (created_at);
CREATE INDEX lot_by_account ON public.lot USING btree (account_id);
CREATE INDEX receipt_by_block ON public.receipt USING btree (network, block_hash) WHERE (block_hash IS NOT NULL);
CREATE INDEX receipt_by_change ON public.receipt USING btree (network, change);
CREATE INDEX receipt_by_watched ON public.receipt USING btree (watched_id, height);
CREATE INDEX receipt_mempool ON public.receipt USING btree (network, tx_id) WHERE (state = 'mempool'::text);
CREATE UNIQUE INDEX spend_coin_once ON public.spend_coin USING btree (network, tx_id, vout) WHERE (NOT released);
CREATE INDEX spend_open ON public.spend USING btree (network, id) WHERE (state = ANY (ARRAY['planned'::text, 'signing'::text, 'broadcast'::text]));
CREATE INDEX spend_order_by_spend ON public.spend_order USING btree (spend_id);
CREATE INDEX stray_below_minimum ON public.stray USING btree (customer_id, network, contract) WHERE ((state = 'recorded'::text) AND (reason = 'BELOW_MINIMUM'::text));
CREATE INDEX stray_open ON public.stray USING btree (network, height) WHERE (state = 'seen'::text);
CREATE INDEX stray_unswept ON public.stray USING btree (network, address, contract) WHERE booked;
CREATE INDEX sweep_item_by_address ON public.sweep_item USING btree (network, address);
CREATE UNIQUE INDEX sweep_item_once ON public.sweep_item USING btree (network, address, contract) WHERE (NOT settled);
CREATE INDEX sweep_open ON public.sweep USING btree (network) WHERE (state = 'sent'::text);
CREATE INDEX unswept_by_units ON public.unswept USING btree (network, contract, units) WHERE (units > (0)::numeric);
CREATE INDEX watched_by_purpose ON public.watched USING btree (network, purpose, id);
CREATE INDEX withdrawal_by_customer ON public.withdrawal USING btree (customer_id, id);
CREATE INDEX withdrawal_by_spend ON public.withdrawal USING btree (spend_id) WHERE (spend_id IS NOT NULL);
CREATE INDEX withdrawal_open ON public.withdrawal USING btree (network, asset, order_number) WHERE (state <> ALL (ARRAY['settled'::text, 'refused'::text, 'cancelled'::text, 'failed'::text]));

CREATE TRIGGER account_balanced AFTER UPDATE ON public.account REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid_unbalanced();
CREATE TRIGGER account_begins_empty BEFORE INSERT ON public.account FOR EACH ROW WHEN (((new.final <> (0)::numeric) OR (new.provisional <> (0)::numeric) OR (new.held <> (0)::numeric) OR (new.version <> 0))) EXECUTE FUNCTION ledger_forbid();
CREATE TRIGGER account_identity_stays BEFORE UPDATE OF id, kind, asset, network, customer ON public.account FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid();
CREATE TRIGGER account_stays BEFORE DELETE OR TRUNCATE ON public.account FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid();
CREATE TRIGGER entry_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid();
CREATE TRIGGER leg_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.leg FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid();
CREATE TRIGGER leg_between_accounts AFTER INSERT ON public.leg REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid_stray_legs();
CREATE TRIGGER posting_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.posting FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid();
