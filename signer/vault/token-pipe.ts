/** The descriptors that the gate gave the vault for its token: written and read without anything else in between. */
import { readSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { TokenPipe } from './token.ts';

const TO_TOKEN = 3;
const FROM_TOKEN = 4;
/** A token that a machine shares may take a second; nothing else is decided meanwhile. */
const TIMEOUT_MS = 10_000;
const CHUNK_BYTES = 4096;
/** A signature of a token takes a millisecond or more. */
const PAUSE_MS = 0.1;

export function openTokenPipe(label: string): TokenPipe {
  const chunk = new Uint8Array(CHUNK_BYTES);
  const decoder = new TextDecoder();
  let text = '';
  return {
    label,
    exchange: (line, isAnswer) => {
      const deadline = performance.now() + TIMEOUT_MS;
      if (!write(new TextEncoder().encode(`${line}\n`), deadline)) return undefined;
      for (;;) {
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const answer = text.slice(0, end);
          text = text.slice(end + 1);
          // Another is late: of a question that nobody waits for any more.
          if (isAnswer(answer)) return answer;
        }
        const read = until(deadline, () => readSync(FROM_TOKEN, chunk, 0, chunk.length, null));
        if (read === undefined || read === 0 || text.length > CHUNK_BYTES) return undefined;
        text += decoder.decode(chunk.subarray(0, read), { stream: true });
      }
    },
  };
}

function write(bytes: Uint8Array, deadline: number): boolean {
  for (let done = 0; done < bytes.length;) {
    const written = until(deadline, () => writeSync(TO_TOKEN, bytes, done));
    if (written === undefined) return false;
    done += written;
  }
  return true;
}

/** What `act` gives once the pipe is ready; undefined when that is too late, or nobody is at its other end. */
function until(deadline: number, act: () => number): number | undefined {
  while (performance.now() < deadline) {
    try {
      return act();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'EAGAIN') return undefined;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
  return undefined;
}
