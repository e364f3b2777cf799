/**
 * The table of docs/blast-radius.md, from the kept results: `node drills/table.ts` writes it. A drill without a kept
 * run has a row that says so.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, patchOf } from './control-off.ts';
import type { Drill } from './scene.ts';

const PAGE = join(ROOT, 'docs', 'blast-radius.md');
const [BEGIN, END] = ['<!-- drills: begin -->', '<!-- drills: end -->'];

/** As JSON holds it. */
export interface Kept {
  readonly name: string;
  readonly bound: Readonly<Record<string, string>>;
  readonly loss: Readonly<Record<string, string>>;
  readonly detect_ms: number | null;
  readonly freeze_ms: number | null;
  readonly evacuate_ms: number | null;
  readonly unmeasured: string;
  readonly control_off_loss: Readonly<Record<string, string>>;
  readonly seeds: readonly number[];
  readonly date: string;
  readonly passed: boolean;
}

export const keptResults = (): readonly Kept[] =>
  (JSON.parse(readFileSync(join(ROOT, 'drills', 'results.json'), 'utf8')) as { drills: Kept[] }).drills;

export const drillNames = (): string[] =>
  readdirSync(join(ROOT, 'drills')).filter((name) => existsSync(patchOf(name)));

export async function faceOf(name: string): Promise<Drill> {
  return ((await import(`./${name}/attack.ts`)) as { drill: Drill }).drill;
}

/** The page with its table made anew. */
export async function pageWith(results: readonly Kept[]): Promise<string> {
  const rows: string[] = [];
  for (const name of drillNames()) rows.push(rowOf(await faceOf(name), results));
  const head = [
    '| captured | bound | control | drill | lost | without the control | detected, frozen, evacuated | seeds |',
    '|---|---|---|---|---|---|---|---|',
  ];
  const page = readFileSync(PAGE, 'utf8');
  const [before = ''] = page.split(BEGIN);
  const after = page.split(END)[1] ?? '';
  return `${before}${[BEGIN, ...head, ...rows, END].join('\n')}${after}`;
}

function rowOf(drill: Drill, results: readonly Kept[]): string {
  const bound = Object.fromEntries(Object.entries(drill.bound).map(([asset, units]) => [asset, `${units}`]));
  const kept = results.find(({ name }) => name === drill.name);
  const cells = [drill.capability, textOf(bound), drill.control, `\`${drill.name}\``];
  if (kept === undefined) return row([...cells, 'no kept run', '', '', '']);
  const { passed, loss, control_off_loss: off, seeds, date } = kept;
  const lost = `${textOf(loss)}${passed ? '' : ' (FAILED)'}`;
  return row([...cells, lost, textOf(off), timesOf(kept), `${seeds.length}, ${date}`]);
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const textOf = (units: Readonly<Record<string, string>>): string =>
  Object.entries(units)
    .map(([asset, value]) => `${asset} ${value.replace(/\B(?=(\d{3})+$)/g, ',')}`)
    .join(', ');

function timesOf({ detect_ms: detect, freeze_ms: freeze, evacuate_ms: evacuate, unmeasured }: Kept): string {
  const times = [detect, freeze, evacuate].map((ms) => (ms === null ? '–' : `${ms} ms`)).join(', ');
  return [detect, freeze, evacuate].includes(null) ? `${times}: ${unmeasured}` : times;
}

if (import.meta.main) writeFileSync(PAGE, await pageWith(keptResults()));
