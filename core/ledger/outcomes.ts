/**
 * Why the books refuse a posting. A refused posting leaves nothing, not even its key.
 * - MALFORMED: a text that is empty, too long or not printable ASCII, an incarnation below 1, or no movements or
 *   too many
 * - UNITS_OUT_OF_RANGE: not above zero, or more than the books can hold
 * - SAME_ACCOUNT: from and to are one
 * - KEY_REUSED: the key belongs to a posting that says something else
 * - INSUFFICIENT_FUNDS: the account does not have it
 * - NOT_YET_FINAL: the account has it, but part of it is not irreversible or no longer free to leave
 * - UNKNOWN_HOLD, HOLD_NOT_PENDING, HOLD_EXCEEDED: no such hold; already settled or voided; more than was held
 * - DEPOSIT_NOT_CREDITED: this incarnation does not stand in the books
 * - DEPOSIT_ALREADY_CREDITED: another incarnation stands in the books
 * - DEPOSIT_CHANGED: credited before with other customer, asset, place or units
 * - DEPOSIT_FINAL: irreversible, so never reversed
 * - DEPOSIT_NOT_REVERSED: only a reversed deposit can be written off
 * - DEPOSIT_WRITTEN_OFF: the house paid for it already; what arrives now is a stray
 */
export type PostingRefusal =
  | 'MALFORMED'
  | 'UNITS_OUT_OF_RANGE'
  | 'SAME_ACCOUNT'
  | 'KEY_REUSED'
  | 'INSUFFICIENT_FUNDS'
  | 'NOT_YET_FINAL'
  | 'UNKNOWN_HOLD'
  | 'HOLD_NOT_PENDING'
  | 'HOLD_EXCEEDED'
  | 'DEPOSIT_NOT_CREDITED'
  | 'DEPOSIT_ALREADY_CREDITED'
  | 'DEPOSIT_CHANGED'
  | 'DEPOSIT_FINAL'
  | 'DEPOSIT_NOT_REVERSED'
  | 'DEPOSIT_WRITTEN_OFF';

/** `posting` is the posting's number in the books; a duplicate has the number of the first. */
export type PostingOutcome =
  | { readonly status: 'applied' | 'duplicate'; readonly posting: bigint }
  | { readonly status: 'refused'; readonly reason: PostingRefusal };

export type LedgerErrorCode =
  | 'LEDGER_CONFLICT'
  | 'LEDGER_UNAVAILABLE'
  | 'LEDGER_OVERLOADED'
  | 'LEDGER_STOPPED';

/**
 * The books could not be asked. All but LEDGER_STOPPED are worth another try with the same postings: whatever
 * became of the first, keys make the second harmless.
 */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
  readonly code: LedgerErrorCode;
  readonly retryable: boolean;

  constructor(code: LedgerErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.retryable = code !== 'LEDGER_STOPPED';
  }
}
