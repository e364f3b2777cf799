import { hexToBytes, isAddress, type Hex } from 'viem';
import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';
import { RelayError } from './relay-fault.ts';

/** A call of a contract that the relayer is to bring to the chain. */
export interface NewCall {
  readonly id: string;
  readonly network: { readonly id: string };
  /** Idempotency key of the effect, of its network. */
  readonly key: string;
  readonly target: string;
  readonly data: Hex;
  readonly value: bigint;
  /** Set by whoever knows the call; a node's estimate may succeed where inner calls fail. */
  readonly gasLimit: number;
}

/** EIP-7825. */
const GAS_LIMIT_MAX = 2 ** 24;
const GAS_MIN = 21_000;
/** EIP-7623: what data costs at least, for a zero byte and for another. */
const GAS_PER_ZERO_BYTE = 10;
const GAS_PER_BYTE = 40;
/** Nodes refuse transactions above 128 kB; the rest is the envelope. */
const DATA_BYTES_MAX = 127 * 1024;

/**
 * Queues a call in the caller's transaction; the lane sends it after the commit. The same key again answers the id
 * of the first; with other contents it throws CALL_KEY_REUSED. Throws RelayError for what no node would take: it
 * would block every later call.
 */
export async function enqueueCall(trx: DatabaseTransaction, call: NewCall, at: Date): Promise<string> {
  const data = Buffer.from(hexToBytes(call.data));
  refuseUnsendable(call, data);
  const sql = executorOf(trx);
  await sql.query(
    `insert into evm_call (id, network, key, target, data, value, gas_limit, state, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, 'queued', $8) on conflict (network, key) do nothing`,
    [call.id, call.network.id, call.key, call.target, data, call.value, call.gasLimit, at],
  );
  const [row] = await sql.query<{ id: string; same: boolean }>(
    `select id, target = $3 and data = $4 and value = $5 as same from evm_call where network = $1 and key = $2`,
    [call.network.id, call.key, call.target, data, call.value],
  );
  if (!row?.same) {
    throw new RelayError('CALL_KEY_REUSED', `${call.key} on ${call.network.id} is another call already`);
  }
  return row.id;
}

/**
 * Takes back a call that has no nonce yet, in the caller's transaction: its key is free again. False, and nothing
 * changed, when the lane was faster: then it may be mined.
 */
export async function dropQueuedCall(
  trx: DatabaseTransaction,
  network: string,
  key: string,
): Promise<boolean> {
  const sql = executorOf(trx);
  const [call] = await sql.query<{ id: string }>(
    `select id from evm_call where network = $1 and key = $2 and state = 'queued' for update`,
    [network, key],
  );
  if (!call) return false;
  // Attempts under a key that was exchanged: none of them can be mined any more.
  await sql.query('delete from evm_attempt where call_id = $1', [call.id]);
  await sql.query('delete from evm_call where id = $1', [call.id]);
  return true;
}

function refuseUnsendable({ key, target, gasLimit }: NewCall, data: Buffer): void {
  if (!isAddress(target, { strict: false })) {
    throw new RelayError('CALL_TARGET_INVALID', `${key}: ${target} is no address`);
  }
  if (data.length > DATA_BYTES_MAX) {
    throw new RelayError('CALL_TOO_LARGE', `${key}: ${data.length} bytes, at most ${DATA_BYTES_MAX}`);
  }
  let gasMin = GAS_MIN;
  for (const byte of data) gasMin += byte === 0 ? GAS_PER_ZERO_BYTE : GAS_PER_BYTE;
  if (!Number.isSafeInteger(gasLimit) || gasLimit < gasMin || gasLimit > GAS_LIMIT_MAX) {
    throw new RelayError(
      'CALL_GAS_INVALID',
      `${key}: gas ${gasLimit} is not within ${gasMin} to ${GAS_LIMIT_MAX}`,
    );
  }
}

export interface CallOutcome {
  readonly id: string;
  /** `succeeded` and `reverted` are irreversible. */
  readonly state: 'queued' | 'sent' | 'succeeded' | 'reverted';
  /** The transaction that is irreversibly mined. */
  readonly txId: string | null;
  readonly height: number | null;
  /** What the relayer paid for gas. */
  readonly costWei: bigint | null;
  /** Every transaction that was ever sent for it, oldest first. */
  readonly txIds: readonly string[];
}

/** How a call of this idempotency key stands; undefined when there is none. */
export async function callOutcome(
  db: Database | DatabaseTransaction,
  network: string,
  key: string,
): Promise<CallOutcome | undefined> {
  const [row] = await executorOf(db).query<CallOutcome>(
    `select c.id, c.state, c.tx_id as "txId", c.height, c.cost_wei as "costWei",
       array(select a.tx_id from evm_attempt a where a.call_id = c.id order by a.n) as "txIds"
     from evm_call c where c.network = $1 and c.key = $2`,
    [network, key],
  );
  return row;
}
