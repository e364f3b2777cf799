// Proves what a child's journal entry must say to be remembered: a parent that stands before it, and one output for all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vectors } from '../test/plain-encoding.ts';
import { emptyMemory, remember, type Memory } from './memory.ts';
import { attemptKey, type ChildEntry, type PayEntry } from './pay-entries.ts';

const { journal } = vectors('bitcoin-child') as {
  journal: {
    parent: PayEntry;
    child: ChildEntry;
    replacement: ChildEntry;
    invalidChildren: { name: string; body: unknown }[];
  };
};

function remembered(...children: readonly unknown[]): Memory {
  const memory = emptyMemory();
  remember(memory, 'bitcoin-pay', journal.parent, { sequence: 1n, atMs: 1000 });
  for (const body of children) remember(memory, 'bitcoin-child', body, { sequence: 2n, atMs: 1001 });
  return memory;
}

test('a child and its replacement: both are known, the highest fee counts, orders are as they were', () => {
  const { parent, child, replacement } = journal;
  const memory = remembered(child, replacement);
  assert.deepEqual(memory.children.get(attemptKey(parent.place, parent.id)), {
    spends: child.spends,
    ids: new Set([child.id, replacement.id]),
    fee: 12_000n,
    atMs: 1001,
    isOwn: true,
  });
  assert.deepEqual(memory.orders, remembered().orders);
  const fees = memory.spending.fees.get(parent.place);
  assert.equal(fees?.value.at(-1), 17_000n, 'what parent and child cost at most');
  assert.equal(memory.spending.orders.get(parent.asset)?.count.at(-1), 1);
});

for (const { name, body } of journal.invalidChildren) {
  test(`not remembered: ${name}`, () => {
    assert.throws(() => remembered(journal.child, body), { code: 'MALFORMED' });
  });
}

test('a child before its parent is no journal of a signer', () => {
  assert.throws(() => remember(emptyMemory(), 'bitcoin-child', journal.child, { sequence: 1n, atMs: 1000 }), {
    code: 'MALFORMED',
  });
});
