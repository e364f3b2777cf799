// Proves: a bitcoind on PATH wins, a complete cache is used as it is, and without a mirror the refusal says what to do.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { access, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { provisionBitcoind } from './provision-bitcoind.ts';

async function temporary(t: { after: (fn: () => Promise<void>) => void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('what is found really is bitcoind, and asking again fetches nothing', async () => {
  const lines: string[] = [];
  const program = await provisionBitcoind();
  assert.deepEqual(await provisionBitcoind({ log: (line) => lines.push(line) }), program);
  assert.deepEqual(lines, []);
  const version = execFileSync(program.command, [...program.args, '-version'], { encoding: 'utf8' });
  assert.match(version, /Bitcoin .* version v\d+/);
});

test('one on PATH is preferred to the cache', async (t) => {
  const folder = await temporary(t);
  await symlink(process.execPath, join(folder, 'bitcoind'));
  const path = process.env['PATH'];
  t.after(async () => {
    process.env['PATH'] = path;
  });
  process.env['PATH'] = `${folder}:${path}`;
  assert.deepEqual(await provisionBitcoind(), { command: join(folder, 'bitcoind'), args: [] });
});

test('a mirror that does not answer is a refusal that names the way out, and leaves nothing that looks complete', async (t) => {
  const cacheFolder = await temporary(t);
  const mirror = process.env['DEBIAN_MIRROR'];
  t.after(async () => {
    if (mirror === undefined) delete process.env['DEBIAN_MIRROR'];
    else process.env['DEBIAN_MIRROR'] = mirror;
  });
  // Port 1: nobody listens.
  process.env['DEBIAN_MIRROR'] = 'http://127.0.0.1:1/debian';
  await assert.rejects(provisionBitcoind({ cacheFolder, ignorePath: true }), (error: Error) => {
    assert.equal((error as { code?: string }).code, 'PART_MISSING');
    assert.match(error.message, /Put any bitcoind .* on PATH, or name a Debian mirror/);
    return true;
  });
  await assert.rejects(access(join(cacheFolder, 'bitcoind')));
  const list = await readFile(join(cacheFolder, 'bitcoind.apt/sources.list'), 'utf8').catch(() => '');
  assert.ok(list === '' || list.includes('[signed-by='), 'signatures would not be checked');
});
