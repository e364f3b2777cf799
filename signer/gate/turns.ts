/** Turns at the vault, one at a time: each client waits in a line of its own, so that nobody keeps another out. */
import { GateError } from './gate-error.ts';

export interface Turns {
  /** Runs `act` when it is this line's turn. Rejects with GateError BUSY when the line is full. */
  take<T>(line: string, act: () => Promise<T>): Promise<T>;
  /** Ends when everything that waits has had its turn. */
  idle(): Promise<void>;
}

/** Lines take turns, each with at most `lineMax` that wait. */
export function openTurns(lineMax: number): Turns {
  const lines = new Map<string, (() => Promise<unknown>)[]>();
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    for (;;) {
      const [first] = lines;
      if (first === undefined) break;
      const [line, waiting] = first;
      const act = waiting.shift();
      // Whoever had a turn stands behind all others.
      lines.delete(line);
      if (waiting.length > 0) lines.set(line, waiting);
      await act?.();
    }
    running = undefined;
  };
  return {
    take: async (line, act) => {
      const waiting = lines.get(line) ?? [];
      if (waiting.length >= lineMax) throw new GateError('BUSY', 'too many requests wait');
      lines.set(line, waiting);
      return new Promise((resolve, reject) => {
        waiting.push(async () => act().then(resolve, reject));
        running ??= run();
      });
    },
    idle: async () => running,
  };
}
