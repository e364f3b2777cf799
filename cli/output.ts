import Table from 'cli-table3';
import { InvalidArgumentError } from 'commander';
import colors from 'picocolors';

export type Cell = string | number | null | undefined;

/** What a command says: one JSON document with --json, else tables and lines for people. */
export interface Output {
  readonly json: boolean;
  /** Prints `value` as JSON, or runs `people` to say it. */
  show(value: unknown, people: () => string): void;
  line(text: string): void;
  /** A bar on a terminal; nothing with --json or into a file. */
  progress(total: number): Progress;
}

export interface Progress {
  at(value: number, what: string): void;
  stop(): void;
}

export function makeOutput(json: boolean, write: (text: string) => void): Output {
  return {
    json,
    show: (value, people) => write(`${json ? JSON.stringify(value, null, 2) : people()}\n`),
    line: (text) => {
      if (!json) write(`${text}\n`);
    },
    progress: (total) => (json || !process.stderr.isTTY ? { at: () => {}, stop: () => {} } : bar(total)),
  };
}

/** One line, written over itself, and gone when it stops: what was said above stays. */
function bar(total: number): Progress {
  const clear = '\r\u001b[K';
  return {
    at: (value, what) => {
      const full = '█'.repeat(value) + '░'.repeat(total - value);
      process.stderr.write(`${clear}${full} ${value}/${total} ${what}`);
    },
    stop: () => void process.stderr.write(clear),
  };
}

export function table(head: string[], rows: Cell[][], empty: string): string {
  if (rows.length === 0) return colors.dim(empty);
  const made = new Table({
    head: head.map((title) => colors.bold(title)),
    // Colours are ours to give: the library does not ask whether stdout is a terminal.
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows)
    made.push(row.map((cell) => (cell === null || cell === undefined ? '–' : String(cell))));
  return made.toString();
}

/** Two columns: what it is, and its value. */
export function details(pairs: [string, Cell][]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${colors.dim(name.padEnd(width))}  ${value ?? '–'}`).join('\n');
}

/** A state with a mark before it, so that colour is never the only sign. */
export function state(name: string): string {
  if (['settled', 'irreversible', 'active', 'paid', 'open'].includes(name)) return colors.green(`✓ ${name}`);
  if (['refused', 'failed', 'cancelled', 'orphaned', 'closed'].includes(name)) return colors.red(`✗ ${name}`);
  if (['broadcast', 'confirming', 'seen', 'safe'].includes(name)) return colors.cyan(`◔ ${name}`);
  return colors.yellow(`· ${name}`);
}

/** For `--limit`: what the API's pages take. Wrong usage is found before anything is asked. */
export function limitOption(text: string): number {
  const limit = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX)
    throw new InvalidArgumentError(`It takes a whole number from 1 to ${LIMIT_MAX}.`);
  return limit;
}

const LIMIT_MAX = 200;
