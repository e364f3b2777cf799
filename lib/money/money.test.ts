// Proves that amounts go from text to base units and back without losing or making any, and that every text which is
// no positive amount of the asset is refused with its reason.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatAmount, parseAmount, UNITS_MAX } from './money.ts';

const decimals = fc.integer({ min: 0, max: 36 });

test('any amount: written with the places of its asset, and read back as the same units', () => {
  const units = fc.bigInt({ min: 1n, max: UNITS_MAX });
  fc.assert(
    fc.property(units, decimals, (amount, places) => {
      const text = formatAmount(amount, places);
      assert.equal(text.split('.')[1]?.length ?? 0, places);
      assert.deepEqual(parseAmount(text, places), { ok: true, units: amount });
      assert.equal(formatAmount(-amount, places), `-${text}`);
    }),
  );
});

test('known amounts', () => {
  assert.equal(formatAmount(1_500_000n, 8), '0.01500000');
  assert.equal(formatAmount(0n, 2), '0.00');
  assert.equal(formatAmount(7n, 0), '7');
  assert.deepEqual(parseAmount('0.015', 8), { ok: true, units: 1_500_000n });
  assert.deepEqual(parseAmount('007', 6), { ok: true, units: 7_000_000n });
});

test('what is no positive amount of the asset is refused, and says why', () => {
  for (const text of ['', ' 1', '1 ', '+1', '-1', '1e3', '1.', '.5', '1,5', '0x1', '１', '1.2.3', 'NaN'])
    assert.deepEqual(parseAmount(text, 8), { ok: false, reason: 'AMOUNT_NOT_DECIMAL' }, text);
  assert.deepEqual(parseAmount('0'.repeat(161), 8), { ok: false, reason: 'AMOUNT_NOT_DECIMAL' });
  for (const text of ['0', '0.00', '000'])
    assert.deepEqual(parseAmount(text, 8), { ok: false, reason: 'AMOUNT_NOT_POSITIVE' }, text);
  assert.deepEqual(parseAmount('1.0', 0), { ok: false, reason: 'AMOUNT_TOO_PRECISE' });
  assert.deepEqual(parseAmount('0.000000001', 8), { ok: false, reason: 'AMOUNT_TOO_PRECISE' });
  assert.deepEqual(parseAmount(`${UNITS_MAX}`, 0), { ok: true, units: UNITS_MAX });
  assert.deepEqual(parseAmount(`${UNITS_MAX + 1n}`, 0), { ok: false, reason: 'AMOUNT_TOO_LARGE' });
});
