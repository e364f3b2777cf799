/** One signer's folder is copied, and put back once its window is full; core decides who reaches whom. */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalSigner } from '../../world/signers.ts';
import { drain } from '../drain.ts';
import { askingAllBut, cutOff } from '../evil.ts';
import { WINDOW_BOUND, type Drill } from '../scene.ts';

export const drill: Drill = {
  name: 'journal-rollback',
  capability: 'core, and a copy of one signer’s folder that is put back at will, without its key',
  control: 'peers hold a journal before a signature leaves; one that was rolled back signs nothing',
  bound: { BTC: WINDOW_BOUND },
  scene: {},
  honest: 'may-wait',
  unmeasured: 'no sentinel runs, whose freeze would hide what the control does',
  attack: async (scene) => {
    const [a, b, c] = scene.stack.signers.all;
    assert.ok(a && b && c);
    const kept = scene.stack.folder.at('kept');
    cpSync(c.dataFolder, kept, { recursive: true });
    // B never hears of what A and C sign.
    const rejoin = cutOff(scene, b.id);
    try {
      scene.release(await askingAllBut(scene, b.id));
      await drain(scene);
    } finally {
      rejoin();
    }
    await rollBack(c, kept);
    const again = cutOff(scene, a.id);
    try {
      scene.release(await askingAllBut(scene, a.id));
      await drain(scene);
    } finally {
      again();
    }
  },
};

/** Puts the copy back, and answers when the signer is open again. */
async function rollBack(signer: LocalSigner, kept: string): Promise<void> {
  const pid = signer.process.pid();
  signer.process.kill();
  while (signer.process.pid() === pid || signer.process.pid() === undefined) await sleep(5);
  for (const name of ['journal.jsonl', 'journal.head']) {
    rmSync(join(signer.dataFolder, name));
    cpSync(join(kept, name), join(signer.dataFolder, name));
  }
  signer.process.kill();
  for (;;) {
    // It may end once more between the two.
    const isOpen = await signer
      .unseal()
      .then(async () => (await signer.ask('GET', '/v1/status'))['sealed'] === false)
      .catch(() => false);
    if (isOpen) return;
    await sleep(50);
  }
}
