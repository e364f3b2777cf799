/** Signatures under a document: who, with which of their keys, over the document's digest. */
import { U64_MAX, fromHex, parsing, toHex, type Parsed } from './canonical.ts';
import type { Json } from './document.ts';
import {
  SIGNER_ID,
  readDecimal,
  readHex,
  readList,
  readObject,
  readOneOf,
  readText,
  type TextRule,
} from './json.ts';

/** Ed25519 (RFC 8032) over the 32 bytes of the digest. */
export interface KeySignature {
  readonly kind: 'key';
  readonly by: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** What an authenticator gives for a challenge (WebAuthn level 3, section 7.2). */
export interface Assertion {
  readonly authenticatorData: Uint8Array;
  /** The bytes that were hashed, not parsed and written again. */
  readonly clientData: Uint8Array;
  /** ES256, DER. */
  readonly signature: Uint8Array;
}

/** A passkey's assertion whose challenge is the document's digest. */
export interface PasskeyAssertion extends Assertion {
  readonly kind: 'passkey';
  readonly by: string;
}

/** A customer's, whose challenge is the digest of an order. */
export interface OrderAssertion extends Assertion {
  /** The order's number. */
  readonly order: bigint;
  /** The credential: compressed point on P-256. */
  readonly key: Uint8Array;
}

/** An order's assertion on the wire. */
export type OrderAssertionJson = Readonly<
  Record<'order' | 'key' | 'authenticatorData' | 'clientData' | 'signature', string>
>;

export type DocumentSignature = KeySignature | PasskeyAssertion;

/** A document on the wire; the document itself is read by its own type. */
export interface SignedJson {
  readonly document: unknown;
  readonly signatures: readonly DocumentSignature[];
}

const SIGNATURES_MAX = 64;
/** 37 bytes and, seldom, extensions. */
const AUTHENTICATOR_DATA_MAX = 1024;
const CLIENT_DATA_MAX = 2048;
/** Two integers of 33 bytes with their headers. */
const DER_MAX = 72;

export function parseSigned(value: unknown): Parsed<SignedJson> {
  return parsing(() => readSigned(value, 'signed'));
}

/** As parseSigned, inside a larger reader: throws MalformedError. */
export function readSigned(value: unknown, path: string): SignedJson {
  const { document, signatures } = readObject(value, path, ['document', 'signatures']);
  return {
    document,
    signatures: readList(signatures, `${path}.signatures`, { min: 1, max: SIGNATURES_MAX }, readSignature),
  };
}

/** A customer's assertion over the digest of an order. */
export function readOrderAssertion(value: unknown, path: string): OrderAssertion {
  const fields = ['order', 'key', 'authenticatorData', 'clientData', 'signature'];
  const assertion = readObject(value, path, fields);
  return {
    order: readDecimal(assertion['order'], `${path}.order`, U64_MAX),
    key: readHex(assertion['key'], `${path}.key`, 33),
    ...readAssertion(assertion, path),
  };
}

function readSignature(value: unknown, path: string): DocumentSignature {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (readOneOf(kind, `${path}.kind`, ['key', 'passkey'] as const) === 'key') {
    const { by, signature } = readObject(value, path, ['kind', 'by', 'signature']);
    return {
      kind: 'key',
      by: readText(by, `${path}.by`, SIGNER_ID),
      signature: readHex(signature, `${path}.signature`, 64),
    };
  }
  const fields = ['kind', 'by', 'authenticatorData', 'clientData', 'signature'];
  const assertion = readObject(value, path, fields);
  return {
    kind: 'passkey',
    by: readText(assertion['by'], `${path}.by`, SIGNER_ID),
    ...readAssertion(assertion, path),
  };
}

const readAssertion = (assertion: Readonly<Record<string, unknown>>, path: string): Assertion => ({
  authenticatorData: readBytes(
    assertion['authenticatorData'],
    `${path}.authenticatorData`,
    AUTHENTICATOR_DATA_MAX,
  ),
  clientData: readBytes(assertion['clientData'], `${path}.clientData`, CLIENT_DATA_MAX),
  signature: readBytes(assertion['signature'], `${path}.signature`, DER_MAX),
});

export const signaturesToJson = (signatures: readonly DocumentSignature[]): Json =>
  signatures.map((one) =>
    one.kind === 'key'
      ? { kind: one.kind, by: one.by, signature: toHex(one.signature) }
      : {
          kind: one.kind,
          by: one.by,
          authenticatorData: toHex(one.authenticatorData),
          clientData: toHex(one.clientData),
          signature: toHex(one.signature),
        },
  );

/** Lower-case hex of 1 to `max` bytes. */
function readBytes(value: unknown, path: string, max: number): Uint8Array {
  const rule: TextRule = { lengthMax: 2 * max, pattern: /^([0-9a-f]{2})+$/ };
  return fromHex(readText(value, path, rule));
}
