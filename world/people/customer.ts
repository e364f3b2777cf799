/** What a customer does with a passkey, on the page where they sign: enrol it, and authorise an order. */
import { createHash } from 'node:crypto';
import { fromHex, toHex } from '../../signer/protocol/canonical.ts';
import type { Json } from '../../signer/protocol/document.ts';
import { NEW_CREDENTIAL, enrolmentDocument } from '../../signer/protocol/enrolment.ts';
import { idBytes, parseId } from '../../lib/ids/ids.ts';
import type { Authenticator } from './authenticator.ts';
import { CUSTOMER_ORIGIN } from './people.ts';

export interface PasskeyAuthorization {
  readonly type: 'passkey';
  readonly credential: string;
  readonly response: {
    readonly authenticatorData: string;
    readonly clientDataJSON: string;
    readonly signature: string;
  };
}

/** A customer’s enrolment of their first passkey, signed by it. */
export function enrolmentBy(
  passkey: Authenticator,
  customer: string,
): { document: Json; signatures: Json[] } {
  const id = parseId('customer', customer);
  if (id === undefined) throw new TypeError(`${customer} is no customer`);
  const enrolment = enrolmentDocument.normal({ customer: idBytes(id), key: passkey.publicKey, ends: [] });
  const digest = enrolmentDocument.digest(enrolment, (bytes) => createHash('sha256').update(bytes).digest());
  const { authenticatorData, clientData, signature } = passkey.assert(digest, CUSTOMER_ORIGIN);
  const assertion = {
    kind: 'passkey',
    by: NEW_CREDENTIAL,
    authenticatorData: toHex(authenticatorData),
    clientData: toHex(clientData),
    signature: toHex(signature),
  };
  return { document: enrolmentDocument.toJson(enrolment), signatures: [assertion] };
}

/** A customer’s yes to the order with this digest (hex), as a browser gives it. */
export function authorizationBy(passkey: Authenticator, digest: string): PasskeyAuthorization {
  const { authenticatorData, clientData, signature } = passkey.assert(fromHex(digest), CUSTOMER_ORIGIN);
  return {
    type: 'passkey',
    credential: passkey.publicKey.toString('hex'),
    response: {
      authenticatorData: authenticatorData.toString('base64url'),
      clientDataJSON: clientData.toString('base64url'),
      signature: signature.toString('base64url'),
    },
  };
}
