import type { Address } from 'viem';
import { recordEvent } from '../../audit/audit.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';
import type { BlockHandler, SourceBlock } from '../follow.ts';
import { recordMined, type NewReceipt } from '../receipts.ts';
import { watchedAfter } from '../watched.ts';
import { deliveryLog, payoutLog, tokenMove, type DeliveryLog, type PayoutLog } from './logs.ts';
import { canonical } from './read.ts';
import type { EvmBlock, EvmTransaction } from './source.ts';

export interface EvmFollower {
  readonly handler: BlockHandler<EvmBlock>;
  /** Addresses in memory. */
  readonly size: () => number;
}

export interface EvmFollowerDeps {
  readonly db: Database;
  readonly network: {
    readonly id: string;
    readonly vault: string;
    readonly factory: string;
    readonly listings: readonly { readonly asset: string; readonly contract?: string | undefined }[];
  };
  readonly now: () => Date;
}

const PAGE_ROWS = 50_000;
/**
 * Anybody can write a contract that says that it paid us: at most so many such receipts in a block, so that nobody
 * fills our disk, and so many of one contract, so that one contract does not hide another. Listed assets have none.
 */
const UNLISTED_MAX = 200;
const UNLISTED_PER_CONTRACT_MAX = 20;

/** Loads all watched addresses of a network, and keeps them up to date while it follows. */
export async function openEvmFollower(deps: EvmFollowerDeps): Promise<EvmFollower> {
  const { network, now } = deps;
  const watched = new Map<string, bigint>();
  const loadWatched = watchedLoader(network.id, watched);
  await loadWatched(deps.db);
  const look: Look = {
    watched,
    listed: new Set(network.listings.flatMap(({ contract }) => contract?.toLowerCase() ?? [])),
    vault: network.vault.toLowerCase(),
    factory: network.factory.toLowerCase(),
  };
  return {
    size: () => watched.size,
    handler: {
      async onBlock(trx, block) {
        // After the block was fetched, before it is looked into: see watchAddresses.
        await loadWatched(trx);
        const found = findIn(block.raw, look);
        const place = { network: network.id, blockHash: block.hash, height: block.height };
        await recordMined(trx, found.receipts, { ...place, at: now() });
        await recordPayouts(trx, found.payouts, { ...place, vault: canonical(look.vault as Address) });
        await recordDeliveries(trx, found.deliveries, place);
        if (found.leftOut > 0)
          await tellLeftOut(trx, block, { network: network.id, count: found.leftOut, at: now() });
        const unread = block.raw
          .filter(({ innerLeftOut }) => innerLeftOut)
          .map(({ receipt }) => receipt.txId);
        if (unread.length > 0) await tellUnread(trx, block, { network: network.id, unread, at: now() });
        return undefined;
      },
      async onReorg(trx, { orphanedHashes }) {
        for (const table of ['evm_payout', 'evm_delivery']) {
          await executorOf(trx).query(
            `update ${table} set canonical = false where network = $1 and block_hash = any($2) and canonical`,
            [network.id, orphanedHashes],
          );
        }
        return undefined;
      },
    },
  };
}

interface Look {
  /** Lower-case address to id. */
  readonly watched: ReadonlyMap<string, bigint>;
  readonly listed: ReadonlySet<string>;
  readonly vault: string;
  readonly factory: string;
}

interface Found {
  readonly receipts: NewReceipt[];
  readonly payouts: (PayoutLog & { readonly txId: string })[];
  readonly deliveries: (DeliveryLog & { readonly txId: string; readonly position: string })[];
  readonly unlisted: Map<string, number>;
  unlistedCount: number;
  leftOut: number;
}

function findIn(block: EvmBlock, look: Look): Found {
  const found: Found = {
    receipts: [],
    payouts: [],
    deliveries: [],
    unlisted: new Map(),
    unlistedCount: 0,
    leftOut: 0,
  };
  for (const transaction of block) {
    if (!transaction.receipt.succeeded) continue;
    findEther(transaction, look, found);
    findLogs(transaction, look, found);
  }
  return found;
}

function findEther({ receipt, trace }: EvmTransaction, { watched }: Look, found: Found): void {
  for (const { path, from, to, wei } of trace.moves) {
    const watchedId = watched.get(to);
    if (watchedId === undefined) continue;
    found.receipts.push({
      txId: receipt.txId,
      position: `call:${path}`,
      watchedId,
      contract: '',
      units: wei,
      sender: canonical(from),
    });
  }
}

function findLogs({ receipt }: EvmTransaction, look: Look, found: Found): void {
  const { txId } = receipt;
  for (const log of receipt.logs) {
    const position = `log:${log.ordinal}`;
    if (log.address === look.vault) {
      const payout = payoutLog(log);
      if (payout) found.payouts.push({ ...payout, txId });
    } else if (log.address === look.factory) {
      const delivery = deliveryLog(log);
      if (delivery) found.deliveries.push({ ...delivery, txId, position });
    }
    const move = tokenMove(log);
    const watchedId = move && look.watched.get(move.to);
    if (!move || watchedId === undefined) continue;
    if (!look.listed.has(move.contract) && !mayRecord(move.contract, found)) continue;
    const { contract, units, from } = move;
    found.receipts.push({ txId, position, watchedId, contract, units, sender: canonical(from) });
  }
}

function mayRecord(contract: string, found: Found): boolean {
  const count = found.unlisted.get(contract) ?? 0;
  if (count >= UNLISTED_PER_CONTRACT_MAX || found.unlistedCount >= UNLISTED_MAX) {
    found.leftOut += 1;
    return false;
  }
  found.unlisted.set(contract, count + 1);
  found.unlistedCount += 1;
  return true;
}

interface Place {
  readonly network: string;
  readonly blockHash: string;
  readonly height: number;
}

/** A block that comes back after a reorg finds its rows. */
async function recordPayouts(
  trx: DatabaseTransaction,
  payouts: Found['payouts'],
  { network, blockHash, height, vault }: Place & { readonly vault: string },
): Promise<void> {
  if (payouts.length === 0) return;
  await executorOf(trx).query(
    `insert into evm_payout
       (network, vault, block_hash, height, canonical, payout_id, contract, recipient, units, paid, tx_id)
     select $1, $2, $3, $4, true, i.*
     from unnest($5::bigint[], $6::text[], $7::text[], $8::numeric[], $9::boolean[], $10::text[]) as i
     on conflict (network, block_hash, vault, payout_id) do update set canonical = true`,
    [
      network,
      vault,
      blockHash,
      height,
      payouts.map((payout) => payout.payoutId),
      payouts.map((payout) => payout.contract),
      payouts.map((payout) => payout.recipient),
      payouts.map((payout) => payout.units),
      payouts.map((payout) => payout.paid),
      payouts.map((payout) => payout.txId),
    ],
  );
}

async function recordDeliveries(
  trx: DatabaseTransaction,
  deliveries: Found['deliveries'],
  { network, blockHash, height }: Place,
): Promise<void> {
  if (deliveries.length === 0) return;
  await executorOf(trx).query(
    `insert into evm_delivery
       (network, block_hash, height, canonical, tx_id, position, deposit, contract, destination, units)
     select $1, $2, $3, true, i.*
     from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::numeric[]) as i
     on conflict (network, block_hash, tx_id, position) do update set canonical = true`,
    [
      network,
      blockHash,
      height,
      deliveries.map((delivery) => delivery.txId),
      deliveries.map((delivery) => delivery.position),
      deliveries.map((delivery) => delivery.deposit),
      deliveries.map((delivery) => delivery.contract),
      deliveries.map((delivery) => delivery.destination),
      deliveries.map((delivery) => delivery.units),
    ],
  );
}

/** Money is never passed over in silence: who looks for a token that is not listed finds which block to read. */
async function tellLeftOut(
  trx: DatabaseTransaction,
  block: SourceBlock<EvmBlock>,
  { network, count, at }: { readonly network: string; readonly count: number; readonly at: Date },
): Promise<void> {
  const data = { height: block.height, block_hash: block.hash, count };
  await recordEvent(trx, { at, type: 'network.unlisted_left_out', subject: network, data });
}

/** Ether that a contract sent on inside these is not seen here; where it reached us, its sweep books it. */
async function tellUnread(
  trx: DatabaseTransaction,
  block: SourceBlock<EvmBlock>,
  {
    network,
    unread,
    at,
  }: { readonly network: string; readonly unread: readonly string[]; readonly at: Date },
): Promise<void> {
  const data = { height: block.height, block_hash: block.hash, tx_ids: unread };
  await recordEvent(trx, { at, type: 'network.trace_left_out', subject: network, data });
}

function watchedLoader(
  network: string,
  watched: Map<string, bigint>,
): (db: Database | DatabaseTransaction) => Promise<void> {
  let last = 0n;
  return async (db) => {
    for (;;) {
      const rows = await watchedAfter(db, network, last, PAGE_ROWS);
      for (const row of rows) {
        watched.set(row.address.toLowerCase(), row.id);
        last = row.id;
      }
      if (rows.length < PAGE_ROWS) return;
    }
  };
}
