import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';
import type { NewReceipt } from '../receipts.ts';
import type { Scan, ScannedOutput, ScannedSpend } from './scan.ts';

/** An output that pays a script of ours for certain. */
interface OwnOutput {
  readonly output: ScannedOutput;
  readonly watchedId: bigint;
}

type Reader = Database | DatabaseTransaction;

/** Compares the whole script of every candidate with the database: a fingerprint proves nothing. */
export async function ownOutputs(db: Reader, network: string, scan: Scan): Promise<OwnOutput[]> {
  const candidates = [...new Set(scan.outputs.flatMap((output) => output.candidates))];
  if (candidates.length === 0) return [];
  const rows = await executorOf(db).query<{ id: bigint; script: Buffer }>(
    'select id, script from watched where network = $1 and id = any($2) and script is not null',
    [network, candidates],
  );
  const scripts = new Map(rows.map((row) => [Number(row.id), row]));
  return scan.outputs.flatMap((output) => {
    // An output of nothing moves nothing; anybody may make thousands of them.
    if (output.units === 0n) return [];
    const row = output.candidates
      .map((id) => scripts.get(id))
      .find((candidate) => candidate?.script.equals(output.script));
    return row ? [{ output, watchedId: row.id }] : [];
  });
}

export function receiptsOf(outputs: readonly OwnOutput[]): NewReceipt[] {
  return outputs.map(({ output, watchedId }) => ({
    txId: output.txId,
    position: String(output.vout),
    watchedId,
    contract: '',
    units: output.units,
    sender: null,
  }));
}

/** Coins of a block, or of the mempool where `block` is undefined. What stands in a block stays there. */
export async function recordCoins(
  trx: DatabaseTransaction,
  network: string,
  outputs: readonly OwnOutput[],
  block: { readonly height: number; readonly hash: string } | undefined,
): Promise<void> {
  if (outputs.length === 0) return;
  await executorOf(trx).query(
    `insert into bitcoin_coin (network, tx_id, vout, watched_id, units, coinbase, height, block_hash)
     select $1, i.*, $7, $8
     from unnest($2::text[], $3::int[], $4::bigint[], $5::numeric[], $6::boolean[]) as i
     on conflict (network, tx_id, vout) do update
     set height = excluded.height, block_hash = excluded.block_hash where excluded.height is not null`,
    [
      network,
      outputs.map(({ output }) => output.txId),
      outputs.map(({ output }) => output.vout),
      outputs.map(({ watchedId }) => watchedId),
      outputs.map(({ output }) => output.units),
      outputs.map(({ output }) => output.coinbase),
      block?.height ?? null,
      block?.hash ?? null,
    ],
  );
}

/** Whoever spends a coin of ours. A spend in a block wins over one in the mempool. */
export async function recordSpends(
  trx: DatabaseTransaction,
  network: string,
  spends: readonly ScannedSpend[],
  block: { readonly height: number; readonly hash: string } | undefined,
): Promise<void> {
  if (spends.length === 0) return;
  await executorOf(trx).query(
    `update bitcoin_coin c set spent_tx_id = i.spender, spent_height = $5, spent_block_hash = $6
     from unnest($2::text[], $3::bigint[], $4::text[]) as i(tx_id, vout, spender)
     where c.network = $1 and c.tx_id = i.tx_id and c.vout = i.vout
       and ($6::text is not null or c.spent_block_hash is null)`,
    [
      network,
      spends.map((spend) => spend.previousTxId),
      spends.map((spend) => spend.previousVout),
      spends.map((spend) => spend.txId),
      block?.height ?? null,
      block?.hash ?? null,
    ],
  );
}

/** Coins and spends of blocks above the fork stand in no block any more; the mempool decides what is left. */
export async function unconfirmAbove(
  trx: DatabaseTransaction,
  network: string,
  forkHeight: number,
): Promise<void> {
  const sql = executorOf(trx);
  await sql.query(
    'update bitcoin_coin set height = null, block_hash = null where network = $1 and height > $2',
    [network, forkHeight],
  );
  await sql.query(
    `update bitcoin_coin set spent_height = null, spent_block_hash = null
     where network = $1 and spent_height > $2`,
    [network, forkHeight],
  );
}

/** Ids of transactions that stand in no block and that something of ours hangs on. */
export async function unconfirmedTxIds(db: Reader, network: string): Promise<string[]> {
  const rows = await executorOf(db).query<{ tx_id: string }>(
    `select tx_id from receipt where network = $1 and state = 'mempool'
     union select tx_id from bitcoin_coin where network = $1 and height is null
     union select spent_tx_id from bitcoin_coin
       where network = $1 and spent_tx_id is not null and spent_height is null`,
    [network],
  );
  return rows.map((row) => row.tx_id);
}

/** They are in no block and no longer in the mempool: their coins never were, and what they spent is unspent. */
export async function forgetTransactions(
  trx: DatabaseTransaction,
  network: string,
  txIds: readonly string[],
): Promise<void> {
  const sql = executorOf(trx);
  await sql.query('delete from bitcoin_coin where network = $1 and tx_id = any($2) and height is null', [
    network,
    txIds,
  ]);
  await sql.query(
    `update bitcoin_coin set spent_tx_id = null
     where network = $1 and spent_tx_id = any($2) and spent_height is null`,
    [network, txIds],
  );
}

/** Outpoints that a transaction may still spend, or that a reorg may give back. In pages, by their key. */
export async function openOutpoints(
  db: Reader,
  network: string,
  after: { readonly txId: string; readonly vout: number },
  options: { readonly spentAbove: number; readonly limit: number },
): Promise<{ tx_id: string; vout: number }[]> {
  return executorOf(db).query<{ tx_id: string; vout: number }>(
    `select tx_id, vout from bitcoin_coin
     where network = $1 and (tx_id, vout) > ($2, $3) and (spent_height is null or spent_height > $4)
     order by tx_id, vout limit $5`,
    [network, after.txId, after.vout, options.spentAbove, options.limit],
  );
}
