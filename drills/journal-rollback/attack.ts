import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PASSPHRASE, call } from '../../signer/test/quorum.ts';
import { payBy, theft, windowBound, type Drill, type Field } from '../rig.ts';

export const drill: Drill = {
  name: 'journal-rollback',
  capability: 'core, and a copy of one signer’s folder that is put back at will, without its key',
  control: 'peers hold a journal before a signature leaves; one that was rolled back signs nothing',
  bound: windowBound(),
  attack: async (field) => {
    const snapshot = mkdtempSync(join(tmpdir(), 'portcullis-drill-'));
    try {
      await rollBack(field, snapshot);
    } finally {
      rmSync(snapshot, { recursive: true });
    }
  },
};

/** Fills the window with one peer, puts the copy back, and fills it with the other. */
async function rollBack(field: Field, snapshot: string): Promise<void> {
  const { quorum } = field;
  const [a, b, c] = quorum.vaults;
  const [folder] = quorum.folders;
  assert.ok(a && b && c && folder !== undefined);
  cpSync(folder, snapshot, { recursive: true });
  for (let i = 0; i < 5; i += 1) {
    await payBy(field, theft(field), [
      [a, [b]],
      [b, [a]],
    ]);
  }
  rmSync(folder, { recursive: true });
  cpSync(snapshot, folder, { recursive: true });
  const again = quorum.reopen(0);
  try {
    assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
    while (field.coins.length > 0)
      await payBy(field, theft(field), [
        [again, [c]],
        [c, [again]],
      ]);
  } finally {
    again.close();
  }
}
