import { recordEvent } from '../../audit/audit.ts';
import { executorOf, type Commit, type Database, type DatabaseTransaction } from '../../db/db.ts';
import { lockNetwork } from '../follow.ts';
import { recordMined } from '../receipts.ts';
import { tipOf, type ChainTip } from '../tip.ts';
import type { EvmRpc } from './rpc.ts';
import { nativeBalances } from './state.ts';

export interface BalanceCheck {
  readonly db: Database;
  readonly commit: Commit;
  readonly network: { readonly id: string };
  readonly rpc: EvmRpc;
  readonly now: () => Date;
  /** Addresses that are asked about in one call. Default 200. */
  readonly addressesMax?: number;
}

/** One call for each block that we stand on: a million addresses are gone round in 5,000 blocks. */
const ADDRESSES_MAX = 200;

/**
 * Compares what some deposit addresses have, at our tip, with what we saw arrive there since they were last emptied,
 * and goes on with the next ones at the next block, round and round. Ether that nothing we follow carried (rewards and
 * withdrawals of validators, what was inside a trace that is more than we read, what came before the address was
 * watched) becomes a receipt of the tip's block: its transaction is named by the block's hash, its position is
 * `balance:` and the address. A reorg takes it back with its block, and the next round finds it again.
 * Answers how many it found. Throws ChainError when the node cannot say.
 */
export async function checkBalances(check: BalanceCheck): Promise<number> {
  const { db, commit, network, rpc, now } = check;
  const tip = await tipOf(db, network.id);
  const last = await lastCheck(db, network.id);
  if (!tip || (last && tip.height <= last.height)) return 0;
  const limit = check.addressesMax ?? ADDRESSES_MAX;
  const asked = await addressesAfter(db, network.id, last?.watched_id ?? 0n, limit);
  const balances =
    asked.length === 0
      ? new Map<string, bigint>()
      : await nativeBalances(
          rpc,
          asked.map(({ address }) => address),
          tip.hash,
        );
  return commit('chain.balances', async (trx) => {
    await lockNetwork(trx, network.id);
    if ((await tipOf(trx, network.id))?.hash !== tip.hash) return 0;
    const found = differences(await expectedAt(trx, network.id, asked), balances);
    await record(trx, { network: network.id, tip, found, at: now() });
    const through = asked.length < limit ? 0n : (asked.at(-1)?.id ?? 0n);
    await moveCheck(trx, network.id, { watched_id: through, height: tip.height });
    return found.filter(({ units }) => units > 0n).length;
  });
}

interface Asked {
  readonly id: bigint;
  readonly address: string;
}

interface Expected extends Asked {
  /** Arrived after the block that last emptied it. */
  readonly after: bigint;
  /** Arrived in that very block: before it was emptied, or after. */
  readonly within: bigint;
}

interface Difference extends Asked {
  /** What nothing explains; below zero: what should be there and is not. */
  readonly units: bigint;
}

function differences(expected: readonly Expected[], balances: ReadonlyMap<string, bigint>): Difference[] {
  return expected.flatMap(({ id, address, after, within }) => {
    const units = balances.get(address) ?? 0n;
    if (units > after + within) return [{ id, address, units: units - after - within }];
    return units < after ? [{ id, address, units: units - after }] : [];
  });
}

async function addressesAfter(db: Database, network: string, id: bigint, limit: number): Promise<Asked[]> {
  return executorOf(db).query<Asked>(
    `select id, address from watched where network = $1 and purpose = 'deposit' and id > $2 order by id limit $3`,
    [network, id, limit],
  );
}

/** A delivery leaves nothing at an address, whatever was there: only what came since then can be expected. */
async function expectedAt(
  trx: DatabaseTransaction,
  network: string,
  asked: readonly Asked[],
): Promise<Expected[]> {
  if (asked.length === 0) return [];
  return executorOf(trx).query<Expected>(
    `select w.id, w.address,
       coalesce((select sum(r.units) from receipt r where r.watched_id = w.id and r.contract = ''
         and r.state = 'mined' and r.height > coalesce(d.height, -1)), 0) as after,
       coalesce((select sum(r.units) from receipt r where r.watched_id = w.id and r.contract = ''
         and r.state = 'mined' and r.height = d.height), 0) as within
     from watched w
     left join lateral (select max(e.height) as height from evm_delivery e where e.network = $1
       and e.deposit = w.address and e.contract = '' and e.canonical) d on true
     where w.id = any($2) order by w.id`,
    [network, asked.map(({ id }) => id)],
  );
}

async function record(
  trx: DatabaseTransaction,
  check: {
    readonly network: string;
    readonly tip: ChainTip;
    readonly found: readonly Difference[];
    readonly at: Date;
  },
): Promise<void> {
  const { network, tip, found, at } = check;
  const receipts = found
    .filter(({ units }) => units > 0n)
    .map(({ id, address, units }) => ({
      txId: tip.hash,
      position: `balance:${address.toLowerCase()}`,
      watchedId: id,
      contract: '',
      units,
      sender: null,
    }));
  await recordMined(trx, receipts, { network, at, blockHash: tip.hash, height: tip.height });
  for (const { address, units } of found) {
    const data = { address, units: units.toString(), height: tip.height, block_hash: tip.hash };
    const type = units > 0n ? 'network.ether_found' : 'network.ether_missing';
    await recordEvent(trx, { at, type, subject: network, data });
  }
}

async function lastCheck(
  db: Database,
  network: string,
): Promise<{ readonly watched_id: bigint; readonly height: number } | undefined> {
  const [row] = await executorOf(db).query<{ watched_id: bigint; height: number }>(
    'select watched_id, height from evm_balance_check where network = $1',
    [network],
  );
  return row;
}

async function moveCheck(
  trx: DatabaseTransaction,
  network: string,
  { watched_id: id, height }: { readonly watched_id: bigint; readonly height: number },
): Promise<void> {
  await executorOf(trx).query(
    `insert into evm_balance_check (network, watched_id, height) values ($1, $2, $3)
     on conflict (network) do update set watched_id = excluded.watched_id, height = excluded.height`,
    [network, id, height],
  );
}
