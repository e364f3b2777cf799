// Proves that fees stay below the limit and that every replacement is one that nodes accept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { firstFees, replacementFees } from './fees.ts';

const wei = fc.bigInt({ min: 1n, max: 10n ** 13n });
const market = fc.record({ baseFeePerGas: wei, priorityFeePerGas: wei });

test('a first attempt pays the next block and is never above the limit', () => {
  fc.assert(
    fc.property(market, wei, (now, limit) => {
      const fees = firstFees(now, limit);
      if (!fees) return assert.ok(now.baseFeePerGas >= limit);
      assert.ok(fees.maxFeePerGas <= limit && fees.maxFeePerGas > now.baseFeePerGas);
      assert.ok(fees.maxPriorityFeePerGas <= fees.maxFeePerGas);
    }),
  );
});

test('a replacement is at least an eighth above the last on both fields, until the limit ends it', () => {
  fc.assert(
    fc.property(market, market, wei, (then, now, limit) => {
      let last = firstFees(then, limit);
      fc.pre(last !== undefined);
      let rounds = 0;
      while (last) {
        const next = replacementFees(now, last, limit);
        if (!next) {
          const room = last.maxFeePerGas * 9n > limit * 8n - 8n;
          return assert.ok(
            room || last.maxPriorityFeePerGas * 9n > last.maxFeePerGas * 7n,
            'refused with room',
          );
        }
        assert.ok(next.maxFeePerGas * 8n >= last.maxFeePerGas * 9n);
        assert.ok(next.maxPriorityFeePerGas * 8n >= last.maxPriorityFeePerGas * 9n);
        assert.ok(next.maxFeePerGas <= limit && next.maxPriorityFeePerGas <= next.maxFeePerGas);
        last = next;
        rounds += 1;
        assert.ok(rounds < 400, 'it ends');
      }
    }),
  );
});
