// Proves that a signer that never answers keeps no freeze from the others, that what is found after a freeze was
// lifted is frozen by an id of its own, and that what is found while one stands goes by that one's.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { AskSigner } from '../client/signer.ts';
import { openFreezer, type Freezer } from './freezer.ts';
import type { Finding } from './checks/finding.ts';

const finding = (key: string): Finding => ({
  level: 'freeze',
  code: 'UNEXPLAINED_SPEND',
  scope: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
  key,
  detail: key,
});

interface Bench {
  readonly freezer: Freezer;
  /** Ids that signer a has refused, as lifted. */
  readonly liftedAtA: Set<string>;
  /** Ids that journals show as lifted. */
  readonly lifted: Set<string>;
  /** Questions that the hanging signer has not answered. */
  readonly waiting: ((answer: Record<string, unknown>) => void)[];
}

/** Two signers that answer as a gate does, and one that hangs until the test answers for it. */
function bench(): Bench {
  const lifted = new Set<string>();
  const liftedAtA = new Set<string>();
  const waiting: Bench['waiting'] = [];
  const answering =
    (known: ReadonlySet<string>): AskSigner =>
    async (_, __, body) => {
      const { id } = (body as { document: { id: string } }).document;
      return known.has(id) ? { ok: false, code: 'FREEZE_LIFTED' } : { ok: true };
    };
  const freezer = openFreezer({
    id: 'watch',
    epoch: 1,
    key: generateKeyPairSync('ed25519').privateKey,
    signers: [
      { id: 'c', ask: async () => new Promise((resolve) => waiting.push(resolve)) },
      { id: 'a', ask: answering(liftedAtA) },
      { id: 'b', ask: answering(new Set()) },
    ],
    nowMs: () => Date.now(),
    randomBytes: (length) => randomBytes(length),
    sleep: async (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined),
    records: [],
    isLifted: (id) => lifted.has(id),
    keep: () => undefined,
  });
  return { freezer, lifted, liftedAtA, waiting };
}

test('a signer that never answers keeps no freeze from the others, and is asked once until it answers', async () => {
  const { freezer, waiting } = bench();
  await freezer.freeze(finding('one'));
  const [record] = freezer.records;
  assert.ok(record);
  assert.deepEqual({ ...record.answers }, { a: 'frozen', b: 'frozen' });
  assert.equal(record.tookMs, undefined);
  await freezer.bringAgain();
  assert.equal(waiting.length, 1);
  waiting[0]?.({ ok: true });
  await wait(0);
  assert.equal(record.answers['c'], 'frozen');
  assert.notEqual(record.tookMs, undefined);
});

test('found while a freeze stands: its id; found after it was lifted: an id of its own, also when one signer alone knows', async () => {
  const { freezer, lifted, liftedAtA } = bench();
  const idOf = (key: string): string | undefined => freezer.records.find((one) => one.key === key)?.id;
  await freezer.freeze(finding('one'));
  await freezer.freeze(finding('two'));
  assert.equal(idOf('two'), idOf('one'));
  lifted.add(String(idOf('one')));
  await freezer.freeze(finding('three'));
  assert.notEqual(idOf('three'), idOf('one'));
  const third = String(idOf('three'));
  liftedAtA.add(third);
  await freezer.freeze(finding('four'));
  assert.notEqual(idOf('four'), third);
  const fourth = freezer.records.find(({ key }) => key === 'four');
  assert.deepEqual(fourth?.answers, { a: 'frozen', b: 'frozen' });
  await freezer.freeze(finding('five'));
  assert.equal(idOf('five'), idOf('four'));
});
