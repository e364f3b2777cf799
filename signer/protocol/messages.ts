/** What core and people say to a signer, and what it answers: types of the wire, and their strict readers. */
import { MalformedError, U32_MAX, U64_MAX, parsing, type Parsed } from './canonical.ts';
import {
  NETWORK,
  SIGNER_ID,
  readBoolean,
  readDecimal,
  readHex,
  readList,
  readNumber,
  readObject,
  readOneOf,
  readText,
  type TextRule,
} from './json.ts';
import { FREEZES_MAX, SCOPE } from './freeze.ts';
import { JOURNAL_LINE, JOURNAL_PAGE_MAX } from './journal-entry.ts';
import { EPOCH_MAX, EVM_ADDRESS, XPUB } from './manifest.ts';
import { readOrder, type Order, type OrderJson } from './order.ts';
import { readVersions, type PolicyVersions } from './policy-versions.ts';
import { refusalCodes, type RefusalCode } from './refusals.ts';
import { readOrderAssertion, type OrderAssertion, type OrderAssertionJson } from './signatures.ts';

/** Largest request body, in bytes: PSBT_LENGTH_MAX, 500 orders, and the claims. */
export const REQUEST_BYTES_MAX = 6 << 20;
/** A frame of the pipe is a request with a few words round it. */
export const FRAME_BYTES_MAX = REQUEST_BYTES_MAX + 1024;
/** Base64 characters; 3 MiB of PSBT hold 200 inputs with previous transactions of 15 kB each. */
export const PSBT_LENGTH_MAX = 4 << 20;
/** What the vault contract takes in one batch. */
export const EVM_ORDERS_MAX = 150;
/** More outputs than a standard transaction of 100,000 virtual bytes is ever filled with in practice. */
export const BITCOIN_ORDERS_MAX = 500;
export const BITCOIN_INPUTS_MAX = 200;
/** Change may be split to give later spends more coins. */
export const BITCOIN_OUTPUTS_MAX = BITCOIN_ORDERS_MAX + 20;
const DETAIL: TextRule = { lengthMax: 400, pattern: /^/ };
export const BASE64: TextRule = { lengthMax: PSBT_LENGTH_MAX, pattern: /^[A-Za-z0-9+/]+={0,2}$/ };

export interface InputClaim {
  /** 0 deposits, 1 change and hot. */
  readonly branch: 0 | 1;
  readonly index: number;
}

/** An output pays the order of this number, or is change at this index of branch 1. */
export type OutputClaim = { readonly order: string } | { readonly change: number };

export interface BitcoinPayRequest {
  readonly type: 'bitcoin-pay';
  /** CAIP-2. */
  readonly network: string;
  readonly epoch: number;
  readonly orders: readonly OrderJson[];
  /** Base64, version 0, unsigned; every input with nonWitnessUtxo (no witness in it), witnessUtxo and witnessScript. */
  readonly psbt: string;
  /** One claim for each input, in order. */
  readonly inputs: readonly InputClaim[];
  /** One claim for each output, in order. */
  readonly outputs: readonly OutputClaim[];
  /** Of customers, each for one of the orders. */
  readonly assertions?: readonly OrderAssertionJson[];
}

export interface EvmPayRequest {
  readonly type: 'evm-pay';
  /** CAIP-2. */
  readonly network: string;
  readonly epoch: number;
  readonly vault: string;
  /** The zero address is the chain's own coin. */
  readonly token: string;
  /** Unix seconds, decimal string. */
  readonly deadline: string;
  readonly generation: string;
  readonly orders: readonly OrderJson[];
  /** Of customers, each for one of the orders. */
  readonly assertions?: readonly OrderAssertionJson[];
}

/**
 * A child that pays for its parent: it spends one change output of a transaction that the signer has signed for
 * orders, in a block or not yet, and gives all of it back to change, but for the fee.
 */
export interface BitcoinChildRequest {
  readonly type: 'bitcoin-child';
  /** CAIP-2. */
  readonly network: string;
  readonly epoch: number;
  /** As for a payment, with one input and one output; the input names the parent. */
  readonly psbt: string;
  /** Exactly one. */
  readonly inputs: readonly { readonly branch: 1; readonly index: number }[];
  /** Exactly one. */
  readonly outputs: readonly { readonly change: number }[];
}

export type SignRequest = BitcoinPayRequest | BitcoinChildRequest | EvmPayRequest;

export interface BitcoinPay extends Omit<BitcoinPayRequest, 'orders' | 'outputs' | 'assertions'> {
  readonly orders: readonly Order[];
  readonly assertions: readonly OrderAssertion[];
  readonly outputs: readonly ({ readonly order: bigint } | { readonly change: number })[];
}
export interface EvmPay extends Omit<EvmPayRequest, 'orders' | 'deadline' | 'generation' | 'assertions'> {
  readonly orders: readonly Order[];
  readonly assertions: readonly OrderAssertion[];
  readonly deadline: bigint;
  readonly generation: bigint;
}
/** A sign request that has been read. */
export type Pay = BitcoinPay | BitcoinChildRequest | EvmPay;

export interface JournalHead {
  /** Number of the last entry, decimal string; 0 before the first. */
  readonly sequence: string;
  /** Lower-case hex, 32 bytes. */
  readonly hash: string;
}

export interface Refused {
  readonly ok: false;
  readonly signer: string;
  readonly code: RefusalCode;
  readonly detail: string;
  /** Number of the one order that the rule is about. */
  readonly order?: string;
}

export interface Signed {
  readonly ok: true;
  readonly signer: string;
  /** Bitcoin: base64 PSBT with this signer's partial signatures alone. */
  readonly psbt?: string;
  /** evm-pay: 0x and 65 bytes, r ‖ s ‖ v. */
  readonly signature?: string;
  /** evm-pay: the signer's EIP-55 address. */
  readonly address?: string;
  readonly journal: JournalHead;
}
export type SignAnswer = Signed | Refused;

export interface Identity {
  readonly ok: true;
  readonly signer: string;
  readonly sealed: boolean;
  readonly epoch: number;
  readonly chain: 'main' | 'test';
  readonly xpub: string;
  /** Of the key's root, 8 hex digits (BIP-32). */
  readonly fingerprint: string;
  readonly evmAddress: string;
}
export type IdentityAnswer = Identity | Refused;

export interface Status {
  readonly ok: true;
  readonly signer: string;
  readonly sealed: boolean;
  readonly journal: JournalHead;
  /** Unsealed and pinned: requests to sign are decided. */
  readonly ready: boolean;
  /** Since it started, enough peers have shown that they hold no later journal of it; it signs nothing before. */
  readonly confirmed: boolean;
  readonly freezes: readonly StandingFreeze[];
  /** Networks (CAIP-2) on which its gate asks a node of its own before it signs; the gate adds it to the vault's answer. */
  readonly witness: readonly string[];
  /** Version in force, and a loosening that waits; nothing when there is no policy. */
  readonly policy?: PolicyVersions | null;
}

export interface StandingFreeze {
  /** Lower-case hex, 16 bytes. */
  readonly id: string;
  readonly scope: string;
  readonly by: string;
  readonly reason: string;
}

/** Entries of a signer's journal, as they stand in its file; who asks checks the chain of hashes. */
export interface JournalPage {
  readonly ok: true;
  readonly signer: string;
  readonly journal: JournalHead;
  /** Each for parseJournalLine. */
  readonly lines: readonly string[];
}
export type JournalAnswer = JournalPage | Refused;

/** Calls of the pipe between gate and vault. */
export const calls = [
  'identity',
  'status',
  'journal',
  'unseal',
  'make-key',
  'prove',
  'manifest',
  'freeze',
  'unfreeze',
  'policy',
  'policies',
  'enrolment',
  'certify',
  'deposits',
  'attestation',
  'sign',
  'evacuate',
  'confirm',
  'countersign',
  'release',
] as const;
export type Call = (typeof calls)[number];

export function parseSignRequest(value: unknown): Parsed<Pay> {
  return parsing(() => {
    const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
    return readers[readOneOf(type, 'request.type', ['bitcoin-pay', 'bitcoin-child', 'evm-pay'] as const)](
      value,
    );
  });
}

/** Number of the entry after which to read. */
export function parseJournalRequest(value: unknown): Parsed<bigint> {
  return parsing(() =>
    readDecimal(readObject(value, 'request', ['after'])['after'], 'request.after', U64_MAX),
  );
}

export function parseJournalAnswer(value: unknown): Parsed<JournalAnswer> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const answer = readObject(value, 'answer', ['ok', 'signer', 'journal', 'lines']);
    affirmed(answer['ok']);
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      journal: readHead(answer['journal']),
      lines: readList(answer['lines'], 'answer.lines', { min: 0, max: JOURNAL_PAGE_MAX }, (line, path) =>
        readText(line, path, JOURNAL_LINE),
      ),
    };
  });
}

/** Reads what a signer answered to a sign request. */
export function parseSignAnswer(value: unknown): Parsed<SignAnswer> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const answer = readObject(value, 'answer', ['ok', 'signer', 'journal'], ['psbt', 'signature', 'address']);
    affirmed(answer['ok']);
    const { psbt, signature, address } = answer;
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      ...(psbt === undefined ? {} : { psbt: readText(psbt, 'answer.psbt', BASE64) }),
      ...(signature === undefined
        ? {}
        : {
            signature: readText(signature, 'answer.signature', {
              lengthMax: 132,
              pattern: /^0x[0-9a-f]{130}$/,
            }),
          }),
      ...(address === undefined ? {} : { address: readText(address, 'answer.address', EVM_ADDRESS) }),
      journal: readHead(answer['journal']),
    };
  });
}

export function parseIdentityAnswer(value: unknown): Parsed<IdentityAnswer> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const fields = ['ok', 'signer', 'sealed', 'epoch', 'chain', 'xpub', 'fingerprint', 'evmAddress'];
    const answer = readObject(value, 'answer', fields);
    affirmed(answer['ok']);
    const fingerprint: TextRule = { lengthMax: 8, pattern: /^[0-9a-f]{8}$/ };
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      sealed: readBoolean(answer['sealed'], 'answer.sealed'),
      epoch: readNumber(answer['epoch'], 'answer.epoch', EPOCH_MAX),
      chain: readOneOf(answer['chain'], 'answer.chain', ['main', 'test'] as const),
      xpub: readText(answer['xpub'], 'answer.xpub', XPUB),
      fingerprint: readText(answer['fingerprint'], 'answer.fingerprint', fingerprint),
      evmAddress: readText(answer['evmAddress'], 'answer.evmAddress', EVM_ADDRESS),
    };
  });
}

export function parseStatusAnswer(value: unknown): Parsed<Status | Refused> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const answer = readObject(
      value,
      'answer',
      ['ok', 'signer', 'sealed', 'journal', 'ready', 'confirmed', 'freezes'],
      ['witness', 'policy'],
    );
    affirmed(answer['ok']);
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      sealed: readBoolean(answer['sealed'], 'answer.sealed'),
      journal: readHead(answer['journal']),
      ready: readBoolean(answer['ready'], 'answer.ready'),
      confirmed: readBoolean(answer['confirmed'], 'answer.confirmed'),
      freezes: readList(answer['freezes'], 'answer.freezes', { min: 0, max: FREEZES_MAX }, readStanding),
      witness: readList(answer['witness'] ?? [], 'answer.witness', { min: 0, max: 64 }, (one, path) =>
        readText(one, path, NETWORK),
      ),
      ...(answer['policy'] === undefined ? {} : { policy: readVersions(answer['policy']) }),
    };
  });
}

function readStanding(value: unknown, path: string): StandingFreeze {
  const freeze = readObject(value, path, ['id', 'scope', 'by', 'reason']);
  const id: TextRule = { lengthMax: 32, pattern: /^[0-9a-f]{32}$/ };
  return {
    id: readText(freeze['id'], `${path}.id`, id),
    scope: readText(freeze['scope'], `${path}.scope`, SCOPE),
    by: readText(freeze['by'], `${path}.by`, SIGNER_ID),
    reason: readText(freeze['reason'], `${path}.reason`, DETAIL),
  };
}

function readBitcoinPay(value: unknown): BitcoinPay {
  const fields = ['type', 'network', 'epoch', 'orders', 'psbt', 'inputs', 'outputs'];
  const request = readObject(value, 'request', fields, ['assertions']);
  return {
    type: 'bitcoin-pay',
    network: readText(request['network'], 'request.network', NETWORK),
    epoch: readNumber(request['epoch'], 'request.epoch', U32_MAX),
    orders: readList(request['orders'], 'request.orders', { min: 1, max: BITCOIN_ORDERS_MAX }, readOrder),
    assertions: readAssertions(request['assertions'], BITCOIN_ORDERS_MAX),
    psbt: readText(request['psbt'], 'request.psbt', BASE64),
    inputs: readList(
      request['inputs'],
      'request.inputs',
      { min: 1, max: BITCOIN_INPUTS_MAX },
      readInputClaim,
    ),
    outputs: readList(
      request['outputs'],
      'request.outputs',
      { min: 1, max: BITCOIN_OUTPUTS_MAX },
      readOutputClaim,
    ),
  };
}

function readEvmPay(value: unknown): EvmPay {
  const fields = ['type', 'network', 'epoch', 'vault', 'token', 'deadline', 'generation', 'orders'];
  const request = readObject(value, 'request', fields, ['assertions']);
  return {
    type: 'evm-pay',
    network: readText(request['network'], 'request.network', NETWORK),
    epoch: readNumber(request['epoch'], 'request.epoch', U32_MAX),
    vault: readText(request['vault'], 'request.vault', EVM_ADDRESS),
    token: readText(request['token'], 'request.token', EVM_ADDRESS),
    deadline: readDecimal(request['deadline'], 'request.deadline', U64_MAX),
    generation: readDecimal(request['generation'], 'request.generation', U64_MAX),
    orders: readList(request['orders'], 'request.orders', { min: 1, max: EVM_ORDERS_MAX }, readOrder),
    assertions: readAssertions(request['assertions'], EVM_ORDERS_MAX),
  };
}

function readAssertions(value: unknown, max: number): OrderAssertion[] {
  return readList(value ?? [], 'request.assertions', { min: 0, max }, readOrderAssertion);
}

function readBitcoinChild(value: unknown): BitcoinChildRequest {
  const request = readObject(value, 'request', ['type', 'network', 'epoch', 'psbt', 'inputs', 'outputs']);
  const one = { min: 1, max: 1 };
  return {
    type: 'bitcoin-child',
    network: readText(request['network'], 'request.network', NETWORK),
    epoch: readNumber(request['epoch'], 'request.epoch', U32_MAX),
    psbt: readText(request['psbt'], 'request.psbt', BASE64),
    inputs: readList(request['inputs'], 'request.inputs', one, readChangeInput),
    outputs: readList(request['outputs'], 'request.outputs', one, readChangeClaim),
  };
}

const readers: Readonly<Record<Pay['type'], (value: unknown) => Pay>> = {
  'bitcoin-pay': readBitcoinPay,
  'bitcoin-child': readBitcoinChild,
  'evm-pay': readEvmPay,
};

function readChangeInput(value: unknown, path: string): { branch: 1; index: number } {
  const { branch, index } = readInputClaim(value, path);
  if (branch !== 1) throw new MalformedError(`${path}.branch: 1 expected, a child spends change`);
  return { branch, index };
}

export function readInputClaim(value: unknown, path: string): InputClaim {
  const claim = readObject(value, path, ['branch', 'index']);
  const branch = readNumber(claim['branch'], `${path}.branch`, 1);
  return { branch: branch === 0 ? 0 : 1, index: readNumber(claim['index'], `${path}.index`, 2 ** 31 - 1) };
}

function readOutputClaim(value: unknown, path: string): { order: bigint } | { change: number } {
  if (typeof value === 'object' && value !== null && 'order' in value) {
    return { order: readDecimal(readObject(value, path, ['order'])['order'], `${path}.order`, U64_MAX) };
  }
  return readChangeClaim(value, path);
}

function readChangeClaim(value: unknown, path: string): { change: number } {
  return { change: readNumber(readObject(value, path, ['change'])['change'], `${path}.change`, 2 ** 31 - 1) };
}

export function affirmed(ok: unknown): void {
  if (ok !== true) throw new MalformedError('answer.ok: true or false expected');
}

export function readHead(value: unknown): JournalHead {
  const head = readObject(value, 'answer.journal', ['sequence', 'hash']);
  const hash = head['hash'];
  readHex(hash, 'answer.journal.hash', 32);
  const sequence = readDecimal(head['sequence'], 'answer.journal.sequence', U64_MAX);
  return { sequence: sequence.toString(), hash: hash as string };
}

export const isRefusal = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'ok' in value && value.ok === false;

export function readRefused(value: unknown): Refused {
  const answer = readObject(value, 'answer', ['ok', 'signer', 'code', 'detail'], ['order']);
  return {
    ok: false,
    signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
    code: readOneOf(answer['code'], 'answer.code', refusalCodes),
    detail: readText(answer['detail'], 'answer.detail', DETAIL),
    ...(answer['order'] === undefined
      ? {}
      : { order: readDecimal(answer['order'], 'answer.order', U64_MAX).toString() }),
  };
}
