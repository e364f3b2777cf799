import { haltNetwork, isHalted } from '../controls/controls.ts';
import {
  listingsOf,
  type BitcoinNetwork,
  type Config,
  type EvmNetwork,
  type Listing,
} from '../config/config.ts';
import { commitTo, executorOf, type Commit, type Database, type DatabaseTransaction } from '../db/db.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { bookColdSpends } from './cold-bitcoin.ts';
import { bookDeliveries, DestinationUnknownError } from './deliveries.ts';
import { openBooks, type OpeningBalance } from './opening.ts';
import { planSweep } from './plan-sweep.ts';
import { settleSweeps } from './settle-sweeps.ts';
import { noticeChanges } from './unswept.ts';

export type { OpeningBalance } from './opening.ts';
export { treasurySources, watchRelayers, type TreasuryLane } from './sources.ts';

export interface TreasuryDeps {
  readonly db: Database;
  /** Default: the database's own. */
  readonly commit?: Commit;
  readonly config: Config;
  readonly now: () => Date;
  /**
   * Wei for one gas on a network at this moment; absent: what our last transaction there offered. Ether that is
   * worth less than the gas to fetch it stays where it is.
   */
  readonly feePerGasWei?: (network: EvmNetwork) => Promise<bigint>;
  /** What relayer, vault and cold hold at a block. Absent: the books begin at zero. */
  readonly openingBalances?: (network: EvmNetwork, blockHash: string) => Promise<readonly OpeningBalance[]>;
}

/** One transaction's work for one network. */
export interface TreasuryWork {
  readonly trx: DatabaseTransaction;
  readonly network: EvmNetwork;
  /** Of this network. */
  readonly listings: readonly Listing[];
  readonly epoch: number;
  readonly at: Date;
  readonly feePerGasWei: bigint | undefined;
}

const LOCK_CLASS = 7_306_011;
/** Another writer used one of our keys at the same moment: what is tried again is the same. */
const CONFLICTS_MAX = 5;

/**
 * One step for every network that is not halted. Bitcoin: book what the cold wallet paid. EVM: notice what became irreversible, book what the factory
 * delivered (whoever called it: anybody may), settle our own calls, plan the next one. Each part is one
 * transaction with its cursor. Answers how much it moved; 0 means that there is nothing to do for now. Throws the
 * first fault that a network had, after the others had their turn.
 */
export async function runTreasury(deps: TreasuryDeps): Promise<number> {
  let moved = 0;
  let fault: unknown;
  for (const network of deps.config.networks) {
    try {
      moved += network.kind === 'evm' ? await runNetwork(deps, network) : await runBitcoin(deps, network);
    } catch (error) {
      fault ??= error;
    }
  }
  if (fault !== undefined) throw fault;
  return moved;
}

type Part = readonly [string, (work: TreasuryWork) => Promise<number>];

const BOOKING: readonly Part[] = [
  ['treasury.notice', noticeChanges],
  ['treasury.deliveries', bookDeliveries],
  ['treasury.settle', settleSweeps],
];

/** A network whose node does not answer must not keep the others waiting; its fault is told at the end. */
async function runNetwork(deps: TreasuryDeps, network: EvmNetwork): Promise<number> {
  let moved = 0;
  for (const part of BOOKING) moved += await step(deps, network, undefined, part);
  const opening = deps.openingBalances;
  if (opening) moved += await openBooks(deps, network, opening);
  const feePerGasWei = await deps.feePerGasWei?.(network);
  return moved + (await step(deps, network, feePerGasWei, ['treasury.plan', planSweep]));
}

/** Deposits are spent where they lie: only what cold wallet's holders did is to be booked. */
async function runBitcoin(deps: TreasuryDeps, network: BitcoinNetwork): Promise<number> {
  if (network.coldDescriptor === undefined) return 0;
  const commit = deps.commit ?? commitTo(deps.db);
  return inTransaction(commit, 'treasury.cold', async (trx) => {
    await lockTreasury(trx, network.id);
    if (await isHalted(trx, network.id)) return 0;
    const listing = listingsOf(deps.config).find((entry) => entry.network.id === network.id);
    return listing ? bookColdSpends({ trx, network, listing, at: deps.now() }) : 0;
  });
}

async function step(
  deps: TreasuryDeps,
  network: EvmNetwork,
  feePerGasWei: bigint | undefined,
  [name, part]: Part,
): Promise<number> {
  const commit = deps.commit ?? commitTo(deps.db);
  try {
    return await inTransaction(commit, name, async (trx) => {
      await lockTreasury(trx, network.id);
      if (await isHalted(trx, network.id)) return 0;
      const listings = listingsOf(deps.config).filter((listing) => listing.network.id === network.id);
      return part({ trx, network, listings, epoch: deps.config.epoch, at: deps.now(), feePerGasWei });
    });
  } catch (error) {
    if (!(error instanceof DestinationUnknownError)) throw error;
    await commit('treasury.halt', (trx) =>
      haltNetwork(trx, network.id, error.code, error.message, deps.now()),
    );
    return 0;
  }
}

async function lockTreasury(trx: DatabaseTransaction, network: string): Promise<void> {
  const lock = 'select pg_advisory_xact_lock($1::int, hashtext($2))';
  await executorOf(trx).query(lock, [LOCK_CLASS, network]);
}

async function inTransaction<Result>(
  commit: Commit,
  name: string,
  run: (trx: DatabaseTransaction) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await commit(name, run);
    } catch (error) {
      const again = error instanceof LedgerError && error.code === 'LEDGER_CONFLICT';
      if (!again || attempt >= CONFLICTS_MAX) throw error;
    }
  }
}
