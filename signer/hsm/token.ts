/** One signer's key in a token: made there, never to leave it, and asked for signatures of digests. */
import type { TokenAnswer, TokenFailure, TokenRequest } from '../protocol/token.ts';
import { CK, CKR, Pkcs11Error, openPkcs11, type Attribute, type Pkcs11 } from './pkcs11.ts';

export interface Token {
  /** Does what is asked, or says which of the closed reasons kept it from that. Never throws. */
  answer(request: TokenRequest): TokenAnswer;
  close(): void;
}

/** DER of the object identifier of secp256k1, 1.3.132.0.10. */
const SECP256K1 = Buffer.from('06052b8104000a', 'hex');
/** An OCTET STRING of 65 bytes, the first of which says that the point is uncompressed. */
const POINT_HEADER = Buffer.from('044104', 'hex');

/** What a private key's attributes must say: made inside, never readable, never to be wrapped by another key. */
const GUARDED: readonly (readonly [name: string, type: bigint, value: number])[] = [
  ['CKA_SENSITIVE', CK.CKA_SENSITIVE, 1],
  ['CKA_ALWAYS_SENSITIVE', CK.CKA_ALWAYS_SENSITIVE, 1],
  ['CKA_EXTRACTABLE', CK.CKA_EXTRACTABLE, 0],
  ['CKA_NEVER_EXTRACTABLE', CK.CKA_NEVER_EXTRACTABLE, 1],
  ['CKA_LOCAL', CK.CKA_LOCAL, 1],
];

const PIN_CODES: readonly bigint[] = [
  CKR.CKR_PIN_INCORRECT,
  CKR.CKR_PIN_INVALID,
  CKR.CKR_PIN_LEN_RANGE,
  CKR.CKR_PIN_EXPIRED,
  CKR.CKR_PIN_LOCKED,
  CKR.CKR_USER_PIN_NOT_INITIALIZED,
];

class Refused extends Error {
  readonly code: TokenFailure;
  readonly retryable = false;

  constructor(code: TokenFailure, message: string) {
    super(message);
    this.code = code;
  }
}

/** The module is loaded when the token is first opened: what is wrong with it is then told to whoever opens it. */
export function openToken(modulePath: string): Token {
  let module: Pkcs11 | undefined;
  let session: bigint | undefined;
  const loggedIn = (): { readonly module: Pkcs11; readonly session: bigint } => {
    if (module === undefined || session === undefined)
      throw new Refused('TOKEN_GONE', 'nobody has logged in');
    return { module, session };
  };
  const act = (request: TokenRequest): TokenAnswer => {
    if (request.call === 'open') {
      session = undefined;
      if (module === undefined) module = openPkcs11(modulePath);
      else module.restart();
      const token = findToken(module, request.label);
      const opened = module.openSession(token.slot);
      module.login(opened, request.pin);
      session = opened;
      return { ok: true, serial: token.serial };
    }
    const open = loggedIn();
    switch (request.call) {
      case 'generate':
        generate(open.module, open.session, request.keyId);
        return { ok: true, publicKey: findKey(open.module, open.session, request.keyId) };
      case 'find':
        return { ok: true, publicKey: findKey(open.module, open.session, request.keyId) };
      case 'sign': {
        const key = onlyOne(open.module, open.session, CK.CKO_PRIVATE_KEY, request.keyId);
        return { ok: true, signature: open.module.sign(open.session, CK.CKM_ECDSA, key, request.digest) };
      }
    }
  };
  return {
    answer: (request) => {
      try {
        return act(request);
      } catch (error) {
        return failure(error);
      }
    },
    close: () => module?.close(),
  };
}

function failure(error: unknown): TokenAnswer {
  const detail = (error instanceof Error ? error.message : String(error)).slice(0, 300);
  if (error instanceof Refused) return { ok: false, code: error.code, detail };
  const isPin =
    error instanceof Pkcs11Error && error.returned !== undefined && PIN_CODES.includes(error.returned);
  return { ok: false, code: isPin ? 'PIN_REFUSED' : 'TOKEN_GONE', detail };
}

function findToken(module: Pkcs11, label: string): { readonly slot: bigint; readonly serial: string } {
  const found = module.tokens().filter((token) => token.label === label);
  const [token] = found;
  if (token === undefined || found.length > 1)
    throw new Refused('TOKEN_GONE', `${found.length} tokens are labelled ${label}`);
  return token;
}

function generate(module: Pkcs11, session: bigint, keyId: Uint8Array): void {
  const both: Attribute[] = [
    [CK.CKA_TOKEN, true],
    [CK.CKA_ID, keyId],
    [CK.CKA_LABEL, Buffer.from('portcullis')],
  ];
  module.generateKeyPair(session, CK.CKM_EC_KEY_PAIR_GEN, {
    publicKey: [...both, [CK.CKA_VERIFY, true], [CK.CKA_EC_PARAMS, SECP256K1]],
    privateKey: [
      ...both,
      [CK.CKA_PRIVATE, true],
      [CK.CKA_SENSITIVE, true],
      [CK.CKA_EXTRACTABLE, false],
      [CK.CKA_DERIVE, false],
      [CK.CKA_SIGN, true],
    ],
  });
}

/** The public key, 65 bytes, of a pair whose private key the token guards. */
function findKey(module: Pkcs11, session: bigint, keyId: Uint8Array): Uint8Array {
  const privateKey = onlyOne(module, session, CK.CKO_PRIVATE_KEY, keyId);
  const publicKey = onlyOne(module, session, CK.CKO_PUBLIC_KEY, keyId);
  const bent = GUARDED.find(([, type, value]) => module.attribute(session, privateKey, type)[0] !== value);
  if (bent !== undefined) throw new Refused('TOKEN_KEY_REFUSED', `${bent[0]} is not ${bent[2] === 1}`);
  const point = module.attribute(session, publicKey, CK.CKA_EC_POINT);
  if (point.length !== 67 || !POINT_HEADER.equals(point.subarray(0, 3)))
    throw new Refused('TOKEN_KEY_REFUSED', 'no uncompressed point of 65 bytes');
  return point.slice(2);
}

function onlyOne(module: Pkcs11, session: bigint, kind: bigint, keyId: Uint8Array): bigint {
  const found = module.find(session, [
    [CK.CKA_CLASS, kind],
    [CK.CKA_ID, keyId],
  ]);
  const [key] = found;
  if (key === undefined || found.length > 1)
    throw new Refused('TOKEN_KEY_REFUSED', `${found.length} keys have the id of this signer's`);
  return key;
}
