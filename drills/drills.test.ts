// Proves on one seed that a drill measures what it says: with its control the chain shows no more than the bound,
// without it more; that honest traffic freezes nothing; and that every kept patch still fits.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ROOT, patchOf } from './control-off.ts';
import { drillNames, faceOf, type Kept } from './table.ts';

test(
  'rows in core’s database cost nothing, and what they say without the control',
  { timeout: 900_000 },
  () => {
    const text = execFileSync(process.execPath, ['drills/drill.ts', 'database-rows', '--json'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    const { passed, loss, control_off_loss: off } = JSON.parse(text.trim().split('\n')[0] ?? '') as Kept;
    assert.equal(passed, true, text);
    assert.deepEqual(loss, { BTC: '0' });
    assert.ok(BigInt(off['BTC'] ?? 0) > 0n, text);
  },
);

test(
  'honest orders beside forks, replacements and killed processes freeze nothing',
  { timeout: 900_000 },
  () => {
    const text = execFileSync(process.execPath, ['drills/drill.ts', 'honest', '--orders', '200'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { paid, freezes, disturbances } = JSON.parse(text) as HonestRun;
    assert.deepEqual({ paid, freezes }, { paid: 200, freezes: 0 }, text);
    assert.ok(Object.keys(disturbances).length > 0, text);
  },
);

interface HonestRun {
  readonly paid: number;
  readonly freezes: number;
  readonly disturbances: Readonly<Record<string, number>>;
}

test('each drill is called like its folder, and its patch fits the tree', async () => {
  for (const name of drillNames()) {
    assert.equal((await faceOf(name)).name, name);
    const { length } = readFileSync(patchOf(name), 'utf8');
    assert.ok(length > 0);
    execFileSync('git', ['apply', '--check', patchOf(name)], { cwd: ROOT, stdio: 'pipe' });
  }
});
