// Proves that what the command line calls tighter or looser, rule by rule, is what signers judge the whole by: a policy
// is a tightening exactly when no line of it says looser; and that every rule that differs has a line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { changeLine, policyChanges, policyLines, type Units } from '../ceremony/policy-diff.ts';
import { isTighter, policyDocument, type Policy } from '../protocol/policy.ts';

const units: Units = {
  amount: (_, amount) => `${amount} units`,
  fee: (_, amount) => `${amount} sat`,
};
const [A, B] = ['eip155:1/slip44:60', 'eip155:1/slip44:61'];
const asset = fc.constantFrom(A, B);
const small = fc.bigInt(1n, 3n);
const span = fc.integer({ min: 1, max: 2 });
const listOf = <T>(rule: fc.Arbitrary<T>, selector: (one: T) => string): fc.Arbitrary<T[]> =>
  fc.uniqueArray(rule, { maxLength: 3, selector });
const window = fc.record({ seconds: span, valueMax: small, countMax: span });
const cap = { asset, seconds: span, customerMax: small, allMax: small };
const policies: fc.Arbitrary<Policy> = fc
  .record({
    assets: listOf(
      fc.record({
        asset,
        orderMax: small,
        windows: fc.uniqueArray(window, {
          minLength: 1,
          maxLength: 2,
          selector: ({ seconds }) => seconds,
        }),
      }),
      (one) => one.asset,
    ),
    fees: listOf(
      fc.record({ network: fc.constant('bip122:aa'), seconds: span, feeMax: small }),
      ({ network }) => network,
    ),
    loosenDelaySeconds: span,
    approvals: listOf(fc.record({ asset, from: small, operators: span }), (one) => one.asset),
    attestations: listOf(
      fc.record({ network: fc.constant('eip155:1'), maxSeconds: span }),
      ({ network }) => network,
    ),
    tiers: listOf(
      fc.record({ ...cap, tier: fc.constantFrom('unproven' as const, 'unfunded' as const) }),
      (one) => `${one.asset} ${one.tier}`,
    ),
    credentialHoldSeconds: span,
    newDestinations: listOf(fc.record(cap), (one) => one.asset),
    paidInSeconds: span,
  })
  .map((fields) =>
    policyDocument.normal({
      epoch: 1,
      version: 1,
      previous: new Uint8Array(32),
      by: 'alice',
      recoveryHoldSeconds: 2,
      ...fields,
    }),
  );

const FIELDS = [
  'assets',
  'fees',
  'loosenDelaySeconds',
  'approvals',
  'attestations',
  'tiers',
  'credentialHoldSeconds',
  'newDestinations',
  'paidInSeconds',
] as const;

test('a policy is a tightening exactly when no line says looser', () => {
  let [tighter, looser] = [0, 0];
  const count = (before: Policy, after: Policy): void => {
    const changes = policyChanges(before, after, units);
    const whole = isTighter(after, before);
    assert.equal(
      changes.every((one) => one.isTighter),
      whole,
      changes.map(changeLine).join('\n'),
    );
    if (whole) tighter += 1;
    else looser += 1;
  };
  fc.assert(
    fc.property(policies, policies, fc.constantFrom(...FIELDS), (a, b, field) => {
      count(a, b);
      count(a, { ...a, [field]: b[field] });
    }),
    { numRuns: 5000 },
  );
  assert.ok(tighter > 500 && looser > 500, `${tighter} ${looser}`);
});

test('no line means that they allow the same, and every rule of a policy has one', () => {
  fc.assert(
    fc.property(policies, policies, (a, b) => {
      const same = { ...b, version: a.version, previous: a.previous, by: a.by };
      const isSame = JSON.stringify(policyDocument.toJson(a)) === JSON.stringify(policyDocument.toJson(same));
      assert.equal(policyChanges(a, b, units).length === 0, isSame);
      assert.ok(policyLines(a, units).length >= Object.keys(a).length - 4);
    }),
    { numRuns: 2000 },
  );
});

test('the words name the rule, both amounts and the verdict', () => {
  const base = fc.sample(policies, { numRuns: 1, seed: 1 })[0]!;
  const rule = (orderMax: bigint): Policy => ({
    ...base,
    assets: [{ asset: A, orderMax, windows: [{ seconds: 86_400, valueMax: 9n, countMax: 5 }] }],
  });
  const lines = (before: Policy, after: Policy) => policyChanges(before, after, units).map(changeLine);
  const words = (max: number) => `one order at most ${max} units, in any 1 day at most 9 units in 5 orders`;
  assert.deepEqual(lines(rule(7n), rule(3n)), [`Tighter: what is paid, ${A}: ${words(7)} → ${words(3)}`]);
  assert.deepEqual(lines(rule(3n), rule(7n)), [`LOOSER: what is paid, ${A}: ${words(3)} → ${words(7)}`]);
  const mixed = { ...rule(3n), loosenDelaySeconds: base.loosenDelaySeconds - 1 };
  assert.deepEqual(
    policyChanges(rule(7n), mixed, units).map(({ field, isTighter: tighter }) => [field, tighter]),
    [
      ['assets', true],
      ['loosenDelaySeconds', false],
    ],
    'a tighter line of a looser policy is called tighter',
  );
});
