/** The CREATE2 salt of a customer's EVM deposit address: neither epoch nor network is in it. */
import { decodeDocument, encodeDocument, fixed, u32, type Parsed } from './canonical.ts';

export const DEPOSIT_SALT_DOMAIN = 'portcullis/deposit-salt/1';

export interface DepositSalt {
  /** 16 bytes: the UUID of the customer's id. */
  readonly customer: Uint8Array;
  /** Which of the customer's addresses, from 0. u32. */
  readonly counter: number;
}

/** Canonical bytes; their SHA-256 is the salt. Throws MalformedError when a field is out of range. */
export function encodeDepositSalt(salt: DepositSalt): Uint8Array {
  return encodeDocument(DEPOSIT_SALT_DOMAIN, [fixed(salt.customer, 16), u32(salt.counter)]);
}

export function decodeDepositSalt(bytes: Uint8Array): Parsed<DepositSalt> {
  return decodeDocument(bytes, DEPOSIT_SALT_DOMAIN, (from) => ({
    customer: from.bytes(16),
    counter: from.u32(),
  }));
}
