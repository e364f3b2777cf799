import assert from 'node:assert/strict';
import { accountOf, freeFinalOf, lotsOldestFirst, type Account, type Books, type Leg } from './books.ts';
import type { PostingRefusal } from './outcomes.ts';
import type { Movement, Transfer } from './postings.ts';

/** What an account can still spend as the movements of one transfer pass over it. */
interface Purse {
  freeFinal: bigint;
  /** Lots from before, in the order in which they are spent. */
  readonly old: Map<string, bigint>;
  /** Lots that this transfer brought: younger than all others, and of one age, so spent by name. */
  readonly fresh: Map<string, bigint>;
}

/**
 * The legs of all movements, in order, or the reason why one of them cannot be: then none is. Each spends final
 * value first, then lots, oldest first; a lot arrives as a lot of the same deposit. What an earlier movement
 * brought a later one may spend.
 */
export function transferLegs(books: Books, posting: Transfer): Leg[] | PostingRefusal {
  const purses = new Map<Account, Purse>();
  const legs: Leg[] = [];
  for (const movement of posting.movements) {
    const { from, to, asset } = movement;
    if (from === to) return 'SAME_ACCOUNT';
    const debit = accountOf(books, { kind: 'customer', asset, customer: from });
    const credit = accountOf(books, { kind: 'customer', asset, customer: to });
    const moved = move({ debit, credit, movement, source: purseOf(purses, debit) });
    if (!moved) return 'INSUFFICIENT_FUNDS';
    const target = purseOf(purses, credit);
    for (const leg of moved) receive(target, leg);
    legs.push(...moved);
  }
  return legs;
}

/** Takes the movement's units out of the purse; undefined when it does not have them. */
function move(what: {
  readonly debit: Account;
  readonly credit: Account;
  readonly movement: Movement;
  readonly source: Purse;
}): Leg[] | undefined {
  const { debit, credit, movement, source } = what;
  const legs: Leg[] = [];
  let missing = movement.units;
  const take = (available: bigint): bigint => {
    const units = available < missing ? available : missing;
    missing -= units;
    return units;
  };
  const final = take(source.freeFinal);
  source.freeFinal -= final;
  if (final > 0n) legs.push({ debit, credit, units: final });
  for (const lots of [source.old, new Map([...source.fresh].toSorted(([a], [b]) => (a < b ? -1 : 1)))]) {
    for (const [deposit, available] of lots) {
      if (missing === 0n) return legs;
      const units = take(available);
      legs.push({ debit, credit, units, debitLot: deposit, creditLot: deposit });
      spend(source, deposit, units);
    }
  }
  return missing === 0n ? legs : undefined;
}

function spend(purse: Purse, deposit: string, units: bigint): void {
  const lots = purse.old.has(deposit) ? purse.old : purse.fresh;
  const left = (lots.get(deposit) ?? 0n) - units;
  assert.ok(left >= 0n, 'a lot is never overdrawn');
  if (left > 0n) lots.set(deposit, left);
  else lots.delete(deposit);
}

function receive(purse: Purse, { units, creditLot }: Leg): void {
  if (creditLot === undefined) purse.freeFinal += units;
  else {
    const lots = purse.old.has(creditLot) ? purse.old : purse.fresh;
    lots.set(creditLot, (lots.get(creditLot) ?? 0n) + units);
  }
}

function purseOf(purses: Map<Account, Purse>, account: Account): Purse {
  let purse = purses.get(account);
  if (!purse) {
    const old = new Map(lotsOldestFirst(account).map(({ deposit, units }) => [deposit, units]));
    purse = { freeFinal: freeFinalOf(account), old, fresh: new Map() };
    purses.set(account, purse);
  }
  return purse;
}
