// Proves that only a withdrawal with nothing against it is approved, and that each fact alone changes the answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decideWithdrawal, type WithdrawalFacts } from './risk.ts';

const GOOD: WithdrawalFacts = {
  gateOpen: true,
  networkHalted: false,
  expired: false,
  destinationIsOurs: false,
  amountPayable: true,
};

test('each fact alone', () => {
  assert.deepEqual(decideWithdrawal(GOOD), { decision: 'approve', tag: 'ALLOWED' });
  const cases = [
    [{ gateOpen: false }, 'hold', 'GATE_CLOSED'],
    [{ networkHalted: true }, 'hold', 'NETWORK_HALTED'],
    [{ expired: true }, 'refuse', 'ORDER_EXPIRED'],
    [{ destinationIsOurs: true }, 'refuse', 'OWN_ADDRESS'],
    [{ amountPayable: false }, 'refuse', 'AMOUNT_UNPAYABLE'],
  ] as const;
  for (const [bad, decision, tag] of cases) {
    assert.deepEqual(decideWithdrawal({ ...GOOD, ...bad }), { decision, tag });
  }
});

test('any facts: approved exactly when all are good, and a bad order is refused and never held', () => {
  const facts = fc.record({
    gateOpen: fc.boolean(),
    networkHalted: fc.boolean(),
    expired: fc.boolean(),
    destinationIsOurs: fc.boolean(),
    amountPayable: fc.boolean(),
  });
  fc.assert(
    fc.property(facts, (some) => {
      const { decision } = decideWithdrawal(some);
      const bad = some.expired || some.destinationIsOurs || !some.amountPayable;
      assert.equal(decision === 'refuse', bad);
      assert.equal(decision === 'approve', !bad && some.gateOpen && !some.networkHalted);
    }),
  );
});
