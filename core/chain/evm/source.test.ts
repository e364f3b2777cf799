// Proves that a node that lies, lags, breaks off or answers nonsense changes nothing and is told by its code.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { tipOf, type ChainErrorCode } from '../chain.ts';
import { evmRpc } from './rpc.ts';
import { evmSource } from './source.ts';
import {
  deployed,
  followed,
  lyingProxy,
  NO_SUCH_CALL,
  testDb,
  type Deployed,
  type Lie,
} from './test/evm-rig.ts';

let a: Deployed;
before(async () => {
  a = await deployed('ethereum', 31337);
});
after(() => a?.node.stop());

const ZERO_HASH = `0x${'00'.repeat(32)}`;
type Bend = Parameters<typeof lyingProxy>[2];

/** Changes one answer, as JSON text allows. */
const bent =
  (method: string, change: (result: never) => unknown): Bend =>
  (asked, answer) =>
    asked.method === method ? { result: change(structuredClone(answer.result) as never) } : undefined;

interface Block {
  hash: string;
  number: string;
  parentHash: string;
  gasUsed: string;
  transactions: string[];
}
interface Receipt {
  blockHash: string;
  transactionHash: string;
  status: string;
  logs: { blockHash: string; transactionHash: string; data: string; address: string }[];
}
const firstLog = (receipts: Receipt[]) => {
  const log = receipts.flatMap((receipt) => receipt.logs)[0];
  assert.ok(log, 'the block has a log');
  return log;
};
const logsOf = (receipts: Receipt[]) => {
  const found = receipts.find(({ logs }) => logs.length > 0)?.logs;
  assert.ok(found, 'the block has a log');
  return found;
};
/** Only of the block above our tip: what the loop asks first must pass. */
const header = (change: (block: Block) => void): Bend =>
  bent('eth_getBlockByNumber', (block: Block) => {
    if (block.transactions.length > 0) change(block);
    return block;
  });
const receipts = (change: (list: Receipt[]) => unknown): Bend =>
  bent('eth_getBlockReceipts', (list: Receipt[]) => change(list) ?? list);
/** Of a node that keeps no flat traces. */
const traces = (change: (list: { txHash: string; result: Record<string, unknown> }[]) => unknown): Bend => {
  const bend = bent('debug_traceBlockByHash', (list: never[]) => change(list) ?? list);
  return (asked, answer) => (asked.method === 'trace_block' ? NO_SUCH_CALL : bend(asked, answer));
};
interface Flat {
  blockHash: string;
  transactionHash: string;
  traceAddress: number[];
  type: string;
  error?: string;
  action: Record<string, unknown>;
}
const flat = (change: (list: Flat[]) => unknown): Bend =>
  bent('trace_block', (list: Flat[]) => change(list) ?? list);

const lies: readonly (readonly [string, ChainErrorCode, Bend])[] = [
  [
    'a header with another gas than its hash',
    'NODE_GARBAGE',
    header((block) => void (block.gasUsed = '0x1')),
  ],
  ['a header of another height', 'NODE_GARBAGE', header((block) => void (block.number = '0x0'))],
  ['a header without a parent', 'NODE_GARBAGE', header((block) => void (block.parentHash = '0x'))],
  ['a transaction left out', 'NODE_GARBAGE', header((block) => void block.transactions.pop())],
  [
    'no block',
    'CHAIN_MOVED',
    ({ method, params }, { result }) =>
      method === 'eth_getBlockByNumber' && params[0] !== 'latest' && (result as Block).transactions.length > 0
        ? { result: null }
        : undefined,
  ],
  ['no receipts', 'CHAIN_MOVED', bent('eth_getBlockReceipts', () => null)],
  ['a receipt left out', 'NODE_GARBAGE', receipts((list) => list.slice(1))],
  ['a receipt of another block', 'NODE_GARBAGE', receipts((list) => void (list[0]!.blockHash = ZERO_HASH))],
  [
    'a receipt of another transaction',
    'NODE_GARBAGE',
    receipts((list) => void (list[0]!.transactionHash = ZERO_HASH)),
  ],
  ['a log of another block', 'NODE_GARBAGE', receipts((list) => void (firstLog(list).blockHash = ZERO_HASH))],
  [
    'a log of another transaction',
    'NODE_GARBAGE',
    receipts((list) => void (firstLog(list).transactionHash = ZERO_HASH)),
  ],
  ['a status that is another', 'RECEIPTS_MISMATCH', receipts((list) => void (list[0]!.status = '0x0'))],
  ['a log left out', 'RECEIPTS_MISMATCH', receipts((list) => void logsOf(list).shift())],
  ['a log told twice', 'RECEIPTS_MISMATCH', receipts((list) => void logsOf(list).push(firstLog(list)))],
  [
    'a log with another amount',
    'RECEIPTS_MISMATCH',
    receipts((list) => void (firstLog(list).data = `0x${'f'.repeat(64)}`)),
  ],
  [
    'a log of another contract',
    'RECEIPTS_MISMATCH',
    receipts((list) => void (firstLog(list).address = `0x${'ee'.repeat(20)}`)),
  ],
  ['a block said to be empty', 'RECEIPTS_MISMATCH', header((block) => void (block.transactions.length = 0))],
  ['a status that is none', 'NODE_GARBAGE', receipts((list) => void (list[0]!.status = '0x7'))],
  ['a trace left out', 'NODE_GARBAGE', traces((list) => list.slice(1))],
  ['a trace of another transaction', 'NODE_GARBAGE', traces((list) => void (list[0]!.txHash = ZERO_HASH))],
  [
    'a trace without a result',
    'NODE_GARBAGE',
    traces((list) => void (list[0] = { txHash: list[0]!.txHash } as never)),
  ],
  ['a value that is no number', 'NODE_GARBAGE', traces((list) => void (list[0]!.result['value'] = 'plenty'))],
  ['a flat trace left out', 'NODE_GARBAGE', flat((list) => list.slice(1))],
  [
    'an inner call left out',
    'NODE_GARBAGE',
    flat((list) => list.filter((entry) => entry.traceAddress.length === 0)),
  ],
  ['a flat trace of another block', 'CHAIN_MOVED', flat((list) => void (list[0]!.blockHash = ZERO_HASH))],
  [
    'a flat trace of another transaction',
    'NODE_GARBAGE',
    flat((list) => void (list[0]!.transactionHash = ZERO_HASH)),
  ],
  ['a call twice', 'NODE_GARBAGE', flat((list) => [list[0]!, ...list])],
  [
    'a failure that the receipt does not know',
    'NODE_GARBAGE',
    flat((list) => void (list[0]!.error = 'Reverted')),
  ],
  ['a kind of call that there is not', 'NODE_GARBAGE', flat((list) => void (list[0]!.type = 'gift'))],
  [
    'a flat value that is no number',
    'NODE_GARBAGE',
    flat((list) => void (list.at(-1)!.action['value'] = 'plenty')),
  ],
  ['text instead of JSON', 'NODE_GARBAGE', always({ text: '<html>busy</html>' })],
  ['JSON that is no answer', 'NODE_GARBAGE', always({ text: '[]' })],
  ['a broken connection', 'NODE_UNREACHABLE', always('BREAK')],
];

function always(lie: Lie): Bend {
  return ({ method }) => (method === 'eth_getBlockReceipts' ? lie : undefined);
}

for (const [name, code, bend] of lies) {
  test(`${name}: ${code}, and nothing is written`, { timeout: 60_000 }, async (t) => {
    const db = await testDb(t);
    let lying = true;
    const url = await lyingProxy(t, a.node, (asked, answer) => (lying ? bend(asked, answer) : undefined));
    const f = await followed(db, a, { rpc: evmRpc({ urls: [url], timeoutMs: 10_000 }) });
    lying = false;
    await f.follow();
    const { address } = await f.address();
    const before = await tipOf(db, a.id);
    await a.node.rpc('evm_setAutomine', false);
    await paidEachWay(a, address);
    await a.node.mine(1);
    await a.node.rpc('evm_setAutomine', true);
    lying = true;
    await assert.rejects(f.step(), { name: 'ChainError', code, retryable: true });
    assert.deepEqual(await tipOf(db, a.id), before);
    assert.deepEqual(await f.receipts(), []);
    lying = false;
    await f.follow();
    assert.deepEqual(
      (await f.receipts()).map((row) => row.units),
      [5n],
      'told the truth, we go on',
    );
  });
}

/** A block with an event in its first transaction and ether in its second. */
async function paidEachWay({ node, system }: Deployed, to: string): Promise<void> {
  const from = node.accounts[0]!.address;
  const approve = `0x095ea7b3${system.vault.slice(2).padStart(64, '0')}${'1'.padStart(64, '0')}`;
  await node.rpc('eth_sendTransaction', { from, to: system.tokens.USDC, data: approve, gas: '0x30000' });
  await node.rpc('eth_sendTransaction', { from, to, value: '0x5', gas: '0x5208' });
}

test('a node of another chain halts the network', { timeout: 60_000 }, async (t) => {
  const url = await lyingProxy(
    t,
    a.node,
    bent('eth_chainId', () => '0x1'),
  );
  const f = await followed(await testDb(t), a, { rpc: evmRpc({ urls: [url] }) });
  assert.deepEqual(await f.step(), { kind: 'halted', code: 'GENESIS_CHANGED' });
});

test('a node that lags is waited for', { timeout: 60_000 }, async (t) => {
  const f = await followed(await testDb(t), a);
  await f.follow();
  const height = Number(await a.node.rpc<string>('eth_blockNumber'));
  const old = await a.node.rpc('eth_getBlockByNumber', `0x${(height - 2).toString(16)}`, false);
  const url = await lyingProxy(t, a.node, ({ method, params }) =>
    method === 'eth_getBlockByNumber' && params[0] === 'latest' ? { result: old } : undefined,
  );
  const lagging = await followed(f.db, a, { rpc: evmRpc({ urls: [url] }) });
  assert.deepEqual(await lagging.step(), { kind: 'waiting', nodeHeight: height - 2 });
  assert.equal((await f.step()).kind, 'caught-up');
});

test('traces too large for one answer are read by transaction', { timeout: 60_000 }, async (t) => {
  let asked = 0;
  const url = await lyingProxy(t, a.node, ({ method }) => {
    if (method === 'debug_traceTransaction') asked += 1;
    if (method === 'trace_block') return NO_SUCH_CALL;
    return method === 'debug_traceBlockByHash' ? { text: 'x'.repeat(200_000) } : undefined;
  });
  const rpc = evmRpc({ urls: [url], answerBytesMax: 100_000 });
  const f = await followed(await testDb(t), a, { rpc });
  await f.follow();
  const { address } = await f.address();
  await paidEachWay(a, address);
  await f.follow();
  assert.ok(asked >= 2);
  assert.deepEqual(
    (await f.receipts()).map((row) => row.units),
    [5n],
  );
});

test('a node that dies is left for the next one', { timeout: 60_000 }, async (t: TestContext) => {
  let dead = false;
  const url = await lyingProxy(t, a.node, () => (dead ? 'BREAK' : undefined));
  const source = evmSource(evmRpc({ urls: [url, a.node.url] }), { chainId: 31337 });
  const tip = await source.tip();
  dead = true;
  assert.deepEqual(await source.tip(), tip);
});
