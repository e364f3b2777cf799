/**
 * Customers' credentials as this signer has recorded them, each with a hold by its own clock, and whether a customer
 * authorised an order (docs/decisions/0028-customer-authority.md).
 */
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../protocol/canonical.ts';
import {
  CREDENTIALS_MAX,
  NEW_CREDENTIAL,
  OLD_CREDENTIAL,
  enrolmentDocument,
  type Enrolment,
} from '../protocol/enrolment.ts';
import { readNumber, readObject } from '../protocol/json.ts';
import { customerRpId, type Manifest } from '../protocol/manifest.ts';
import type { Order } from '../protocol/order.ts';
import type { Policy } from '../protocol/policy.ts';
import {
  readSigned,
  type Assertion,
  type OrderAssertion,
  type PasskeyAssertion,
  type SignedJson,
} from '../protocol/signatures.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { checkPasskey } from './passkey.ts';
import type { OrderTier } from './pay-entries.ts';

export interface CustomerCredential {
  /** Compressed point on P-256, hex. */
  readonly key: string;
  /** Unix milliseconds by the own clock. */
  readonly usableFromMs: number;
  readonly endsAtMs: number;
}

/** By the customer's UUID in hex. */
export type CustomerMemory = Map<string, readonly CustomerCredential[]>;

interface Rules {
  readonly manifest: Manifest;
  readonly customers: CustomerMemory;
  readonly nowMs: number;
}

/**
 * The enrolment to journal, unless the customer has the credential, and since when it can be used. It proves
 * that somebody holds the new credential; that it is the customer is vouched for by a credential they have already,
 * or by nobody but time: the hold, in which they hear of it.
 */
export function decideEnrolment(
  { document, signatures }: SignedJson,
  { policy, ...rules }: Rules & { readonly policy: Policy },
): Decision<{ readonly enrolment: Enrolment | undefined; readonly usableFromMs: number }> {
  const parsed = enrolmentDocument.parse(document);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const enrolment = parsed.value;
  if (!p256.utils.isValidPublicKey(enrolment.key, true))
    return refuse('MALFORMED', 'the key is no point of P-256');
  const { customers, nowMs } = rules;
  const known = customers.get(toHex(enrolment.customer)) ?? [];
  const same = known.find(({ key }) => key === toHex(enrolment.key));
  if (same !== undefined)
    return same.endsAtMs > nowMs
      ? accept({ enrolment: undefined, usableFromMs: same.usableFromMs })
      : refuse('CREDENTIAL_KNOWN', 'it has ended');
  const kept = known.filter(({ endsAtMs }) => endsAtMs > nowMs);
  if (known.length >= CREDENTIALS_MAX) return refuse('CREDENTIALS_TOO_MANY', `${known.length}`);
  const stranger = enrolment.ends.find((key) => !kept.some((one) => one.key === toHex(key)));
  if (stranger !== undefined) return refuse('CREDENTIAL_UNKNOWN', toHex(stranger));
  const digest = enrolmentDocument.digest(enrolment, sha256);
  const by = (name: string): PasskeyAssertion | undefined =>
    signatures.find((one): one is PasskeyAssertion => one.kind === 'passkey' && one.by === name);
  const [fresh, old] = [by(NEW_CREDENTIAL), by(OLD_CREDENTIAL)];
  if (fresh === undefined || signatures.length > (old === undefined ? 1 : 2))
    return refuse('SIGNATURE_REFUSED', 'the new credential signs, and one that the customer has');
  const proved = verify(fresh, fresh.by, enrolment.key, { digest, ...rules });
  if (!proved.ok) return proved;
  const usable = kept.filter((one) => one.usableFromMs <= nowMs);
  if (old !== undefined) {
    const vouched = usable.some(({ key }) => verify(old, old.by, fromHex(key), { digest, ...rules }).ok);
    if (!vouched)
      return refuse('ASSERTION_REFUSED', 'no credential of the customer that can be used signed it');
  }
  const isVouched = old !== undefined || kept.length === 0;
  const seconds = isVouched ? policy.credentialHoldSeconds : policy.recoveryHoldSeconds;
  return accept({ enrolment, usableFromMs: nowMs + seconds * 1000 });
}

/** Body of an `enrolment` entry: the document as it was signed, and what the own clock and policy made of it. */
export function rememberEnrolment(customers: CustomerMemory, body: unknown, atMs: number): void {
  const { signed, usableFrom } = readObject(body, 'enrolment', ['signed', 'usableFrom']);
  const { document, signatures } = readSigned(signed, 'enrolment');
  const { customer, key, ends } = enrolmentDocument.fromJson(document, 'enrolment');
  const usableFromMs = readNumber(usableFrom, 'usableFrom', Number.MAX_SAFE_INTEGER);
  const isVouched = signatures.some(({ by }) => by === OLD_CREDENTIAL);
  const ended = new Set(ends.map(toHex));
  const known = (customers.get(toHex(customer)) ?? []).map((one): CustomerCredential => {
    if (!ended.has(one.key)) return one;
    // With a credential of theirs at hand, a customer ends one that is not theirs before it can be used.
    const endsAtMs = isVouched && one.usableFromMs > atMs ? atMs : usableFromMs;
    return { ...one, endsAtMs: Math.min(one.endsAtMs, endsAtMs) };
  });
  const added = { key: toHex(key), usableFromMs, endsAtMs: Infinity };
  customers.set(toHex(customer), [...known, added]);
}

/**
 * How far an order is backed. A customer with a credential that can be used signs each order with one; without, the
 * order rests on core's word. `assertions` are those of the request.
 */
export function authorise(
  order: Order,
  digest: Uint8Array,
  { assertions, ...rules }: Rules & { readonly assertions: readonly OrderAssertion[] },
): Decision<OrderTier> {
  if (order.kind !== 'customer') return accept('house');
  const { customers, nowMs } = rules;
  const kept = (customers.get(toHex(order.customer)) ?? []).filter(({ endsAtMs }) => endsAtMs > nowMs);
  const mustSign = kept.some(({ usableFromMs }) => usableFromMs <= nowMs);
  const assertion = assertions.find((one) => one.order === order.orderNumber);
  const name = `order ${order.orderNumber}`;
  if (assertion === undefined) return mustSign ? refuse('ASSERTION_MISSING', name) : accept('unproven');
  const credential = kept.find(({ key }) => key === toHex(assertion.key));
  if (credential === undefined) return refuse('CREDENTIAL_UNKNOWN', name);
  const verified = verify(assertion, name, assertion.key, { digest, ...rules });
  if (!verified.ok) return verified;
  if (credential.usableFromMs <= nowMs) return accept('unfunded');
  return mustSign
    ? refuse('ASSERTION_MISSING', `${name}: signed by a credential in its hold`)
    : accept('unproven');
}

function verify(
  assertion: Assertion,
  by: string,
  publicKey: Uint8Array,
  { digest, manifest }: { readonly digest: Uint8Array; readonly manifest: Manifest },
): Decision<number> {
  const { authenticatorData, clientData, signature } = assertion;
  return checkPasskey(
    { kind: 'passkey', by, authenticatorData, clientData, signature },
    { publicKey, digest, rpId: customerRpId(manifest), origin: manifest.customerOrigin, counter: 0 },
  );
}
