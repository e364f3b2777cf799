import { recordEvents } from '../audit/audit.ts';
import { haltNetwork, isHalted } from '../controls/controls.ts';
import { listingsOf, type Config, type Listing, type Network } from '../config/config.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import { applyPostings, type Posting } from '../ledger/ledger.ts';

/** One transaction's work for one network. Rows are written as they are decided; the rest is gathered. */
export interface Work {
  readonly trx: DatabaseTransaction;
  readonly network: Network;
  readonly config: Config;
  /** Of this network. */
  readonly listings: readonly Listing[];
  readonly at: Date;
  /** Next entries of deposits' timelines, in their order. */
  readonly steps: DepositMove[];
  readonly postings: Posting[];
  readonly events: { readonly type: string; readonly subject: string; readonly data: object }[];
  readonly halts: { readonly code: string; readonly detail: string }[];
}

export interface DepositMove {
  readonly deposit: string;
  readonly from: string | null;
  readonly to: string;
  readonly reason: string;
  readonly evidence: object;
}

/** The books refuse a posting that follows from the chain: nothing of the transaction may stand. */
export class BooksRefusedError extends Error {
  override readonly name = 'BooksRefusedError';
  readonly code = 'DEPOSIT_REFUSED_BY_BOOKS';
  readonly retryable = false;
}

/** Two pipelines never follow one network at once. The number names what is locked, beside the network's name. */
const LOCK_CLASS = 7_306_010;

/** Undefined when the network is halted. */
export async function startWork(
  trx: DatabaseTransaction,
  deps: { readonly config: Config; readonly now: () => Date },
  network: Network,
): Promise<Work | undefined> {
  await executorOf(trx).query('select pg_advisory_xact_lock($1::int, hashtext($2))', [
    LOCK_CLASS,
    network.id,
  ]);
  if (await isHalted(trx, network.id)) return undefined;
  return {
    trx,
    network,
    config: deps.config,
    listings: listingsOf(deps.config).filter((listing) => listing.network.id === network.id),
    at: deps.now(),
    steps: [],
    postings: [],
    events: [],
    halts: [],
  };
}

/**
 * Own rows first, then the ledger once, then the event log: everybody takes these locks in this order, so that
 * nobody waits in a circle. Throws BooksRefusedError, and the transaction with it is to be rolled back.
 */
export async function commitWork(work: Work): Promise<void> {
  const { trx, at, postings } = work;
  await writeSteps(work);
  if (postings.length > 0) {
    const outcomes = await applyPostings(executorOf(trx), postings);
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'refused') throw new BooksRefusedError(`${postings[i]?.key}: ${outcome.reason}`);
    }
  }
  await recordEvents(
    trx,
    work.events.map((event) => ({ at, ...event })),
  );
  for (const { code, detail } of work.halts) await haltNetwork(trx, work.network.id, code, detail, at);
}

async function writeSteps({ trx, at, steps }: Work): Promise<void> {
  if (steps.length === 0) return;
  await executorOf(trx).query(
    `insert into deposit_step (deposit_id, n, at, from_state, to_state, reason, evidence)
     select step.deposit,
            coalesce((select max(n) from deposit_step last where last.deposit_id = step.deposit), 0)
              + row_number() over (partition by step.deposit order by step.i),
            $1, step.from_state, step.to_state, step.reason, step.evidence::jsonb
       from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
         with ordinality as step(deposit, from_state, to_state, reason, evidence, i)
      order by step.i`,
    [
      at,
      steps.map((step) => step.deposit),
      steps.map((step) => step.from),
      steps.map((step) => step.to),
      steps.map((step) => step.reason),
      steps.map((step) => JSON.stringify(step.evidence)),
    ],
  );
}
