// Proves that the root of a block's receipts is the one that another implementation put into its headers, for blocks of
// every number and type of transactions, and that no bit of a receipt can be another.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as fc from 'fast-check';
import { startAnvil, type Anvil } from '../../../world/parts/anvil.ts';
import { ChainError } from '../faults.ts';
import { receiptsRoot } from './receipts-root.ts';

let node: Anvil;
before(async () => {
  node = await startAnvil({ chainId: 4711 });
});
after(() => node?.stop());

/** Init code that logs 40 bytes of zeros with a topic, and leaves no contract: PUSH1 7, PUSH1 40, PUSH1 0, LOG1. */
const LOGS = '0x600760286000a1';
/** Init code that reverts. */
const FAILS = '0x60006000fd';
const KINDS = [
  { type: '0x0', gasPrice: '0x77359400' },
  { type: '0x1', gasPrice: '0x77359400', accessList: [{ address: `0x${'11'.repeat(20)}`, storageKeys: [] }] },
  { type: '0x2', maxFeePerGas: '0x77359400', maxPriorityFeePerGas: '0x1' },
];

/** A block of so many transactions of all kinds in turn: payments, logs and failures. */
async function block(count: number): Promise<{ root: string; receipts: Record<string, unknown>[] }> {
  await node.rpc('evm_setAutomine', false);
  const from = node.accounts[0]!.address;
  for (let i = 0; i < count; i += 1) {
    const what = [{ to: `0x${'22'.repeat(20)}`, value: '0x1' }, { data: LOGS }, { data: FAILS }][i % 3];
    await node.rpc('eth_sendTransaction', { from, gas: '0x186a0', ...KINDS[i % KINDS.length], ...what });
  }
  await node.mine(1);
  await node.rpc('evm_setAutomine', true);
  const { hash, receiptsRoot: root } = await node.rpc<{ hash: string; receiptsRoot: string }>(
    'eth_getBlockByNumber',
    'latest',
    false,
  );
  const receipts = await node.rpc<Record<string, unknown>[]>('eth_getBlockReceipts', hash);
  assert.equal(receipts.length, count);
  return { root, receipts };
}

test('blocks of none, one, few and more than 128, across every change of the keys’ length', async () => {
  for (const count of [0, 1, 2, 3, 16, 17, 127, 128, 129, 130, 257]) {
    const { root, receipts } = await block(count);
    assert.equal(receiptsRoot(receipts), root, `${count} receipts`);
    if (count >= 3) assert.equal(new Set(receipts.map(({ type }) => type)).size, 3);
  }
});

test('any receipt changed in any way, left out, told twice or moved, is another root', async () => {
  const { root, receipts } = await block(12);
  const logged = receipts.findIndex(({ logs }) => (logs as unknown[]).length > 0);
  const fields = ['status', 'cumulativeGasUsed', 'logsBloom', 'type'] as const;
  fc.assert(
    fc.property(fc.nat(11), fc.constantFrom(...fields), (at, field) => {
      const bent = structuredClone(receipts);
      const text = String(bent[at]![field]);
      const last = Number.parseInt(text.at(-1)!, 16);
      bent[at]![field] = `${text.slice(0, -1)}${(last ^ 1).toString(16)}`;
      assert.notEqual(receiptsRoot(bent), root);
    }),
  );
  const changes: ((log: Record<string, unknown>, logs: unknown[]) => void)[] = [
    (log) => void (log['data'] = `${String(log['data']).slice(0, -2)}01`),
    (log) => void (log['address'] = `0x${'33'.repeat(20)}`),
    (log) => void (log['topics'] = []),
    (_, logs) => void logs.pop(),
  ];
  for (const change of changes) {
    const bent = structuredClone(receipts);
    const logs = bent[logged]!['logs'] as Record<string, unknown>[];
    change(logs[0]!, logs);
    assert.notEqual(receiptsRoot(bent), root);
  }
  assert.notEqual(receiptsRoot(receipts.slice(1)), root);
  assert.notEqual(receiptsRoot([...receipts, receipts[0]]), root);
  assert.notEqual(receiptsRoot(receipts.toReversed()), root);
});

test('a type of receipt that Ethereum does not have is refused by name', async () => {
  const { receipts } = await block(1);
  const unknown = [{ ...receipts[0], type: '0x7e' }];
  assert.throws(
    () => receiptsRoot(unknown),
    (error) => error instanceof ChainError && error.code === 'NODE_GARBAGE',
  );
});
