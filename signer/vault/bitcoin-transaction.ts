/** A PSBT decoded strictly into the few facts that decisions rest on, and what it costs and commits to. */
import { base64 } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { Transaction } from '@scure/btc-signer';
import { concat, fromHex, toHex, u8 } from '../protocol/canonical.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { addSignatures, type PartialSignature } from './psbt-signatures.ts';

export interface TransactionInput {
  /** As people write it: reversed bytes, hex. */
  readonly txid: string;
  readonly vout: number;
  readonly amount: bigint;
  readonly script: Uint8Array;
  readonly witnessScript: Uint8Array;
  /** The transaction that it spends: bytes as the txid commits to them, without witnesses, and its inputs. */
  readonly previous: { readonly bytes: number; readonly inputs: number };
}

export interface TransactionOutput {
  readonly script: Uint8Array;
  readonly amount: bigint;
}

export interface UnsignedTransaction {
  readonly txid: string;
  readonly inputs: readonly TransactionInput[];
  readonly outputs: readonly TransactionOutput[];
  /** Adds partial signatures, one for each input, and gives the PSBT as base64. */
  withSignatures(signatures: readonly PartialSignature[]): string;
}

/** BIP-125: opts in to replacement, so that every attempt can be replaced. */
const SEQUENCE = 0xfffffffd;
const VERSION = 2;
const SIGHASH_ALL = 1;
/** What nodes relay: 400,000 weight units. */
const WEIGHT_MAX = 400_000;
const AMOUNT_MAX = 2_100_000_000_000_000n;
const INPUT_FIELDS = [
  'txid',
  'index',
  'sequence',
  'nonWitnessUtxo',
  'witnessUtxo',
  'witnessScript',
  'sighashType',
];
const OUTPUT_FIELDS = ['script', 'amount'];

/** Decodes base64 PSBT version 0. Every previous transaction is hashed and compared with its input (BIP-174). */
export function decodeTransaction(psbt: string): Decision<UnsignedTransaction> {
  const transaction = parse(psbt);
  if (transaction === undefined) return refuse('PSBT_MALFORMED', 'the PSBT cannot be decoded strictly');
  if (transaction.opts.PSBTVersion !== 0) return refuse('PSBT_MALFORMED', 'version 0 expected');
  if (transaction.version !== VERSION) return refuse('TX_VERSION', `version ${transaction.version}`);
  if (transaction.lockTime !== 0) return refuse('TX_LOCKTIME', `lock time ${transaction.lockTime}`);
  const inputs: TransactionInput[] = [];
  for (let i = 0; i < transaction.inputsLength; i++) {
    const input = readInput(transaction, i);
    if (!input.ok) return input;
    inputs.push(input.value);
  }
  const outputs: TransactionOutput[] = [];
  for (let i = 0; i < transaction.outputsLength; i++) {
    const { script, amount, ...rest } = transaction.getOutput(i);
    const odd = unknownField({ ...rest, script, amount }, OUTPUT_FIELDS);
    if (odd !== undefined) return refuse('PSBT_FIELD', `output ${i}: ${odd}`);
    if (script === undefined || amount === undefined) return refuse('PSBT_MALFORMED', `output ${i}`);
    if (amount < 0n || amount > AMOUNT_MAX) return refuse('PSBT_MALFORMED', `output ${i}: amount`);
    outputs.push({ script, amount });
  }
  if (new Set(inputs.map(outpoint)).size !== inputs.length)
    return refuse('INPUT_TWICE', 'an outpoint repeats');
  return accept({
    txid: txidOf(inputs, outputs),
    inputs,
    outputs,
    withSignatures: (signatures) => base64.encode(addSignatures(base64.decode(psbt), signatures)),
  });
}

/** `txid:vout`. */
export const outpoint = (input: { txid: string; vout: number }): string => `${input.txid}:${input.vout}`;

/**
 * Virtual bytes once `threshold` signatures are in each input, with signatures of 72 bytes (the most that low-s
 * ECDSA takes), so at most half a per cent more than the transaction will have. Undefined: nodes would not relay it.
 */
export function virtualSize(transaction: UnsignedTransaction, threshold: number): number | undefined {
  const stripped = serialize(transaction.inputs, transaction.outputs).length;
  let witness = 2;
  for (const { witnessScript } of transaction.inputs) witness += witnessBytes(witnessScript, threshold);
  const weight = 4 * stripped + witness;
  return weight > WEIGHT_MAX ? undefined : Math.ceil(weight / 4);
}

/** As virtualSize, of the transaction that an input spends, where that spends coins of this wallet alone. */
export function previousVirtualSize(
  { previous, witnessScript }: TransactionInput,
  threshold: number,
): number {
  const weight = 4 * previous.bytes + 2 + previous.inputs * witnessBytes(witnessScript, threshold);
  return Math.ceil(weight / 4);
}

/** The BIP-143 digests that SIGHASH_ALL signatures commit to, one for each input. */
export function signatureDigests(transaction: UnsignedTransaction): Uint8Array[] {
  const { inputs, outputs } = transaction;
  const outpoints = twice(concat(inputs.map(outpointBytes)));
  const sequences = twice(concat(inputs.map(() => little(SEQUENCE, 4))));
  const paid = twice(concat(outputs.map(outputBytes)));
  return inputs.map((input) =>
    twice(
      concat([
        little(VERSION, 4),
        outpoints,
        sequences,
        outpointBytes(input),
        varint(input.witnessScript.length),
        input.witnessScript,
        little(input.amount, 8),
        little(SEQUENCE, 4),
        paid,
        little(0, 4),
        little(SIGHASH_ALL, 4),
      ]),
    ),
  );
}

function parse(psbt: string): Transaction | undefined {
  try {
    return Transaction.fromPSBT(base64.decode(psbt), {
      strictPrevoutValidation: true,
      // It decodes every key of a witness script, four fifths of the time. That the script is the output's is
      // checked below, and that it is ours by comparing it with the one derived here.
      disableScriptCheck: true,
      unknown: 'strict',
      allowUnknownOutputs: true,
    });
  } catch {
    // The decoder throws for whatever is wrong, with text that may quote the input: the code says enough.
    return undefined;
  }
}

function readInput(transaction: Transaction, i: number): Decision<TransactionInput> {
  const input = transaction.getInput(i);
  const odd = unknownField(input, INPUT_FIELDS);
  if (odd !== undefined) return refuse('PSBT_FIELD', `input ${i}: ${odd}`);
  if ((input.sighashType ?? SIGHASH_ALL) !== SIGHASH_ALL) return refuse('SIGHASH', `input ${i}`);
  if (input.sequence !== SEQUENCE) return refuse('INPUT_SEQUENCE', `input ${i}`);
  const { txid, index, nonWitnessUtxo, witnessUtxo, witnessScript } = input;
  if (txid === undefined || index === undefined) return refuse('PSBT_MALFORMED', `input ${i}`);
  const previous = nonWitnessUtxo?.outputs[index];
  if (nonWitnessUtxo === undefined || previous === undefined || witnessUtxo === undefined) {
    return refuse('PREVIOUS_TX_MISMATCH', `input ${i}: the previous transaction is needed whole`);
  }
  const bytes = serializePrevious(nonWitnessUtxo);
  if (
    toHex(twice(bytes).toReversed()) !== toHex(txid) ||
    toHex(previous.script) !== toHex(witnessUtxo.script) ||
    previous.amount !== witnessUtxo.amount
  ) {
    // The decoder compares these too; they carry the amounts, so they are compared once more by own code.
    return refuse('PREVIOUS_TX_MISMATCH', `input ${i}`);
  }
  if (witnessScript === undefined) return refuse('PSBT_FIELD', `input ${i}: witnessScript is missing`);
  if (toHex(previous.script) !== `0020${toHex(sha256(witnessScript))}`)
    return refuse('PSBT_MALFORMED', `input ${i}: a witnessScript that is not the output's`);
  if (previous.amount < 0n || previous.amount > AMOUNT_MAX)
    return refuse('PSBT_MALFORMED', `input ${i}: amount`);
  return accept({
    txid: toHex(txid),
    vout: index,
    amount: previous.amount,
    script: previous.script,
    witnessScript,
    previous: { bytes: bytes.length, inputs: nonWitnessUtxo.inputs.length },
  });
}

interface Previous {
  readonly version: number;
  readonly inputs: readonly {
    txid: Uint8Array;
    index: number;
    finalScriptSig: Uint8Array;
    sequence: number;
  }[];
  readonly outputs: readonly TransactionOutput[];
  readonly lockTime: number;
}

function serializePrevious({ version, inputs, outputs, lockTime }: Previous): Uint8Array {
  return concat([
    little(version < 0 ? version + 2 ** 32 : version, 4),
    varint(inputs.length),
    ...inputs.map((from) =>
      concat([
        from.txid.toReversed(),
        little(from.index, 4),
        varint(from.finalScriptSig.length),
        from.finalScriptSig,
        little(from.sequence, 4),
      ]),
    ),
    varint(outputs.length),
    ...outputs.map(outputBytes),
    little(lockTime, 4),
  ]);
}

/** Weight of one input's witness: its count and an empty item, signatures with their lengths, the script. */
function witnessBytes(witnessScript: Uint8Array, threshold: number): number {
  return 2 + threshold * 73 + varint(witnessScript.length).length + witnessScript.length;
}

function unknownField(value: object, allowed: readonly string[]): string | undefined {
  return Object.entries(value).find(([key, field]) => field !== undefined && !allowed.includes(key))?.[0];
}

function txidOf(inputs: readonly TransactionInput[], outputs: readonly TransactionOutput[]): string {
  return toHex(twice(serialize(inputs, outputs)).toReversed());
}

/** Without witnesses, as the txid commits to it (BIP-141). */
function serialize(inputs: readonly TransactionInput[], outputs: readonly TransactionOutput[]): Uint8Array {
  return concat([
    little(VERSION, 4),
    varint(inputs.length),
    ...inputs.map((input) => concat([outpointBytes(input), u8(0), little(SEQUENCE, 4)])),
    varint(outputs.length),
    ...outputs.map(outputBytes),
    little(0, 4),
  ]);
}

const twice = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));

const outpointBytes = (input: TransactionInput): Uint8Array =>
  concat([fromHex(input.txid).toReversed(), little(input.vout, 4)]);

const outputBytes = (output: TransactionOutput): Uint8Array =>
  concat([little(output.amount, 8), varint(output.script.length), output.script]);

function varint(value: number): Uint8Array {
  if (value < 0xfd) return u8(value);
  return value <= 0xffff ? concat([u8(0xfd), little(value, 2)]) : concat([u8(0xfe), little(value, 4)]);
}

function little(value: number | bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, rest = BigInt(value); i < length; i++, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}
