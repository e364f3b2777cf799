import type { Address, Hex } from 'viem';
import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';
import type { Fees } from './fees.ts';

export interface Attempt {
  readonly n: number;
  readonly txId: Hex;
  readonly raw: Hex;
  readonly fees: Fees;
  readonly madeAt: Date;
}

/** A call that has a nonce and is not over. */
export interface OpenCall {
  readonly id: string;
  readonly nonce: number;
  readonly target: Address;
  readonly data: Hex;
  readonly valueWei: bigint;
  readonly gasLimit: bigint;
  /** Oldest first, never empty. */
  readonly attempts: readonly Attempt[];
}

export interface Lane {
  readonly network: string;
  readonly relayer: string;
}

type Db = Database | DatabaseTransaction;

/** One nonce after the other: whoever allocates or replaces in a lane holds this until it commits. */
const LANE_LOCK_CLASS = 7_306_025;

export async function lockLane(trx: DatabaseTransaction, { network, relayer }: Lane): Promise<void> {
  await executorOf(trx).query('select pg_advisory_xact_lock($1::int, hashtext($2))', [
    LANE_LOCK_CLASS,
    `${network} ${relayer}`,
  ]);
}

interface CallRow {
  readonly id: string;
  readonly target: string;
  readonly data: Buffer;
  readonly value: bigint;
  readonly gas_limit: bigint;
}

interface AttemptRow extends CallRow {
  readonly nonce: bigint;
  readonly n: number;
  readonly tx_id: string;
  readonly raw: Buffer;
  readonly fee_per_gas_max: bigint;
  readonly priority_fee_max: bigint;
  readonly made_at: Date;
}

/** Calls of a lane that are on their way, by nonce. */
export async function openCalls(db: Db, { network, relayer }: Lane): Promise<OpenCall[]> {
  const rows = await executorOf(db).query<AttemptRow>(
    `select c.id, c.target, c.data, c.value, c.gas_limit, c.nonce, a.n, a.tx_id, a.raw, a.fee_per_gas_max,
       a.priority_fee_max, a.made_at
     from evm_call c join evm_attempt a on a.call_id = c.id
     where c.network = $1 and c.relayer = $2 and c.state = 'sent'
     order by c.nonce, a.n`,
    [network, relayer],
  );
  const calls = new Map<string, OpenCall & { attempts: Attempt[] }>();
  for (const row of rows) {
    const call = calls.get(row.id) ?? { ...callOf(row), nonce: Number(row.nonce), attempts: [] };
    calls.set(row.id, call);
    call.attempts.push({
      n: row.n,
      txId: row.tx_id as Hex,
      raw: hexOf(row.raw),
      fees: { maxFeePerGas: row.fee_per_gas_max, maxPriorityFeePerGas: row.priority_fee_max },
      madeAt: row.made_at,
    });
  }
  return [...calls.values()];
}

/** Other keys of this network that have calls on their way: ours until they were exchanged. */
export async function earlierRelayers(db: Db, { network, relayer }: Lane): Promise<string[]> {
  const rows = await executorOf(db).query<{ relayer: string }>(
    `select distinct relayer from evm_call where network = $1 and state = 'sent' and relayer <> $2`,
    [network, relayer],
  );
  return rows.map((row) => row.relayer);
}

/** Back to the queue: its nonce is lost. The attempts stay on record. */
export async function queueAgain(trx: DatabaseTransaction, callId: string): Promise<void> {
  await executorOf(trx).query(
    `update evm_call set state = 'queued', relayer = null, nonce = null where id = $1 and state = 'sent'`,
    [callId],
  );
}

export type QueuedCall = Omit<OpenCall, 'nonce' | 'attempts'> & {
  /** Of the last attempt under an earlier key; 0 without one. */
  readonly attemptsBefore: number;
};

/** The call of a network that waits longest for a nonce. */
export async function nextQueued(trx: DatabaseTransaction, network: string): Promise<QueuedCall | undefined> {
  const [row] = await executorOf(trx).query<CallRow & { before: number }>(
    `select c.id, c.target, c.data, c.value, c.gas_limit,
       coalesce((select max(a.n) from evm_attempt a where a.call_id = c.id), 0) as before
     from evm_call c where c.network = $1 and c.state = 'queued' order by c.created_at, c.id limit 1 for update`,
    [network],
  );
  return row && { ...callOf(row), attemptsBefore: row.before };
}

export async function hasQueued(db: Db, network: string): Promise<boolean> {
  const rows = await executorOf(db).query(
    `select 1 from evm_call where network = $1 and state = 'queued' limit 1`,
    [network],
  );
  return rows.length > 0;
}

/** One above the highest nonce that this lane ever gave; undefined when it never gave one. */
export async function nextNonce(db: Db, { network, relayer }: Lane): Promise<number | undefined> {
  const [row] = await executorOf(db).query<{ next: bigint | null }>(
    'select max(nonce) + 1 as next from evm_call where network = $1 and relayer = $2',
    [network, relayer],
  );
  return row?.next == null ? undefined : Number(row.next);
}

export async function giveNonce(
  trx: DatabaseTransaction,
  callId: string,
  { relayer, nonce }: { readonly relayer: string; readonly nonce: number },
): Promise<void> {
  await executorOf(trx).query(
    `update evm_call set state = 'sent', relayer = $2, nonce = $3 where id = $1 and state = 'queued'`,
    [callId, relayer, nonce],
  );
}

export async function insertAttempt(
  trx: DatabaseTransaction,
  callId: string,
  attempt: Attempt,
): Promise<void> {
  await executorOf(trx).query(
    `insert into evm_attempt (call_id, n, tx_id, raw, fee_per_gas_max, priority_fee_max, made_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      callId,
      attempt.n,
      attempt.txId,
      Buffer.from(attempt.raw.slice(2), 'hex'),
      attempt.fees.maxFeePerGas,
      attempt.fees.maxPriorityFeePerGas,
      attempt.madeAt,
    ],
  );
}

/** The number of the last attempt of a call that is still on its way; undefined when it is over. */
export async function lastAttempt(trx: DatabaseTransaction, callId: string): Promise<number | undefined> {
  const [row] = await executorOf(trx).query<{ n: number | null }>(
    `select max(a.n) as n from evm_call c join evm_attempt a on a.call_id = c.id
     where c.id = $1 and c.state = 'sent'`,
    [callId],
  );
  return row?.n ?? undefined;
}

export interface CallEnd {
  readonly state: 'succeeded' | 'reverted';
  readonly txId: Hex;
  readonly height: number;
  readonly costWei: bigint;
}

export async function endCall(trx: DatabaseTransaction, callId: string, end: CallEnd): Promise<boolean> {
  const rows = await executorOf(trx).query(
    `update evm_call set state = $2, tx_id = $3, height = $4, cost_wei = $5
     where id = $1 and state = 'sent' returning id`,
    [callId, end.state, end.txId, end.height, end.costWei],
  );
  return rows.length > 0;
}

/** Confirmations of a block by our own chain; 0 when it is not of it, or we have not come that far. */
export async function depthOf(db: Db, network: string, blockHash: string): Promise<number> {
  const [row] = await executorOf(db).query<{ depth: number }>(
    `select t.height - b.height + 1 as depth from chain_block b join chain_tip t on t.network = b.network
     where b.network = $1 and b.hash = $2 and b.canonical`,
    [network, blockHash],
  );
  return row?.depth ?? 0;
}

/** The block of our chain that has so many confirmations; undefined when there is none yet. */
export async function hashAtDepth(db: Db, network: string, depth: number): Promise<string | undefined> {
  const [row] = await executorOf(db).query<{ hash: string }>(
    `select b.hash from chain_block b join chain_tip t on t.network = b.network
     where b.network = $1 and b.canonical and b.height = t.height - $2 + 1`,
    [network, depth],
  );
  return row?.hash;
}

function callOf(row: CallRow): Omit<QueuedCall, 'attemptsBefore'> {
  return {
    id: row.id,
    target: row.target as Address,
    data: hexOf(row.data),
    valueWei: row.value,
    gasLimit: row.gas_limit,
  };
}

function hexOf(bytes: Buffer): Hex {
  return `0x${bytes.toString('hex')}`;
}
