// Proves that a child that pays for its parent can do nothing but that: it spends change of what the signer's own journal
// holds, gives it back to us, costs no more than a payment may, and no second one can confirm beside it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import * as fc from 'fast-check';
import * as ecc from 'tiny-secp256k1';
import { freezeDocument, type Freeze } from '../protocol/freeze.ts';
import type { BitcoinChildRequest, BitcoinPayRequest } from '../protocol/messages.ts';
import type { RefusalCode } from '../protocol/refusals.ts';
import { signedBy } from './people.ts';
import { changeOf, childRequest } from './child.ts';
import {
  PASSPHRASE,
  REGTEST,
  TESTNET,
  bitcoinRequest,
  call,
  coin,
  honestPsbt,
  makeQuorum,
  orderJson,
  payment,
  psbtInput,
  refused,
  signed,
  walletPayment,
  type BitcoinParts,
  type Coin,
} from './quorum.ts';

const quorum = makeQuorum();
const { manifest, vaults, folders, clock, operators } = quorum;
const [first, second, third] = vaults;
assert.ok(first && second && third);
after(quorum.close);
const network = bitcoin.networks.regtest;

const journal = (i = 0): string => readFileSync(join(folders[i]!, 'journal.jsonl'), 'utf8');
const childEntries = (): number => journal().split('"kind":"bitcoin-child"').length - 1;
const thief = bitcoin.address.toOutputScript('bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk', network);
const unsigned = (psbt: bitcoin.Psbt): bitcoin.Transaction =>
  (psbt.data.globalMap.unsignedTx as unknown as { tx: bitcoin.Transaction }).tx;

/** A payment that the first two signers signed, and its change: 45,000 sat at index 9; its fee is 5,000 sat. */
function parent(parts: BitcoinParts = payment(manifest)): { request: BitcoinPayRequest; change: Coin } {
  const request = bitcoinRequest(manifest, parts);
  for (const vault of [first!, second!]) signed(vault, request);
  return { request, change: changeOf(request, 1, 9) };
}
const child = (from: Coin, value = 35_000n, index = 12): BitcoinChildRequest =>
  childRequest(manifest, from, { index, value });

test('two of three signatures make a child that bitcoinjs-lib verifies; again they are the same, and journalled once', () => {
  const request = child(parent().change);
  const before = childEntries();
  const psbts = [first, second].map((vault) => signed(vault, request).psbt!);
  assert.equal(childEntries(), before + 1);
  const whole = bitcoin.Psbt.fromBase64(request.psbt, { network }).combine(
    ...psbts.map((psbt) => bitcoin.Psbt.fromBase64(psbt, { network })),
  );
  const verify = (key: Uint8Array, hash: Uint8Array, signature: Uint8Array) =>
    ecc.verify(hash, key, signature);
  assert.ok(whole.validateSignaturesOfAllInputs(verify));
  assert.equal(whole.finalizeAllInputs().extractTransaction().outs.length, 1);
  const after = journal();
  assert.deepEqual(
    [first, second].map((vault) => signed(vault, request).psbt!),
    psbts,
  );
  assert.equal(journal(), after);
});

test('whoever has not signed the parent signs no child of it', () => {
  const { change } = parent();
  refused(third, child(change), 'PARENT_UNKNOWN');
  refused(first, child(coin(manifest, 45_000n, 1, 9)), 'PARENT_UNKNOWN');
  const elsewhere = { ...child(change), network: TESTNET };
  refused(first, elsewhere, 'PARENT_UNKNOWN');
});

test('the parent’s orders may have expired: the child carries none of them, and they are not signed again', () => {
  const order = orderJson({ expiry: String(clock.nowMs / 1000 + 60) });
  const { request, change } = parent({ ...payment(manifest), orders: [order] });
  clock.nowMs += 61_000;
  const late = { index: 9, value: 44_000n };
  refused(
    first,
    bitcoinRequest(manifest, { coins: [coin(manifest, 200_000n)], orders: [order], change: late }),
    'EXPIRED',
  );
  refused(first, request, 'EXPIRED');
  signed(first, child(change));
});

test('a second child spends the same output; one that could confirm beside the first is never signed', () => {
  const parts = { ...payment(manifest), coins: [coin(manifest, 300_000n)] };
  const psbt = honestPsbt(manifest, parts).addOutput({
    script: walletPayment(manifest, 1, 10).output,
    value: 90_000n,
  });
  const plain = bitcoinRequest(manifest, parts, psbt);
  const request = { ...plain, outputs: [...plain.outputs, { change: 10 }] };
  signed(first, request);
  const [low, high] = [changeOf(request, 1, 9), changeOf(request, 2, 10)];
  signed(first, child(low, 40_000n));
  refused(first, child(high, 80_000n), 'NOT_A_REPLACEMENT');
  signed(first, child(low, 36_000n, 13));
  refused(first, child(high, 80_000n), 'NOT_A_REPLACEMENT');
});

test('a child has no child', () => {
  const request = child(parent().change);
  signed(first, request);
  const grandchild = changeOf(request as unknown as BitcoinPayRequest, 0, 12);
  refused(first, child(grandchild, 30_000n), 'PARENT_UNKNOWN');
});

test('after a restart everything is remembered: the same child is the same, and no other parent is believed', () => {
  const alone = makeQuorum({ signers: 1, threshold: 1 });
  try {
    const [vault] = alone.vaults;
    const request = bitcoinRequest(alone.manifest, payment(alone.manifest));
    signed(vault!, request);
    const change = changeOf(request, 1, 9);
    const kid = childRequest(alone.manifest, change, { index: 12, value: 35_000n });
    const { psbt } = signed(vault!, kid);
    const again = alone.reopen(0);
    call(again, 'unseal', { passphrase: PASSPHRASE });
    assert.equal(signed(again, kid).psbt, psbt);
    const stranger = coin(alone.manifest, 45_000n, 1, 9);
    refused(again, childRequest(alone.manifest, stranger, { index: 12, value: 35_000n }), 'PARENT_UNKNOWN');
    again.close();
  } finally {
    alone.close();
  }
});

test('parent and child together cost no more than a payment may, and a window counts what children add', () => {
  const rich = { ...payment(manifest), coins: [coin(manifest, 2_000_000n)] };
  const { change } = parent({ ...rich, change: { index: 9, value: 1_840_000n } });
  // 10,000 sat of the parent's and so much of the child's: 500,000 is the most.
  refused(first, child(change, 1_840_000n - 490_001n), 'FEE_TOO_HIGH');
  // Within that, 200 sat/vB over both.
  refused(first, child(change, 1_840_000n - 60_000n), 'FEE_RATE_TOO_HIGH');
  signed(first, child(change, 1_840_000n - 45_000n));
  const one = makeQuorum({
    signers: 1,
    threshold: 1,
    policy: {
      fees: manifest.bitcoin.map(({ network: id }) => ({ network: id, seconds: 3600, feeMax: 20_000n })),
    },
  });
  try {
    const [vault] = one.vaults;
    const request = bitcoinRequest(one.manifest, payment(one.manifest));
    signed(vault!, request);
    const kid = (fee: bigint) =>
      childRequest(one.manifest, changeOf(request, 1, 9), { index: 12, value: 45_000n - fee });
    signed(vault!, kid(9_000n));
    refused(vault!, kid(15_001n), 'WINDOW_FEES');
    signed(vault!, kid(15_000n));
    signed(vault!, kid(9_000n));
    refused(vault!, bitcoinRequest(one.manifest, payment(one.manifest)), 'WINDOW_FEES');
  } finally {
    one.close();
  }
});

test('under a freeze no child is signed', () => {
  const { change } = parent();
  const [alice] = operators;
  const freeze: Freeze = {
    epoch: 1,
    id: new Uint8Array(16).fill(7),
    scope: REGTEST,
    reason: 'a test',
    by: 'alice',
    issuedAt: BigInt(clock.nowMs) / 1000n,
  };
  const halted = makeQuorum({ signers: 1, threshold: 1 });
  try {
    const [vault] = halted.vaults;
    const request = bitcoinRequest(halted.manifest, payment(halted.manifest));
    signed(vault!, request);
    const kid = childRequest(halted.manifest, changeOf(request, 1, 9), { index: 12, value: 35_000n });
    signed(vault!, kid);
    assert.ok(call(vault!, 'freeze', signedBy(freezeDocument, freeze, [alice!.byKey])).ok);
    refused(vault!, kid, 'FROZEN');
  } finally {
    halted.close();
  }
  signed(first, child(change));
});

interface Attack {
  readonly code: RefusalCode;
  readonly psbt?: (psbt: bitcoin.Psbt, change: Coin) => unknown;
  readonly request?: (request: BitcoinChildRequest) => unknown;
  readonly from?: (request: BitcoinPayRequest, change: Coin) => Coin;
  readonly value?: bigint;
  readonly index?: number;
}

const attacks: Record<string, Attack> = {
  'the thief’s script': {
    code: 'CHANGE_NOT_OURS',
    psbt: (psbt) => (unsigned(psbt).outs[0]!.script = thief),
  },
  'a deposit script of ours': {
    code: 'CHANGE_NOT_OURS',
    psbt: (psbt) => (unsigned(psbt).outs[0]!.script = walletPayment(manifest, 0, 12).output),
  },
  'change of another index than claimed': {
    code: 'CHANGE_NOT_OURS',
    request: (request) => ({ ...request, outputs: [{ change: 13 }] }),
  },
  'change beyond the window': { code: 'INDEX_TOO_HIGH', index: 100_001 },
  'an input beyond the window': {
    code: 'INDEX_TOO_HIGH',
    request: (request) => ({ ...request, inputs: [{ branch: 1, index: 100_001 }] }),
  },
  'a second output': {
    code: 'CLAIMS_MISMATCH',
    psbt: (psbt) => psbt.addOutput({ script: thief, value: 1_000n }),
  },
  'a second output, claimed': {
    code: 'MALFORMED',
    psbt: (psbt) => psbt.addOutput({ script: walletPayment(manifest, 1, 13).output, value: 1_000n }),
    request: (request) => ({ ...request, outputs: [{ change: 12 }, { change: 13 }] }),
  },
  'no output': { code: 'MALFORMED', request: (request) => ({ ...request, outputs: [] }) },
  'a second input of ours': {
    code: 'CLAIMS_MISMATCH',
    psbt: (psbt) => psbt.addInput(psbtInput(manifest, coin(manifest, 50_000n))),
  },
  'a second input, claimed': {
    code: 'MALFORMED',
    request: (request) => ({ ...request, inputs: [...request.inputs, { branch: 0, index: 3 }] }),
  },
  'a claim on branch 0': {
    code: 'MALFORMED',
    request: (request) => ({ ...request, inputs: [{ branch: 0, index: 9 }] }),
  },
  'an order among the claims': {
    code: 'MALFORMED',
    request: (request) => ({ ...request, outputs: [{ order: '1' }] }),
  },
  'orders in the request': {
    code: 'MALFORMED',
    request: (request) => ({ ...request, orders: [orderJson()] }),
  },
  'what an order paid to a deposit address of ours': {
    code: 'INPUT_NOT_OURS',
    from: () => {
      const destination = walletPayment(manifest, 0, 9).address;
      const inside = parent({ ...payment(manifest), orders: [orderJson({ destination })] });
      return { ...changeOf(inside.request, 0, 9), branch: 0 };
    },
  },
  'a coin that nobody’s order made': {
    code: 'PARENT_UNKNOWN',
    from: () => coin(manifest, 45_000n, 1, 9),
  },
  'more than comes in': { code: 'OUTPUTS_EXCEED_INPUTS', value: 45_001n },
  'everything burnt but dust': { code: 'DUST', value: 329n },
  'an output of nothing': { code: 'DUST', value: 0n },
  'SIGHASH_NONE and ANYONECANPAY': {
    code: 'SIGHASH',
    psbt: (psbt) => psbt.updateInput(0, { sighashType: 0x82 }),
  },
  'a final sequence': {
    code: 'INPUT_SEQUENCE',
    psbt: (psbt) => psbt.setInputSequence(0, 0xffffffff),
  },
  'a relative lock': { code: 'INPUT_SEQUENCE', psbt: (psbt) => psbt.setInputSequence(0, 144) },
  'a lock time': { code: 'TX_LOCKTIME', psbt: (psbt) => psbt.setLocktime(1) },
  'version 3': { code: 'TX_VERSION', psbt: (psbt) => psbt.setVersion(3) },
  'a parent with a larger amount than it has': {
    code: 'PSBT_MALFORMED',
    psbt: (psbt) => (psbt.data.inputs[0]!.witnessUtxo!.value = 2_000_000n),
  },
  'another epoch': { code: 'WRONG_EPOCH', request: (request) => ({ ...request, epoch: 2 }) },
  'an EVM network': {
    code: 'UNKNOWN_NETWORK',
    request: (request) => ({ ...request, network: 'eip155:31337' }),
  },
  'the fields of a payment': {
    code: 'MALFORMED',
    request: (request) => ({ ...request, type: 'bitcoin-pay' }),
  },
};

for (const [name, attack] of Object.entries(attacks)) {
  test(`refused: ${name}`, () => {
    const before = childEntries();
    const { request, change } = parent();
    const from = attack.from?.(request, change) ?? change;
    const honest = { index: attack.index ?? 12, value: attack.value ?? 35_000n };
    const psbt = honestPsbt(manifest, { coins: [from], orders: [], change: honest });
    attack.psbt?.(psbt, change);
    const asked = childRequest(manifest, from, honest, psbt);
    const bent = attack.request?.(asked) ?? { ...asked, inputs: [{ branch: 1, index: from.index }] };
    for (const vault of [first, second]) {
      clock.nowMs += 6_000;
      refused(vault, bent, attack.code);
    }
    assert.equal(childEntries(), before, 'nothing was journalled as signed');
    assert.match(journal(), new RegExp(attack.code), 'the refusal was');
    signed(first, child(change));
  });
}

test('any history of payments and children: of all children of one parent no two could both confirm', () => {
  const step = fc.record({ parent: fc.nat(2), output: fc.nat(1), fee: fc.integer({ min: 200, max: 9_000 }) });
  const parts = { ...payment(manifest), coins: [coin(manifest, 300_000n)] };
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      const parents = [0, 1, 2].map(() => {
        const orders = [orderJson()];
        const coins = [coin(manifest, 300_000n)];
        const psbt = honestPsbt(manifest, { ...parts, orders, coins }).addOutput({
          script: walletPayment(manifest, 1, 10).output,
          value: 90_000n,
        });
        const plain = bitcoinRequest(manifest, { ...parts, orders, coins }, psbt);
        const request = { ...plain, outputs: [...plain.outputs, { change: 10 }] };
        signed(first, request);
        return request;
      });
      const spent = new Map<number, number>();
      for (const { parent: of, output, fee } of steps) {
        const from = changeOf(parents[of]!, 1 + output, 9 + output);
        const answer = call(first, 'sign', child(from, from.value - BigInt(fee)));
        const before = spent.get(of) ?? output;
        assert.equal(answer.ok, before === output, String(answer['code']));
        spent.set(of, before);
      }
    }),
    { numRuns: 25 },
  );
});
