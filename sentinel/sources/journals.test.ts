// Proves that two journals that tell another story of one order are found whoever is read first, and that what was
// void, said alike or said of another order contradicts nothing; and that a signer that hangs holds up nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { AskSigner } from '../../client/signer.ts';
import { writeJournal } from '../test/journal.ts';
import type { Sleep } from '../patience.ts';
import { openJournals, type JournalFault } from './journals.ts';

type Entry = { readonly kind: string; readonly body: unknown };

const PLACE = `eip155:1 0x${'5a'.repeat(20)}`;
const pay = (id: string, orders: Record<string, string>): Entry => ({
  kind: 'evm-pay',
  body: { place: PLACE, id, orders: Object.entries(orders), details: {} },
});
const voided: Entry = { kind: 'void', body: { entry: '1' } };

/** Answers as the signer with this journal does. */
function asking(signer: string, entries: readonly Entry[]): AskSigner {
  const { lines, ends } = writeJournal(signer, entries);
  const journal = { sequence: String(lines.length), hash: ends.at(-1)?.hash };
  return async (_, path) => ({
    ok: true,
    signer,
    journal,
    lines: lines.slice(Number(path.split('=')[1])),
  });
}

const sleep: Sleep = async (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined);

async function faultsOf(journals: Record<string, readonly Entry[]>): Promise<readonly JournalFault[]> {
  const signers = Object.entries(journals).map(([id, entries]) => ({ id, ask: asking(id, entries) }));
  return openJournals(signers, { shown: {}, threshold: 2, sleep }).refresh();
}

test('one order, two contents: found', async () => {
  const other = pay('b1', { 7: 'dd', 8: 'ff' });
  for (const [a, b] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    const faults = await faultsOf({ [a]: [pay('a1', { 7: 'dd', 8: 'ee' })], [b]: [other], c: [] });
    assert.deepEqual(
      faults.map(({ kind }) => kind),
      ['contradicts'],
    );
    assert.match(faults[0]?.detail ?? '', /^order 8 is (ee|ff) here and (ee|ff) in that of [ab]$/);
  }
});

test('the same order in another transaction, another order, and what was void: nothing', async () => {
  const same = [pay('a1', { 7: 'dd' }), pay('a2', { 7: 'dd', 8: 'ee' })];
  assert.deepEqual(await faultsOf({ a: same, b: [pay('b1', { 8: 'ee' })], c: [] }), []);
  assert.deepEqual(await faultsOf({ a: [pay('a1', { 7: 'dd' }), voided], b: [pay('b1', { 7: 'ff' })] }), []);
});

test('a signer that hangs holds up no reading, counts as silent, and what it answers late is taken', async () => {
  const held = pay('p1', { 7: 'dd' });
  const entries: Entry[] = [];
  const asked: string[] = [];
  const answers = Promise.withResolvers<undefined>();
  const hanging: AskSigner = async (...question) => {
    const answer = asking('c', [...entries])(...question);
    asked.push(question[1]);
    await answers.promise;
    return answer;
  };
  const signers = [
    { id: 'a', ask: asking('a', [held]) },
    { id: 'b', ask: asking('b', []) },
    { id: 'c', ask: hanging },
  ];
  const journals = openJournals(signers, { shown: {}, threshold: 2, sleep });
  const silent = [{ signer: 'c', kind: 'silent', detail: 'no answer yet' }];
  assert.deepEqual(await journals.refresh(), silent);
  assert.deepEqual(journals.witnesses(PLACE, 'p1'), { holding: 1, silent: 1, lacking: 1 });
  assert.equal(journals.readable().length, 2);
  assert.deepEqual(await journals.refresh(), silent);
  assert.equal(asked.length, 1, 'who has not answered is asked nothing more');
  // It writes after it was asked: the late answer is older than that, and must not say that it lacks it.
  entries.push(held);
  answers.resolve(undefined);
  await wait(0);
  assert.deepEqual(journals.witnesses(PLACE, 'p1'), { holding: 1, silent: 1, lacking: 1 });
  assert.deepEqual(await journals.refresh(), []);
  assert.deepEqual(journals.witnesses(PLACE, 'p1'), { holding: 2, silent: 0, lacking: 1 });
});

test('a late answer is not lost: what it holds counts at once, and a fork that it shows is told', async () => {
  for (const forks of [false, true]) {
    const answers = Promise.withResolvers<undefined>();
    const lines = asking('a', [pay('p1', { 7: 'dd' })]);
    const ask: AskSigner = async (...question) => {
      await answers.promise;
      return lines(...question);
    };
    const shown = forks ? { a: { sequence: 1n, hash: 'ee'.repeat(32) } } : {};
    const journals = openJournals([{ id: 'a', ask }], { shown, threshold: 1, sleep });
    assert.equal((await journals.refresh())[0]?.kind, 'silent');
    answers.resolve(undefined);
    await wait(0);
    assert.equal(journals.isForked(), forks);
    if (!forks) assert.equal(journals.witnesses(PLACE, 'p1').holding, 1);
    const told = await journals.refresh();
    assert.deepEqual(
      told.map(({ kind }) => kind),
      forks ? ['forked'] : [],
    );
  }
});
