// Proves: every limit of the policy refuses at its edge and counts each order once, across attempts, assets, time and
// a restart; one person tightens at once; only a quorum loosens, after the delay; and the chain of versions has no fork.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import type { OrderJson } from '../protocol/order.ts';
import { isTighter, policyDocument, type Policy } from '../protocol/policy.ts';
import { parseStandingPolicy } from '../protocol/standing-policy.ts';
import { checkOrderLimits, emptySpending, rememberSpent } from '../vault/limits.ts';
import type { Vault } from '../vault/vault.ts';
import { signedBy } from './people.ts';
import {
  EVM,
  PASSPHRASE,
  REGTEST,
  bitcoinRequest,
  call,
  coin,
  evmRequest,
  makeQuorum,
  nextOrder,
  orderJson,
  policyOf,
  refused,
  signed,
  signedPolicy,
  type Quorum,
} from './quorum.ts';

const ETH = `${EVM}/slip44:60`;
const BTC = `${REGTEST}/slip44:1`;
const HOUR = 3600;
const DAY = 86_400;
const digestOf = (policy: Policy): Uint8Array =>
  policyDocument.digest(policy, (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest()));

const rule = (asset: string, fields: Partial<Policy['assets'][number]> = {}) => ({
  asset,
  orderMax: 10n,
  windows: [{ seconds: HOUR, valueMax: 20n, countMax: 5 }],
  ...fields,
});

function one(t: TestContext, policy: Partial<Policy>): Quorum & { readonly vault: Vault } {
  const quorum = makeQuorum({ signers: 1, threshold: 1, policy });
  t.after(quorum.close);
  const [vault] = quorum.vaults;
  assert.ok(vault);
  return { ...quorum, vault };
}

const pay = (...amounts: number[]) =>
  evmRequest({ orders: amounts.map((amount) => evmOrder({ amount: String(amount) })) });
const evmOrder = (fields: Partial<OrderJson>) =>
  orderJson({
    orderNumber: nextOrder(),
    asset: ETH,
    destination: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
    ...fields,
  });

/** The next version, with these changes. */
const next = (policy: Policy, fields: Partial<Policy>): Policy =>
  policyDocument.normal({
    ...policy,
    version: policy.version + 1,
    previous: digestOf(policy),
    ...fields,
  });

test('one order, value and number in a window: up to the edge and no further; a refusal spends nothing', (t) => {
  const { vault, clock } = one(t, { assets: [rule(ETH)] });
  refused(vault, pay(11), 'ORDER_TOO_LARGE');
  signed(vault, pay(10));
  refused(vault, pay(6, 5), 'WINDOW_VALUE');
  signed(vault, pay(6));
  signed(vault, pay(2, 1));
  refused(vault, pay(2), 'WINDOW_VALUE');
  refused(vault, pay(1, 1), 'WINDOW_VALUE');
  signed(vault, pay(1));
  refused(vault, pay(1), 'WINDOW_VALUE');
  const later = { deadline: String(clock.nowMs / 1000 + HOUR + 600) };
  clock.nowMs += HOUR * 1000 - 1;
  refused(vault, { ...pay(1), ...later }, 'WINDOW_VALUE');
  clock.nowMs += 1;
  const tiny = (count: number) => ({ ...pay(...Array.from({ length: count }, () => 1)), ...later });
  signed(vault, tiny(5));
  refused(vault, tiny(1), 'WINDOW_COUNT');
});

test('an order counts once: again, or in another batch, it needs no room', (t) => {
  const { vault } = one(t, { assets: [rule(ETH)] });
  const [a, b] = [evmOrder({ amount: '10' }), evmOrder({ amount: '10' })];
  const first = evmRequest({ orders: [a] });
  signed(vault, first);
  signed(vault, first);
  signed(vault, evmRequest({ orders: [a, b] }));
  signed(vault, evmRequest({ orders: [b] }));
  refused(vault, pay(1), 'WINDOW_VALUE');
});

test('an asset without a rule, fees without a rule, and orders that need approvals are refused', (t) => {
  const { vault, manifest } = one(t, {
    assets: [
      rule(BTC, { orderMax: 10n ** 9n, windows: [{ seconds: DAY, valueMax: 10n ** 9n, countMax: 9 }] }),
    ],
    fees: [],
    approvals: [{ asset: BTC, from: 100_000n, operators: 1 }],
  });
  refused(vault, pay(1), 'NOT_IN_POLICY');
  const request = (amount: string) =>
    bitcoinRequest(manifest, {
      coins: [coin(manifest, 200_000n)],
      orders: [orderJson({ amount })],
      change: { index: 1, value: 200_000n - BigInt(amount) - 2000n },
    });
  refused(vault, request('100000'), 'APPROVALS_MISSING');
  refused(vault, request('99999'), 'NOT_IN_POLICY');
});

test('fees: a bump counts what it adds, and the window closes', (t) => {
  const { vault, manifest } = one(t, { fees: [{ network: REGTEST, seconds: DAY, feeMax: 5000n }] });
  const spend = (
    fee: bigint,
    of = { coins: [coin(manifest, 200_000n)], orders: [orderJson({ amount: '50000' })] },
  ) => {
    const change = { index: 1, value: 150_000n - fee };
    return { of, request: bitcoinRequest(manifest, { ...of, change }) };
  };
  const { of, request } = spend(2000n);
  signed(vault, request);
  signed(vault, spend(4000n, of).request);
  signed(vault, spend(3000n, of).request);
  refused(vault, spend(1001n).request, 'WINDOW_FEES');
  signed(vault, spend(1000n).request);
  refused(vault, spend(4001n, of).request, 'WINDOW_FEES');
});

test('what was spent outlives a restart', (t) => {
  const quorum = makeQuorum({ signers: 1, threshold: 1, policy: { assets: [rule(ETH)] } });
  t.after(() => rmSync(quorum.folders[0]!, { recursive: true }));
  const [vault] = quorum.vaults;
  signed(vault!, pay(10));
  signed(vault!, pay(9));
  vault!.close();
  const again = quorum.reopen(0);
  t.after(() => again.close());
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
  refused(again, pay(2), 'WINDOW_VALUE');
  signed(again, pay(1));
});

test('without a policy nothing is signed; the first one needs a quorum', (t) => {
  const { vault, manifest, operators } = one(t, {});
  const bare = makeQuorum({ signers: 1, threshold: 1, pin: false });
  t.after(bare.close);
  const first = policyOf(manifest);
  assert.equal(call(bare.vaults[0]!, 'policy', signedPolicy(first))['code'], 'NO_MANIFEST');
  const [alice] = operators;
  const another = next(first, { assets: [] });
  assert.equal(
    call(vault, 'policy', signedBy(policyDocument, first, [alice!.byPasskey])).ok,
    true,
    'the same again',
  );
  assert.equal(
    call(vault, 'policy', signedBy(policyDocument, { ...another, version: 3 }, [alice!.byKey]))['code'],
    'POLICY_STALE',
  );
  assert.equal(
    call(
      vault,
      'policy',
      signedBy(policyDocument, { ...another, previous: new Uint8Array(32) }, [alice!.byKey]),
    )['code'],
    'POLICY_STALE',
  );
});

test('one person tightens at once; loosening needs a quorum and its delay; what was approved comes back at once', (t) => {
  const { vault, manifest, operators, clock } = one(t, { assets: [rule(ETH)], loosenDelaySeconds: 600 });
  const [alice, bob] = operators;
  assert.ok(alice && bob);
  const soon = () => ({ deadline: String(Math.floor(clock.nowMs / 1000) + 600) });
  const first = policyOf(manifest, { assets: [rule(ETH)], loosenDelaySeconds: 600 });
  const tight = next(first, { assets: [rule(ETH, { orderMax: 3n })] });
  assert.equal(
    call(vault, 'policy', signedBy(policyDocument, tight, [bob.byKey]))['code'],
    'SIGNATURE_REFUSED',
  );
  assert.ok(call(vault, 'policy', signedBy(policyDocument, tight, [alice.byKey])).ok);
  refused(vault, pay(4), 'ORDER_TOO_LARGE');
  const loose = next(tight, { assets: [rule(ETH, { orderMax: 15n })] });
  assert.equal(
    call(vault, 'policy', signedBy(policyDocument, loose, [alice.byKey]))['code'],
    'SIGNATURE_REFUSED',
  );
  assert.equal(
    call(vault, 'policy', signedBy(policyDocument, loose, [alice.byPasskey]))['code'],
    'QUORUM_MISSING',
  );
  assert.ok(call(vault, 'policy', signedPolicy(loose)).ok);
  refused(vault, pay(4), 'ORDER_TOO_LARGE');
  clock.nowMs += 600_000 - 1;
  refused(vault, { ...pay(4), ...soon() }, 'ORDER_TOO_LARGE');
  clock.nowMs += 1;
  signed(vault, { ...pay(15), ...soon() });
  const tightAgain = next(loose, { assets: [rule(ETH, { orderMax: 1n })] });
  assert.ok(call(vault, 'policy', signedBy(policyDocument, tightAgain, [alice.byKey])).ok);
  refused(vault, { ...pay(2), ...soon() }, 'ORDER_TOO_LARGE');
  const restored = next(tightAgain, { assets: [rule(ETH, { orderMax: 15n })] });
  assert.ok(call(vault, 'policy', signedPolicy(restored)).ok);
  signed(vault, { ...pay(2), ...soon() });
});

test('a tightening takes the place of a loosening that waits', (t) => {
  const { vault, manifest, operators, clock } = one(t, { assets: [rule(ETH)], loosenDelaySeconds: 60 });
  const first = policyOf(manifest, { assets: [rule(ETH)], loosenDelaySeconds: 60 });
  const loose = next(first, { assets: [rule(ETH, { orderMax: 15n })] });
  assert.ok(call(vault, 'policy', signedPolicy(loose)).ok);
  const tight = next(loose, { assets: [rule(ETH, { orderMax: 5n })] });
  assert.ok(call(vault, 'policy', signedBy(policyDocument, tight, [operators[0]!.byKey])).ok);
  clock.nowMs += 61_000;
  const soon = { deadline: String(Math.floor(clock.nowMs / 1000) + 600) };
  refused(vault, { ...pay(6), ...soon }, 'ORDER_TOO_LARGE');
  signed(vault, { ...pay(5), ...soon });
});

test('what says the same is refused and takes no version; one key stops a loosening by saying it while that waits', (t) => {
  const fields = { assets: [rule(ETH)], loosenDelaySeconds: 60 };
  const { vault, manifest, operators, clock } = one(t, fields);
  const first = policyOf(manifest, fields);
  const same = next(first, {});
  const byAlice = (policy: Policy) => signedBy(policyDocument, policy, [operators[0]!.byKey]);
  const standing = () => {
    const read = parseStandingPolicy(call(vault, 'policies', {}));
    assert.ok(read.ok && read.value.ok);
    return [read.value.now?.version, read.value.waiting?.policy.version, read.value.waiting?.fromMs];
  };
  assert.equal(call(vault, 'policy', byAlice(same))['code'], 'POLICY_UNCHANGED');
  assert.equal(call(vault, 'policy', signedPolicy(same))['code'], 'POLICY_UNCHANGED');
  const loose = next(first, { assets: [rule(ETH, { orderMax: 15n })] });
  assert.ok(call(vault, 'policy', signedPolicy(loose)).ok);
  assert.deepEqual(standing(), [1, 2, clock.nowMs + 60_000]);
  const waiting = { version: 2, fromMs: clock.nowMs + 60_000 };
  assert.deepEqual(call(vault, 'status', {})['policy'], { version: 1, waiting });
  assert.ok(call(vault, 'policy', byAlice(next(loose, { assets: first.assets }))).ok);
  clock.nowMs += 61_000;
  assert.deepEqual(standing(), [3, undefined, undefined]);
  assert.deepEqual(call(vault, 'status', {})['policy'], { version: 3, waiting: null });
  refused(vault, { ...pay(11), deadline: String(Math.floor(clock.nowMs / 1000) + 600) }, 'ORDER_TOO_LARGE');
});

const windows = fc.uniqueArray(
  fc.record({ seconds: fc.integer({ min: 1, max: 5 }), valueMax: fc.bigInt(0n, 9n), countMax: fc.nat(4) }),
  { minLength: 1, maxLength: 3, selector: ({ seconds }) => seconds },
);
const assetRule = fc.record({ asset: fc.constant(ETH), orderMax: fc.bigInt(0n, 9n), windows });
const history = fc.array(
  fc.record({ atMs: fc.nat(6000), amounts: fc.array(fc.bigInt(1n, 5n), { minLength: 1, maxLength: 3 }) }),
);

test('whatever was paid before: what a tighter policy allows, the looser one allows too', () => {
  fc.assert(
    fc.property(
      assetRule,
      assetRule,
      history,
      fc.array(fc.bigInt(1n, 9n), { minLength: 1, maxLength: 3 }),
      (a, b, before, amounts) => {
        const base = {
          epoch: 1,
          version: 1,
          previous: new Uint8Array(32),
          by: 'alice',
          fees: [],
          loosenDelaySeconds: 0,
          approvals: [],
          attestations: [],
          tiers: [],
          credentialHoldSeconds: 0,
          recoveryHoldSeconds: 0,
          newDestinations: [],
          paidInSeconds: 0,
        };
        const [loose, tight] = [a, b].map((assets) => policyDocument.normal({ ...base, assets: [assets] }));
        if (!isTighter(tight!, loose!)) return;
        const spending = emptySpending();
        for (const { atMs, amounts: paid } of before.toSorted((x, y) => x.atMs - y.atMs))
          rememberSpent(spending, { network: EVM, asset: ETH, ...sumOf(paid), fee: 0n, tiers: [] }, atMs);
        const payment = { asset: ETH, amounts, ...sumOf(amounts), nowMs: 6000 };
        if (checkOrderLimits(tight!, spending, payment) === undefined)
          assert.equal(checkOrderLimits(loose!, spending, payment), undefined);
      },
    ),
    { numRuns: 5000 },
  );
});

test('windows: what is let through never exceeds any span of any window', () => {
  fc.assert(
    fc.property(assetRule, history, (limits, asks) => {
      const policy = policyDocument.normal({
        epoch: 1,
        version: 1,
        previous: new Uint8Array(32),
        by: 'alice',
        assets: [limits],
        fees: [],
        loosenDelaySeconds: 0,
        approvals: [],
        attestations: [],
        tiers: [],
        credentialHoldSeconds: 0,
        recoveryHoldSeconds: 0,
        newDestinations: [],
        paidInSeconds: 0,
      });
      const spending = emptySpending();
      const paid: { atMs: number; amounts: readonly bigint[] }[] = [];
      for (const { atMs, amounts } of asks.toSorted((x, y) => x.atMs - y.atMs)) {
        const asked = { asset: ETH, amounts, ...sumOf(amounts), nowMs: atMs };
        if (checkOrderLimits(policy, spending, asked) !== undefined) continue;
        rememberSpent(spending, { network: EVM, asset: ETH, ...sumOf(amounts), fee: 0n, tiers: [] }, atMs);
        paid.push({ atMs, amounts });
      }
      for (const { seconds, valueMax, countMax } of limits.windows) {
        for (const { atMs } of paid) {
          const inside = paid
            .filter((one) => one.atMs <= atMs && one.atMs > atMs - seconds * 1000)
            .flatMap((one) => one.amounts);
          assert.ok(
            inside.reduce((sum, amount) => sum + amount, 0n) <= valueMax && inside.length <= countMax,
          );
        }
      }
    }),
    { numRuns: 3000 },
  );
});

function sumOf(amounts: readonly bigint[]): { value: bigint; count: number } {
  return { value: amounts.reduce((sum, amount) => sum + amount, 0n), count: amounts.length };
}
