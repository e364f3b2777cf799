/**
 * The token's process: `node … hsm/main.ts MODULE`, started by the gate beside the vault. The vault alone asks it, one
 * JSON line at a time on stdin, answered on stdout; it has no key, and the PIN only for the moment of a login.
 */
import { readSync, writeSync } from 'node:fs';
import { formatTokenAnswer, parseTokenRequest } from '../protocol/token.ts';
import { openToken, type Token } from './token.ts';

const STDIN = 0;
const STDOUT = 1;
/** Many times the longest request. */
const LINE_BYTES_MAX = 4096;

main(process.argv.slice(2));

function main([modulePath, ...rest]: readonly string[]): void {
  if (modulePath === undefined || rest.length > 0) {
    process.stderr.write('usage: hsm/main.ts MODULE\n');
    process.exitCode = 2;
    return;
  }
  const token = openToken(modulePath);
  try {
    serve(token);
  } finally {
    token.close();
  }
}

/** Reads lines until the vault is gone. Who writes what is no request is not the vault: then it ends too. */
function serve(token: Token): void {
  const chunk = Buffer.alloc(LINE_BYTES_MAX);
  let text = '';
  for (let read = readChunk(chunk); read > 0; read = readChunk(chunk)) {
    text += chunk.toString('utf8', 0, read);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const parsed = parseTokenRequest(parseJson(text.slice(0, end)));
      if (!parsed.ok) throw new TypeError(parsed.detail);
      const { id, request } = parsed.value;
      write(Buffer.from(`${formatTokenAnswer(id, token.answer(request))}\n`));
      text = text.slice(end + 1);
    }
    if (text.length > LINE_BYTES_MAX) throw new TypeError('a line that is longer than any request');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The error that JSON.parse throws repeats the text, and there is a PIN in some.
    return undefined;
  }
}

function readChunk(chunk: Uint8Array): number {
  for (;;) {
    try {
      return readSync(STDIN, chunk, 0, chunk.length, null);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      pause();
    }
  }
}

function write(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(STDOUT, bytes, done);
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error;
      pause();
    }
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}
