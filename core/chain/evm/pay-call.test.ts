// Proves that payments and sweeps are encoded as the real contracts want them, with gas for the worst of recipients.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as fc from 'fast-check';
import { zeroAddress, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { hotVaultAbi } from '../../../contracts/abi/hot-vault.ts';
import { testUSDCAbi } from '../../../contracts/abi/test-usdc.ts';
import { testUSDTAbi } from '../../../contracts/abi/test-usdt.ts';
import { transact } from '../../../contracts/rpc.ts';
import { depositSalt, deriveDepositAddress } from './derive.ts';
import {
  encodeFlush,
  encodePay,
  flushGasLimit,
  orderSignatures,
  payDigest,
  payGasLimit,
  simulateCall,
  type PayBatch,
} from './pay-call.ts';
import { evmRpc, type EvmRpc } from './rpc.ts';
import { gasBalance, vaultGeneration, vaultState } from './state.ts';
import {
  callOf,
  deployed,
  ETHER,
  initCodeOf,
  keyOf,
  signerKeys,
  transferOf,
  type Deployed,
} from './test/evm-rig.ts';

const LONG = { timeout: 180_000 };
const ORDERS_MAX = 150;

let a: Deployed;
let rpc: EvmRpc;
before(async () => {
  a = await deployed('ethereum', 31337);
  rpc = evmRpc({ urls: [a.node.url] });
  const { vault, tokens } = a.system;
  const payer = a.node.accounts[0]!.address;
  await a.send({ to: vault, valueWei: 100n * ETHER });
  await a.send({ to: tokens.USDT, data: callOf(testUSDTAbi, 'issue', [10n ** 13n]) });
  await a.send({ to: tokens.USDC, data: callOf(testUSDCAbi, 'mint', [payer, 10n ** 13n]) });
  for (const token of [tokens.USDT, tokens.USDC]) {
    await a.send({ to: token, data: transferOf(vault, 10n ** 12n) });
  }
});
after(() => a?.node.stop());

let orderNumber = 0n;
const fresh = (): Hex => `0x${(0xa11ce0000000000n + orderNumber).toString(16).padStart(40, '0')}`;

function batchOf(count: number, contract = '', destination = fresh): PayBatch {
  const orders = Array.from({ length: count }, () => {
    orderNumber += 1n;
    return { number: orderNumber, destination: destination(), units: 1000n };
  });
  return { contract, deadline: BigInt(Math.floor(Date.now() / 1000) + 86_400), orders };
}

async function signed(batch: PayBatch, keys: readonly Hex[] = signerKeys.slice(0, 2)) {
  const domain = { chainId: 31337, vault: a.system.vault, generation: 1n };
  const digest = payDigest(batch, domain);
  const signatures = await Promise.all(keys.map((key) => privateKeyToAccount(key).sign({ hash: digest })));
  return { digest, signatures };
}

async function pay(batch: PayBatch) {
  const { digest, signatures } = await signed(batch);
  const ordered = await orderSignatures(digest, signatures);
  assert.ok(ordered.ok);
  const relayer = privateKeyToAccount(keyOf(a.node, 4));
  return transact(a.client, relayer, {
    to: a.system.vault,
    data: encodePay(batch, ordered.signatures),
    gasMax: BigInt(payGasLimit(batch.orders.length, batch.contract)),
  });
}

test("the digest is the vault's own, whatever the order of the orders", LONG, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 6 }),
      fc.bigInt({ min: 0n, max: 2n ** 96n - 1n }),
      fc.bigInt({ min: 0n, max: 2n ** 160n - 1n }),
      fc.constantFrom('', a.system.tokens.USDT.toLowerCase()),
      async (numbers, units, to, contract) => {
        const destination = `0x${to.toString(16).padStart(40, '0')}`;
        const orders = numbers.map((number) => ({ number, destination, units }));
        const ids = numbers.toSorted((x, y) => (x < y ? -1 : 1));
        const items = ids.map((): Hex => `0x${((units << 160n) | to).toString(16).padStart(64, '0')}`);
        const onChain = await a.client.readContract({
          address: a.system.vault,
          abi: hotVaultAbi,
          functionName: 'digest',
          args: [contract === '' ? zeroAddress : (contract as Hex), 77n, ids, items],
        });
        const domain = { chainId: 31337, vault: a.system.vault.toLowerCase(), generation: 1n };
        assert.equal(payDigest({ contract, deadline: 77n, orders }, domain), onChain);
      },
    ),
    { numRuns: 25 },
  );
});

test('signatures are put in order, and bent, doubled or malleable ones are refused', LONG, async () => {
  const batch = batchOf(1);
  const { digest, signatures } = await signed(batch, signerKeys);
  const byAddress = signerKeys
    .map((key) => privateKeyToAccount(key).address)
    .toSorted((x, y) => (x.toLowerCase() < y.toLowerCase() ? -1 : 1));
  for (const some of [signatures, signatures.toReversed()]) {
    const ordered = await orderSignatures(digest, some);
    assert.ok(ordered.ok);
    assert.deepEqual(ordered.signers, byAddress);
  }
  const [first = '0x', second = '0x'] = signatures;
  assert.deepEqual(await orderSignatures(digest, [first, first]), { ok: false, reason: 'SIGNER_TWICE' });
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = (order - BigInt(`0x${first.slice(66, 130)}`)).toString(16).padStart(64, '0');
  const highS: Hex = `0x${first.slice(2, 66)}${s}${first.endsWith('1b') ? '1c' : '1b'}`;
  for (const bad of ['0x', first.slice(0, -2), `${first}00`, highS, `${first.slice(0, -2)}00`] as Hex[]) {
    assert.deepEqual(await orderSignatures(digest, [second, bad]), {
      ok: false,
      reason: 'SIGNATURE_MALFORMED',
    });
  }
  const other = await orderSignatures(
    payDigest(batch, { chainId: 1, vault: a.system.vault, generation: 1n }),
    [first],
  );
  assert.ok(other.ok && !byAddress.includes(other.signers[0]!), 'another digest names nobody of ours');
});

test(
  'a full batch to the worst recipients fits its gas limit, and so does a batch of tokens',
  LONG,
  async () => {
    // JUMPDEST, PUSH0, JUMP: burns all the gas that it is given.
    const { contractAddress } = await a.client.waitForTransactionReceipt({
      hash: (await a.send({ data: initCodeOf('5b5f56') })) as Hex,
    });
    const burning = await pay(batchOf(ORDERS_MAX, '', () => contractAddress!));
    assert.equal(burning.logs.length, ORDERS_MAX, 'each failed alone');
    const toNew = await pay(batchOf(ORDERS_MAX));
    const { USDT, USDC } = a.system.tokens;
    const usdt = await pay(batchOf(ORDERS_MAX, USDT.toLowerCase()));
    const usdc = await pay(batchOf(ORDERS_MAX, USDC.toLowerCase()));
    for (const receipt of [burning, toNew, usdt, usdc]) assert.equal(receipt.status, 'success');
    assert.equal((await pay(batchOf(1))).status, 'success');
    assert.equal((await pay(batchOf(1, USDC.toLowerCase()))).status, 'success');
    assert.ok(payGasLimit(ORDERS_MAX, '') <= 2 ** 24 && payGasLimit(ORDERS_MAX, USDT) <= 2 ** 24);
  },
);

test('a simulation names what the vault would refuse', LONG, async () => {
  const batch = batchOf(2);
  const from = a.node.accounts[4]!.address;
  const to = a.system.vault;
  const gasLimit = payGasLimit(2, '');
  const callFor = async (one: PayBatch, keys?: readonly Hex[]) => {
    const { digest, signatures } = await signed(one, keys);
    const ordered = await orderSignatures(digest, signatures);
    assert.ok(ordered.ok);
    return { from, to, gasLimit, data: encodePay(one, ordered.signatures) };
  };
  const reasonOf = async (call: Parameters<typeof simulateCall>[1]) => {
    const simulation = await simulateCall(rpc, call);
    return simulation.ok ? 'ok' : simulation.reason;
  };
  assert.equal(await reasonOf(await callFor(batch)), 'ok');
  assert.equal(await reasonOf({ ...(await callFor(batch)), gasLimit: 130_000 }), 'GasTooLow');
  assert.equal(await reasonOf(await callFor(batch, [signerKeys[0]!])), 'SignaturesInvalid');
  assert.equal(await reasonOf(await callFor({ ...batch, deadline: 1n })), 'DeadlinePassed');
  const tooMuch = { ...batch, orders: batch.orders.map((order) => ({ ...order, units: 90n * ETHER })) };
  assert.equal(await reasonOf(await callFor(tooMuch)), 'BalanceTooLow');
  await pay(batch);
  assert.equal(await reasonOf(await callFor(batch)), 'IdUsed');
  await assert.rejects(simulateCall(rpc, { from: 'nobody', to, data: '0x', gasLimit }), {
    name: 'ChainError',
    code: 'NODE_ERROR',
  });
});

test('what a vault holds, may still pay, and which generation it is in', LONG, async () => {
  const { vault } = a.system;
  const before = await vaultState(rpc, { vault, contract: '' });
  assert.deepEqual(
    { ...before, balanceUnits: 0n, capLeftUnits: 0n },
    { paused: false, generation: 1n, threshold: 2, balanceUnits: 0n, capLeftUnits: 0n },
  );
  const batch = batchOf(3);
  await pay(batch);
  const after = await vaultState(rpc, { vault, contract: '' });
  assert.equal(before.balanceUnits - after.balanceUnits, 3000n);
  assert.equal(before.capLeftUnits - after.capLeftUnits, 3000n);
  assert.equal(await vaultGeneration(rpc, vault), 1n);
  await assert.rejects(vaultGeneration(rpc, a.system.tokens.USDT), { name: 'ChainError' });
  const relayer = a.node.accounts[4]!.address;
  assert.equal(await gasBalance(rpc, relayer), await a.client.getBalance({ address: relayer }));
});

test('sweeps of one, many and all assets fit their gas limits', LONG, async () => {
  const { factory, initCodeHash, tokens, vault } = a.system;
  let customer = 100;
  const flush = async (count: number, names: readonly ('USDT' | 'USDC')[]) => {
    const salts = Array.from({ length: count }, () => {
      customer += 1;
      return depositSalt(new Uint8Array(16).fill(customer), 1);
    });
    for (const salt of salts) {
      const to = deriveDepositAddress({ factory, initCodeHash, salt });
      await a.node.rpc('anvil_setBalance', to, '0x1000');
      for (const name of names) await a.send({ to: tokens[name], data: transferOf(to, 5000n) });
    }
    const contracts = names.map((name) => tokens[name].toLowerCase());
    const before = await a.client.getBalance({ address: vault });
    const gasLimit = flushGasLimit(count, names.length);
    assert.ok(gasLimit <= 2 ** 24);
    const relayer = privateKeyToAccount(keyOf(a.node, 4));
    const receipt = await transact(a.client, relayer, {
      to: factory,
      data: encodeFlush(salts, contracts),
      gasMax: BigInt(gasLimit),
    });
    const swept = receipt.logs.filter((log) => log.address.toLowerCase() === factory.toLowerCase());
    assert.equal(swept.length, count * (1 + names.length), 'every asset of every address');
    assert.equal((await a.client.getBalance({ address: vault })) - before, BigInt(count) * 0x1000n);
    return Number(receipt.gasUsed) / gasLimit;
  };
  const used = [
    await flush(1, []),
    await flush(1, ['USDT', 'USDC']),
    await flush(12, ['USDC']),
    await flush(12, []),
  ];
  assert.ok(used.every((share) => share < 0.9));
});
