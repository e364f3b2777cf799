/**
 * The vault's end of the pipe to its token. What comes back is never believed: a public key is compared with the one
 * that the sealed file names, a signature is verified under it.
 */
import { fromHex, toHex } from '../protocol/canonical.ts';
import {
  formatTokenRequest,
  parseTokenAnswer,
  type TokenAnswer,
  type TokenRequest,
} from '../protocol/token.ts';
import { accept, refuse, type Decision } from './decision.ts';

/** To the token's program, which may be gone, hung or another. */
export interface TokenPipe {
  /** The token's label, by the gate's configuration. */
  readonly label: string;
  /** Writes one line and waits for the next one that `isAnswer` takes; undefined when none came in time. */
  exchange(line: string, isAnswer: (line: string) => boolean): string | undefined;
}

export interface Token {
  readonly label: string;
  /** Logs in, anew where it was; gives the token's serial number. */
  open(pin: string): Decision<string>;
  /** Makes a key pair; gives the public key, 65 bytes. */
  generate(keyId: Uint8Array): Decision<Uint8Array>;
  /** The public key of a pair that is there. */
  find(keyId: Uint8Array): Decision<Uint8Array>;
  /** r ‖ s over a digest of 32 bytes, s of either half. */
  sign(keyId: Uint8Array, digest: Uint8Array): Decision<Uint8Array>;
}

export function openToken(pipe: TokenPipe): Token {
  let lastId = 0;
  // After a silence every request would wait as long: only another login tries again.
  let isSilent = false;
  const ask = (request: TokenRequest): Decision<Extract<TokenAnswer, { ok: true }>> => {
    if (isSilent && request.call !== 'open') return gone('it did not answer before');
    lastId += 1;
    const line = pipe.exchange(formatTokenRequest(lastId, request), (text) => answerIn(text)?.id === lastId);
    isSilent = line === undefined;
    const answer = line === undefined ? undefined : answerIn(line)?.answer;
    if (answer === undefined) return gone('its program does not answer');
    return answer.ok ? accept(answer) : refuse(answer.code, answer.detail);
  };
  const publicKeyOf = (request: TokenRequest): Decision<Uint8Array> => {
    const answer = ask(request);
    if (!answer.ok) return answer;
    const { publicKey } = answer.value;
    return publicKey === undefined ? gone('it names no public key') : accept(publicKey);
  };
  return {
    label: pipe.label,
    open: (pin) => {
      const answer = ask({ call: 'open', label: pipe.label, pin });
      return answer.ok ? accept(answer.value.serial ?? '') : answer;
    },
    generate: (keyId) => publicKeyOf({ call: 'generate', keyId }),
    find: (keyId) => publicKeyOf({ call: 'find', keyId }),
    sign: (keyId, digest) => {
      const answer = ask({ call: 'sign', keyId, digest });
      if (!answer.ok) return answer;
      const { signature } = answer.value;
      return signature === undefined ? gone('it gave no signature') : accept(signature);
    },
  };
}

const gone = (detail: string): Decision<never> => refuse('TOKEN_GONE', detail);

function answerIn(line: string): { readonly id: number; readonly answer: TokenAnswer } | undefined {
  try {
    const parsed = parseTokenAnswer(JSON.parse(line));
    return parsed.ok ? parsed.value : undefined;
  } catch {
    // JSON.parse has no other way to say that the text is none.
    return undefined;
  }
}

/** Which key in which token is a signer's; stands in its sealed file. */
export interface TokenKey {
  readonly label: string;
  readonly serial: string;
  /** Hex, 16 bytes: CKA_ID. */
  readonly keyId: string;
  /** Hex, 65 bytes. */
  readonly publicKey: string;
}

/** Makes the EVM key of a new signer in a token. */
export function makeTokenKey(token: Token, pin: string, keyId: Uint8Array): Decision<TokenKey> {
  const serial = token.open(pin);
  if (!serial.ok) return serial;
  const made = token.generate(keyId);
  if (!made.ok) return made;
  const { label } = token;
  return accept({ label, serial: serial.value, keyId: toHex(keyId), publicKey: toHex(made.value) });
}

/** Logs in and looks whether the token is the one, and its key too. */
export function openTokenKey(token: Token, pin: string, key: TokenKey): Decision<true> {
  const serial = token.open(pin);
  if (!serial.ok) return serial;
  if (token.label !== key.label || serial.value !== key.serial)
    return refuse('TOKEN_KEY_REFUSED', `the key is in ${key.label}, serial number ${key.serial}`);
  const found = token.find(fromHex(key.keyId));
  if (!found.ok) return found;
  return toHex(found.value) === key.publicKey
    ? accept(true)
    : refuse('TOKEN_KEY_REFUSED', 'another public key than the sealed file names');
}
