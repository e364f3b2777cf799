/** RFC 9457 problems. Every code that the API can answer stands here with its status and what to do about it. */
export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean;
}

const kind = (status: number, title: string, retryable = false): ProblemKind => ({
  status,
  title,
  retryable,
});

export const problemKinds = {
  REQUEST_INVALID: kind(400, 'The request does not have the shape that this route takes'),
  IDEMPOTENCY_KEY_MISSING: kind(400, 'Send an Idempotency-Key header of 1 to 128 printable characters'),
  CURSOR_INVALID: kind(400, 'This cursor was not given out by this route'),
  UNAUTHENTICATED: kind(401, 'Send Authorization: Bearer with an API key that is valid here'),
  SCOPE_MISSING: kind(403, 'This API key may not do this: use one that has the scope that the detail names'),
  NOT_FOUND: kind(404, 'There is no such thing here'),
  UNKNOWN_CUSTOMER: kind(404, 'There is no such customer'),
  UNKNOWN_ASSET: kind(422, 'There is no such asset on this network'),
  UNKNOWN_NETWORK: kind(422, 'There is no such network here'),
  METHOD_NOT_ALLOWED: kind(405, 'This route does not take this method'),
  MEDIA_TYPE_UNSUPPORTED: kind(415, 'Send a body as application/json'),
  BODY_TOO_LARGE: kind(413, 'The body is larger than this route takes'),
  IDEMPOTENCY_KEY_REUSED: kind(422, 'This Idempotency-Key was used with another request'),
  IDEMPOTENCY_KEY_IN_FLIGHT: kind(409, 'The first request with this Idempotency-Key is still running', true),
  EXTERNAL_ID_REUSED: kind(409, 'This external_id was used with other content'),
  ADDRESS_INDEX_EXHAUSTED: kind(
    409,
    'Signers spend from no further address of this epoch: a new epoch must begin before another is issued',
  ),
  AMOUNT_NOT_DECIMAL: kind(422, 'An amount is a plain decimal string such as "0.015"'),
  AMOUNT_NOT_POSITIVE: kind(422, 'An amount is above zero'),
  AMOUNT_TOO_PRECISE: kind(422, 'The amount has more decimals than the asset'),
  AMOUNT_TOO_LARGE: kind(422, 'The amount is larger than any balance can be'),
  UNITS_OUT_OF_RANGE: kind(422, 'The balance would be larger than any balance can be'),
  BELOW_MINIMUM: kind(422, 'The amount is below the minimum of this asset on this network'),
  ADDRESS_MALFORMED: kind(
    422,
    'The destination is not an address of this network (bech32 is in one case only)',
  ),
  ADDRESS_CHECKSUM: kind(422, "The address's checksum is wrong: a character was mistyped"),
  ADDRESS_WRONG_NETWORK: kind(422, 'This is an address of another network'),
  ADDRESS_UNSUPPORTED: kind(422, 'This kind of address cannot be paid yet'),
  ADDRESS_UNSPENDABLE: kind(422, 'Nobody could ever spend from this address'),
  ADDRESS_ZERO: kind(422, 'The zero address cannot be paid'),
  OWN_ADDRESS: kind(422, 'This is an address of this exchange: use a transfer between customers'),
  TOKEN_CONTRACT_AS_DESTINATION: kind(422, 'This is a token contract, not somebody to pay'),
  SAME_CUSTOMER: kind(422, 'A transfer has two different customers'),
  INSUFFICIENT_FUNDS: kind(422, 'The balance does not cover the amount and the fee'),
  NOT_YET_FINAL: kind(422, 'Part of the balance is not irreversible yet and cannot leave', true),
  AUTHORIZATION_REQUIRED: kind(
    422,
    'The customer has a passkey: quote the withdrawal, have it sign the digest, and send both',
  ),
  AUTHORIZATION_REFUSED: kind(
    422,
    'This is no signature over the quoted order by a credential of the customer that can be used',
  ),
  ENROLMENT_MALFORMED: kind(422, 'This is no signed enrolment'),
  ENROLMENT_OF_ANOTHER: kind(422, 'This enrolment names another customer'),
  ENROLMENT_NOT_SIGNED: kind(
    422,
    'The new credential, and the old one where it is shown, sign the enrolment on the customers’ origin',
  ),
  CREDENTIAL_KNOWN: kind(409, 'This credential has ended: enrol another one'),
  CREDENTIALS_TOO_MANY: kind(422, 'The customer has as many credentials as signers keep'),
  QUOTE_EXPIRED: kind(422, 'This quote has expired: ask for a new one'),
  QUOTE_MISMATCH: kind(422, 'This quote is for another withdrawal'),
  QUOTE_USED: kind(409, 'This quote belongs to another withdrawal'),
  TOO_LATE_TO_CANCEL: kind(409, 'The signers were already asked: this withdrawal can no longer be cancelled'),
  SENTINEL_UNREACHABLE: kind(
    503,
    'The sentinel cannot be asked: see its log, and [sentinel] in the configuration',
    true,
  ),
  NOTHING_READ: kind(503, 'The sentinel has read no signer’s journal yet: ask again in a moment', true),
  STRAY_NOT_RECORDED: kind(409, 'Only a recorded stray of a supported asset can be resolved'),
  STRAY_ALREADY_RESOLVED: kind(409, 'This stray was resolved to somebody else'),
  DEPOSIT_NOT_ORPHANED: kind(409, 'Only a deposit whose block is gone can be written off'),
  DEPOSIT_NEVER_CREDITED: kind(409, 'This deposit never stood in the books: there is nothing to write off'),
  DEPOSIT_FINAL: kind(
    409,
    'This deposit was irreversible when it left the chain: its network is halted and a person decides',
  ),
  TOO_MANY_STREAMS: kind(503, 'As many event streams are open as may be', true),
  NOT_READY: kind(503, 'Not ready to serve: nothing is known of what this request did, send it again', true),
  INTERNAL: kind(500, 'Something failed here; it is logged under this request_id', true),
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problemKinds;

/** Thrown by a route, caught in one place, answered as application/problem+json. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly errors: readonly { pointer: string; detail: string }[];

  constructor(
    code: ProblemCode,
    detail?: string,
    errors: readonly { pointer: string; detail: string }[] = [],
  ) {
    super(detail ?? problemKinds[code].title);
    this.code = code;
    this.errors = errors;
  }
}

/** The document that goes over the wire. `type` is the code's paragraph on the documentation page. */
export function problemDocument(problem: Problem, instance: string, requestId: string) {
  const { status, title, retryable } = problemKinds[problem.code];
  return {
    type: `/docs/problems#${problem.code}`,
    title,
    status,
    detail: problem.message,
    instance,
    code: problem.code,
    request_id: requestId,
    retryable,
    ...(problem.errors.length > 0 ? { errors: problem.errors } : {}),
  };
}
