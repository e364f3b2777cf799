/** The enrolment: a customer's credential, which signs orders once its hold is over (docs/decisions/0028). */
import { MalformedError, toHex } from './canonical.ts';
import { bytesField, documentOf, list, type DocumentValue } from './document.ts';

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
