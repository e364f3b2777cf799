import { carryOut, type Books, type Journal } from './books.ts';
import { decide, malformed } from './decide.ts';
import type { PostingOutcome } from './outcomes.ts';
import { payloadHash, type Posting } from './postings.ts';
import type { Changes } from './write.ts';

/** Decides a batch in order, each posting on what the earlier ones left. `numberOf`: of the nth applied one, from 0. */
export function settleInMemory(
  books: Books,
  postings: readonly Posting[],
  numberOf: (n: number) => bigint,
): { outcomes: PostingOutcome[]; changes: Changes } {
  const journal: Journal = { legs: [], entries: [] };
  const applied: { id: bigint; key: string; kind: string; payloadHash: string }[] = [];
  const outcomes = postings.map((posting): PostingOutcome => {
    const fault = malformed(posting);
    if (fault) return { status: 'refused', reason: fault };
    const hash = payloadHash(posting);
    const earlier = books.postings.get(posting.key);
    if (earlier) {
      return earlier.payloadHash === hash
        ? { status: 'duplicate', posting: earlier.id }
        : { status: 'refused', reason: 'KEY_REUSED' };
    }
    const plan = decide(books, posting);
    if (typeof plan === 'string') return { status: 'refused', reason: plan };
    const id = numberOf(applied.length);
    carryOut(plan, id, journal);
    if (plan.hold) books.holds.set(plan.hold.id, plan.hold);
    if (plan.deposit) books.deposits.set(plan.deposit.deposit, plan.deposit);
    books.postings.set(posting.key, { id, payloadHash: hash });
    applied.push({ id, key: posting.key, kind: posting.kind, payloadHash: hash });
    return { status: 'applied', posting: id };
  });
  return { outcomes, changes: { books, journal, applied } };
}
