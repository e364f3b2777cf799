/**
 * The vault's process: `node … vault/main.ts DATA_FOLDER SIGNER_ID [TOKEN_LABEL]`, run by the gate under the
 * permission model. Frames come on stdin and go out on stdout, one JSON text a line, one at a time; faults end the
 * process. With a token, its program reads at descriptor 3 and answers at 4.
 */
import { randomBytes } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { SIGNER_ID } from '../protocol/json.ts';
import { FRAME_BYTES_MAX } from '../protocol/messages.ts';
import { VaultFault } from './fault.ts';
import { openTokenPipe } from './token-pipe.ts';
import { openVault, type Vault } from './vault.ts';

const STDIN = 0;
const STDOUT = 1;
const CHUNK_BYTES = 1 << 16;

main(process.argv.slice(2));

function main([folder, signer, tokenLabel, ...rest]: readonly string[]): void {
  if (folder === undefined || signer === undefined || rest.length > 0 || !SIGNER_ID.pattern.test(signer)) {
    process.stderr.write('usage: vault/main.ts DATA_FOLDER SIGNER_ID [TOKEN_LABEL]\n');
    process.exitCode = 2;
    return;
  }
  try {
    const vault = openVault({
      signer,
      folder,
      nowMs: () => Date.now(),
      randomBytes: (length) => randomBytes(length),
      ...(tokenLabel === undefined ? {} : { tokenPipe: openTokenPipe(tokenLabel, () => performance.now()) }),
    });
    send(JSON.stringify({ ready: signer }));
    serve(vault);
    vault.close();
  } catch (error) {
    process.stderr.write(`${error instanceof VaultFault ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

/** Reads frames until stdin ends. Synchronous on purpose: nothing runs beside a decision. */
function serve(vault: Vault): void {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let parts: Uint8Array[] = [];
  let length = 0;
  for (let read = readChunk(chunk); read > 0; read = readChunk(chunk)) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0 && end < read; end = chunk.indexOf(10, start)) {
      parts.push(chunk.slice(start, end));
      length += end - start;
      send(
        length > FRAME_BYTES_MAX
          ? vault.refuseOversized()
          : vault.handle(Buffer.concat(parts).toString('utf8')),
      );
      parts = [];
      length = 0;
      start = end + 1;
    }
    length += read - start;
    // Of a frame that is too long only its length is kept.
    if (length <= FRAME_BYTES_MAX) parts.push(chunk.slice(start, read));
    else parts = [];
  }
}

function readChunk(chunk: Uint8Array): number {
  for (;;) {
    try {
      return readSync(STDIN, chunk, 0, chunk.length, null);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

function send(text: string): void {
  const bytes = Buffer.from(`${text}\n`);
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(STDOUT, bytes, done);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
