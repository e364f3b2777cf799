// Proves that a replay decides as a vault does: payments that one vault signed under a wide policy are replayed under a
// narrow one, and each gets the answer that a second vault with the narrow policy gave to the same request at the same
// moment; that what the narrow vault refused is found in its journal and would pass under the wide policy; and that
// nothing is counted twice over two journals of the same payments.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { openReplay, type ReplayEntry, type ReplayResult } from '../ceremony/replay.ts';
import type { OrderJson } from '../protocol/order.ts';
import { parseJournalLine } from '../protocol/journal-entry.ts';
import type { Policy } from '../protocol/policy.ts';
import type { Vault } from '../vault/vault.ts';
import {
  CUSTOMER,
  EVM,
  REGTEST,
  bitcoinRequest,
  call,
  coin,
  evmRequest,
  makeQuorum,
  nextOrder,
  orderJson,
  policyOf,
  type Quorum,
} from './quorum.ts';

const ETH = `${EVM}/slip44:60`;
const HOUR = 3600;
const OTHER = CUSTOMER.replace(/^../, 'ff');

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

const narrow: Partial<Policy> = {
  assets: [
    {
      asset: ETH,
      orderMax: 40n,
      windows: [
        { seconds: HOUR, valueMax: 100n, countMax: 6 },
        { seconds: 4 * HOUR, valueMax: 190n, countMax: 15 },
      ],
    },
  ],
  tiers: [
    { asset: ETH, tier: 'unproven', seconds: HOUR, customerMax: 60n, allMax: 90n },
    { asset: ETH, tier: 'unfunded', seconds: HOUR, customerMax: 60n, allMax: 90n },
  ],
};

function quorumOf(t: TestContext, policy: Partial<Policy>): Quorum & { vault: Vault } {
  const quorum = makeQuorum({ signers: 1, threshold: 1, policy });
  t.after(quorum.close);
  return { ...quorum, vault: quorum.vaults[0]! };
}

function entriesOf(vault: Vault): ReplayEntry[] {
  const { lines } = call(vault, 'journal', { after: '0' }) as unknown as { lines: string[] };
  return lines.map((line) => {
    const parsed = parseJournalLine(line, sha256);
    assert.ok(parsed.ok && parsed.value.type === 'entry');
    const { entry, body } = parsed.value;
    const { kind, at, sequence } = entry;
    return { kind, body: JSON.parse(body) as unknown, atMs: Number(at), sequence, isReference: true };
  });
}

function replayOf(policy: Policy, entries: readonly ReplayEntry[], fromMs = 0): ReplayResult {
  const replay = openReplay(policy, fromMs);
  for (const entry of entries) replay.take(entry);
  return replay.result();
}

const order = (fields: Partial<OrderJson>): OrderJson =>
  orderJson({
    orderNumber: nextOrder(),
    asset: ETH,
    destination: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
    ...fields,
  });

const history = fc.array(
  fc.record({
    stepMs: fc.integer({ min: 1, max: 800_000 }),
    amount: fc.integer({ min: 1, max: 45 }),
    isOther: fc.boolean(),
  }),
  { minLength: 25, maxLength: 25 },
);

test('replayed under a narrow policy, each order gets what a vault with that policy says', (t) => {
  const codes = new Map<string, number>();
  for (const [seed, asks] of fc.sample(history, { numRuns: 4, seed: 7 }).entries()) {
    const [wide, tight] = [quorumOf(t, {}), quorumOf(t, narrow)];
    const said = new Map<string, string>();
    for (const { stepMs, amount, isOther } of asks) {
      wide.clock.nowMs += stepMs;
      tight.clock.nowMs += stepMs;
      const seconds = Math.floor(wide.clock.nowMs / 1000);
      const customer = isOther ? OTHER : CUSTOMER;
      const one = order({ amount: String(amount), customer, expiry: String(seconds + 600) });
      const request = { ...evmRequest({ orders: [one] }), deadline: String(seconds + 600) };
      assert.ok(call(wide.vault, 'sign', request).ok);
      const answer = call(tight.vault, 'sign', request);
      said.set(one.orderNumber, answer.ok ? 'signed' : String(answer['code']));
    }
    const rules = policyOf(wide.manifest, narrow);
    const result = replayOf(rules, entriesOf(wide.vault));
    assert.equal(result.orders, asks.length);
    const refused = Object.fromEntries(result.refused.map(({ number, code }) => [number, code]));
    const expected = Object.fromEntries([...said].filter(([, code]) => code !== 'signed'));
    assert.deepEqual(refused, expected, `history ${seed}`);
    for (const code of Object.values(expected)) codes.set(code, (codes.get(code) ?? 0) + 1);
    for (const { used, max, window } of result.peaks) assert.ok(used <= max, window);
    const full = result.peaks.find(({ window, seconds }) => window === 'value' && seconds === HOUR);
    assert.ok(full !== undefined && full.used > 50n && full.max === 100n);
    const twice = entriesOf(wide.vault).flatMap((entry) => [entry, { ...entry, isReference: false }]);
    assert.deepEqual(replayOf(rules, twice), result);
    const back = replayOf(policyOf(wide.manifest), entriesOf(tight.vault));
    assert.deepEqual(Object.fromEntries(back.passing.map(({ number, was }) => [number, was])), expected);
    assert.deepEqual([back.refused, back.still, back.unnamedRefusals], [[], [], 0]);
    const still = replayOf(rules, entriesOf(tight.vault));
    assert.deepEqual([still.passing, still.refused], [[], []]);
    assert.equal(still.still.length, Object.keys(expected).length);
  }
  for (const code of ['ORDER_TOO_LARGE', 'WINDOW_VALUE', 'TIER_CUSTOMER', 'TIER_ALL'])
    assert.ok((codes.get(code) ?? 0) > 0, `never ${code}`);
});

test('fees of Bitcoin count once over replacements; older orders fill windows and are not counted', (t) => {
  const { vault, manifest, clock } = quorumOf(t, {});
  const spend = (
    fee: bigint,
    of = { coins: [coin(manifest, 200_000n)], orders: [orderJson({ amount: '50000' })] },
  ) => {
    assert.ok(
      call(vault, 'sign', bitcoinRequest(manifest, { ...of, change: { index: 1, value: 150_000n - fee } }))
        .ok,
    );
    return of;
  };
  const first = spend(2000n);
  clock.nowMs += 1000;
  const fromMs = clock.nowMs;
  spend(4000n, first);
  spend(1500n);
  const policy = (feeMax: bigint): Policy =>
    policyOf(manifest, { fees: [{ network: REGTEST, seconds: 86_400, feeMax }] });
  const enough = replayOf(policy(5500n), entriesOf(vault), fromMs);
  assert.deepEqual([enough.refused, enough.peaks.find(({ window }) => window === 'fees')?.used], [[], 5500n]);
  const few = replayOf(policy(5499n), entriesOf(vault), fromMs);
  assert.deepEqual(
    few.refused.map(({ code }) => code),
    ['WINDOW_FEES'],
  );
  assert.equal(replayOf(policy(0n), entriesOf(vault)).refused.length, 2);
});
