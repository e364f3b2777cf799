/** The descriptors that the gate gave the vault for its token: written and read without anything else in between. */
import { readSync, writeSync } from 'node:fs';
import type { TokenPipe } from './token.ts';

const TO_TOKEN = 3;
const FROM_TOKEN = 4;
/** A token that a machine shares may take a second; nothing else is decided meanwhile. */
const TIMEOUT_MS = 10_000;
const CHUNK_BYTES = 4096;
/** A signature of a token takes a millisecond or more. */
const PAUSE_MS = 0.1;

/** `nowMs` ticks evenly, whatever the clock is set to. */
export function openTokenPipe(label: string, nowMs: () => number): TokenPipe {
  const chunk = new Uint8Array(CHUNK_BYTES);
  const decoder = new TextDecoder();
  let text = '';
  return {
    label,
    exchange: (line, isAnswer) => {
      const isLate = lateAfter(TIMEOUT_MS, nowMs);
      if (!write(new TextEncoder().encode(`${line}\n`), isLate)) return undefined;
      for (;;) {
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const answer = text.slice(0, end);
          text = text.slice(end + 1);
          // Another is late: of a question that nobody waits for any more.
          if (isAnswer(answer)) return answer;
        }
        const read = until(isLate, () => readSync(FROM_TOKEN, chunk, 0, chunk.length, null));
        if (read === undefined || read === 0 || text.length > CHUNK_BYTES) return undefined;
        text += decoder.decode(chunk.subarray(0, read), { stream: true });
      }
    },
  };
}

function write(bytes: Uint8Array, isLate: () => boolean): boolean {
  for (let done = 0; done < bytes.length;) {
    const written = until(isLate, () => writeSync(TO_TOKEN, bytes, done));
    if (written === undefined) return false;
    done += written;
  }
  return true;
}

function lateAfter(ms: number, nowMs: () => number): () => boolean {
  const deadline = nowMs() + ms;
  return () => nowMs() > deadline;
}

/** What `act` gives once the pipe is ready; undefined when that is too late, or nobody is at its other end. */
function until(isLate: () => boolean, act: () => number): number | undefined {
  while (!isLate()) {
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
