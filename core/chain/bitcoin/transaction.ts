import { hash } from 'node:crypto';
import { hashText } from './parse-block.ts';

/** What an input spends: enough to build, to price and to sign it. */
export interface TransactionInput {
  readonly txId: string;
  readonly vout: number;
  /** Satoshi. */
  readonly units: bigint;
}

export interface TransactionOutput {
  readonly script: Uint8Array;
  /** Satoshi. */
  readonly units: bigint;
}

export interface PlainTransaction {
  readonly inputs: readonly TransactionInput[];
  readonly outputs: readonly TransactionOutput[];
}

/** The one form that signers sign: version 2, no lock time, replaceable (BIP-125), SIGHASH_ALL. */
export const VERSION = 2;
export const SEQUENCE = 0xfffffffd;
export const SIGHASH_ALL = 1;
/** What nodes relay: 400,000 weight units (Bitcoin Core, MAX_STANDARD_TX_WEIGHT). */
export const WEIGHT_MAX = 400_000;
/** DER of a low-s signature takes at most 71 bytes, and one names the sighash. */
const SIGNATURE_BYTES = 72;
const INPUT_BYTES = 41;

/** Sizes of a wallet's inputs: all alike, for they have one script form. */
export interface InputForm {
  readonly threshold: number;
  readonly witnessScriptBytes: number;
}

export function inputFormOf(wallet: {
  readonly threshold: number;
  readonly xpubs: readonly string[];
}): InputForm {
  return { threshold: wallet.threshold, witnessScriptBytes: 3 + 34 * wallet.xpubs.length };
}

/** Weight units once every input is signed, with signatures at their longest (BIP-141). */
export function weightOf(inputs: number, outputBytes: number, outputs: number, form: InputForm): number {
  const stripped = 8 + varintBytes(inputs) + inputs * INPUT_BYTES + varintBytes(outputs) + outputBytes;
  const witness =
    2 +
    form.threshold * (1 + SIGNATURE_BYTES) +
    varintBytes(form.witnessScriptBytes) +
    form.witnessScriptBytes;
  return 4 * stripped + 2 + inputs * witness;
}

/** Bytes that an output takes in the transaction. */
export function outputBytesOf(output: { readonly script: Uint8Array }): number {
  return 8 + varintBytes(output.script.length) + output.script.length;
}

/** Satoshi: rounded up, so that the rate is never below what was asked. */
export function feeFor(vbytes: number, feeRateSatPerVb: number): bigint {
  return BigInt(Math.ceil(vbytes * feeRateSatPerVb));
}

/** Satoshi below which nodes do not relay an output of this script (Bitcoin Core, GetDustThreshold, 3 sat/vB). */
export function dustLimitOf(script: Uint8Array): bigint {
  const witness = script.length >= 4 && script.length <= 42 && script[1] === script.length - 2;
  const version = script[0] ?? 0xff;
  const program = witness && (version === 0 || (version >= 0x51 && version <= 0x60));
  return 3n * BigInt(outputBytesOf({ script }) + (program ? 67 : 148));
}

/** Without witnesses: what the txid commits to. */
export function serialize({ inputs, outputs }: PlainTransaction): Buffer {
  return Buffer.concat([
    u32(VERSION),
    varint(inputs.length),
    ...inputs.flatMap((input) => [outpoint(input), Buffer.of(0), u32(SEQUENCE)]),
    varint(outputs.length),
    ...outputs.map(outputOf),
    u32(0),
  ]);
}

/** With one witness stack for each input. */
export function serializeSigned(
  { inputs, outputs }: PlainTransaction,
  witnesses: readonly (readonly Uint8Array[])[],
): Buffer {
  return Buffer.concat([
    u32(VERSION),
    Buffer.of(0, 1),
    varint(inputs.length),
    ...inputs.flatMap((input) => [outpoint(input), Buffer.of(0), u32(SEQUENCE)]),
    varint(outputs.length),
    ...outputs.map(outputOf),
    ...witnesses.flatMap((stack) => [
      varint(stack.length),
      ...stack.flatMap((item) => [varint(item.length), item]),
    ]),
    u32(0),
  ]);
}

export function txIdOfPlain(transaction: PlainTransaction): string {
  return hashText(sha256d(serialize(transaction)));
}

/** BIP-143 digest that a SIGHASH_ALL signature of each input commits to, in the order of the inputs. */
export function signatureDigests(
  transaction: PlainTransaction,
  witnessScripts: readonly Uint8Array[],
): Buffer[] {
  const { inputs, outputs } = transaction;
  const outpoints = sha256d(Buffer.concat(inputs.map(outpoint)));
  const sequences = sha256d(Buffer.concat(inputs.map(() => u32(SEQUENCE))));
  const paid = sha256d(Buffer.concat(outputs.map(outputOf)));
  return inputs.map((input, i) => {
    const witnessScript = witnessScripts[i] ?? new Uint8Array();
    return sha256d(
      Buffer.concat([
        u32(VERSION),
        outpoints,
        sequences,
        outpoint(input),
        varint(witnessScript.length),
        witnessScript,
        u64(input.units),
        u32(SEQUENCE),
        paid,
        u32(0),
        u32(SIGHASH_ALL),
      ]),
    );
  });
}

export function feeOf({ inputs, outputs }: PlainTransaction): bigint {
  return sumOf(inputs) - sumOf(outputs);
}

export function sumOf(items: readonly { readonly units: bigint }[]): bigint {
  return items.reduce((sum, item) => sum + item.units, 0n);
}

function outpoint({ txId, vout }: TransactionInput): Buffer {
  return Buffer.concat([Buffer.from(txId, 'hex').toReversed(), u32(vout)]);
}

function outputOf({ script, units }: TransactionOutput): Buffer {
  return Buffer.concat([u64(units), varint(script.length), script]);
}

function varint(value: number): Buffer {
  if (value < 0xfd) return Buffer.of(value);
  const bytes = Buffer.alloc(value <= 0xffff ? 3 : 5);
  bytes[0] = value <= 0xffff ? 0xfd : 0xfe;
  if (value <= 0xffff) bytes.writeUInt16LE(value, 1);
  else bytes.writeUInt32LE(value, 1);
  return bytes;
}

function varintBytes(value: number): number {
  return value < 0xfd ? 1 : value <= 0xffff ? 3 : 5;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function sha256d(bytes: Uint8Array): Buffer {
  return hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer');
}
