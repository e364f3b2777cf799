// Proves that a captured signer which tells of payments under other names, or of another time, empties no window of
// those who sign with it: neither of value, nor of a customer's tier, nor of fees.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Json } from '../protocol/document.ts';
import { encodeJournalEntry, formatJournalLine, parseJournalLine } from '../protocol/journal-entry.ts';
import { askDocument, type Awaiting } from '../protocol/peers.ts';
import { policyDocument, type Policy } from '../protocol/policy.ts';
import { parseKeyFile } from '../vault/key-file.ts';
import { unsealKey } from '../vault/key.ts';
import { evmKeyInMemory } from '../vault/evm-key.ts';
import { signForPeers } from '../vault/peers.ts';
import type { Vault } from '../vault/vault.ts';
import { sha256, signedBy } from './people.ts';
import { changeOf, childRequest } from './child.ts';
import {
  EVM,
  EVM2,
  PASSPHRASE,
  REGTEST,
  bitcoinRequest,
  call,
  callThrough,
  evmRequest,
  makeQuorum,
  nextOrder,
  orderJson,
  payment,
  policyOf,
  type Quorum,
} from './quorum.ts';

const ETHER = 10n ** 18n;
const DAY_MS = 86_400_000;
type Body = Record<string, unknown>;

interface Rig {
  readonly own: Quorum;
  readonly honest: Vault;
  /** The captured signer shows this to the honest one instead of what it decided on. */
  readonly tell: (request: unknown, bend: (body: Body) => Body, atMs?: number) => void;
}

function rig(t: TestContext, policy: (whole: Policy) => Partial<Policy>): Rig {
  const bare = makeQuorum({ pin: false });
  bare.close();
  const own = makeQuorum({ policy: policy(policyOf(bare.manifest)) });
  t.after(own.close);
  const [captured, honest] = own.vaults;
  assert.ok(captured && honest);
  for (const vault of own.vaults) assert.ok(callThrough(vault, 'confirm', {}).ok);
  const sealed = parseKeyFile(readFileSync(join(own.folders[0]!, 'key.json'), 'utf8'));
  const key = sealed && unsealKey(sealed, PASSPHRASE);
  assert.ok(key !== undefined && key.token === undefined);
  const evm = evmKeyInMemory(key.evmPrivateKey);
  let shown: { previous: Uint8Array; sequence: bigint } | undefined;
  const tell: Rig['tell'] = (request, bend, atMs = own.clock.nowMs) => {
    const decided = call(captured, 'sign', request);
    assert.ok('awaiting' in decided, JSON.stringify(decided));
    const parsed = parseJournalLine((decided['awaiting'] as Awaiting['awaiting']).line, sha256);
    assert.ok(parsed.ok && parsed.value.type === 'entry');
    const { entry, body } = parsed.value;
    const text = JSON.stringify(bend(JSON.parse(body) as Body));
    const bodyHash = sha256(new TextEncoder().encode(text));
    const written = call(captured, 'journal', { after: '0' })['lines'] as string[];
    const before = shown === undefined ? written.slice(0, -1) : [];
    const bent = { ...entry, ...shown, at: BigInt(atMs), bodyHash };
    const hash = sha256(encodeJournalEntry(bent));
    const line = formatJournalLine({ type: 'entry', entry: bent, body: text, hash });
    shown = { previous: hash, sequence: bent.sequence + 1n };
    const ask = {
      epoch: 1,
      of: 'signer-a',
      sequence: bent.sequence,
      hash,
      entry: 0n,
      entryHash: new Uint8Array(32),
    };
    const signature = signForPeers(askDocument.digest(ask, sha256), evm);
    assert.ok(signature.ok);
    const asked = {
      ask: askDocument.toJson(ask),
      signature: signature.value,
      line: '',
      lines: [...before, line] as Json,
    };
    const answer = call(honest, 'countersign', asked);
    assert.ok('countersignature' in answer, JSON.stringify(answer));
  };
  return { own, honest, tell };
}

/** What the honest one says by its own rules, whoever countersigns afterwards. */
function codeOf({ honest }: Rig, request: unknown): unknown {
  const answer = call(honest, 'sign', request);
  return answer.ok ? 'decided' : answer['code'];
}

const ether = (): unknown => evmRequest({}, { orderNumber: nextOrder(), amount: ETHER.toString() });
const twoEther =
  (of: 'windows' | 'tiers') =>
  ({ assets }: Policy): Partial<Policy> => {
    const asset = `${EVM}/slip44:60`;
    const windows = [{ seconds: 86_400, valueMax: 2n * ETHER, countMax: 100 }];
    const tier = { asset, tier: 'unproven' as const, seconds: 86_400 };
    return of === 'windows'
      ? { assets: assets.map((rule) => (rule.asset === asset ? { ...rule, windows } : rule)) }
      : { tiers: [{ ...tier, customerMax: 2n * ETHER, allMax: 100n * ETHER }] };
  };

test('an order told under another asset still fills the window of its own', (t) => {
  const one = rig(t, twoEther('windows'));
  const request = ether();
  one.tell(request, (body) => ({ ...body, asset: `${EVM2}/slip44:60` }));
  assert.deepEqual(
    [request, ether(), ether()].map((asked) => codeOf(one, asked)),
    ['decided', 'decided', 'WINDOW_VALUE'],
  );
});

test('an order told under another customer still fills the window of its own', (t) => {
  const one = rig(t, twoEther('tiers'));
  const request = ether();
  one.tell(request, (body) => {
    const [[number, digest, amount, , tier]] = body['orders'] as [string[]];
    return { ...body, orders: [[number, digest, amount, '22'.repeat(16), tier]] };
  });
  assert.deepEqual(
    [request, ether(), ether()].map((asked) => codeOf(one, asked)),
    ['decided', 'decided', 'TIER_CUSTOMER'],
  );
});

const feeMax =
  (sat: bigint) =>
  ({ fees }: Policy): Partial<Policy> => ({ fees: fees.map((rule) => ({ ...rule, feeMax: sat })) });

test('fees told under another network, or as long past, still fill the window of those who sign now', (t) => {
  for (const isOld of [false, true]) {
    const one = rig(t, feeMax(12_000n));
    const { own, tell } = one;
    const toldMs = own.clock.nowMs;
    if (isOld) own.clock.nowMs += 2 * DAY_MS;
    const expiry = String(own.clock.nowMs / 1000 + 3600);
    const pay = (): unknown => bitcoinRequest(own.manifest, payment(own.manifest, { expiry }));
    const request = pay();
    const elsewhere = (body: Body): Body => ({ ...body, asset: `${EVM2}/slip44:60` });
    tell(request, isOld ? (body) => body : elsewhere, isOld ? toldMs : undefined);
    assert.deepEqual(
      [request, pay(), pay()].map((asked) => codeOf(one, asked)),
      ['decided', 'decided', 'WINDOW_FEES'],
      isOld ? 'told late' : 'told under another network',
    );
  }
});

test('so do those of a child', (t) => {
  for (const isOld of [false, true]) {
    const one = rig(t, feeMax(22_000n));
    const { own, tell } = one;
    const expiry = String(own.clock.nowMs / 1000 + 4 * 86_400);
    const parts = { ...payment(own.manifest), orders: [orderJson({ expiry })] };
    const request = bitcoinRequest(own.manifest, parts);
    assert.equal(codeOf(one, request), 'decided', 'the parent costs 5,000 sat');
    tell(request, (body) => body);
    const toldMs = own.clock.nowMs;
    if (isOld) own.clock.nowMs += 2 * DAY_MS;
    // It costs 15,000 sat, 10,000 of what is left a moment after the parent, and more than that two days later.
    const child = childRequest(own.manifest, changeOf(request, 1, 9), { index: 12, value: 30_000n });
    const elsewhere = (body: Body): Body => ({ ...body, asset: `${EVM2}/slip44:60` });
    tell(child, isOld ? (body) => body : elsewhere, isOld ? toldMs : undefined);
    assert.equal(codeOf(one, child), 'decided');
    const more = bitcoinRequest(own.manifest, payment(own.manifest, { expiry }));
    const next = bitcoinRequest(own.manifest, payment(own.manifest, { expiry }));
    assert.deepEqual(
      [more, next].map((asked) => codeOf(one, asked)),
      isOld ? ['decided', 'WINDOW_FEES'] : ['WINDOW_FEES', 'WINDOW_FEES'],
      isOld ? 'told late' : 'told under another network',
    );
  }
});

test('no child of an asset that the policy does not name, though it has a rule for fees there', (t) => {
  const one = rig(t, () => ({}));
  const { own, honest } = one;
  const request = bitcoinRequest(own.manifest, payment(own.manifest));
  assert.equal(codeOf(one, request), 'decided');
  const now = policyOf(own.manifest);
  const assets = now.assets.filter(({ asset }) => !asset.startsWith(REGTEST));
  const previous = policyDocument.digest(now, sha256);
  const next = policyDocument.normal({ ...now, version: 2, previous, assets });
  const [alice] = own.operators;
  assert.ok(alice);
  assert.ok(
    call(honest, 'policy', signedBy(policyDocument, next, [alice.byKey])).ok,
    'one command key tightens',
  );
  const child = childRequest(own.manifest, changeOf(request, 1, 9), { index: 12, value: 35_000n });
  assert.equal(codeOf(one, child), 'NOT_IN_POLICY');
});
