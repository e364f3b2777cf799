// Proves on the journals of real vaults that what is paid is gone from what a capture could cost, that a freeze makes
// it nothing, that a looser policy counts as soon as it may hold; and for any facts that tightening widens nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { policyDocument, type Policy } from '../signer/protocol/policy.ts';
import { freezeDocument } from '../signer/protocol/freeze.ts';
import { sha256, signedBy } from '../signer/test/people.ts';
import {
  REGTEST,
  bitcoinRequest,
  call,
  evmRequest,
  makeQuorum,
  payment,
  policyOf,
  signed,
  signedPolicy,
  type Quorum,
} from '../signer/test/quorum.ts';
import { blastRadius, type Facts } from './blast-radius.ts';
import { factsOf, type SignerFacts } from './journals.ts';

const BTC = `${REGTEST}/slip44:1`;
const ETH = 'eip155:31337/slip44:60';
const WINDOW = 10_000_000n;
const FEES = 100_000n;
const rule = (asset: string, valueMax: bigint) => ({
  asset,
  orderMax: valueMax,
  windows: [{ seconds: 3600, valueMax, countMax: 100 }],
});
const policy = {
  assets: [rule(BTC, WINDOW), rule(ETH, 5n * 10n ** 18n)],
  fees: [{ network: REGTEST, seconds: 3600, feeMax: FEES }],
};

const linesOf = (quorum: Quorum, i: number): string[] => {
  const vault = quorum.vaults[i];
  assert.ok(vault);
  return call(vault, 'journal', { after: '0' })['lines'] as string[];
};

function factsNow(quorum: Quorum): Facts {
  const { manifest, clock } = quorum;
  const signers = manifest.signers.map(({ id }, i) => factsOf(id, linesOf(quorum, i), clock.nowMs));
  return { manifest, signers, float: undefined, vaults: new Map(), nowMs: clock.nowMs };
}

function costs(facts: Facts, asset: string): Record<string, bigint | undefined> {
  return Object.fromEntries(
    blastRadius(facts).map((one) => [one.captured, one.costs.find((cost) => cost.asset === asset)?.units]),
  );
}

test('what is paid is gone from what core could cost, fee and all, once however many signers signed; later it is back', (t) => {
  const quorum = makeQuorum({ policy });
  t.after(quorum.close);
  const { vaults, manifest, clock } = quorum;
  assert.equal(costs(factsNow(quorum), BTC)['core'], WINDOW + FEES);
  const request = bitcoinRequest(manifest, payment(manifest));
  for (const vault of vaults.slice(0, 2)) signed(vault, request);
  assert.equal(costs(factsNow(quorum), BTC)['core'], WINDOW + FEES - 150_000n - 5_000n);
  assert.equal(costs(factsNow(quorum), ETH)['core'], 5n * 10n ** 18n, 'another asset');
  const ether = evmRequest();
  for (const vault of vaults.slice(1)) signed(vault, ether);
  const after = costs(factsNow(quorum), ETH);
  assert.equal(after['core'], 4n * 10n ** 18n);
  assert.equal(after['one signer host with its key'], 0n);
  assert.equal(after['core and one signer host'], 8n * 10n ** 18n, 'two honest signers, not shared');
  assert.equal(after['2 signer keys'], undefined, 'nobody said what is there');
  clock.nowMs += 3_600_001;
  assert.equal(costs(factsNow(quorum), BTC)['core'], WINDOW + FEES);
});

test('a vault that would pay less bounds core and stolen keys; core’s word bounds nothing that is known otherwise', (t) => {
  const quorum = makeQuorum({ policy });
  t.after(quorum.close);
  const known = {
    ...factsNow(quorum),
    float: {
      units: new Map([
        [ETH, 1n],
        [BTC, 70n],
      ]),
      basis: 'core' as const,
    },
  };
  const with3 = costs({ ...known, vaults: new Map([[ETH, 3n * 10n ** 18n]]) }, ETH);
  assert.equal(with3['core'], 3n * 10n ** 18n);
  assert.equal(with3['2 signer keys'], 3n * 10n ** 18n, 'not the wei that core admits');
  assert.equal(with3['a quorum of operators'], 1n);
  assert.equal(with3['one signer host with its key'], 0n);
  const with9 = costs({ ...known, vaults: new Map([[ETH, 9n * 10n ** 18n]]) }, ETH);
  assert.equal(with9['core'], 5n * 10n ** 18n, 'the window');
  assert.equal(with9['2 signer keys'], 9n * 10n ** 18n);
  assert.equal(costs(known, BTC)['2 signer keys'], 70n);
  assert.equal(costs(known, BTC)['core'], WINDOW + FEES, 'whatever core says is there');
});

test('under a freeze of enough signers nothing can be paid; of one asset, only that; of one signer, still all', (t) => {
  const quorum = makeQuorum({ policy });
  t.after(quorum.close);
  const { vaults, operators, clock } = quorum;
  const [alice] = operators;
  assert.ok(alice);
  const freeze = (scope: string, id: number) => {
    const document = freezeDocument.normal({
      epoch: 1,
      id: new Uint8Array(16).fill(id),
      scope,
      reason: 'a test',
      by: alice.id,
      issuedAt: BigInt(Math.floor(clock.nowMs / 1000)),
    });
    return signedBy(freezeDocument, document, [alice.byKey]);
  };
  const [first, second, third] = vaults;
  assert.ok(first && second && third);
  assert.ok(call(first, 'freeze', freeze(BTC, 1)).ok);
  assert.equal(costs(factsNow(quorum), BTC)['core'], WINDOW + FEES);
  assert.ok(call(second, 'freeze', freeze(BTC, 1)).ok);
  assert.equal(costs(factsNow(quorum), BTC)['core'], 0n);
  assert.equal(
    costs(factsNow(quorum), BTC)['core and one signer host'],
    WINDOW + FEES,
    'the third is honest',
  );
  assert.equal(costs(factsNow(quorum), ETH)['core'], 5n * 10n ** 18n);
  for (const vault of vaults) assert.ok(call(vault, 'freeze', freeze('everything', 2)).ok);
  for (const captured of ['core', 'core and one signer host', 'a lying node'])
    for (const asset of [BTC, ETH]) assert.equal(costs(factsNow(quorum), asset)[captured], 0n, captured);
});

test('with tiers core gets what they hold together, fees beside them, and what is funded not at all', (t) => {
  const tier = (name: Policy['tiers'][number]['tier'], allMax: bigint) =>
    ({ asset: BTC, tier: name, seconds: 86_400, customerMax: allMax, allMax }) as const;
  const tiers = [tier('unproven', 1_000n), tier('unfunded', 2_000n), tier('funded', WINDOW)];
  for (const [all, most] of [
    [tiers, 3_000n],
    [[...tiers, tier('house', 500n)], 3_500n],
    [[tier('unproven', 2n * WINDOW)], WINDOW],
  ] as const) {
    const quorum = makeQuorum({ policy: { ...policy, tiers: all } });
    t.after(quorum.close);
    assert.equal(costs(factsNow(quorum), BTC)['core'], most + FEES);
    assert.equal(costs(factsNow(quorum), ETH)['core'], 5n * 10n ** 18n, 'an asset without tiers');
  }
});

test('a window that is full leaves the fees of what replaces its transactions', (t) => {
  const quorum = makeQuorum({ policy: { ...policy, assets: [rule(BTC, 150_000n), rule(ETH, 1n)] } });
  t.after(quorum.close);
  const [first, second] = quorum.vaults;
  assert.ok(first && second);
  const request = bitcoinRequest(quorum.manifest, payment(quorum.manifest));
  for (const vault of [first, second]) signed(vault, request);
  assert.equal(costs(factsNow(quorum), BTC)['core'], FEES - 5_000n);
});

test('a looser policy counts at once, a tighter one too', (t) => {
  const quorum = makeQuorum({ policy });
  t.after(quorum.close);
  const { vaults, manifest, clock } = quorum;
  const first = policyOf(manifest, policy);
  const looser = policyOf(manifest, {
    ...policy,
    assets: [rule(BTC, 3n * WINDOW), rule(ETH, 1n)],
    version: 2,
    previous: policyDocument.digest(first, sha256),
  });
  clock.nowMs += 1000;
  for (const vault of vaults) assert.ok(call(vault, 'policy', signedPolicy(looser)).ok);
  assert.equal(costs(factsNow(quorum), BTC)['core'], 3n * WINDOW + FEES, 'it waits, and may hold soon');
  assert.equal(costs(factsNow(quorum), ETH)['core'], 5n * 10n ** 18n);
  clock.nowMs += 86_400_000;
  assert.equal(costs(factsNow(quorum), ETH)['core'], 1n);
});

test('a journal with a gap, another order or a line of another signer is not believed', (t) => {
  const quorum = makeQuorum({ policy });
  t.after(quorum.close);
  const { manifest, clock } = quorum;
  const lines = linesOf(quorum, 0);
  const [first, second] = manifest.signers;
  assert.ok(first && second);
  const { id } = first;
  factsOf(id, lines, clock.nowMs);
  for (const [name, bad] of [
    [id, lines.slice(1)],
    [id, lines.toReversed()],
    [id, [...lines.slice(0, 1), ...lines.slice(2)]],
    [second.id, lines],
  ] as const)
    assert.throws(() => factsOf(name, bad, clock.nowMs));
});

test('any facts: no figure below zero; an order, a tighter policy or a freeze widens nothing', (t) => {
  const quorum = makeQuorum();
  t.after(quorum.close);
  const { manifest, clock } = quorum;
  const amount = fc.bigInt({ min: 0n, max: 1000n });
  const order = fc.record({
    number: fc.nat(20).map(String),
    asset: fc.constantFrom(BTC, ETH),
    amount,
    customer: fc.constant(''),
    tier: fc.constantFrom('house', 'unproven'),
    atMs: fc.integer({ min: clock.nowMs - 10_000, max: clock.nowMs }),
  });
  const generated = fc.record({
    orders: fc.uniqueArray(order, { maxLength: 12, selector: ({ number }) => number }),
    max: fc.bigInt({ min: 1n, max: 3000n }),
    countMax: fc.integer({ min: 0, max: 12 }),
    seconds: fc.integer({ min: 1, max: 12 }),
    frozen: fc.array(fc.constantFrom('everything', BTC, ETH, REGTEST), { maxLength: 1 }),
  });
  fc.assert(
    fc.property(generated, ({ orders, max, countMax, seconds, frozen }) => {
      const under = (valueMax: bigint, all = orders, scopes = frozen): Record<string, bigint | undefined> => {
        const windows = [{ seconds, valueMax, countMax }];
        const assets = [{ asset: BTC, orderMax: 700n, windows }];
        const one = { policies: [policyOf(manifest, { assets, fees: [] })], fees: [], orders: all };
        const signers = manifest.signers.map(({ id }): SignerFacts => ({
          ...one,
          signer: id,
          frozen: scopes,
        }));
        return costs({ manifest, signers, float: undefined, vaults: new Map(), nowMs: clock.nowMs }, BTC);
      };
      const now = under(max);
      const [last] = orders;
      for (const [captured, units] of Object.entries(now)) {
        if (units === undefined) continue;
        assert.ok(units >= 0n, captured);
        assert.ok((under(max - 1n)[captured] ?? 0n) <= units, `${captured}: tighter`);
        assert.ok((under(max, orders, [BTC])[captured] ?? 0n) <= units, `${captured}: frozen`);
        if (last === undefined) continue;
        const before = under(max, orders.slice(1))[captured] ?? 0n;
        assert.ok(units <= before, `${captured}: an order widens nothing`);
      }
    }),
    { numRuns: 200 },
  );
});
