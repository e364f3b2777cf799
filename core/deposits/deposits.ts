import { LedgerError } from '../ledger/ledger.ts';
import { haltNetwork } from '../controls/controls.ts';
import type { Config, Network } from '../config/config.ts';
import { commitTo, type Commit, type Database, type DatabaseTransaction } from '../db/db.ts';
import { advanceOpen } from './advance.ts';
import { followReceipts } from './follow-receipts.ts';
import { BooksRefusedError, commitWork, startWork, type Work } from './work.ts';

export { depositStates, depositTransitions, mayMove, type DepositState } from './deposit-states.ts';
export {
  depositById,
  listDeposits,
  listStrays,
  strayById,
  type DepositRow,
  type DepositStepRow,
} from './queries.ts';
export {
  remedyOf,
  resolveStray,
  type Remedy,
  type ResolveStrayRefusal,
  type StrayReason,
  type StrayRow,
} from './strays.ts';
export { writeOffDeposit, type WriteOffRefusal } from './write-off.ts';

export interface DepositDeps {
  readonly db: Database;
  /** Default: the database's own. */
  readonly commit?: Commit;
  readonly config: Config;
  readonly now: () => Date;
}

/** Transactions for one network in one step, so that a busy network does not keep the others waiting. */
const ROUNDS_MAX = 20;
/** Another writer used one of our keys, or a deadlock was broken: what is tried again is the same. */
const CONFLICTS_MAX = 5;

/**
 * One step of following the chains into the books, for every network that is not halted:
 * what the receipts say since the last step, then what the tip's height makes safe or irreversible.
 * Rows, postings, events and the cursor change in one transaction, so that a step that is killed did not happen.
 * Answers how many receipts, deposits and strays it moved; 0 means that there is nothing to do until a new block.
 *
 * A network halts, with everything of the step undone, when the books refuse what the chain says
 * (DEPOSIT_REFUSED_BY_BOOKS), and when value that was irreversible is no longer on the chain
 * (IRREVERSIBLE_DEPOSIT_ORPHANED): no posting mends that, a person decides.
 */
export async function runDeposits(deps: DepositDeps): Promise<number> {
  let moved = 0;
  for (const network of deps.config.networks) {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const inRound =
        (await step(deps, network, ['deposits.follow', followReceipts])) +
        (await step(deps, network, ['deposits.advance', advanceOpen]));
      moved += inRound;
      if (inRound === 0) break;
    }
  }
  return moved;
}

/** `part` in a transaction of its own. A halted network does nothing. */
async function step(
  deps: DepositDeps,
  network: Network,
  [name, part]: readonly [string, (work: Work) => Promise<number>],
): Promise<number> {
  const commit = deps.commit ?? commitTo(deps.db);
  try {
    return await withRetries(commit, name, async (trx) => {
      const work = await startWork(trx, deps, network);
      if (!work) return 0;
      const moved = await part(work);
      await commitWork(work);
      return moved;
    });
  } catch (error) {
    if (!(error instanceof BooksRefusedError)) throw error;
    await commit('deposits.halt', (trx) =>
      haltNetwork(trx, network.id, 'DEPOSIT_REFUSED_BY_BOOKS', error.message, deps.now()),
    );
    return 0;
  }
}

async function withRetries<Result>(
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
