/**
 * PKCS#11 2.40 by Node's own foreign function interface: a module of the token's maker, and of its functions those
 * that a signer needs. Structures are those of 64-bit Linux: CK_ULONG has eight bytes, in the machine's order.
 */
import { dlopen, getRawPointer } from 'node:ffi';
import { endianness } from 'node:os';

/** Object classes, key types, attributes, mechanisms, flags and users, by their names in the standard. */
export const CK = Object.freeze({
  CKO_PUBLIC_KEY: 2n,
  CKO_PRIVATE_KEY: 3n,
  CKO_SECRET_KEY: 4n,
  CKA_CLASS: 0n,
  CKA_TOKEN: 1n,
  CKA_PRIVATE: 2n,
  CKA_LABEL: 3n,
  CKA_VALUE: 0x11n,
  CKA_ID: 0x102n,
  CKA_SENSITIVE: 0x103n,
  CKA_WRAP: 0x106n,
  CKA_SIGN: 0x108n,
  CKA_VERIFY: 0x10an,
  CKA_DERIVE: 0x10cn,
  CKA_VALUE_LEN: 0x161n,
  CKA_EXTRACTABLE: 0x162n,
  CKA_LOCAL: 0x163n,
  CKA_NEVER_EXTRACTABLE: 0x164n,
  CKA_ALWAYS_SENSITIVE: 0x165n,
  CKA_EC_PARAMS: 0x180n,
  CKA_EC_POINT: 0x181n,
  CKM_EC_KEY_PAIR_GEN: 0x1040n,
  CKM_ECDSA: 0x1041n,
  CKM_AES_KEY_GEN: 0x1080n,
  CKM_AES_KEY_WRAP: 0x2109n,
  CKF_RW_SESSION: 2n,
  CKF_SERIAL_SESSION: 4n,
  CKU_SO: 0n,
  CKU_USER: 1n,
});

/** Return values by which a caller tells what happened. */
export const CKR = Object.freeze({
  CKR_OK: 0n,
  CKR_ATTRIBUTE_SENSITIVE: 0x11n,
  CKR_PIN_INCORRECT: 0xa0n,
  CKR_PIN_INVALID: 0xa1n,
  CKR_PIN_LEN_RANGE: 0xa2n,
  CKR_PIN_EXPIRED: 0xa3n,
  CKR_PIN_LOCKED: 0xa4n,
  CKR_USER_PIN_NOT_INITIALIZED: 0x102n,
  CKR_CRYPTOKI_ALREADY_INITIALIZED: 0x191n,
});

/** The module refused a call, or there is no module. */
export class Pkcs11Error extends Error {
  readonly code = 'PKCS11';
  readonly retryable = false;
  /** CK_RV; undefined where the module could not be loaded. */
  readonly returned: bigint | undefined;

  constructor(message: string, returned?: bigint, cause?: unknown) {
    super(message, { cause });
    this.returned = returned;
  }
}

/** An attribute and its value: a flag, a number or bytes. */
export type Attribute = readonly [type: bigint, value: boolean | bigint | Uint8Array];

export interface TokenInfo {
  readonly slot: bigint;
  readonly label: string;
  readonly serial: string;
}

export interface KeyPairHandles {
  readonly publicKey: bigint;
  readonly privateKey: bigint;
}

/** Every function throws Pkcs11Error; handles are the module's own numbers. */
export interface Pkcs11 {
  /** Forgets every session, and whatever the module knew of its slots. */
  restart(): void;
  tokens(): readonly TokenInfo[];
  /** Gives a slot's token a label and both PINs; what was in it is gone. */
  initialise(slot: bigint, options: { label: string; securityPin: string; pin: string }): void;
  openSession(slot: bigint): bigint;
  login(session: bigint, pin: string): void;
  find(session: bigint, template: readonly Attribute[]): readonly bigint[];
  generateKeyPair(
    session: bigint,
    mechanism: bigint,
    templates: { readonly publicKey: readonly Attribute[]; readonly privateKey: readonly Attribute[] },
  ): KeyPairHandles;
  generateKey(session: bigint, mechanism: bigint, template: readonly Attribute[]): bigint;
  attribute(session: bigint, object: bigint, type: bigint): Uint8Array;
  setAttribute(session: bigint, object: bigint, attribute: Attribute): void;
  wrap(
    session: bigint,
    mechanism: bigint,
    keys: { readonly with: bigint; readonly what: bigint },
  ): Uint8Array;
  sign(session: bigint, mechanism: bigint, key: bigint, data: Uint8Array): Uint8Array;
  destroy(session: bigint, object: bigint): void;
  close(): void;
}

const ULONG_BYTES = 8;
/** Of CK_ATTRIBUTE and of CK_MECHANISM: number, pointer, length. */
const TRIPLE_BYTES = 24;
const TOKEN_INFO_BYTES = 208;
/** More than any answer to what is asked here: points, flags, wrapped keys, signatures. */
const ANSWER_BYTES_MAX = 1024;
const FOUND_MAX = 16;

const U = 'uint64';
const P = 'pointer';
const functionOf = <const A extends readonly ('uint64' | 'uint8' | 'pointer')[]>(...of: A) =>
  ({ arguments: of, return: U }) as const;
const signatures = {
  C_Initialize: functionOf(P),
  C_Finalize: functionOf(P),
  C_GetSlotList: functionOf('uint8', P, P),
  C_GetTokenInfo: functionOf(U, P),
  C_InitToken: functionOf(U, P, U, P),
  C_InitPIN: functionOf(U, P, U),
  C_OpenSession: functionOf(U, U, P, P, P),
  C_Login: functionOf(U, U, P, U),
  C_Logout: functionOf(U),
  C_CloseSession: functionOf(U),
  C_FindObjectsInit: functionOf(U, P, U),
  C_FindObjects: functionOf(U, P, U, P),
  C_FindObjectsFinal: functionOf(U),
  C_GenerateKeyPair: functionOf(U, P, P, U, P, U, P, P),
  C_GenerateKey: functionOf(U, P, P, U, P),
  C_GetAttributeValue: functionOf(U, U, P, U),
  C_SetAttributeValue: functionOf(U, U, P, U),
  C_WrapKey: functionOf(U, P, U, U, P, P),
  C_SignInit: functionOf(U, P, U),
  C_Sign: functionOf(U, P, U, P, P),
  C_DestroyObject: functionOf(U, U),
};

/** Loads a module and initialises it. Throws Pkcs11Error. */
export function openPkcs11(path: string): Pkcs11 {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE')
    throw new Pkcs11Error(`no tokens on ${process.platform} ${process.arch}`);
  const { functions, lib } = load(path);
  const restart = (): void => {
    functions.C_Finalize(null);
    const returned = functions.C_Initialize(null);
    if (returned !== CKR.CKR_CRYPTOKI_ALREADY_INITIALIZED) check('C_Initialize', returned);
  };
  restart();
  const close = (): void => {
    functions.C_Finalize(null);
    lib.close();
  };
  return {
    restart,
    close,
    ...slotsOf(functions),
    ...sessionsOf(functions),
    ...objectsOf(functions),
    ...keysOf(functions),
  };
}

type Functions = ReturnType<typeof load>['functions'];

function load(path: string) {
  try {
    return dlopen(path, signatures);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Pkcs11Error(`${path} is no PKCS#11 module: ${why}`, undefined, cause);
  }
}

function slotsOf(c: Functions): Pick<Pkcs11, 'tokens' | 'initialise'> {
  const slots = (): bigint[] => {
    const count = ulong(0n);
    check('C_GetSlotList', c.C_GetSlotList(1, null, count));
    const list = Buffer.alloc(ULONG_BYTES * Number(count.readBigUInt64LE()));
    check('C_GetSlotList', c.C_GetSlotList(1, list, count));
    return Array.from({ length: Number(count.readBigUInt64LE()) }, (_, i) =>
      list.readBigUInt64LE(ULONG_BYTES * i),
    );
  };
  return {
    tokens: () =>
      slots().map((slot) => {
        const info = Buffer.alloc(TOKEN_INFO_BYTES);
        check('C_GetTokenInfo', c.C_GetTokenInfo(slot, info));
        return { slot, label: padded(info, 0, 32), serial: padded(info, 80, 16) };
      }),
    initialise: (slot, { label, securityPin, pin }) => {
      const [security, user] = [Buffer.from(securityPin), Buffer.from(pin)];
      const name = Buffer.from(label.padEnd(32));
      check('C_InitToken', c.C_InitToken(slot, security, BigInt(security.length), name));
      const session = openSession(c, slot);
      check('C_Login', c.C_Login(session, CK.CKU_SO, security, BigInt(security.length)));
      check('C_InitPIN', c.C_InitPIN(session, user, BigInt(user.length)));
      check('C_Logout', c.C_Logout(session));
      check('C_CloseSession', c.C_CloseSession(session));
    },
  };
}

function openSession(c: Functions, slot: bigint): bigint {
  const session = ulong(0n);
  const flags = CK.CKF_SERIAL_SESSION | CK.CKF_RW_SESSION;
  check('C_OpenSession', c.C_OpenSession(slot, flags, null, null, session));
  return session.readBigUInt64LE();
}

function sessionsOf(c: Functions): Pick<Pkcs11, 'openSession' | 'login'> {
  return {
    openSession: (slot) => openSession(c, slot),
    login: (session, pin) => {
      const bytes = Buffer.from(pin);
      check('C_Login', c.C_Login(session, CK.CKU_USER, bytes, BigInt(bytes.length)));
    },
  };
}

function objectsOf(c: Functions): Pick<Pkcs11, 'find' | 'attribute' | 'setAttribute' | 'destroy'> {
  return {
    find: (session, template) => {
      const wanted = attributesOf(template);
      check('C_FindObjectsInit', c.C_FindObjectsInit(session, wanted.bytes, wanted.count));
      const [found, count] = [Buffer.alloc(ULONG_BYTES * FOUND_MAX), ulong(0n)];
      const returned = c.C_FindObjects(session, found, BigInt(FOUND_MAX), count);
      check('C_FindObjectsFinal', c.C_FindObjectsFinal(session));
      check('C_FindObjects', returned);
      return Array.from({ length: Number(count.readBigUInt64LE()) }, (_, i) =>
        found.readBigUInt64LE(ULONG_BYTES * i),
      );
    },
    attribute: (session, object, type) => {
      const { bytes, count } = attributesOf([[type, new Uint8Array(ANSWER_BYTES_MAX)]]);
      check('C_GetAttributeValue', c.C_GetAttributeValue(session, object, bytes, count));
      const length = Number(bytes.readBigUInt64LE(2 * ULONG_BYTES));
      return Uint8Array.from(bytes.subarray(TRIPLE_BYTES, TRIPLE_BYTES + length));
    },
    setAttribute: (session, object, attribute) => {
      const wanted = attributesOf([attribute]);
      check('C_SetAttributeValue', c.C_SetAttributeValue(session, object, wanted.bytes, wanted.count));
    },
    destroy: (session, object) => check('C_DestroyObject', c.C_DestroyObject(session, object)),
  };
}

function keysOf(c: Functions): Pick<Pkcs11, 'generateKeyPair' | 'generateKey' | 'wrap' | 'sign'> {
  return {
    generateKeyPair: (session, mechanism, templates) => {
      const [open, secret] = [attributesOf(templates.publicKey), attributesOf(templates.privateKey)];
      const [publicKey, privateKey] = [ulong(0n), ulong(0n)];
      const returned = c.C_GenerateKeyPair(
        session,
        mechanismOf(mechanism),
        open.bytes,
        open.count,
        secret.bytes,
        secret.count,
        publicKey,
        privateKey,
      );
      check('C_GenerateKeyPair', returned);
      return { publicKey: publicKey.readBigUInt64LE(), privateKey: privateKey.readBigUInt64LE() };
    },
    generateKey: (session, mechanism, template) => {
      const [wanted, key] = [attributesOf(template), ulong(0n)];
      check(
        'C_GenerateKey',
        c.C_GenerateKey(session, mechanismOf(mechanism), wanted.bytes, wanted.count, key),
      );
      return key.readBigUInt64LE();
    },
    wrap: (session, mechanism, keys) =>
      answerOf('C_WrapKey', (bytes, length) =>
        c.C_WrapKey(session, mechanismOf(mechanism), keys.with, keys.what, bytes, length),
      ),
    sign: (session, mechanism, key, data) => {
      check('C_SignInit', c.C_SignInit(session, mechanismOf(mechanism), key));
      return answerOf('C_Sign', (bytes, length) =>
        c.C_Sign(session, Buffer.from(data), BigInt(data.length), bytes, length),
      );
    },
  };
}

function check(name: string, returned: bigint): void {
  if (returned !== CKR.CKR_OK) throw new Pkcs11Error(`${name} returned 0x${returned.toString(16)}`, returned);
}

/** What a function writes behind a pointer, and tells the length of. */
function answerOf(name: string, ask: (bytes: Buffer, length: Buffer) => bigint): Uint8Array {
  const [bytes, length] = [Buffer.alloc(ANSWER_BYTES_MAX), ulong(BigInt(ANSWER_BYTES_MAX))];
  check(name, ask(bytes, length));
  return Uint8Array.from(bytes.subarray(0, Number(length.readBigUInt64LE())));
}

/**
 * An array of CK_ATTRIBUTE with its values behind it in the same memory: it points into itself, so that nothing which
 * it points at can be moved or freed during a call.
 */
function attributesOf(list: readonly Attribute[]): { readonly bytes: Buffer; readonly count: bigint } {
  const values = list.map(([, value]) => bytesOf(value));
  const valuesStart = TRIPLE_BYTES * list.length;
  const bytes = Buffer.alloc(values.reduce((sum, { length }) => sum + length, valuesStart));
  const base = getRawPointer(bytes);
  let at = valuesStart;
  for (const [i, [type]] of list.entries()) {
    const value = values[i] ?? new Uint8Array();
    bytes.writeBigUInt64LE(type, TRIPLE_BYTES * i);
    bytes.writeBigUInt64LE(base + BigInt(at), TRIPLE_BYTES * i + ULONG_BYTES);
    bytes.writeBigUInt64LE(BigInt(value.length), TRIPLE_BYTES * i + 2 * ULONG_BYTES);
    bytes.set(value, at);
    at += value.length;
  }
  return { bytes, count: BigInt(list.length) };
}

function bytesOf(value: Attribute[1]): Uint8Array {
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0]);
  return typeof value === 'bigint' ? ulong(value) : value;
}

/** CK_MECHANISM without a parameter. */
function mechanismOf(type: bigint): Buffer {
  const bytes = Buffer.alloc(TRIPLE_BYTES);
  bytes.writeBigUInt64LE(type);
  return bytes;
}

function ulong(value: bigint): Buffer {
  const bytes = Buffer.alloc(ULONG_BYTES);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

const padded = (info: Buffer, start: number, length: number): string =>
  info.toString('utf8', start, start + length).replace(/[\0 ]+$/, '');
