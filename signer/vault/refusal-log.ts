/** Refusals go into the journal too, but whoever can ask must not be able to fill the disk. */
import type { Refusal } from './decision.ts';
import type { Journal } from './journal.ts';

const BURST_MAX = 100;
const PER_MINUTE = 10;

export interface RefusalLog {
  write(call: string, refusal: Refusal): void;
}

/** At most 100 at once and 10 a minute; the next entry says how many were left out. */
export function openRefusalLog(journal: Journal, nowMs: () => number): RefusalLog {
  let tokens = BURST_MAX;
  let lastMs = nowMs();
  let leftOut = 0;
  return {
    write: (call, { code, detail }) => {
      const now = nowMs();
      tokens = Math.min(BURST_MAX, tokens + (Math.max(0, now - lastMs) * PER_MINUTE) / 60_000);
      lastMs = now;
      if (tokens < 1) {
        leftOut += 1;
        return;
      }
      tokens -= 1;
      journal.append('refusal', { call, code, detail, leftOut });
      leftOut = 0;
    },
  };
}
