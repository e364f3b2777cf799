import { recordEvent } from '../audit/audit.ts';
import { tipOf } from '../chain/chain.ts';
import type { BitcoinNetwork, Listing } from '../config/config.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import {
  applyPostings,
  recordColdMove,
  recordHouseFunding,
  recordNetworkCost,
  type Posting,
} from '../ledger/ledger.ts';
import { lockCursor, moveCursor } from './cursor.ts';

export interface ColdWork {
  readonly trx: DatabaseTransaction;
  readonly network: BitcoinNetwork;
  /** Of the network's coin. */
  readonly listing: Listing;
  readonly at: Date;
}

/** A transaction that spent coins of the cold wallet, in base units. */
interface ColdSpend {
  readonly txId: string;
  readonly spentUnits: bigint;
  /** Back to the cold wallet. */
  readonly backUnits: bigint;
  /** To change addresses, which signers can pay out from. */
  readonly hotUnits: bigint;
}

/**
 * Books what the holders of the cold wallet's keys paid, once it is irreversible: what went to our change addresses is
 * now hot, and what left all our addresses, miners' fee and all, is a cost, of which an event tells, for nobody here
 * knows what it was for. A payment of theirs to a customer is his deposit, and for cold a cost like any other.
 * What arrives in cold from outside is a stray (core/deposits).
 */
export async function bookColdSpends(work: ColdWork): Promise<number> {
  const { trx, network, listing } = work;
  const name = `cold:${network.id}`;
  const cursor = Number(await lockCursor(trx, name, -1n));
  const tip = await tipOf(trx, network.id);
  const depth = Math.max(...listing.depths.map((tier) => tier.irreversible));
  const reach = (tip?.height ?? 0) - depth + 1;
  if (reach <= cursor) return 0;
  const spends = await coldSpends(trx, network.id, { above: cursor, upTo: reach });
  await moveCursor(trx, name, BigInt(reach));
  if (spends.length === 0) return 0;
  const postings = spends.flatMap((spend) => postingsOf(spend, network.id, listing.asset.id));
  const outcomes = await applyPostings(executorOf(trx), postings);
  const refused = outcomes.findIndex((outcome) => outcome.status === 'refused');
  if (refused >= 0) throw new Error(`the books refuse ${postings[refused]?.key}`);
  for (const spend of spends) await tell(work, spend);
  return spends.length;
}

async function coldSpends(
  trx: DatabaseTransaction,
  network: string,
  { above, upTo }: { readonly above: number; readonly upTo: number },
): Promise<ColdSpend[]> {
  return executorOf(trx).query<ColdSpend>(
    `select spent.tx_id as "txId", spent.units as "spentUnits",
       coalesce(sum(paid.units) filter (where at.purpose = 'cold'), 0) as "backUnits",
       coalesce(sum(paid.units) filter (where at.purpose = 'change'), 0) as "hotUnits"
     from (select c.spent_tx_id as tx_id, c.spent_height as height, sum(c.units) as units
       from bitcoin_coin c join watched w on w.id = c.watched_id and w.purpose = 'cold'
       where c.network = $1 and c.spent_height > $2 and c.spent_height <= $3
       group by c.spent_tx_id, c.spent_height) spent
     left join bitcoin_coin paid on paid.network = $1 and paid.tx_id = spent.tx_id
     left join watched at on at.id = paid.watched_id
     group by spent.tx_id, spent.units, spent.height order by spent.height, spent.tx_id`,
    [network, above, upTo],
  );
}

function leftOf({ spentUnits, backUnits, hotUnits }: ColdSpend): bigint {
  return spentUnits - backUnits - hotUnits;
}

function postingsOf(spend: ColdSpend, network: string, asset: string): Posting[] {
  const facts = { key: `${network}:${spend.txId}`, network, asset };
  const left = leftOf(spend);
  const postings: Posting[] = [];
  // Coins that were never seen were spent with them: somebody put in his own.
  if (left < 0n) postings.push(recordHouseFunding({ ...facts, units: -left, into: 'cold' }));
  if (spend.hotUnits > 0n)
    postings.push(recordColdMove({ ...facts, units: spend.hotUnits, direction: 'cold_to_hot' }));
  if (left > 0n) postings.push(recordNetworkCost({ ...facts, units: left, paidFrom: 'cold' }));
  return postings;
}

async function tell({ trx, network, at }: ColdWork, spend: ColdSpend): Promise<void> {
  const data = {
    tx_id: spend.txId,
    spent_base: spend.spentUnits,
    back_base: spend.backUnits,
    hot_base: spend.hotUnits,
    left_base: leftOf(spend),
  };
  await recordEvent(trx, { at, type: 'treasury.cold_spent', subject: network.id, data });
}
