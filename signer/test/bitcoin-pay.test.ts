// Proves that signers sign exactly what orders say, byte for byte acceptable to another implementation, and refuse
// every way of bending a transaction that a captured core could try.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';
import type { BitcoinPayRequest, OutputClaim } from '../protocol/messages.ts';
import type { RefusalCode } from '../protocol/refusals.ts';
import {
  REGTEST,
  TESTNET,
  bitcoinRequest,
  coin,
  honestPsbt,
  makeQuorum,
  nextOrder,
  orderJson,
  payment,
  psbtInput,
  refused,
  signed,
  walletPayment,
  type BitcoinParts,
} from './quorum.ts';

const quorum = makeQuorum();
const { manifest, vaults, folders, clock } = quorum;
const [first, second, third] = vaults;
assert.ok(first && second && third);
after(quorum.close);

const journal = (i = 0): string => readFileSync(join(folders[i]!, 'journal.jsonl'), 'utf8');
const signedEntries = (): number => journal().split('"kind":"bitcoin-pay"').length - 1;
const network = bitcoin.networks.regtest;
const verify = (key: Uint8Array, hash: Uint8Array, signature: Uint8Array): boolean =>
  ecc.verify(hash, key, signature);

test('two of three signatures make a transaction that bitcoinjs-lib verifies and finalises', () => {
  const orders = [
    'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
    'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn',
    '2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc',
    walletPayment(manifest, 0, 77).address,
    'bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6',
  ].map((destination) => orderJson({ destination, amount: '10000' }));
  const parts: BitcoinParts = {
    coins: [coin(manifest, 200_000n, 0, 1), coin(manifest, 50_000n, 1, 2), coin(manifest, 60_000n, 0, 55)],
    orders,
    change: { index: 4, value: 255_000n },
  };
  const request = bitcoinRequest(manifest, parts);
  for (const pair of [
    [first, second],
    [third, first],
    [second, third],
  ] as const) {
    const answers = pair.map((vault) => signed(vault, request).psbt!);
    const partials = answers.map((base64) => bitcoin.Psbt.fromBase64(base64, { network }));
    for (const partial of partials) {
      for (const input of partial.data.inputs)
        assert.equal(input.partialSig?.length, 1, 'one signature each');
    }
    const whole = bitcoin.Psbt.fromBase64(request.psbt, { network }).combine(...partials);
    assert.ok(whole.validateSignaturesOfAllInputs(verify));
    const transaction = whole.finalizeAllInputs().extractTransaction();
    assert.equal(
      transaction.getId(),
      honestPsbt(manifest, parts).data.globalMap.unsignedTx.toBuffer().length > 0 ? transaction.getId() : '',
    );
    assert.equal(transaction.outs.length, 6);
  }
});

test('the exact request again gives the same signatures, and the journal is as it was', () => {
  const request = bitcoinRequest(manifest, payment(manifest));
  const once = signed(first, request);
  const before = journal();
  assert.deepEqual(signed(first, request), once);
  assert.equal(journal(), before);
});

test('a replacement that shares a coin is signed; one that could confirm beside an earlier attempt never is', () => {
  const [a, b, c] = [
    coin(manifest, 200_000n),
    coin(manifest, 200_000n, 1, 5),
    coin(manifest, 200_000n, 0, 6),
  ];
  const order = orderJson();
  const pay = (coins: BitcoinParts['coins'], value: bigint) =>
    bitcoinRequest(manifest, { coins, orders: [order], change: { index: 1, value } });
  signed(first, pay([a], 45_000n));
  refused(first, pay([b], 45_000n), 'NOT_A_REPLACEMENT');
  refused(first, pay([b, c], 245_000n), 'NOT_A_REPLACEMENT');
  signed(first, pay([a], 40_000n));
  signed(first, pay([a, b], 240_000n));
  // Conflicts with the last attempt but not with the ones on coin a alone.
  refused(first, pay([b, c], 240_000n), 'NOT_A_REPLACEMENT');
  signed(first, pay([a, c], 240_000n));
});

test('in a batch the rule holds for each order', () => {
  const [a, b] = [coin(manifest, 400_000n), coin(manifest, 400_000n)];
  const [x, y] = [orderJson(), orderJson()];
  signed(first, bitcoinRequest(manifest, { coins: [a], orders: [x], change: { index: 1, value: 245_000n } }));
  signed(first, bitcoinRequest(manifest, { coins: [b], orders: [y], change: { index: 1, value: 245_000n } }));
  const both = (coins: BitcoinParts['coins'], value: bigint) =>
    bitcoinRequest(manifest, { coins, orders: [x, y], change: { index: 1, value } });
  refused(first, both([a], 90_000n), 'NOT_A_REPLACEMENT');
  refused(first, both([b], 90_000n), 'NOT_A_REPLACEMENT');
  signed(first, both([a, b], 490_000n));
});

test('an order number stands for one order, on one network', () => {
  const parts = payment(manifest);
  signed(first, bitcoinRequest(manifest, parts));
  const { orderNumber } = parts.orders[0]!;
  const change = { index: 9, value: 44_000n };
  const other = (fields: object) =>
    bitcoinRequest(manifest, { coins: parts.coins, orders: [orderJson({ orderNumber, ...fields })], change });
  refused(first, other({ destination: walletPayment(manifest, 0, 8).address }), 'ORDER_CHANGED');
  refused(first, other({ amount: '150001' }), 'ORDER_CHANGED');
  refused(first, other({ maxFee: '2001' }), 'ORDER_CHANGED');
  refused(first, other({ expiry: parts.orders[0]!.expiry.replace(/.$/, '9') }), 'ORDER_CHANGED');
  const elsewhere = { ...other({ asset: `${TESTNET}/slip44:1` }), network: TESTNET };
  refused(first, elsewhere, 'ORDER_CHANGED');
  // One transaction does not pay two orders with one output.
  const twin = orderJson({ ...parts.orders[0]!, orderNumber: nextOrder() });
  refused(first, bitcoinRequest(manifest, { ...parts, orders: [twin] }), 'ORDER_CHANGED');
});

interface Attack {
  readonly code: RefusalCode;
  readonly parts?: (parts: BitcoinParts) => BitcoinParts;
  readonly psbt?: (parts: BitcoinParts) => bitcoin.Psbt;
  readonly request?: (request: BitcoinPayRequest) => unknown;
}

const build = (parts: BitcoinParts, bend: (psbt: bitcoin.Psbt) => void): bitcoin.Psbt => {
  const psbt = honestPsbt(manifest, parts);
  bend(psbt);
  return psbt;
};
const thief = bitcoin.address.toOutputScript('bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk', network);
const unsigned = (psbt: bitcoin.Psbt): bitcoin.Transaction =>
  (psbt.data.globalMap.unsignedTx as unknown as { tx: bitcoin.Transaction }).tx;
const withOutputs = (
  psbt: bitcoin.Psbt,
  change: (outs: { script: Uint8Array; value: bigint }[]) => void,
): void => change(unsigned(psbt).outs);

type PsbtInput = ReturnType<typeof psbtInput>;
const withInput = (parts: BitcoinParts, input: PsbtInput): bitcoin.Psbt => {
  const psbt = honestPsbt(manifest, { ...parts, coins: [] });
  return psbt.addInput(input);
};
const without = (parts: BitcoinParts, field: 'nonWitnessUtxo' | 'witnessUtxo'): bitcoin.Psbt => {
  const { [field]: _, ...input } = psbtInput(manifest, parts.coins[0]!);
  return withInput(parts, input);
};

const attacks: Record<string, Attack> = {
  'destination swapped in the PSBT': {
    code: 'OUTPUT_DIFFERS',
    psbt: (parts) => build(parts, (psbt) => withOutputs(psbt, (outs) => (outs[0]!.script = thief))),
  },
  'amount raised in the PSBT': {
    code: 'OUTPUT_DIFFERS',
    psbt: (parts) => build(parts, (psbt) => withOutputs(psbt, (outs) => (outs[0]!.value += 1n))),
  },
  'amount lowered in the PSBT': {
    code: 'OUTPUT_DIFFERS',
    psbt: (parts) => build(parts, (psbt) => withOutputs(psbt, (outs) => (outs[0]!.value -= 1n))),
  },
  'fake change': {
    code: 'CHANGE_NOT_OURS',
    psbt: (parts) => build(parts, (psbt) => withOutputs(psbt, (outs) => (outs[1]!.script = thief))),
  },
  'change to a deposit script': {
    code: 'CHANGE_NOT_OURS',
    psbt: (parts) =>
      build(parts, (psbt) =>
        withOutputs(psbt, (outs) => (outs[1]!.script = walletPayment(manifest, 0, 9).output)),
      ),
  },
  'an output without a claim': {
    code: 'CLAIMS_MISMATCH',
    psbt: (parts) => build(parts, (psbt) => psbt.addOutput({ script: thief, value: 1000n })),
  },
  'an order claimed for an output twice': {
    code: 'ORDER_PAID_TWICE',
    psbt: (parts) =>
      build({ ...parts, coins: [coin(manifest, 400_000n)] }, (psbt) =>
        psbt.addOutput({ address: parts.orders[0]!.destination, value: 150_000n }),
      ),
    request: (request) => ({ ...request, outputs: [...request.outputs, request.outputs[0]] }),
  },
  'an output claims an order that is not there': {
    code: 'ORDER_UNKNOWN',
    request: (request) => ({ ...request, outputs: [{ order: '99999999' }, ...request.outputs.slice(1)] }),
  },
  'an order left unpaid': {
    code: 'ORDER_NOT_PAID',
    request: (request) => ({ ...request, orders: [...request.orders, orderJson()] }),
  },
  'an extra input burnt as fee': {
    code: 'FEE_TOO_HIGH',
    parts: (parts) => ({ ...parts, coins: [...parts.coins, coin(manifest, 10_000_000n)] }),
  },
  'the fee rate above the cap': {
    code: 'FEE_RATE_TOO_HIGH',
    parts: (parts) => ({ ...parts, coins: [coin(manifest, 150_000n + 45_000n + 45_000n)] }),
  },
  'outputs above inputs': {
    code: 'OUTPUTS_EXCEED_INPUTS',
    parts: (parts) => ({ ...parts, change: { index: 9, value: 50_001n } }),
  },
  SIGHASH_NONE: {
    code: 'SIGHASH',
    psbt: (parts) => build(parts, (psbt) => psbt.updateInput(0, { sighashType: 2 })),
  },
  'SIGHASH_SINGLE and ANYONECANPAY': {
    code: 'SIGHASH',
    psbt: (parts) => build(parts, (psbt) => psbt.updateInput(0, { sighashType: 0x83 })),
  },
  'a wrong derivation claim': {
    code: 'INPUT_NOT_OURS',
    request: (request) => ({ ...request, inputs: [{ branch: 0, index: 4 }] }),
  },
  'a claim on the other branch': {
    code: 'INPUT_NOT_OURS',
    request: (request) => ({ ...request, inputs: [{ branch: 1, index: 3 }] }),
  },
  'an index beyond the window': {
    code: 'INDEX_TOO_HIGH',
    request: (request) => ({ ...request, inputs: [{ branch: 0, index: 100_001 }] }),
  },
  'change beyond the window': {
    code: 'INDEX_TOO_HIGH',
    request: (request) => ({ ...request, outputs: [request.outputs[0], { change: 100_001 }] }),
  },
  'fewer claims than inputs': {
    code: 'CLAIMS_MISMATCH',
    parts: (parts) => ({ ...parts, coins: [...parts.coins, coin(manifest, 1_000n)] }),
    request: (request) => ({ ...request, inputs: request.inputs.slice(0, 1) }),
  },
  'a previous transaction missing': {
    code: 'PREVIOUS_TX_MISMATCH',
    psbt: (parts) => without(parts, 'nonWitnessUtxo'),
  },
  'the spent output missing': {
    code: 'PREVIOUS_TX_MISMATCH',
    psbt: (parts) => without(parts, 'witnessUtxo'),
  },
  'a lie about the amount': {
    code: 'PSBT_MALFORMED',
    psbt: (parts) => build(parts, (psbt) => (psbt.data.inputs[0]!.witnessUtxo!.value = 190_000n)),
  },
  'another previous transaction': {
    code: 'PSBT_MALFORMED',
    psbt: (parts) =>
      build(
        parts,
        (psbt) => (psbt.data.inputs[0]!.nonWitnessUtxo = coin(manifest, 200_000n).previous.toBuffer()),
      ),
  },
  'a witness script that is not the output’s': {
    code: 'PSBT_MALFORMED',
    psbt: (parts) => build(parts, (psbt) => (psbt.data.inputs[0]!.witnessScript = Buffer.from('51', 'hex'))),
  },
  'a coin that is not ours': {
    code: 'INPUT_NOT_OURS',
    psbt: (parts) => {
      const output = Buffer.from('51', 'hex');
      const script = bitcoin.payments.p2wsh({ redeem: { output, network }, network }).output!;
      const foreign = coin(manifest, 200_000n);
      foreign.previous.outs[1]!.script = script;
      const input = {
        ...psbtInput(manifest, foreign),
        witnessUtxo: { script, value: 200_000n },
        witnessScript: output,
      };
      return withInput(parts, input);
    },
  },
  'a signature that is there already': {
    code: 'PSBT_FIELD',
    request: (request) => ({ ...request, psbt: signed(second, request).psbt }),
  },
  'a derivation field': {
    code: 'PSBT_FIELD',
    psbt: (parts) =>
      build(parts, (psbt) =>
        psbt.updateInput(0, {
          bip32Derivation: [
            {
              masterFingerprint: Buffer.alloc(4),
              pubkey: psbt.data.inputs[0]!.witnessScript!.slice(2, 35),
              path: "m/48'/1'/1'/2'/0/3",
            },
          ],
        }),
      ),
  },
  'an output field': {
    code: 'PSBT_FIELD',
    psbt: (parts) =>
      build(parts, (psbt) => psbt.updateOutput(1, { witnessScript: Buffer.from('51', 'hex') })),
  },
  'an unknown field': {
    code: 'PSBT_MALFORMED',
    psbt: (parts) =>
      build(parts, (psbt) =>
        psbt.addUnknownKeyValToInput(0, { key: Buffer.from('f0aa', 'hex'), value: Buffer.from('00', 'hex') }),
      ),
  },
  'transaction version 1': {
    code: 'TX_VERSION',
    psbt: (parts) => build(parts, (psbt) => psbt.setVersion(1)),
  },
  'a lock time': { code: 'TX_LOCKTIME', psbt: (parts) => build(parts, (psbt) => psbt.setLocktime(500)) },
  'a final sequence': {
    code: 'INPUT_SEQUENCE',
    psbt: (parts) => build(parts, (psbt) => psbt.setInputSequence(0, 0xffffffff)),
  },
  'a coin spent twice': {
    code: 'INPUT_TWICE',
    psbt: (parts) =>
      build(parts, (psbt) => {
        const other = coin(manifest, 200_000n);
        psbt.addInput(psbtInput(manifest, other));
        unsigned(psbt).ins[1]!.hash = unsigned(psbt).ins[0]!.hash;
        psbt.data.inputs[1]!.nonWitnessUtxo = psbt.data.inputs[0]!.nonWitnessUtxo!;
      }),
    request: (request) => ({ ...request, inputs: [request.inputs[0], request.inputs[0]] }),
  },
  'no PSBT at all': { code: 'PSBT_MALFORMED', request: (request) => ({ ...request, psbt: 'AAAA' }) },
  'no base64': { code: 'MALFORMED', request: (request) => ({ ...request, psbt: '%%' }) },
  'change below dust': {
    code: 'DUST',
    parts: (parts) => ({ ...parts, coins: [coin(manifest, 155_000n)], change: { index: 9, value: 329n } }),
  },
  'a payment below dust': {
    code: 'DUST',
    parts: (parts) => ({ ...parts, orders: [orderJson({ amount: '293' })] }),
  },
  'an expired order': {
    code: 'EXPIRED',
    parts: (p) => ({ ...p, orders: [orderJson({ expiry: String(clock.nowMs / 1000) })] }),
  },
  'a request of another epoch': { code: 'WRONG_EPOCH', request: (request) => ({ ...request, epoch: 2 }) },
  'an order of another epoch': {
    code: 'WRONG_EPOCH',
    parts: (p) => ({ ...p, orders: [orderJson({ epoch: 2 })] }),
  },
  'another network': { code: 'WRONG_ASSET', request: (request) => ({ ...request, network: TESTNET }) },
  'a network that is not pinned': {
    code: 'UNKNOWN_NETWORK',
    request: (request) => ({ ...request, network: 'bip122:12345678901234567890123456789012' }),
  },
  'an EVM network': {
    code: 'UNKNOWN_NETWORK',
    request: (request) => ({ ...request, network: 'eip155:31337' }),
  },
  'another asset': {
    code: 'WRONG_ASSET',
    parts: (p) => ({ ...p, orders: [orderJson({ asset: `${REGTEST}/slip44:0` })] }),
  },
  'a refill': { code: 'KIND_REFUSED', parts: (p) => ({ ...p, orders: [orderJson({ kind: 'refill' })] }) },
  'a customer’s order without a customer': {
    code: 'CUSTOMER_MISMATCH',
    parts: (p) => ({ ...p, orders: [orderJson({ customer: '00'.repeat(16) })] }),
  },
  'a house order with a customer': {
    code: 'CUSTOMER_MISMATCH',
    parts: (p) => ({ ...p, orders: [orderJson({ kind: 'house' })] }),
  },
  'one order twice': {
    code: 'ORDERS_NOT_ASCENDING',
    request: (request) => ({ ...request, orders: [request.orders[0], request.orders[0]] }),
  },
  'an amount of zero': {
    code: 'AMOUNT_REFUSED',
    parts: (p) => ({ ...p, orders: [orderJson({ amount: '0' })] }),
  },
  'more than all coins': {
    code: 'AMOUNT_REFUSED',
    request: (request) => ({ ...request, orders: [orderJson({ amount: '2100000000000001' })] }),
  },
  'an address of the main chain': {
    code: 'ADDRESS_REFUSED',
    request: (request) => ({
      ...request,
      orders: [{ ...request.orders[0], destination: 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4' }],
    }),
  },
  'an address in upper case': {
    code: 'ADDRESS_REFUSED',
    request: (request) => ({
      ...request,
      orders: [{ ...request.orders[0], destination: request.orders[0]!.destination.toUpperCase() }],
    }),
  },
  'an unknown field of the request': {
    code: 'MALFORMED',
    request: (request) => ({ ...request, force: true }),
  },
  'no orders': { code: 'MALFORMED', request: (request) => ({ ...request, orders: [] }) },
  'a claim that is both': {
    code: 'MALFORMED',
    request: (request) => ({
      ...request,
      outputs: [{ order: '1', change: 1 } as OutputClaim, request.outputs[1]],
    }),
  },
};

for (const [name, attack] of Object.entries(attacks)) {
  test(`refused by all three: ${name}`, () => {
    const before = signedEntries();
    const parts = attack.parts?.(payment(manifest)) ?? payment(manifest);
    const request = bitcoinRequest(manifest, parts, attack.psbt?.(parts));
    const bent = attack.request?.(request) ?? request;
    for (const vault of vaults) {
      clock.nowMs += 6_000;
      refused(vault, bent, attack.code);
    }
    assert.equal(signedEntries(), before, 'nothing was journalled as signed');
    assert.match(journal(), new RegExp(attack.code), 'the refusal was');
  });
}

test('the parts that attacks start from are signed when nobody bends them', () => {
  signed(first, bitcoinRequest(manifest, payment(manifest)));
  const house = orderJson({ kind: 'house', customer: '00'.repeat(16) });
  signed(first, bitcoinRequest(manifest, { ...payment(manifest), orders: [house] }));
});
