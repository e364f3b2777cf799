// Proves that the journal never writes an entry that it would not read back: a signer that did could not start again.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournal, type Journal } from './journal.ts';

test('an entry that is larger than a line may be is refused before it is written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-journal-'));
  const open = (): Journal => openJournal({ folder, signer: 'signer-a', nowMs: () => 1000, apply: () => {} });
  try {
    const journal = open();
    journal.append('note', { note: 'x'.repeat((1 << 20) - '{"note":""}'.length) });
    assert.throws(() => journal.append('note', { note: 'x'.repeat(1 << 20) }), {
      code: 'JOURNAL_WRITE_FAILED',
    });
    journal.close();
    const again = open();
    assert.equal(again.head().sequence, '1', 'the largest that fits is there, and nothing of the other');
    again.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
