// Proves on one seed that an evil core, which asks signers for anything, takes no more than their windows allow, and
// that without the windows it takes more.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

test('evil-core is held by its bound, and needs its control', () => {
  const text = execFileSync(process.execPath, ['drills/drill.ts', 'evil-core', '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const { passed, loss, bound, control_off_loss: off } = JSON.parse(text) as Record<string, string | boolean>;
  assert.equal(passed, true, text);
  assert.ok(BigInt(String(loss)) > 0n, 'the thief takes what the windows leave');
  assert.ok(BigInt(String(off)) > BigInt(String(bound)));
});
