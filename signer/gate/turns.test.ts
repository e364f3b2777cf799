// Proves that whoever fills a line of their own neither keeps others out nor makes them wait for all of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTurns } from './turns.ts';

test('a full line is refused more; another line waits for one of it, and what it gives comes back', async () => {
  const turns = openTurns(3);
  const order: string[] = [];
  const act = (name: string) => async (): Promise<string> => {
    order.push(name);
    await new Promise((resolve) => setImmediate(resolve));
    if (name === 'a2') throw new Error('a2 fails alone');
    return name;
  };
  const all = [
    ...['a0', 'a1', 'a2', 'a3'].map((name) => turns.take('a', act(name))),
    turns.take('b', act('b0')),
    turns.take('b', act('b1')),
  ];
  await assert.rejects(turns.take('a', act('a4')), { code: 'BUSY' });
  const results = await Promise.allSettled(all);
  assert.deepEqual(
    results.map((one) => (one.status === 'fulfilled' ? one.value : 'failed')),
    ['a0', 'a1', 'failed', 'a3', 'b0', 'b1'],
  );
  assert.deepEqual(order, ['a0', 'a1', 'b0', 'a2', 'b1', 'a3']);
  await turns.idle();
  assert.equal(await turns.take('a', act('a5')), 'a5');
});
