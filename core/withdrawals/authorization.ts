import type { OrderAssertionJson } from '../../signer/protocol/signatures.ts';
import { isAssertion, type Assertion, type CredentialRow } from '../customers/customers.ts';

/** A customer's own signature over the digest of a quoted order, as their browser gives it. */
export interface Authorization {
  readonly type: 'passkey';
  /** The credential's key: compressed point on P-256, hex. */
  readonly credential: string;
  /** Base64url, as PublicKeyCredential.toJSON() has them. */
  readonly response: {
    readonly authenticatorData: string;
    readonly clientDataJSON: string;
    readonly signature: string;
  };
}

export type AuthorizationRefusal = 'AUTHORIZATION_REQUIRED' | 'AUTHORIZATION_REFUSED';

/**
 * Whether the order may be asked for: by a customer with credentials only with an assertion by one of them, over the
 * order that was quoted. Signers would refuse it too, and everybody else's orders in its transaction with it.
 */
export function authorizationRefusal(
  authorization: Authorization | undefined,
  wanted: {
    readonly credentials: readonly CredentialRow[];
    readonly digest: Buffer | undefined;
    readonly origin: string;
  },
): AuthorizationRefusal | undefined {
  const { credentials, digest, origin } = wanted;
  if (authorization === undefined) return credentials.length > 0 ? 'AUTHORIZATION_REQUIRED' : undefined;
  const credential = credentials.find(({ key }) => key.toString('hex') === authorization.credential);
  if (credential === undefined || digest === undefined) return 'AUTHORIZATION_REFUSED';
  return isAssertion(assertionIn(authorization), { key: credential.key, digest, origin })
    ? undefined
    : 'AUTHORIZATION_REFUSED';
}

/** As signers are given it. */
export function signersAssertion(authorization: Authorization, order: bigint): OrderAssertionJson {
  const { authenticatorData, clientData, signature } = assertionIn(authorization);
  return {
    order: order.toString(),
    key: authorization.credential,
    authenticatorData: authenticatorData.toString('hex'),
    clientData: clientData.toString('hex'),
    signature: signature.toString('hex'),
  };
}

function assertionIn({ response }: Authorization): Assertion {
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');
  return {
    authenticatorData: bytes(response.authenticatorData),
    clientData: bytes(response.clientDataJSON),
    signature: bytes(response.signature),
  };
}
