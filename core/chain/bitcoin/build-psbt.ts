import assert from 'node:assert/strict';
import { base64 } from '@scure/base';
import { RawTx, Transaction } from '@scure/btc-signer';
import { deriveScript, type BitcoinWallet } from './derive.ts';
import type { Coin } from './select-coins.ts';
import {
  feeOf,
  inputFormOf,
  outputBytesOf,
  SEQUENCE,
  txIdOfPlain,
  VERSION,
  weightOf,
  type TransactionOutput,
} from './transaction.ts';

/** An output and what it is for, as signers are told: an order's payment, or change at an index of branch 1. */
export interface ClaimedOutput extends TransactionOutput {
  readonly claim: { readonly order: string } | { readonly change: number };
}

/** One chain transaction before signatures. Everything in it follows from inputs and outputs. */
export interface PsbtPlan {
  readonly inputs: readonly Coin[];
  readonly outputs: readonly ClaimedOutput[];
}

/** The Bitcoin part of a sign request, with its price. */
export interface BuiltPsbt {
  /** Base64, version 0, unsigned. */
  readonly psbt: string;
  readonly inputs: readonly { readonly branch: 0 | 1; readonly index: number }[];
  readonly outputs: readonly ({ readonly order: string } | { readonly change: number })[];
  readonly txId: string;
  readonly feeSat: bigint;
  readonly vbytes: number;
  readonly plan: PsbtPlan;
}

export interface PayOptions {
  readonly wallet: BitcoinWallet;
  /** What selectCoins chose. */
  readonly coins: readonly Coin[];
  readonly orders: readonly {
    readonly orderNumber: bigint;
    readonly script: Uint8Array;
    readonly units: bigint;
  }[];
  /** An index of branch 1 that is watched; ignored without change. */
  readonly changeIndex: number;
  readonly changeSat: bigint;
  /** Raw previous transactions by id, without witness: see previousTransactions. */
  readonly previous: ReadonlyMap<string, Uint8Array>;
}

/** One transaction that pays many orders. Inputs and outputs are in the order of BIP-69: change hides among them. */
export function buildPayPsbt(options: PayOptions): BuiltPsbt {
  const { wallet, coins, orders, changeIndex, changeSat, previous } = options;
  const outputs = paymentOutputs(orders);
  if (changeSat > 0n) outputs.push(changeOutput(wallet, changeIndex, changeSat));
  return buildPsbt(wallet, { inputs: coins, outputs }, previous);
}

export function paymentOutputs(orders: PayOptions['orders']): ClaimedOutput[] {
  return orders.map(({ orderNumber, script, units }) => ({
    script,
    units,
    claim: { order: orderNumber.toString() },
  }));
}

export function changeOutput(wallet: BitcoinWallet, index: number, units: bigint): ClaimedOutput {
  return { script: deriveScript(wallet, 1, index).script, units, claim: { change: index } };
}

/** PSBT of a plan: each input with its whole previous transaction, so that no signer must believe an amount. */
export function buildPsbt(
  wallet: BitcoinWallet,
  unordered: PsbtPlan,
  previous: ReadonlyMap<string, Uint8Array>,
): BuiltPsbt {
  const plan = inBip69Order(unordered);
  const feeSat = feeOf(plan);
  assert.ok(plan.inputs.length > 0 && plan.outputs.length > 0, 'a transaction has inputs and outputs');
  assert.ok(feeSat >= 0n, 'outputs do not exceed inputs');
  const transaction = new Transaction({ version: VERSION, lockTime: 0, allowUnknownOutputs: true });
  for (const coin of plan.inputs) {
    const { script, witnessScript } = deriveScript(wallet, coin.branch, coin.index);
    const nonWitnessUtxo = previous.get(coin.txId);
    assert.ok(nonWitnessUtxo, `the previous transaction ${coin.txId} is here`);
    transaction.addInput({
      txid: coin.txId,
      index: coin.vout,
      sequence: SEQUENCE,
      nonWitnessUtxo,
      witnessUtxo: { script, amount: coin.units },
      witnessScript,
    });
  }
  for (const { script, units } of plan.outputs) transaction.addOutput({ script, amount: units });
  const txId = txIdOfPlain(plan);
  assert.equal(transaction.id, txId, 'two serialisations give one transaction');
  return {
    psbt: base64.encode(transaction.toPSBT(0)),
    inputs: plan.inputs.map(({ branch, index }) => ({ branch, index })),
    outputs: plan.outputs.map(({ claim }) => claim),
    txId,
    feeSat,
    vbytes: vbytesOf(wallet, plan),
    plan,
  };
}

/** Virtual bytes of a plan once it is signed, at most half a per cent above the truth. */
export function vbytesOf(wallet: BitcoinWallet, { inputs, outputs }: PsbtPlan): number {
  const bytes = outputs.reduce((sum, output) => sum + outputBytesOf(output), 0);
  return Math.ceil(weightOf(inputs.length, bytes, outputs.length, inputFormOf(wallet)) / 4);
}

/** What a stored request asked the signers to sign. */
export interface StoredRequest {
  readonly psbt: string;
  readonly inputs: readonly { readonly branch: 0 | 1; readonly index: number }[];
  readonly outputs: readonly ({ readonly order: string } | { readonly change: number })[];
}

/** The plan behind a stored request, for replacing it or for finishing it. */
export function planOf(
  request: StoredRequest,
): PsbtPlan & { readonly witnessScripts: readonly Uint8Array[] } {
  const transaction = readPsbt(request.psbt);
  const witnessScripts: Uint8Array[] = [];
  const inputs = request.inputs.map((claim, i) => {
    const { txid, index, witnessUtxo, witnessScript } = transaction.getInput(i);
    assert.ok(txid && index !== undefined && witnessUtxo && witnessScript, `input ${i} is complete`);
    witnessScripts.push(witnessScript);
    const txId = Buffer.from(txid).toString('hex');
    return { txId, vout: index, units: witnessUtxo.amount, ...claim, blockHash: null };
  });
  const outputs = request.outputs.map((claim, i) => {
    const { script, amount } = transaction.getOutput(i);
    assert.ok(script && amount !== undefined, `output ${i} is complete`);
    return { script, units: amount, claim };
  });
  assert.equal(inputs.length, transaction.inputsLength, 'a claim for each input');
  assert.equal(outputs.length, transaction.outputsLength, 'a claim for each output');
  return { inputs, outputs, witnessScripts };
}

/** The previous transactions inside a stored request, by id. */
export function previousIn(request: StoredRequest): Map<string, Uint8Array> {
  const transaction = readPsbt(request.psbt);
  const found = new Map<string, Uint8Array>();
  for (let i = 0; i < transaction.inputsLength; i += 1) {
    const { txid, nonWitnessUtxo } = transaction.getInput(i);
    assert.ok(txid && nonWitnessUtxo, `input ${i} has its previous transaction`);
    found.set(Buffer.from(txid).toString('hex'), RawTx.encode(nonWitnessUtxo));
  }
  return found;
}

/** Our own PSBT. Throws when it is none: a stored request is never malformed. */
export function readPsbt(psbt: string): Transaction {
  return Transaction.fromPSBT(base64.decode(psbt), {
    strictPrevoutValidation: true,
    allowUnknownOutputs: true,
  });
}

function inBip69Order({ inputs, outputs }: PsbtPlan): PsbtPlan {
  return {
    inputs: inputs.toSorted((a, b) => compareText(a.txId, b.txId) || a.vout - b.vout),
    outputs: outputs.toSorted((a, b) =>
      a.units === b.units ? Buffer.compare(a.script, b.script) : a.units < b.units ? -1 : 1,
    ),
  };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
