// Proves that two journals that tell another story of one order are found whoever is read first, and that what was
// void, said alike or said of another order contradicts nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AskSigner } from '../../client/signer.ts';
import { writeJournal } from '../test/journal.ts';
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

async function faultsOf(journals: Record<string, readonly Entry[]>): Promise<readonly JournalFault[]> {
  const signers = Object.entries(journals).map(([id, entries]) => ({ id, ask: asking(id, entries) }));
  return openJournals(signers, { shown: {}, threshold: 2 }).refresh();
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
