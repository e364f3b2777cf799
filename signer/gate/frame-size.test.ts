// Proves that a request which grows on its way to the vault is refused there, and the vault lives on: the gate reads
// JSON and writes it anew, and `1e9` becomes ten digits.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FRAME_BYTES_MAX, REQUEST_BYTES_MAX } from '../protocol/messages.ts';
import { startVaultProcess } from './vault-process.ts';

test('a request that is larger as a frame than it came is refused, and the next one is answered', async () => {
  const data = mkdtempSync(join(tmpdir(), 'portcullis-frame-'));
  let death: string | undefined;
  const onDeath = (why: string): void => void (death = why);
  const vault = await startVaultProcess({ signer: 'signer-a', data, timeoutMs: 30_000, onDeath });
  try {
    const text = `[${'1e9,'.repeat((REQUEST_BYTES_MAX - 8) / 4)}0]`;
    assert.ok(text.length <= REQUEST_BYTES_MAX, 'the gate reads it');
    const body: unknown = JSON.parse(text);
    assert.ok(JSON.stringify(body).length > FRAME_BYTES_MAX, 'it grows');
    const answer = (await vault.ask('sign', body)) as { ok: boolean; code: string };
    assert.deepEqual([answer.ok, answer.code], [false, 'FRAME_TOO_LARGE']);
    assert.equal(((await vault.ask('status', {})) as { ok: boolean }).ok, true);
    assert.equal(death, undefined);
  } finally {
    await vault.stop();
    rmSync(data, { recursive: true });
  }
});
