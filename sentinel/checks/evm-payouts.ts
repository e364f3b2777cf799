/** Every payment that the vault reports is an item of a batch that signers' journals hold, to the last byte. */
import type { Finding } from './finding.ts';
import { digestOfPay, itemOf } from './evm-pay.ts';
import { explain, type Witnesses } from './explain.ts';

/** One item of a batch as the vault reported it: paid, or consumed without a payment. */
export interface PayoutEvent {
  readonly id: bigint;
  /** The zero address is the chain's own coin. */
  readonly token: string;
  readonly to: string;
  readonly amount: bigint;
  readonly paid: boolean;
}

/** The payouts of one transaction, in the order of its log. */
export interface PayoutTransaction {
  /** CAIP-2. */
  readonly network: string;
  readonly txHash: string;
  readonly block: number;
  readonly events: readonly PayoutEvent[];
}

/** A batch that some journal holds. */
export interface JournalledBatch {
  /** EIP-712 digest, lower-case hex. */
  readonly id: string;
  readonly orders: readonly bigint[];
  readonly details: Readonly<Record<string, string | number>>;
}

export interface PayoutRules {
  readonly chainId: bigint;
  /** EIP-55. */
  readonly vault: string;
  readonly threshold: number;
  /** Journalled batches of an order. */
  readonly batchesOf: (order: bigint) => readonly JournalledBatch[];
  readonly witnesses: (id: string) => Witnesses;
  readonly waitedMs: number;
  readonly patienceMs: number;
}

export interface PayoutVerdict {
  readonly finding?: Finding;
  readonly settled: boolean;
}

/**
 * Events say what was paid; deadline and generation come from the journal. Together they give a digest, and only the
 * batch that was signed has it: recipient, amount, token and number of every item are proved at once.
 */
export function judgePayouts(transaction: PayoutTransaction, rules: PayoutRules): PayoutVerdict {
  const { network, txHash, block, events } = transaction;
  let few = false;
  for (let at = 0; at < events.length;) {
    const rest = events.slice(at);
    const batch = rules.batchesOf(rest[0]?.id ?? 0n).find((one) => isBatch(one, rest, rules));
    const witnesses = rules.witnesses(batch?.id ?? 'no batch');
    const verdict = explain(witnesses, rules.threshold);
    const finding: Finding = {
      level: 'freeze',
      code: 'UNEXPLAINED_PAYOUT',
      scope: network,
      key: `payout ${network} ${txHash}`,
      detail:
        `${txHash} in block ${block} pays order ${rest[0]?.id} in no batch that is signed by the rules; ` +
        `${witnesses.holding} journals hold it, ${witnesses.lacking} do not, ${witnesses.silent} are silent`,
    };
    if (verdict === 'unexplained' || (verdict === 'unknown' && rules.waitedMs > rules.patienceMs))
      return { settled: true, finding };
    if (verdict === 'unknown' || batch === undefined)
      return { settled: false, finding: { ...finding, level: 'alarm', code: 'JOURNAL_UNREACHABLE' } };
    few ||= verdict === 'few';
    at += batch.orders.length;
  }
  if (!few) return { settled: true };
  const key = `payout ${network} ${txHash}`;
  const detail = `${txHash}: fewer journals than signatures could be read`;
  return { settled: false, finding: { level: 'alarm', code: 'JOURNALS_FEW', scope: network, key, detail } };
}

/** Whether the first events are exactly this batch. */
function isBatch(
  { id, orders, details }: JournalledBatch,
  events: readonly PayoutEvent[],
  { chainId, vault }: PayoutRules,
): boolean {
  const items = events.slice(0, orders.length);
  const [first] = items;
  if (first === undefined || items.length !== orders.length) return false;
  if (items.some((item, i) => item.id !== orders[i] || item.token !== first.token)) return false;
  const digest = digestOfPay({
    chainId,
    vault,
    token: first.token,
    deadline: BigInt(details['deadline'] ?? 0),
    generation: BigInt(details['generation'] ?? 0),
    ids: orders,
    items: items.map(({ amount, to }) => itemOf(amount, to)),
  });
  return digest === `0x${id}`;
}
