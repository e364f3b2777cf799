import { UNITS_MAX } from '../../lib/money/money.ts';
import {
  accountOf,
  BALANCE_MAX,
  balanceOf,
  freeFinalOf,
  lotsOldestFirst,
  lotUnits,
  type Account,
  type Books,
  type CreditedDeposit,
  type Leg,
  type Plan,
} from './books.ts';
import { transferLegs } from './decide-transfer.ts';
import type { PostingRefusal } from './outcomes.ts';
import type {
  CreditDeposit,
  FinalizeDeposit,
  HoldWithdrawal,
  Posting,
  RecordColdMove,
  ResolveStray,
  ReverseDeposit,
  SettleWithdrawal,
  Transfer,
  VoidHold,
  WriteOffDeposit,
} from './postings.ts';

/** Both sides of a trade with its fees, several times over; more are several transfers. */
export const MOVEMENTS_MAX = 20;

/** A plan, or why not. Reads the books and changes nothing. */
export type Decision = Plan | PostingRefusal;

/** Longer than any id or transaction id, short enough for an index. */
const TEXT_LENGTH_MAX = 200;

/** What a well-formed posting does to the books as they stand now, or the reason to refuse it. */
export function decide(books: Books, posting: Posting): Decision {
  const decision = decideKind(books, posting);
  if (typeof decision === 'string') return decision;
  return fits(decision) ? decision : 'UNITS_OUT_OF_RANGE';
}

function decideKind(books: Books, posting: Posting): Decision {
  switch (posting.kind) {
    case 'credit_deposit':
      return decideCredit(books, posting);
    case 'finalize_deposit':
      return decideFinalize(books, posting);
    case 'reverse_deposit':
      return decideReverse(books, posting);
    case 'write_off_deposit':
      return decideWriteOff(books, posting);
    case 'transfer':
      return decideTransfer(books, posting);
    case 'hold_withdrawal':
      return decideHold(books, posting);
    case 'void_hold':
      return decideVoid(books, posting);
    case 'settle_withdrawal':
      return decideSettle(books, posting);
    case 'resolve_stray':
      return decideResolve(books, posting);
    case 'record_cold_move':
      return decideColdMove(books, posting);
    case 'record_network_cost':
    case 'record_sweep':
    case 'record_stray':
    case 'record_house_funding':
      return decideFact(books, posting);
    default:
      return posting satisfies never;
  }
}

/** An exposure is repaid before the customer gets anything; both parts are lots, so both can be taken back. */
function decideCredit(books: Books, posting: CreditDeposit): Decision {
  const { asset, network, customer, units, incarnation } = posting;
  const account = accountOf(books, { kind: 'customer', asset, customer });
  const into = accountOf(books, { kind: posting.into, asset, network });
  const before = books.deposits.get(posting.deposit);
  if (before) {
    if (before.account !== account || before.into !== into || before.units !== units)
      return 'DEPOSIT_CHANGED';
    if (before.state === 'written_off') return 'DEPOSIT_WRITTEN_OFF';
    if (before.state !== 'reversed' || incarnation <= before.incarnation) return 'DEPOSIT_ALREADY_CREDITED';
  }
  const exposure = accountOf(books, { kind: 'exposure', asset, customer });
  const repaid = min(units, -balanceOf(exposure));
  const deposit: CreditedDeposit = {
    deposit: posting.deposit,
    account,
    into,
    units,
    incarnation,
    state: 'credited',
    written: false,
  };
  const lot = { debit: into, creditLot: posting.deposit };
  return {
    legs: legsOf(
      { ...lot, credit: exposure, units: repaid },
      { ...lot, credit: account, units: units - repaid },
    ),
    deposit,
  };
}

function decideFinalize(books: Books, posting: FinalizeDeposit): Decision {
  const found = standing(books, posting);
  if (typeof found === 'string') return found;
  return {
    legs: [],
    finals: holdersOf(books, posting.deposit),
    deposit: { ...found, state: 'final', written: false },
  };
}

/**
 * Takes a deposit back: its lot on the depositor's exposure account, his own lot of it, his other final value that
 * is not held, his other lots; what is missing then is his exposure, borne by the house. Lots of the deposit in
 * other hands stay, and stay provisional: they were received in good faith and cannot leave.
 */
function decideReverse(books: Books, posting: ReverseDeposit): Decision {
  const found = standing(books, posting);
  if (typeof found === 'string') return found;
  const { account, into, deposit } = found;
  const exposure = exposureOf(books, found);
  const taking = takeFrom(found.units);
  const legs: (Leg | undefined)[] = [
    taking(lotUnits(exposure, deposit), { debit: exposure, credit: into, debitLot: deposit }),
    taking(lotUnits(account, deposit), { debit: account, credit: into, debitLot: deposit }),
    taking(freeFinalOf(account), { debit: account, credit: into }),
    ...lotsOldestFirst(account)
      .filter((lot) => lot.deposit !== deposit)
      .map((lot) => taking(lot.units, { debit: account, credit: into, debitLot: lot.deposit })),
    taking(found.units, { debit: exposure, credit: into }),
  ];
  return {
    legs: legs.filter((leg) => leg !== undefined),
    deposit: { ...found, state: 'reversed', written: false },
  };
}

function decideWriteOff(books: Books, posting: WriteOffDeposit): Decision {
  const found = books.deposits.get(posting.deposit);
  if (!found) return 'DEPOSIT_NOT_CREDITED';
  if (found.state === 'written_off') return 'DEPOSIT_WRITTEN_OFF';
  if (found.state !== 'reversed') return 'DEPOSIT_NOT_REVERSED';
  const { account, deposit } = found;
  const exposure = exposureOf(books, found);
  const house = accountOf(books, { kind: 'house', asset: account.ref.asset });
  const inOtherHands = holdersOf(books, deposit)
    .filter((holder) => holder.account !== account)
    .reduce((sum, holder) => sum + lotUnits(holder.account, deposit), 0n);
  const taking = takeFrom(-balanceOf(exposure));
  const legs = [
    taking(lotUnits(account, deposit), { debit: account, credit: exposure, debitLot: deposit }),
    taking(inOtherHands, { debit: house, credit: exposure }),
  ];
  return {
    legs: legs.filter((leg) => leg !== undefined),
    finals: holdersOf(books, deposit),
    deposit: { ...found, state: 'written_off', written: false },
  };
}

function decideTransfer(books: Books, posting: Transfer): Decision {
  const legs = transferLegs(books, posting);
  return typeof legs === 'string' ? legs : { legs };
}

function decideHold(books: Books, posting: HoldWithdrawal): Decision {
  const { asset, customer, units, withdrawal } = posting;
  const account = accountOf(books, { kind: 'customer', asset, customer });
  if (freeFinalOf(account) < units) {
    return freeFinalOf(account) + account.provisional < units ? 'INSUFFICIENT_FUNDS' : 'NOT_YET_FINAL';
  }
  return {
    legs: [],
    holds: [{ account, units }],
    hold: { id: withdrawal, account, units, state: 'pending', written: false },
  };
}

function decideVoid(books: Books, posting: VoidHold): Decision {
  const hold = books.holds.get(posting.withdrawal);
  if (!hold) return 'UNKNOWN_HOLD';
  if (hold.state !== 'pending') return 'HOLD_NOT_PENDING';
  return {
    legs: [],
    holds: [{ account: hold.account, units: -hold.units }],
    hold: { ...hold, state: 'voided', written: false },
  };
}

function decideSettle(books: Books, posting: SettleWithdrawal): Decision {
  const hold = books.holds.get(posting.withdrawal);
  if (!hold) return 'UNKNOWN_HOLD';
  if (hold.state !== 'pending') return 'HOLD_NOT_PENDING';
  if (posting.amount + posting.fee > hold.units) return 'HOLD_EXCEEDED';
  const { asset } = hold.account.ref;
  const hot = accountOf(books, { kind: 'hot', asset, network: posting.network });
  const fees = accountOf(books, { kind: 'fees', asset });
  return {
    legs: legsOf(
      { debit: hold.account, credit: hot, units: posting.amount },
      { debit: hold.account, credit: fees, units: posting.fee },
    ),
    holds: [{ account: hold.account, units: -hold.units }],
    hold: { ...hold, state: 'posted', written: false },
  };
}

function decideResolve(books: Books, posting: ResolveStray): Decision {
  const { asset, units, to } = posting;
  const debit = accountOf(books, { kind: 'suspense', asset });
  if (debit.final < units) return 'INSUFFICIENT_FUNDS';
  const credit = accountOf(
    books,
    to === 'house' ? { kind: 'house', asset } : { kind: 'customer', asset, customer: to.customer },
  );
  return { legs: [{ debit, credit, units }] };
}

function decideColdMove(books: Books, posting: RecordColdMove): Decision {
  const { asset, network, units } = posting;
  const cold = accountOf(books, { kind: 'cold', asset, network });
  const kind = posting.direction === 'cold_to_gas' ? 'gas' : 'hot';
  const other = accountOf(books, { kind, asset, network });
  const out = posting.direction === 'hot_to_cold';
  return { legs: [{ debit: out ? cold : other, credit: out ? other : cold, units }] };
}

/** What a chain did is never refused for want of funds: books that lag behind it must still be able to follow. */
function decideFact(
  books: Books,
  posting: Extract<
    Posting,
    { kind: 'record_network_cost' | 'record_sweep' | 'record_stray' | 'record_house_funding' }
  >,
): Decision {
  const { asset, network, units } = posting;
  const held = (kind: 'hot' | 'gas' | 'unswept' | 'cold'): Account =>
    accountOf(books, { kind, asset, network });
  switch (posting.kind) {
    case 'record_network_cost': {
      const costs = accountOf(books, { kind: 'network-costs', asset, network });
      return { legs: [{ debit: costs, credit: held(posting.paidFrom), units }] };
    }
    case 'record_sweep':
      return { legs: [{ debit: held('hot'), credit: held('unswept'), units }] };
    case 'record_stray':
      return {
        legs: [{ debit: held(posting.into), credit: accountOf(books, { kind: 'suspense', asset }), units }],
      };
    case 'record_house_funding':
      return {
        legs: [{ debit: held(posting.into), credit: accountOf(books, { kind: 'house', asset }), units }],
      };
    default:
      return posting satisfies never;
  }
}

/** The deposit, when this very incarnation stands in the books. */
function standing(
  books: Books,
  { deposit, incarnation }: { deposit: string; incarnation: number },
): CreditedDeposit | PostingRefusal {
  const found = books.deposits.get(deposit);
  if (!found || found.incarnation !== incarnation) return 'DEPOSIT_NOT_CREDITED';
  if (found.state === 'final') return 'DEPOSIT_FINAL';
  return found.state === 'credited' ? found : 'DEPOSIT_NOT_CREDITED';
}

function exposureOf(books: Books, { account: { ref } }: CreditedDeposit): Account {
  return accountOf(books, { ...ref, kind: 'exposure' });
}

/** Who has lots of a deposit. Loading locked them all. */
function holdersOf(books: Books, deposit: string): { account: Account; deposit: string }[] {
  return [...books.accounts.values()]
    .filter((account) => lotUnits(account, deposit) > 0n)
    .map((account) => ({ account, deposit }));
}

/** Takes what each source has until the whole is taken; a source with nothing to give makes no leg. */
function takeFrom(whole: bigint): (available: bigint, leg: Omit<Leg, 'units'>) => Leg | undefined {
  let missing = whole;
  return (available, leg) => {
    const units = min(missing, available);
    if (units <= 0n) return undefined;
    missing -= units;
    return { ...leg, units };
  };
}

function legsOf(...legs: Leg[]): Leg[] {
  return legs.filter((leg) => leg.units > 0n);
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Outside data: one bad text or number would make PostgreSQL refuse the whole batch. */
export function malformed(posting: Posting): PostingRefusal | undefined {
  if ('to' in posting && typeof posting.to === 'object' && !isText(posting.to.customer)) return 'MALFORMED';
  const parts: object[] = [posting];
  if (posting.kind === 'transfer') {
    const { movements } = posting;
    if (movements.length < 1 || movements.length > MOVEMENTS_MAX) return 'MALFORMED';
    parts.push(...movements);
  }
  for (const part of parts) {
    const fault = malformedFields(part);
    if (fault) return fault;
  }
  return undefined;
}

function malformedFields(part: object): PostingRefusal | undefined {
  for (const [name, value] of Object.entries(part) as [string, unknown][]) {
    if (typeof value === 'string' && !isText(value)) return 'MALFORMED';
    if (typeof value === 'number' && !(Number.isInteger(value) && value >= 1 && value < 2 ** 31))
      return 'MALFORMED';
    if (typeof value === 'bigint' && (value < (name === 'fee' ? 0n : 1n) || value > UNITS_MAX))
      return 'UNITS_OUT_OF_RANGE';
  }
  return undefined;
}

function isText(value: string): boolean {
  return value.length <= TEXT_LENGTH_MAX && /^[\x21-\x7e]+$/.test(value);
}

function fits(plan: Plan): boolean {
  const total = plan.legs.reduce((sum, leg) => sum + leg.units, 0n);
  const holds = (account: Account): boolean =>
    magnitude(account.final) + account.provisional + total <= BALANCE_MAX;
  return plan.legs.every((leg) => holds(leg.debit) && holds(leg.credit));
}

function magnitude(units: bigint): bigint {
  return units < 0n ? -units : units;
}
