/**
 * What the vault says to the program that speaks to a PKCS#11 token, and what that answers: one line of JSON each way,
 * one at a time, over a pipe that only these two hold.
 */
import { parsing, toHex, type Parsed } from './canonical.ts';
import { readHex, readNumber, readObject, readOneOf, readText, type TextRule } from './json.ts';

/** A label has 32 bytes in a token, and is padded with spaces there. */
export const TOKEN_LABEL: TextRule = {
  lengthMax: 32,
  pattern: /^[0-9A-Za-z_.-]([0-9A-Za-z _.-]*[0-9A-Za-z_.-])?$/,
};
/** As the token tells it. */
export const TOKEN_SERIAL: TextRule = { lengthMax: 16, pattern: /^[\x20-\x7e]*$/ };
/** Tokens want between four and 255 bytes. */
export const TOKEN_PIN: TextRule = { lengthMax: 255, pattern: /^[\x20-\x7e]{4,}$/ };
const DETAIL: TextRule = { lengthMax: 300, pattern: /^/ };

export const TOKEN_KEY_ID_BYTES = 16;

/** Why the token did not do it. */
export const tokenFailures = ['TOKEN_GONE', 'PIN_REFUSED', 'TOKEN_KEY_REFUSED'] as const;
export type TokenFailure = (typeof tokenFailures)[number];

export type TokenRequest =
  /** Finds the token by its label and logs in, anew where it was. */
  | { readonly call: 'open'; readonly label: string; readonly pin: string }
  /** Makes a key pair inside. */
  | { readonly call: 'generate'; readonly keyId: Uint8Array }
  /** The public key of one that is there, after a look at what can be done with the private one. */
  | { readonly call: 'find'; readonly keyId: Uint8Array }
  | { readonly call: 'sign'; readonly keyId: Uint8Array; readonly digest: Uint8Array };

export type TokenAnswer =
  | {
      readonly ok: true;
      readonly serial?: string;
      readonly publicKey?: Uint8Array;
      readonly signature?: Uint8Array;
    }
  | { readonly ok: false; readonly code: TokenFailure; readonly detail: string };

/** As a line, without its end. */
export const formatTokenRequest = (id: number, request: TokenRequest): string => format(id, request);
export const formatTokenAnswer = (id: number, answer: TokenAnswer): string => format(id, answer);

function format(id: number, fields: object): string {
  const hexed = Object.entries(fields).map(([name, value]: [string, unknown]) => [
    name,
    value instanceof Uint8Array ? toHex(value) : value,
  ]);
  return JSON.stringify({ id, ...Object.fromEntries(hexed) });
}

export function parseTokenRequest(
  value: unknown,
): Parsed<{ readonly id: number; readonly request: TokenRequest }> {
  return parsing(() => {
    const named = readObject(value, 'request', ['id', 'call'], ['label', 'pin', 'keyId', 'digest']);
    const call = readOneOf(named['call'], 'request.call', ['open', 'generate', 'find', 'sign'] as const);
    const id = readNumber(named['id'], 'request.id', Number.MAX_SAFE_INTEGER);
    if (call === 'open') {
      const { label, pin } = readObject(value, 'request', ['id', 'call', 'label', 'pin']);
      const request = {
        call,
        label: readText(label, 'request.label', TOKEN_LABEL),
        pin: readText(pin, 'request.pin', TOKEN_PIN),
      };
      return { id, request };
    }
    const fields = ['id', 'call', 'keyId', ...(call === 'sign' ? ['digest'] : [])];
    const { keyId: hex, digest } = readObject(value, 'request', fields);
    const keyId = readHex(hex, 'request.keyId', TOKEN_KEY_ID_BYTES);
    return call === 'sign'
      ? { id, request: { call, keyId, digest: readHex(digest, 'request.digest', 32) } }
      : { id, request: { call, keyId } };
  });
}

export function parseTokenAnswer(
  value: unknown,
): Parsed<{ readonly id: number; readonly answer: TokenAnswer }> {
  return parsing(() => {
    const fields = readObject(
      value,
      'answer',
      ['id', 'ok'],
      ['code', 'detail', 'serial', 'publicKey', 'signature'],
    );
    const id = readNumber(fields['id'], 'answer.id', Number.MAX_SAFE_INTEGER);
    if (fields['ok'] !== true) {
      const code = readOneOf(fields['code'], 'answer.code', tokenFailures);
      return { id, answer: { ok: false, code, detail: readText(fields['detail'], 'answer.detail', DETAIL) } };
    }
    const { serial, publicKey, signature } = fields;
    const answer: TokenAnswer = {
      ok: true,
      ...(serial === undefined ? {} : { serial: readText(serial, 'answer.serial', TOKEN_SERIAL) }),
      ...(publicKey === undefined ? {} : { publicKey: readHex(publicKey, 'answer.publicKey', 65) }),
      ...(signature === undefined ? {} : { signature: readHex(signature, 'answer.signature', 64) }),
    };
    return { id, answer };
  });
}
