/** Roles of core's processes (core/migrations/0011_roles.sql). */
const writers = ['portcullis_api', 'portcullis_watcher', 'portcullis_pipeline'] as const;
type Writer = (typeof writers)[number];
/** The sentinel is no process of core; it reads a few tables and writes none. */
export const roles = [...writers, 'portcullis_sentinel'] as const;
export type Role = (typeof roles)[number];

const seenBySentinel = new Set([
  'account',
  'chain_tip',
  'withdrawal',
  'spend',
  'spend_order',
  'spend_attempt',
  'halt',
]);

/** What a role may do with a table. Absent: nothing. `update` names columns. */
export interface Reach {
  readonly select?: true;
  readonly insert?: true;
  readonly delete?: true;
  readonly update?: readonly string[];
}

const read: Reach = { select: true };
const append: Reach = { select: true, insert: true };
const none: Reach = {};
const changing = (...update: string[]): Reach => ({ select: true, update });
const keeping = (...update: string[]): Reach => ({ select: true, insert: true, update });

/**
 * All that each role may do with each table and sequence, and nothing else. Written by hand, apart from the grants:
 * a grant that is wider or narrower, or a table that is not named here, fails the test.
 */
const reachOfWriters: Readonly<Record<string, Readonly<Record<Writer, Reach>>>> = {
  pgmigrations: { portcullis_api: read, portcullis_watcher: none, portcullis_pipeline: read },

  event: { portcullis_api: append, portcullis_watcher: { insert: true }, portcullis_pipeline: append },
  gate: { portcullis_api: read, portcullis_watcher: none, portcullis_pipeline: read },
  halt: {
    portcullis_api: { select: true, delete: true },
    portcullis_watcher: append,
    portcullis_pipeline: append,
  },

  chain_block: chain('canonical'),
  chain_tip: chain('height', 'hash', 'at'),
  receipt: chain('block_hash', 'height', 'state', 'change'),
  bitcoin_coin: {
    portcullis_api: read,
    portcullis_watcher: {
      ...keeping('height', 'block_hash', 'spent_tx_id', 'spent_height', 'spent_block_hash'),
      delete: true,
    },
    portcullis_pipeline: read,
  },
  evm_payout: chain('canonical'),
  evm_delivery: chain('canonical'),
  evm_balance_check: chain('watched_id', 'height'),
  watched: { portcullis_api: append, portcullis_watcher: append, portcullis_pipeline: append },
  evm_call: pipeline({
    ...keeping('relayer', 'nonce', 'state', 'tx_id', 'cost_wei', 'height'),
    delete: true,
  }),
  evm_attempt: pipeline({ ...append, delete: true }),
  relay_wait: pipeline({ ...append, delete: true }),

  posting: books(append),
  leg: books(append),
  entry: books(append),
  account: books(keeping('final', 'provisional', 'held', 'version')),
  hold: books(keeping('state')),
  credited_deposit: books(keeping('incarnation', 'state')),
  lot: books({ ...keeping('units', 'since'), delete: true }),

  customer: {
    portcullis_api: keeping('created_at'),
    portcullis_watcher: none,
    portcullis_pipeline: changing('created_at'),
  },
  credential: {
    portcullis_api: append,
    portcullis_watcher: none,
    portcullis_pipeline: changing('taken', 'usable_at', 'ended_at'),
  },
  deposit_address: books(keeping('status', 'retired_at', 'replaced_by')),
  withdrawal: {
    portcullis_api: keeping('state', 'reason', 'spend_id', 'tx_id', 'updated_at'),
    portcullis_watcher: none,
    portcullis_pipeline: changing('state', 'reason', 'spend_id', 'tx_id', 'updated_at'),
  },
  withdrawal_step: books(append),
  quote: { portcullis_api: keeping('used_by'), portcullis_watcher: none, portcullis_pipeline: read },
  api_key: { portcullis_api: read, portcullis_watcher: none, portcullis_pipeline: none },
  idempotency_key: {
    portcullis_api: { ...keeping('status', 'response', 'created_at'), delete: true },
    portcullis_watcher: none,
    portcullis_pipeline: none,
  },

  deposit: {
    portcullis_api: changing('written_off', 'updated_at'),
    portcullis_watcher: none,
    portcullis_pipeline: keeping(
      'state',
      'incarnation',
      'credited',
      'final',
      'block_hash',
      'height',
      'updated_at',
    ),
  },
  deposit_step: pipeline(append),
  deposit_cursor: pipeline(keeping('change')),
  stray: {
    portcullis_api: changing('state', 'resolved_to'),
    portcullis_watcher: none,
    portcullis_pipeline: keeping('state', 'booked', 'resolved_to', 'block_hash', 'height'),
  },

  spend: {
    portcullis_api: { ...changing('updated_at'), delete: true },
    portcullis_watcher: none,
    portcullis_pipeline: keeping(
      'state',
      'tx_id',
      'cost_units',
      'reason',
      'failures',
      'next_at',
      'updated_at',
    ),
  },
  spend_order: spendPart('outcome'),
  spend_coin: spendPart('released'),
  spend_attempt: spendPart('state', 'tx_id', 'raw', 'broadcast_at'),
  signer_answer: pipeline(keeping('ok', 'code', 'detail', 'answer', 'at')),
  sweep: pipeline(keeping('state')),
  sweep_item: pipeline(keeping('settled', 'delivered')),
  booked_delivery: pipeline(append),
  unswept: pipeline(keeping('units', 'failures', 'next_sweep_at')),
  treasury_cursor: pipeline(keeping('at')),
};

export const reachOf: Readonly<Record<string, Readonly<Record<Role, Reach>>>> = Object.fromEntries(
  Object.entries(reachOfWriters).map(([table, reach]) => [
    table,
    { ...reach, portcullis_sentinel: seenBySentinel.has(table) ? read : none },
  ]),
);

/** Sequences that a role may draw from; nobody reads or sets one. */
export const drawsFrom: Readonly<Record<string, readonly Role[]>> = {
  receipt_change: ['portcullis_watcher'],
  posting_id: ['portcullis_api', 'portcullis_pipeline'],
  descriptor_index: ['portcullis_api'],
  order_number: ['portcullis_api'],
  change_index: ['portcullis_pipeline'],
};

/** The watcher says it; the others read it. */
function chain(...update: string[]): Readonly<Record<Writer, Reach>> {
  return { portcullis_api: read, portcullis_watcher: keeping(...update), portcullis_pipeline: read };
}

function books(reach: Reach): Readonly<Record<Writer, Reach>> {
  return { portcullis_api: reach, portcullis_watcher: none, portcullis_pipeline: reach };
}

function pipeline(reach: Reach): Readonly<Record<Writer, Reach>> {
  return { portcullis_api: read, portcullis_watcher: none, portcullis_pipeline: reach };
}

/** A cancellation takes a planned one back. */
function spendPart(...update: string[]): Readonly<Record<Writer, Reach>> {
  return {
    portcullis_api: { select: true, delete: true },
    portcullis_watcher: none,
    portcullis_pipeline: keeping(...update),
  };
}
