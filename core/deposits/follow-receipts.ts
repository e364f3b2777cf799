import { receiptsAfter } from '../chain/chain.ts';
import { classify, type Classified } from './classify.ts';
import { createDeposit, followDeposit } from './deposit-moves.ts';
import { sightingsOf, type Sighting } from './sightings.ts';
import { createStray, followStray } from './strays.ts';
import type { Work } from './work.ts';

/** Receipts in one transaction. */
const RECEIPTS_MAX = 200;

/**
 * Takes the receipts that changed since the cursor, and for each payment that they are about compares what the
 * chain says now with what stands here. What it said in between, seen or not, makes no difference to money.
 */
export async function followReceipts(work: Work): Promise<number> {
  const { trx, network } = work;
  const cursor = await lockCursor(work);
  const receipts = await receiptsAfter(trx, network.id, cursor, RECEIPTS_MAX);
  const last = receipts.at(-1);
  if (!last) return 0;
  for (const sighting of await sightingsOf(work, receipts)) await follow(work, sighting);
  await trx
    .updateTable('deposit_cursor')
    .set({ change: last.change })
    .where('network', '=', network.id)
    .execute();
  return receipts.length;
}

async function follow(work: Work, sighting: Sighting): Promise<void> {
  const { deposit } = sighting;
  if (deposit && !deposit.written_off) return followDeposit(work, deposit, sighting.view);
  if (sighting.stray) return followStray(work, sighting.stray, sighting.view);
  if (sighting.view.kind === 'gone') return;
  const what = deposit ? writtenOff(work, deposit.asset) : classify(sighting, work);
  switch (what.kind) {
    case 'ours':
      return;
    case 'deposit':
      return createDeposit(work, sighting, what);
    case 'stray':
      // Whether a transaction is our own is sure only in a block; and below it nothing hangs on a stray.
      if (sighting.view.kind !== 'mined') return;
      return createStray(work, sighting, { ...what, view: sighting.view });
  }
}

/** The books are done with this deposit: if the payment is mined after all, it is nobody's until somebody decides. */
function writtenOff({ listings }: Work, asset: string): Classified {
  const listing = listings.find((candidate) => candidate.asset.id === asset);
  return { kind: 'stray', reason: 'WRITTEN_OFF', listing };
}

async function lockCursor({ trx, network }: Work): Promise<bigint> {
  await trx
    .insertInto('deposit_cursor')
    .values({ network: network.id, change: 0n })
    .onConflict((conflict) => conflict.column('network').doNothing())
    .execute();
  const row = await trx
    .selectFrom('deposit_cursor')
    .select('change')
    .where('network', '=', network.id)
    .forUpdate()
    .executeTakeFirstOrThrow();
  return row.change;
}
