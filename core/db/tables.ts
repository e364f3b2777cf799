// Written by tools/schema.ts from the migrated database. Do not edit.

import type { Generated, GeneratedAlways } from 'kysely';

export interface Account {
  id: GeneratedAlways<bigint>;
  kind: string;
  asset: string;
  network: string | null;
  customer: string | null;
  final: Generated<bigint>;
  provisional: Generated<bigint>;
  held: Generated<bigint>;
  version: Generated<bigint>;
}

export interface ApiKey {
  id: string;
  label: string;
  key_hash: Buffer;
  scopes: Generated<string[]>;
  created_at: Date;
  revoked_at: Date | null;
}

export interface BitcoinCoin {
  network: string;
  tx_id: string;
  vout: number;
  watched_id: bigint;
  units: bigint;
  coinbase: boolean;
  height: number | null;
  block_hash: string | null;
  spent_tx_id: string | null;
  spent_height: number | null;
  spent_block_hash: string | null;
}

export interface BookedDelivery {
  network: string;
  tx_id: string;
  position: string;
  address: string;
  contract: string;
  delivered: bigint;
  removed: bigint;
}

export interface ChainBlock {
  network: string;
  height: number;
  hash: string;
  parent: string;
  mined_at: Date;
  canonical: boolean;
}

export interface ChainTip {
  network: string;
  height: number;
  hash: string;
  at: Date;
}

export interface Credential {
  customer_id: string;
  key: Buffer;
  enrolment: unknown;
  taken: unknown;
  usable_at: Date | null;
  ended_at: Date | null;
  created_at: Date;
}

export interface CreditedDeposit {
  deposit: string;
  incarnation: number;
  state: string;
  account_id: bigint;
  into_account: bigint;
  units: bigint;
}

export interface Customer {
  id: string;
  external_id: string;
  created_at: Date;
}

export interface Deposit {
  id: string;
  customer_id: string;
  address_id: string;
  network: string;
  asset: string;
  tx_id: string;
  position: string;
  units: bigint;
  state: string;
  incarnation: number;
  credited: boolean;
  final: boolean;
  written_off: Generated<boolean>;
  block_hash: string | null;
  height: number | null;
  late: boolean;
  seen_at: Date;
  updated_at: Date;
}

export interface DepositAddress {
  id: string;
  customer_id: string;
  network: string;
  address: string;
  watched_id: bigint;
  epoch: number;
  position: bigint;
  status: string;
  valid_from: Date;
  retired_at: Date | null;
  replaced_by: string | null;
}

export interface DepositCursor {
  network: string;
  change: bigint;
}

export interface DepositStep {
  deposit_id: string;
  n: number;
  at: Date;
  from_state: string | null;
  to_state: string;
  reason: string;
  evidence: unknown;
}

export interface Entry {
  account_id: bigint;
  version: bigint;
  posting_id: bigint;
  amount: bigint;
  provisional: bigint;
  deposit: string | null;
  balance_after: bigint;
}

export interface Event {
  seq: GeneratedAlways<bigint>;
  at: Date;
  type: string;
  subject: string;
  data: unknown;
}

export interface EvmAttempt {
  call_id: string;
  n: number;
  tx_id: string;
  raw: Buffer;
  fee_per_gas_max: bigint;
  priority_fee_max: bigint;
  made_at: Date;
}

export interface EvmBalanceCheck {
  network: string;
  watched_id: bigint;
  height: number;
}

export interface EvmCall {
  id: string;
  network: string;
  relayer: string | null;
  key: string;
  target: string;
  data: Buffer;
  value: bigint;
  gas_limit: bigint;
  nonce: bigint | null;
  state: string;
  tx_id: string | null;
  cost_wei: bigint | null;
  height: number | null;
  created_at: Date;
}

export interface EvmDelivery {
  network: string;
  tx_id: string;
  position: string;
  deposit: string;
  contract: string;
  destination: string;
  units: bigint;
  block_hash: string;
  height: number;
  canonical: boolean;
}

export interface EvmPayout {
  network: string;
  vault: string;
  payout_id: bigint;
  contract: string;
  recipient: string;
  units: bigint;
  paid: boolean;
  tx_id: string;
  block_hash: string;
  height: number;
  canonical: boolean;
}

export interface Gate {
  asset: string;
  network: string;
  direction: string;
  state: string;
  reason: string;
  since: Date;
}

export interface Halt {
  network: string;
  code: string;
  detail: string;
  since: Date;
}

export interface Hold {
  id: string;
  account_id: bigint;
  units: bigint;
  state: string;
}

export interface IdempotencyKey {
  api_key_id: string;
  key: string;
  fingerprint: Buffer;
  status: number | null;
  response: unknown;
  created_at: Date;
}

export interface Leg {
  posting_id: bigint;
  n: number;
  asset: string;
  debit: bigint;
  credit: bigint;
  units: bigint;
}

export interface Lot {
  deposit: string;
  account_id: bigint;
  units: bigint;
  since: bigint;
}

export interface Posting {
  id: bigint;
  key: string;
  kind: string;
  payload_hash: Buffer;
  at: Generated<Date>;
}

export interface Quote {
  id: string;
  order_number: bigint;
  customer_id: string;
  document: unknown;
  digest: Buffer;
  fee_units: bigint;
  expires_at: Date;
  used_by: string | null;
}

export interface Receipt {
  id: GeneratedAlways<bigint>;
  network: string;
  tx_id: string;
  position: string;
  watched_id: bigint;
  contract: string;
  units: bigint;
  sender: string | null;
  block_hash: string | null;
  height: number | null;
  state: string;
  seen_at: Date;
  change: bigint;
}

export interface RelayWait {
  network: string;
  relayer: string;
  reason: string;
  since: Date;
}

export interface SignerAnswer {
  attempt_id: string;
  signer: string;
  ok: boolean;
  code: string;
  detail: string;
  answer: unknown;
  at: Date;
}

export interface Spend {
  id: string;
  network: string;
  contract: string;
  epoch: number;
  state: string;
  tx_id: string | null;
  cost_units: bigint | null;
  reason: Generated<string>;
  failures: Generated<number>;
  next_at: Date | null;
  created_at: Date;
  updated_at: Date;
  child_of: string | null;
}

export interface SpendAttempt {
  id: string;
  spend_id: string;
  n: number;
  request: unknown;
  fee_units: bigint;
  raw: Buffer | null;
  tx_id: string | null;
  state: string;
  made_at: Date;
  broadcast_at: Date | null;
}

export interface SpendCoin {
  spend_id: string;
  network: string;
  tx_id: string;
  vout: number;
  units: bigint;
  released: Generated<boolean>;
}

export interface SpendOrder {
  order_number: bigint;
  spend_id: string;
  document: unknown;
  destination: string;
  units: bigint;
  assertion: unknown;
  outcome: string | null;
}

export interface Stray {
  id: string;
  network: string;
  tx_id: string;
  position: string;
  address: string;
  contract: string;
  asset: string | null;
  units: bigint;
  reason: string;
  customer_id: string | null;
  state: string;
  booked: boolean;
  resolved_to: string | null;
  block_hash: string | null;
  height: number | null;
  seen_at: Date;
}

export interface Sweep {
  id: string;
  network: string;
  call_id: string;
  state: string;
  created_at: Date;
}

export interface SweepItem {
  sweep_id: string;
  network: string;
  address: string;
  contract: string;
  units: bigint;
  settled: Generated<boolean>;
  delivered: bigint | null;
}

export interface TreasuryCursor {
  name: string;
  at: bigint;
}

export interface Unswept {
  network: string;
  address: string;
  contract: string;
  units: bigint;
  failures: Generated<number>;
  next_sweep_at: Date | null;
}

export interface Watched {
  id: GeneratedAlways<bigint>;
  network: string;
  address: string;
  script: Buffer | null;
  purpose: string;
  derivation: string;
}

export interface Withdrawal {
  id: string;
  order_number: bigint;
  customer_id: string;
  external_id: string;
  asset: string;
  network: string;
  destination: string;
  units: bigint;
  fee_units: bigint;
  document: unknown;
  digest: Buffer;
  authorization_document: unknown;
  state: string;
  reason: string;
  spend_id: string | null;
  tx_id: string | null;
  created_at: Date;
  updated_at: Date;
}

export interface WithdrawalStep {
  withdrawal_id: string;
  n: number;
  at: Date;
  from_state: string | null;
  to_state: string;
  actor: string;
  reason: string;
  evidence: unknown;
}

export interface Tables {
  account: Account;
  api_key: ApiKey;
  bitcoin_coin: BitcoinCoin;
  booked_delivery: BookedDelivery;
  chain_block: ChainBlock;
  chain_tip: ChainTip;
  credential: Credential;
  credited_deposit: CreditedDeposit;
  customer: Customer;
  deposit: Deposit;
  deposit_address: DepositAddress;
  deposit_cursor: DepositCursor;
  deposit_step: DepositStep;
  entry: Entry;
  event: Event;
  evm_attempt: EvmAttempt;
  evm_balance_check: EvmBalanceCheck;
  evm_call: EvmCall;
  evm_delivery: EvmDelivery;
  evm_payout: EvmPayout;
  gate: Gate;
  halt: Halt;
  hold: Hold;
  idempotency_key: IdempotencyKey;
  leg: Leg;
  lot: Lot;
  posting: Posting;
  quote: Quote;
  receipt: Receipt;
  relay_wait: RelayWait;
  signer_answer: SignerAnswer;
  spend: Spend;
  spend_attempt: SpendAttempt;
  spend_coin: SpendCoin;
  spend_order: SpendOrder;
  stray: Stray;
  sweep: Sweep;
  sweep_item: SweepItem;
  treasury_cursor: TreasuryCursor;
  unswept: Unswept;
  watched: Watched;
  withdrawal: Withdrawal;
  withdrawal_step: WithdrawalStep;
}
