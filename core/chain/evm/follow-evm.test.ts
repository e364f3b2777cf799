// Proves on real nodes that ether and tokens, however they come, and reorgs of every depth become the right rows.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { encodeFunctionData, getAddress, padHex, toEventSelector, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { depositFactoryAbi } from '../../../contracts/abi/deposit-factory.ts';
import { testContractWalletAbi } from '../../../contracts/abi/test-contract-wallet.ts';
import { testUSDCAbi } from '../../../contracts/abi/test-usdc.ts';
import { testUSDTAbi } from '../../../contracts/abi/test-usdt.ts';
import { connectEvm } from '../../../contracts/rpc.ts';
import { signedPayCall } from '../../../contracts/payments.ts';
import { startAnvil, type Anvil } from '../../../world/parts/anvil.ts';
import { clearHalt, haltOf } from '../../controls/controls.ts';
import { eventsAfter } from '../../audit/audit.ts';
import { tipOf, watchAddresses } from '../chain.ts';
import { deliveriesOf, payoutsOf } from './outcomes.ts';
import { balancesAt, nativeBalances, vaultBalances } from './state.ts';
import { evmRpc, type EvmRpc } from './rpc.ts';
import {
  callOf,
  deployed,
  ETHER,
  followed,
  initCodeOf,
  REORG_DEPTH_MAX,
  signerKeys,
  testDb,
  transferOf,
  without,
  type Deployed,
  type Followed,
} from './test/evm-rig.ts';

const TRANSFER = toEventSelector('Transfer(address,address,uint256)');
const LONG = { timeout: 120_000 };

let a: Deployed;
let b: Deployed;
before(async () => {
  [a, b] = await Promise.all([deployed('ethereum', 31337), deployed('polygon', 31338)]);
});
after(async () => {
  await Promise.all([a?.node.stop(), b?.node.stop()]);
});

test(
  'two networks side by side: ether to one address is a receipt of the network where it came',
  LONG,
  async (t) => {
    const db = await testDb(t);
    const [onA, onB] = [await followed(db, a), await followed(db, b)];
    await onA.follow();
    await onB.follow();
    const { address, salt, id } = await onA.address();
    const ids = await db
      .transaction()
      .execute((trx) =>
        watchAddresses(trx, [
          { network: 'polygon', address, script: null, purpose: 'deposit', derivation: salt },
        ]),
      );
    assert.equal(a.system.factory, b.system.factory);
    const txA = await a.send({ to: address, valueWei: 7n });
    const txB = await b.send({ to: address, valueWei: 9n });
    await onA.follow();
    await onB.follow();
    const [rowA, ...moreA] = await onA.receipts();
    const [rowB, ...moreB] = await onB.receipts();
    assert.equal(moreA.length + moreB.length, 0);
    const { block_hash, height, seen_at: _seen, change: _change, id: _id, ...rest } = rowA!;
    assert.deepEqual(rest, {
      network: 'ethereum',
      tx_id: txA,
      position: 'call:0',
      watched_id: id,
      contract: '',
      units: 7n,
      sender: a.node.accounts[0]!.address,
      state: 'mined',
      address,
      purpose: 'deposit',
      derivation: salt,
    });
    const tip = await tipOf(db, 'ethereum');
    assert.deepEqual({ height, hash: block_hash }, { height: tip?.height, hash: tip?.hash });
    assert.deepEqual([rowB!.tx_id, rowB!.units, rowB!.watched_id], [txB, 9n, ids.get(address)]);
  },
);

const SOURCES = [
  ['from flat traces', []],
  ['from traces of the block', ['trace_block']],
  ['from traces of each transaction', ['trace_block', 'debug_traceBlockByHash']],
] as const;
for (const [source, absent] of SOURCES) {
  test(
    `ether by inner calls and by selfdestruct counts; what a reverted frame undid does not, ${source}`,
    LONG,
    async (t) => {
      const f = await followed(await testDb(t), a, { rpc: without(a.node, ...absent) });
      await f.follow();
      const { address } = await f.address();
      const wallet = (functionName: string, args: readonly unknown[]) => ({
        to: a.wallet,
        data: callOf(testContractWalletAbi, functionName, args),
      });
      const forwarded = await a.send({ ...wallet('forward', [address]), valueWei: 11n });
      const thrice = await a.send({
        ...wallet('forwardEach', [[address, address, address], 5n]),
        valueWei: 15n,
      });
      const undone = await a.send({ ...wallet('forwardAndUndo', [address]), valueWei: 13n });
      const destroyed = await a.send({ ...wallet('forwardBySelfdestruct', [address]), valueWei: 17n });
      await f.follow();
      const seen = async (txId: string) =>
        (await f.receiptsOf(txId)).map((row) => [row.position, row.units, row.sender]);
      assert.deepEqual(await seen(forwarded), [['call:0.0', 11n, getAddress(a.wallet)]]);
      assert.deepEqual(
        (await f.receiptsOf(thrice))
          .map((row) => `${row.position} ${row.units}`)
          .toSorted((x, y) => x.localeCompare(y)),
        ['call:0.0 5', 'call:0.1 5', 'call:0.2 5'],
      );
      assert.deepEqual(await seen(undone), []);
      const [selfdestruct, ...more] = await f.receiptsOf(destroyed);
      assert.equal(more.length, 0);
      assert.deepEqual([selfdestruct?.position, selfdestruct?.units], ['call:0.0.0', 17n]);
      const total = (await f.receipts()).reduce((sum, row) => sum + row.units, 0n);
      assert.equal(await a.client.getBalance({ address }), total, 'receipts add up to the balance');
    },
  );

  test(`a transaction that failed as a whole paid nothing, ${source}`, LONG, async (t) => {
    const f = await followed(await testDb(t), a, { rpc: without(a.node, ...absent) });
    await f.follow();
    const { address } = await f.address();
    await a.send({ to: a.wallet, valueWei: 3n });
    const data = callOf(testContractWalletAbi, 'payThenRevert', [address, 3n]);
    const txId = await rawPayment(a, { to: a.wallet, data, gas: 100_000n }).then((raw) =>
      a.node.rpc<Hex>('eth_sendRawTransaction', raw),
    );
    // Traced once it is mined: of one that waits the node shows an empty trace.
    const receipt = await a.client.waitForTransactionReceipt({ hash: txId });
    assert.equal(receipt.status, 'reverted');
    const trace = JSON.stringify(await a.node.rpc('debug_traceTransaction', txId, { tracer: 'callTracer' }));
    assert.match(trace, new RegExp(address, 'i'), 'the inner payment is in the trace');
    await f.follow();
    assert.deepEqual(await f.receipts(), []);
  });

  test(`DELEGATECALL and CALLCODE show a value that goes nowhere, ${source}`, LONG, async (t) => {
    const f = await followed(await testDb(t), a, { rpc: without(a.node, ...absent) });
    await f.follow();
    const { address } = await f.address();
    const target = address.slice(2).toLowerCase();
    // CALLCODE(gas, target, 23 wei), then DELEGATECALL to it, while this contract was given 50 wei.
    const runtime = `60006000600060006017${'73' + target}5af2506000600060006000${'73' + target}5af45000`;
    const receipt = await a.client.waitForTransactionReceipt({
      hash: (await a.send({ data: initCodeOf(runtime) })) as Hex,
    });
    const txId = await a.send({ to: receipt.contractAddress!, valueWei: 50n });
    const trace = JSON.stringify(await a.node.rpc('debug_traceTransaction', txId, { tracer: 'callTracer' }));
    assert.match(trace, /CALLCODE/);
    assert.match(trace, /DELEGATECALL/);
    await f.follow();
    assert.deepEqual(await f.receipts(), []);
    assert.equal(await a.client.getBalance({ address }), 0n);
  });
}

test('tokens: the net amount of a fee, two in one transaction, and nothing for zero', LONG, async (t) => {
  const f = await followed(await testDb(t), a);
  await f.follow();
  const { address } = await f.address();
  const { USDT, USDC } = a.system.tokens;
  const payer = a.node.accounts[0]!.address;
  await a.send({ to: USDT, data: callOf(testUSDTAbi, 'issue', [10_000_000_000n]) });
  await a.send({ to: USDC, data: callOf(testUSDCAbi, 'mint', [payer, 10_000_000_000n]) });
  const plain = await a.send({ to: USDT, data: transferOf(address, 5_000_000n) });
  await a.send({ to: USDT, data: callOf(testUSDTAbi, 'setParams', [10n, 49n]) });
  const withFee = await a.send({ to: USDT, data: transferOf(address, 1_000_000_000n) });
  await a.send({ to: USDT, data: callOf(testUSDTAbi, 'setParams', [0n, 0n]) });
  const usdc = await a.send({ to: USDC, data: transferOf(address, 6_000_000n) });
  const zero = await a.send({ to: USDC, data: transferOf(address, 0n) });
  await f.follow();
  const units = async (txId: string) =>
    (await f.receiptsOf(txId)).map((row) => [row.contract, row.units, row.sender]);
  assert.deepEqual(await units(plain), [[USDT.toLowerCase(), 5_000_000n, payer]]);
  const [[, net] = []] = await units(withFee);
  assert.ok(net !== undefined && (net as bigint) < 1_000_000_000n && (net as bigint) >= 999_000_000n);
  assert.deepEqual(await units(usdc), [[USDC.toLowerCase(), 6_000_000n, payer]]);
  assert.deepEqual(await units(zero), []);
  const balances = await balancesAt(
    evmRpc({ urls: [a.node.url] }),
    { addresses: [address], contracts: ['', USDT, USDC] },
    (await tipOf(f.db, 'ethereum'))!.hash,
  );
  assert.deepEqual(
    balances.map((balance) => balance.units),
    [0n, 5_000_000n + (net as bigint), 6_000_000n],
  );
});

test(
  'a contract that only says that it paid is recorded under its own name, within bounds',
  LONG,
  async (t) => {
    const f = await followed(await testDb(t), a);
    await f.follow();
    const { address } = await f.address();
    // MSTORE(0, 1000); LOG3(0, 32, TRANSFER, caller, first word of the data)
    const runtime = `6103e860005260003533${'7f' + TRANSFER.slice(2)}60206000a300`;
    const { contractAddress } = await a.client.waitForTransactionReceipt({
      hash: (await a.send({ data: initCodeOf(runtime) })) as Hex,
    });
    const one = await a.send({ to: contractAddress!, data: padHex(address, { size: 32 }) });
    await f.follow();
    const [row, ...more] = await f.receiptsOf(one);
    assert.equal(more.length, 0);
    assert.deepEqual(
      [row?.contract, row?.units, row?.position],
      [contractAddress!.toLowerCase(), 1000n, 'log:0'],
    );
    // 40 of them in one block: only some are kept, and the rest is told.
    await a.node.rpc('evm_setAutomine', false);
    const payer = privateKeyToAccount(a.node.accounts[0]!.privateKey);
    const nonce = await a.client.getTransactionCount({ address: payer.address });
    for (let i = 0; i < 40; i += 1) {
      const serializedTransaction = await payer.signTransaction({
        type: 'eip1559',
        chainId: 31337,
        nonce: nonce + i,
        gas: 100_000n,
        maxFeePerGas: 10n ** 11n,
        maxPriorityFeePerGas: 10n ** 9n,
        to: contractAddress!,
        data: padHex(address, { size: 32 }),
      });
      await a.client.sendRawTransaction({ serializedTransaction });
    }
    await a.node.mine(1);
    await a.node.rpc('evm_setAutomine', true);
    const before = (await f.receipts()).length;
    await f.follow();
    assert.equal((await f.receipts()).length - before, 20);
    const events = await eventsAfter(f.db, 0n, 100);
    const told = events.find((event) => event.type === 'network.unlisted_left_out');
    assert.equal(told?.data['count'], 20);
  },
);

test(
  "the vault's and the factory's events become payouts and deliveries; a stranger's do not",
  LONG,
  async (t) => {
    const f = await followed(await testDb(t), a);
    await f.follow();
    const { address, salt } = await f.address();
    const { vault, factory } = a.system;
    await f.db
      .transaction()
      .execute((trx) =>
        watchAddresses(trx, [
          { network: 'ethereum', address: vault, script: null, purpose: 'vault', derivation: '' },
        ]),
      );
    await a.send({ to: address, valueWei: 3n * ETHER });
    const swept = await a.send({ to: factory, data: flushOf([salt], []) });
    const stranger = `0x${randomBytes(20).toString('hex')}` as const;
    const generation = 1n;
    const signers = signerKeys.slice(0, 2).map((secret) => privateKeyToAccount(secret));
    const id = BigInt(Date.now());
    const rejecting = a.system.factory; // no receive(): ether is refused
    const data = await signedPayCall(
      {
        chainId: 31337,
        vault,
        token: '0x0000000000000000000000000000000000000000',
        deadline: BigInt(Math.floor(Date.now() / 1000) + 3600 * 24),
        generation,
        payments: [
          { id, to: stranger, amountUnits: 100n },
          { id: id + 1n, to: rejecting, amountUnits: 200n },
        ],
      },
      signers,
    );
    const paid = await a.send({ to: vault, data });
    await f.follow();
    const [delivery, ...others] = await deliveriesOf(f.db, 'ethereum', swept);
    assert.equal(others.length, 0);
    assert.deepEqual(
      { ...delivery, blockHash: '', height: 0, position: '' },
      {
        txId: swept,
        position: '',
        deposit: address,
        contract: '',
        destination: vault,
        units: 3n * ETHER,
        blockHash: '',
        height: 0,
      },
    );
    const [toVault] = await f.receiptsOf(swept);
    assert.deepEqual([toVault?.purpose, toVault?.units, toVault?.sender], ['vault', 3n * ETHER, address]);
    const payouts = await payoutsOf(f.db, 'ethereum', [id, id + 1n, id + 2n]);
    assert.deepEqual(
      payouts.map((row) => [
        row.payoutId,
        row.recipient.toLowerCase(),
        row.units,
        row.paid,
        row.txId,
        row.contract,
      ]),
      [
        [id, stranger, 100n, true, paid, ''],
        [id + 1n, rejecting.toLowerCase(), 200n, false, paid, ''],
      ],
    );
    const rpc = evmRpc({ urls: [a.node.url] });
    const tip = (await tipOf(f.db, 'ethereum'))!;
    const [held] = await vaultBalances(rpc, { vault, deposits: [address], contracts: [''] }, tip.hash);
    assert.equal(held?.depositUnits, 0n);
    assert.equal(held?.vaultUnits, await a.client.getBalance({ address: vault }));
    assert.equal((await nativeBalances(rpc, [stranger], tip.hash)).get(stranger), 100n);
    // The same events from contracts that are not ours say nothing.
    const foreign = await followed(
      await testDb(t),
      { ...a, system: { ...a.system, vault: factory, factory: vault } },
      { startHeight: tip.height - 2 },
    );
    await foreign.follow();
    assert.deepEqual(await payoutsOf(foreign.db, 'ethereum', [id, id + 1n]), []);
    assert.deepEqual(await deliveriesOf(foreign.db, 'ethereum', swept), []);
    await a.node.reorg(2);
    await f.follow();
    assert.deepEqual(await payoutsOf(f.db, 'ethereum', [id, id + 1n]), []);
    assert.deepEqual(
      (await f.receiptsOf(swept)).map((row) => row.state),
      ['orphaned'],
    );
    assert.deepEqual(await deliveriesOf(f.db, 'ethereum', swept), []);
  },
);

function flushOf(salts: readonly Hex[], tokens: readonly Address[]): Hex {
  return encodeFunctionData({ abi: depositFactoryAbi, functionName: 'flush', args: [salts, tokens] });
}

for (const depth of [1, 5]) {
  test(`reorg of depth ${depth}: a payment that is gone, and one that is mined again`, LONG, async (t) => {
    const f = await followed(await testDb(t), b);
    await f.follow();
    const { address } = await f.address();
    const payments = [
      await rawPayment(b, { to: address, value: 21n, gas: 21_000n }),
      await rawPayment(b, { to: address, value: 22n, gas: 21_000n }, 1),
    ] as const;
    await b.node.rpc('evm_setAutomine', false);
    for (const raw of payments) await b.node.rpc('eth_sendRawTransaction', raw);
    await b.node.mine(depth);
    await b.node.rpc('evm_setAutomine', true);
    await f.follow();
    assert.deepEqual(
      (await f.receipts()).map((row) => [row.units, row.state]),
      [
        [21n, 'mined'],
        [22n, 'mined'],
      ],
    );
    const forkHash = (await tipOf(f.db, 'polygon'))!.hash;
    const changes = (await f.receipts()).map((row) => row.change);
    await b.node.reorg(depth);
    const kinds: string[] = [];
    for (let step = await f.step(); step.kind !== 'caught-up'; step = await f.step()) kinds.push(step.kind);
    assert.equal(kinds[0], 'reorg');
    assert.notEqual((await tipOf(f.db, 'polygon'))!.hash, forkHash);
    const orphaned = await f.receipts();
    assert.deepEqual(
      orphaned.map((row) => row.state),
      ['orphaned', 'orphaned'],
    );
    assert.ok(
      orphaned.every((row) => row.change > changes.at(-1)!),
      'readers see the change',
    );
    // The first comes back in another block, the second never does.
    await b.node.rpc('eth_sendRawTransaction', payments[0]);
    await b.node.mine(1);
    await f.follow();
    assert.deepEqual(await statesOf(f), ['21 mined', '21 orphaned', '22 orphaned']);
    assert.equal(await b.client.getBalance({ address }), 21n);
  });
}

async function statesOf(f: Followed): Promise<string[]> {
  return (await f.receipts())
    .map((row) => `${row.units} ${row.state}`)
    .toSorted((x, y) => x.localeCompare(y));
}

interface Payment {
  readonly to: Address;
  readonly value?: bigint;
  readonly data?: Hex;
  readonly gas: bigint;
}

async function rawPayment(on: Deployed, payment: Payment, ahead = 0): Promise<Hex> {
  const payer = privateKeyToAccount(on.node.accounts[3]!.privateKey);
  return payer.signTransaction({
    type: 'eip1559',
    chainId: on.node.chainId,
    nonce: (await on.client.getTransactionCount({ address: payer.address })) + ahead,
    maxFeePerGas: 10n ** 11n,
    maxPriorityFeePerGas: 10n ** 9n,
    ...payment,
  });
}

test('a block that comes back by a second reorg revives its rows', LONG, async (t) => {
  const folders = await Promise.all([0, 1].map(() => mkdtemp(join(tmpdir(), 'twins-'))));
  t.after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));
  const first = await startAnvil({ chainId: 31340, folder: folders[0]! });
  await first.mine(2);
  await first.stop();
  await cp(folders[0]!, folders[1]!, { recursive: true });
  const twins = await Promise.all(folders.map((folder) => startAnvil({ chainId: 31340, folder })));
  t.after(() => Promise.all(twins.map((node) => node.stop())));
  const [one, two] = twins.map((node) => evmRpc({ urls: [node.url] }));
  let asked = one!;
  const rpc: EvmRpc = { call: (...x) => asked.call(...x), batch: (calls) => asked.batch(calls) };
  const f = await followed(
    await testDb(t),
    { ...b, id: 'twins', node: twins[0]!, system: { ...b.system, chainId: 31340 } },
    { rpc },
  );
  await f.follow();
  const { address } = await f.address();
  const pay = async (node: Anvil, value: bigint): Promise<void> => {
    const on = { ...b, node, client: await connectEvm(node.url, 31340) };
    const raw = await rawPayment(on, { to: address, value, gas: 21_000n });
    const hash = await node.rpc<Hex>('eth_sendRawTransaction', raw);
    await on.client.waitForTransactionReceipt({ hash });
  };
  await pay(twins[0]!, 33n);
  await f.follow();
  await pay(twins[1]!, 44n);
  const states = () => statesOf(f);
  assert.deepEqual(await states(), ['33 mined']);
  const { id } = (await f.receipts())[0]!;
  asked = two!;
  await f.follow();
  assert.deepEqual(await states(), ['33 orphaned', '44 mined']);
  asked = one!;
  await f.follow();
  assert.deepEqual(await states(), ['33 mined', '44 orphaned']);
  assert.equal((await f.receipts()).find((row) => row.units === 33n)?.id, id);
});

test(
  'a reorg deeper than the bound, a node that forgot its blocks, another chain: halted by name',
  LONG,
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'forgetful-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    let node = await startAnvil({ chainId: 31339, folder });
    t.after(() => node.stop());
    await node.mine(3);
    await node.stop();
    node = await startAnvil({ chainId: 31339, folder });
    const db = await testDb(t);
    const on = (): Promise<Awaited<ReturnType<typeof followed>>> =>
      followed(db, { ...a, id: 'forgetful', node, system: { ...a.system, chainId: 31339 } });
    let f = await on();
    await f.follow();
    await node.mine(REORG_DEPTH_MAX + 2);
    await f.follow();
    const before = await tipOf(db, 'forgetful');
    await node.kill();
    await assert.rejects(f.step(), { name: 'ChainError', code: 'NODE_UNREACHABLE' });
    node = await startAnvil({ chainId: 31339, folder });
    // Another chain from here on, not the same blocks once more.
    await node.rpc('evm_increaseTime', 1000);
    f = await on();
    const step = await f.step();
    assert.deepEqual(step, { kind: 'halted', code: 'CHAIN_FORGOT_BLOCKS' });
    assert.deepEqual(await tipOf(db, 'forgetful'), before, 'nothing was moved');
    assert.equal((await haltOf(db, 'forgetful'))?.code, 'CHAIN_FORGOT_BLOCKS');
    await node.mine(REORG_DEPTH_MAX + 10);
    assert.equal((await f.step()).kind, 'halted', 'until a person clears it');
    await db.transaction().execute((trx) => clearHalt(trx, 'forgetful', new Date()));
    assert.deepEqual(await f.step(), { kind: 'halted', code: 'REORG_TOO_DEEP' });
    await node.kill();
    // Two chains that begin in one second have the same block 0.
    node = await startAnvil({ chainId: 31339, bornSeconds: 1_700_000_000 });
    f = await on();
    await db.transaction().execute((trx) => clearHalt(trx, 'forgetful', new Date()));
    assert.deepEqual(await f.step(), { kind: 'halted', code: 'GENESIS_CHANGED' });
    assert.deepEqual(await tipOf(db, 'forgetful'), before);
  },
);
