import { commitTo, type Commit, type Database, type DatabaseTransaction } from '../../db/db.ts';
import { ChainError } from '../faults.ts';
import { lockNetwork, type BlockHandler } from '../follow.ts';
import { recordMempool, recordMined, recordReplaced } from '../receipts.ts';
import { tipOf } from '../tip.ts';
import { watchedAfter } from '../watched.ts';
import {
  forgetTransactions,
  openOutpoints,
  ownOutputs,
  receiptsOf,
  recordCoins,
  recordSpends,
  unconfirmAbove,
  unconfirmedTxIds,
} from './coins.ts';
import { txIdOf } from './parse-block.ts';
import type { BitcoinRpc } from './rpc.ts';
import { outpointBytes, scanBlock, scanTransactions, type ScanTables } from './scan.ts';
import { scriptTable } from './script-table.ts';
import { readHash, readHex } from './source.ts';

export interface BitcoinFollower {
  readonly handler: BlockHandler<Buffer>;
  /** Compares the mempool with what we hold. Does nothing unless the node stands on our tip. */
  readonly pollMempool: () => Promise<void>;
  /** Scripts and outpoints in memory. */
  readonly sizes: () => { readonly scripts: number; readonly coins: number };
}

export interface BitcoinFollowerDeps {
  readonly db: Database;
  /** Default: the database's own. */
  readonly commit?: Commit | undefined;
  readonly network: { readonly id: string; readonly reorgDepthMax: number };
  readonly rpc: BitcoinRpc;
  readonly now: () => Date;
  /** Secret: 16 bytes that key the tables. */
  readonly seed: Uint8Array;
}

const PAGE_ROWS = 50_000;
/** Transactions that one look at the mempool reads; the next look goes on from there. */
const MEMPOOL_NEW_MAX = 5_000;
const MEMPOOL_BATCH = 200;
/** The node no longer has it: mined or evicted in between (RPC_INVALID_ADDRESS_OR_KEY). */
const NOT_FOUND = -5;

/** Loads all scripts and open coins of a network, and keeps them up to date while it follows. */
export async function openBitcoinFollower(deps: BitcoinFollowerDeps): Promise<BitcoinFollower> {
  const tables: ScanTables = {
    scripts: scriptTable({ seed: deps.seed.subarray(0, 8) }),
    coins: scriptTable({ seed: deps.seed.subarray(8, 16) }),
  };
  const loadWatched = watchedLoader(deps.network.id, tables);
  await loadWatched(deps.db);
  await loadCoins(deps, tables);
  const known = new Set<string>();
  return {
    handler: blockHandler(deps, { tables, loadWatched, forgetMempool: () => known.clear() }),
    pollMempool: () => pollMempool(deps, { tables, loadWatched, known }),
    sizes: () => ({ scripts: tables.scripts.size(), coins: tables.coins.size() }),
  };
}

type LoadWatched = (db: Database | DatabaseTransaction) => Promise<void>;

function blockHandler(
  { network, now }: BitcoinFollowerDeps,
  {
    tables,
    loadWatched,
    forgetMempool,
  }: { tables: ScanTables; loadWatched: LoadWatched; forgetMempool: () => void },
): BlockHandler<Buffer> {
  return {
    async onBlock(trx, block) {
      // After the block was fetched, before it is looked into: see watchAddresses.
      await loadWatched(trx);
      const scan = scanBlock(block.raw, tables);
      const outputs = await ownOutputs(trx, network.id, scan);
      await recordCoins(trx, network.id, outputs, block);
      await recordSpends(trx, network.id, scan.spends, block);
      await recordMined(trx, receiptsOf(outputs), {
        network: network.id,
        at: now(),
        blockHash: block.hash,
        height: block.height,
      });
      return undefined;
    },
    async onReorg(trx, { forkHeight }) {
      await unconfirmAbove(trx, network.id, forkHeight);
      // What comes back into the mempool is looked at anew.
      return forgetMempool;
    },
  };
}

async function pollMempool(
  { db, commit = commitTo(db), network, rpc, now }: BitcoinFollowerDeps,
  { tables, loadWatched, known }: { tables: ScanTables; loadWatched: LoadWatched; known: Set<string> },
): Promise<void> {
  const tip = await tipOf(db, network.id);
  if (!tip || (await bestHash(rpc)) !== tip.hash) return;
  const mempool = new Set(readIds(await rpc.call('getrawmempool')));
  // A block between the two answers would make its transactions look as if they had vanished.
  if ((await bestHash(rpc)) !== tip.hash) return;
  for (const txId of known) if (!mempool.has(txId)) known.delete(txId);
  const fresh = [...mempool].filter((txId) => !known.has(txId)).slice(0, MEMPOOL_NEW_MAX);
  const transactions = await readTransactions(rpc, fresh);
  await loadWatched(db);
  const scan = scanTransactions(transactions, tables);
  const outputs = await ownOutputs(db, network.id, scan);
  const gone = (await unconfirmedTxIds(db, network.id)).filter((txId) => !mempool.has(txId));
  if (outputs.length > 0 || scan.spends.length > 0 || gone.length > 0) {
    await commit('chain.mempool', async (trx) => {
      await lockNetwork(trx, network.id);
      if ((await tipOf(trx, network.id))?.hash !== tip.hash) {
        throw new ChainError('CHAIN_MOVED', 'a block came while the mempool was read');
      }
      await recordReplaced(trx, network.id, gone);
      await forgetTransactions(trx, network.id, gone);
      await recordCoins(trx, network.id, outputs, undefined);
      await recordSpends(trx, network.id, scan.spends, undefined);
      await recordMempool(trx, receiptsOf(outputs), { network: network.id, at: now() });
    });
  }
  for (const txId of fresh) known.add(txId);
}

async function bestHash(rpc: BitcoinRpc): Promise<string> {
  return readHash(await rpc.call('getbestblockhash'), 'getbestblockhash');
}

function readIds(value: unknown): string[] {
  if (!Array.isArray(value)) throw new ChainError('NODE_GARBAGE', 'getrawmempool: no list');
  return value.map((entry) => readHash(entry, 'getrawmempool'));
}

async function readTransactions(rpc: BitcoinRpc, txIds: readonly string[]): Promise<Buffer[]> {
  const transactions: Buffer[] = [];
  for (let at = 0; at < txIds.length; at += MEMPOOL_BATCH) {
    const ids = txIds.slice(at, at + MEMPOOL_BATCH);
    const answers = await rpc.batch<unknown>(
      ids.map((txId) => ({ method: 'getrawtransaction', params: [txId] })),
    );
    for (const [i, answer] of answers.entries()) {
      if (answer instanceof ChainError) {
        if (answer.nodeCode === NOT_FOUND) continue;
        throw answer;
      }
      const bytes = readHex(answer, 'getrawtransaction');
      if (txIdOf(bytes) !== ids[i])
        throw new ChainError('NODE_GARBAGE', 'another transaction than asked for');
      transactions.push(bytes);
    }
  }
  return transactions;
}

function watchedLoader(network: string, { scripts }: ScanTables): LoadWatched {
  let last = 0n;
  return async (db) => {
    for (;;) {
      const rows = await watchedAfter(db, network, last, PAGE_ROWS);
      for (const row of rows) {
        if (row.script) scripts.add(row.script, 0, row.script.length, Number(row.id));
        last = row.id;
      }
      if (rows.length < PAGE_ROWS) return;
    }
  };
}

async function loadCoins({ db, network }: BitcoinFollowerDeps, { coins }: ScanTables): Promise<void> {
  const tip = await tipOf(db, network.id);
  const spentAbove = (tip?.height ?? 0) - network.reorgDepthMax;
  let after = { txId: '', vout: -1 };
  for (;;) {
    const rows = await openOutpoints(db, network.id, after, { spentAbove, limit: PAGE_ROWS });
    for (const row of rows) {
      const outpoint = outpointBytes(Buffer.from(row.tx_id, 'hex').toReversed(), row.vout);
      coins.add(outpoint, 0, outpoint.length, 0);
      after = { txId: row.tx_id, vout: row.vout };
    }
    if (rows.length < PAGE_ROWS) return;
  }
}
