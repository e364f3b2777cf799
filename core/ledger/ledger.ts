import assert from 'node:assert/strict';
import type { Pool, PoolClient } from 'pg';
import type { Executor } from '../db/db.ts';
import type { Account, Books } from './books.ts';
import { malformed } from './decide.ts';
import { openExpress } from './express.ts';
import { asLedgerError, isConflict, isStatementRefused } from './faults.ts';
import { startWriterLane, type LedgerLane } from './lane.ts';
import { findAccounts, lockAndLoad, type KnownAccounts } from './load.ts';
import { LedgerError, type PostingOutcome } from './outcomes.ts';
import type { Posting } from './postings.ts';
import { scopeOf } from './scope.ts';
import { settleInMemory } from './settle.ts';
import { createAccounts, writeChanges } from './write.ts';

export { auditLedger, type LedgerProblem } from './audit.ts';
export {
  accountBalance,
  balancesOf,
  trialBalance,
  type CustomerBalance,
  type TrialBalanceLine,
} from './balances.ts';
export type { AccountKind, AccountRef } from './books.ts';
export type { LedgerLane } from './lane.ts';
export { LedgerError, type LedgerErrorCode, type PostingOutcome, type PostingRefusal } from './outcomes.ts';
export {
  creditDeposit,
  finalizeDeposit,
  holdWithdrawal,
  recordColdMove,
  recordHouseFunding,
  recordNetworkCost,
  recordStray,
  recordSweep,
  resolveStray,
  reverseDeposit,
  settleWithdrawal,
  transfer,
  voidHold,
  writeOffDeposit,
  type Movement,
  type Posting,
} from './postings.ts';

/*
 * The books. Sign convention: balance = credits less debits.
 *
 *   what we owe, and what is ours: positive       what we hold, and what was spent: negative
 *   customer       a customer's, in one asset     hot, cold   the wallets, on one network
 *   fees           earned from withdrawals        unswept     deposit addresses on EVM
 *   suspense       on chain, nobody's yet         gas         the relayer's float
 *   house          the exchange's own             network-costs   paid to miners and validators
 *   (may fall below zero when it pays)            exposure    what the house bears for one customer
 *
 * Every leg moves units from a debit to a credit account of one asset, so all balances of an asset add up to zero.
 * balance = final + provisional; provisional is the sum of the account's lots of deposits that a reorg may still
 * take back. Wallet accounts may stand above zero for a while, when the books hear of a payment before they hear
 * of the coins it spent: what happened on a chain is recorded and not refused.
 */

/** Somebody who moves lots or creates accounts as fast as we look: give up, the caller tries again later. */
const ATTEMPTS_MAX = 10;

const NONE_KNOWN: KnownAccounts = new Map();

/**
 * Applies postings in order, inside the caller's open transaction (READ COMMITTED), so that his own rows and the
 * books change together. Each posting is applied, a duplicate, or refused by itself. Locks the accounts until the
 * transaction ends, in one order for all: call it once in a transaction, after taking your own row locks.
 * Throws LedgerError LEDGER_CONFLICT (roll back, try again) when another writer used a key at the same moment.
 */
export async function applyPostings(
  executor: Executor,
  postings: readonly Posting[],
): Promise<PostingOutcome[]> {
  return (await applyKnowing(executor, postings, NONE_KNOWN)).outcomes;
}

export interface LedgerLaneOptions {
  /** Postings in one transaction. More gain little and make every caller wait longer: docs/decisions/0004. */
  readonly batchMax?: number;
  /** Postings that may wait before submit refuses with LEDGER_OVERLOADED. */
  readonly queueMax?: number;
}

/**
 * One writer for many concurrent callers: whatever is waiting when the writer is free goes into one transaction.
 * Any number of lanes and applyPostings may write at once. `pool` comes from openPool.
 */
export function startLedgerLane(pool: Pool, options: LedgerLaneOptions = {}): LedgerLane {
  const known = new Map<string, Account>();
  const limits = { batchMax: options.batchMax ?? 500, queueMax: options.queueMax ?? 20_000 };
  const work = {
    openExpress: () => openExpress(pool, known).catch(() => undefined),
    run: (batch: readonly Posting[]) => runBatch(pool, batch, known),
  };
  return startWriterLane(work, limits);
}

/** Account numbers that a lane remembers; at about 200 bytes each. */
const KNOWN_MAX = 500_000;

/** A batch that PostgreSQL refuses as a whole is tried posting by posting, so that one fault stays one caller's. */
async function runBatch(
  pool: Pool,
  batch: readonly Posting[],
  known: Map<string, Account>,
): Promise<(PostingOutcome | Error)[]> {
  try {
    return await commitBatch(pool, batch, known);
  } catch (error) {
    if (batch.length === 1 || !isStatementRefused(error)) return batch.map(() => asLedgerError(error));
    const answers: (PostingOutcome | Error)[] = [];
    for (const posting of batch) answers.push(...(await runBatch(pool, [posting], known)));
    return answers;
  }
}

async function commitBatch(
  pool: Pool,
  batch: readonly Posting[],
  known: Map<string, Account>,
): Promise<PostingOutcome[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { outcomes, books } = await inTransaction(pool, (executor) =>
        applyKnowing(executor, batch, known),
      );
      remember(known, books);
      return outcomes;
    } catch (error) {
      const again = error instanceof LedgerError && error.code === 'LEDGER_CONFLICT';
      if (!again || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

/** Only after the commit: an account that was rolled back must not be remembered. */
function remember(known: Map<string, Account>, books: Books | undefined): void {
  if (known.size > KNOWN_MAX) known.clear();
  for (const [name, account] of books?.accounts ?? []) {
    if (account.id !== undefined) known.set(name, account);
  }
}

async function inTransaction<Result>(
  pool: Pool,
  work: (executor: Executor) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin isolation level read committed');
    const result = await work(namedExecutor(client));
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((cause: unknown) => {
      broken = cause instanceof Error ? cause : new Error(String(cause));
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Names by text, so that the server keeps each plan; the texts are this module's constants, hence few. */
const statementNames = new Map<string, string>();

function namedExecutor(client: PoolClient): Executor {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
      let name = statementNames.get(text);
      if (name === undefined) {
        name = `ledger_${statementNames.size}`;
        statementNames.set(text, name);
      }
      return (await client.query<Row>({ name, text, values: [...values] })).rows;
    },
  };
}

interface Applied {
  readonly outcomes: PostingOutcome[];
  readonly books: Books | undefined;
}

async function applyKnowing(
  executor: Executor,
  postings: readonly Posting[],
  known: KnownAccounts,
): Promise<Applied> {
  if (postings.length === 0) return { outcomes: [], books: undefined };
  try {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const applied = await attemptOnce(executor, postings, known);
      if (applied) return applied;
    }
  } catch (error) {
    if (isConflict(error)) throw new LedgerError('LEDGER_CONFLICT', 'Another writer was faster', error);
    throw error;
  }
  throw new LedgerError('LEDGER_CONFLICT', `Accounts changed under ${ATTEMPTS_MAX} attempts`);
}

/** Undefined when what was found before the locks no longer held under them; nothing is changed or locked then. */
async function attemptOnce(
  executor: Executor,
  postings: readonly Posting[],
  known: KnownAccounts,
): Promise<Applied | undefined> {
  const wellFormed = postings.filter((posting) => malformed(posting) === undefined);
  const scope = await scopeOf(executor, wellFormed);
  const { ids, missing } = await findAccounts(executor, scope, known);
  const mayFail = missing > 0 || scope.withdrawals.length > 0 || scope.deposits.length > 0;
  if (mayFail) await executor.query('savepoint ledger', []);
  const loaded = await lockAndLoad(executor, { scope, ids, postings: wellFormed });
  if (loaded) {
    const { outcomes, changes } = settleInMemory(loaded.books, postings, (n) => numberAt(loaded.numbers, n));
    if (await createAccounts(executor, loaded.books)) {
      await writeChanges(executor, changes);
      if (mayFail) await executor.query('release savepoint ledger', []);
      return { outcomes, books: loaded.books };
    }
  }
  assert.ok(mayFail, 'a scope without holds, deposits or new accounts is complete');
  await executor.query('rollback to savepoint ledger', []);
  await executor.query('release savepoint ledger', []);
  return undefined;
}

function numberAt(numbers: readonly bigint[], n: number): bigint {
  const number = numbers[n];
  assert.ok(number !== undefined, 'a number was drawn for every posting');
  return number;
}
