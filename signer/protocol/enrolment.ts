/** The enrolment: a customer's credential, which signs orders once its hold is over (docs/decisions/0028). */
import { MalformedError, parsing, toHex, type Parsed } from './canonical.ts';
import { bytesField, documentOf, list, type DocumentValue } from './document.ts';
import { SIGNER_ID, readNumber, readObject, readText } from './json.ts';
import { affirmed, isRefusal, readHead, readRefused, type JournalHead, type Refused } from './messages.ts';

/** More than anybody carries; a set of credentials is hashed whole for each order. */
export const CREDENTIALS_MAX = 16;

export const enrolmentDocument = documentOf(
  'portcullis/enrolment/1',
  {
    /** The UUID of the customer's id. */
    customer: bytesField(16),
    /** Passkey, ES256: compressed point. */
    key: bytesField(33),
    /** Credentials of the customer that end when this one can be used. */
    ends: list(bytesField(33), { max: CREDENTIALS_MAX, isSet: true }),
  },
  ({ customer, key, ends }) => {
    if (customer.every((byte) => byte === 0)) throw new MalformedError('enrolment.customer: nobody');
    if (ends.some((old) => toHex(old) === toHex(key)))
      throw new MalformedError('enrolment.ends: the new credential itself');
  },
);
export type Enrolment = DocumentValue<typeof enrolmentDocument>;

/** Who made an assertion under an enrolment: the new credential, or one that the customer has already. */
export const NEW_CREDENTIAL = 'new';
export const OLD_CREDENTIAL = 'old';

/** A customer's enrolment was taken. */
export interface Enrolled {
  readonly ok: true;
  readonly signer: string;
  readonly journal: JournalHead;
  /** Since when the credential can be used, by the signer's clock: Unix milliseconds. */
  readonly usableFrom: number;
}
export type EnrolmentAnswer = Enrolled | Refused;

export function parseEnrolmentAnswer(value: unknown): Parsed<EnrolmentAnswer> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const answer = readObject(value, 'answer', ['ok', 'signer', 'journal', 'usableFrom']);
    affirmed(answer['ok']);
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      journal: readHead(answer['journal']),
      usableFrom: readNumber(answer['usableFrom'], 'answer.usableFrom', Number.MAX_SAFE_INTEGER),
    };
  });
}
