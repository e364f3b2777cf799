/**
 * `npm run drill -- NAME… | all [--seeds N] [--json] [--out FILE]`: attacks a real system with exactly the capability
 * named, once for each seed, and compares what the chains say was lost with the bound that was declared beforehand;
 * then the same in a copy of the tree without the control, which has to lose more on every seed. Exits with 0 when all
 * passed, 1 otherwise, 2 for arguments that are wrong. `--out` keeps the results of other drills that a file holds.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres } from '../world/parts/postgres.ts';
import { TEST_POSTGRES } from '../world/testing.ts';
import { ROOT, patchOf, withoutControl } from './control-off.ts';
import type { Drill } from './scene.ts';

const ATTACK_TIMEOUT_MS = 900_000;
type Units = Readonly<Record<string, string>>;

interface Attacked {
  readonly loss: Units;
  readonly detectMs: number | null;
  readonly freezeMs: number | null;
  readonly evacuateMs: number | null;
  readonly honestAsked: number;
  readonly honestPaid: number;
  readonly refusals: Readonly<Record<string, number>>;
}

// Not by running out: test helpers that are imported would print a report of no tests.
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      seeds: { type: 'string', default: '1' },
      out: { type: 'string' },
      orders: { type: 'string', default: '200' },
    },
  });
  if (positionals[0] === 'honest') return honestly(Number(values.orders), values.out);
  const known = readdirSync(join(ROOT, 'drills')).filter((one) => existsSync(patchOf(one)));
  const names = positionals.includes('all') ? known : positionals;
  const seeds = Number(values.seeds);
  const isKnown = names.length > 0 && names.every((name) => known.includes(name));
  if (!isKnown || !Number.isSafeInteger(seeds) || seeds < 1 || seeds > 1000) {
    process.stderr.write(
      `npm run drill -- NAME… | all [--seeds N] [--json] [--out FILE]\n${known.join('\n')}\n`,
    );
    return 2;
  }
  const postgres = await startPostgres({ fast: true });
  process.env[TEST_POSTGRES] = postgres.url;
  try {
    const results: Result[] = [];
    for (const name of names) {
      const result = await run(name, seeds);
      results.push(result);
      process.stdout.write(values.json === true ? `${JSON.stringify(result)}\n` : described(result));
      if (values.out !== undefined) keep(values.out, result);
    }
    return results.every(({ passed }) => passed) ? 0 : 1;
  } finally {
    await postgres.stop();
  }
}

/** Honest traffic alone: passes when all are paid and nothing was frozen. */
async function honestly(orders: number, out: string | undefined): Promise<number> {
  if (!Number.isSafeInteger(orders) || orders < 1) {
    process.stderr.write('npm run drill -- honest [--orders N] [--out FILE]\n');
    return 2;
  }
  const postgres = await startPostgres({ fast: true });
  process.env[TEST_POSTGRES] = postgres.url;
  try {
    const child = spawn(process.execPath, ['drills/honest.ts', `${orders}`], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let answer = '';
    child.stdout.on('data', (part: Buffer) => (answer += part.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    const line = answer.split('\n').find((one) => one.startsWith('{"orders"'));
    if (code !== 0 || line === undefined) throw new Error(answer.slice(-4000));
    const result = JSON.parse(line) as { readonly paid: number; readonly freezes: number };
    const text = JSON.stringify({ ...result, date: new Date().toISOString().slice(0, 10) }, null, 2);
    process.stdout.write(`${text}\n`);
    if (out !== undefined) writeFileSync(out, `${text}\n`);
    return result.paid === orders && result.freezes === 0 ? 0 : 1;
  } finally {
    await postgres.stop();
  }
}

type Result = ReturnType<typeof compared>;

async function run(name: string, seeds: number): Promise<Result> {
  const { drill } = (await import(`./${name}/attack.ts`)) as { drill: Drill };
  const all = Array.from({ length: seeds }, (_, i) => i + 1);
  const on: Attacked[] = [];
  for (const seed of all) on.push(await attack(ROOT, [name, `${seed}`]));
  const off = await withoutControl(name, async (tree) => {
    const lost: Attacked[] = [];
    for (const seed of all) lost.push(await attack(tree, [name, `${seed}`, 'off']));
    return lost;
  });
  return compared(drill, on, off);
}

/** The worst seed of each asset with the control, the mildest without: a drill passes by all of them. */
function compared(drill: Drill, on: readonly Attacked[], off: readonly Attacked[]) {
  const bound = Object.fromEntries(Object.entries(drill.bound).map(([asset, units]) => [asset, `${units}`]));
  const losses = (all: readonly Attacked[], pick: (sorted: bigint[]) => bigint | undefined): Units =>
    Object.fromEntries(
      Object.keys(bound).map((asset) => {
        const sorted = all
          .map(({ loss }) => BigInt(loss[asset] ?? 0))
          .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
        return [asset, `${pick(sorted) ?? 0n}`];
      }),
    );
  const worst = losses(on, (sorted) => sorted.at(-1));
  const exceeds = (loss: Units): boolean =>
    Object.entries(loss).some(([asset, units]) => BigInt(units) > BigInt(bound[asset] ?? 0));
  const slowest = (pick: (one: Attacked) => number | null): number | null => {
    const times = on.map(pick).filter((time) => time !== null);
    return times.length === 0 ? null : Math.max(...times);
  };
  const count = (pick: (one: Attacked) => number): number => on.reduce((sum, one) => sum + pick(one), 0);
  const [honestAsked, honestPaid] = [count((one) => one.honestAsked), count((one) => one.honestPaid)];
  const isHonestPaid = drill.honest === 'may-wait' || honestPaid === honestAsked;
  return {
    name: drill.name,
    capability: drill.capability,
    control: drill.control,
    bound,
    loss: worst,
    loss_median: losses(on, (sorted) => sorted[Math.floor(sorted.length / 2)]),
    detect_ms: slowest((one) => one.detectMs),
    freeze_ms: slowest((one) => one.freezeMs),
    evacuate_ms: slowest((one) => one.evacuateMs),
    unmeasured: drill.unmeasured,
    control_off_loss: losses(off, ([mildest]) => mildest),
    honest_asked: honestAsked,
    honest_paid: honestPaid,
    refusals: on.at(-1)?.refusals ?? {},
    seeds: on.map((_, i) => i + 1),
    date: new Date().toISOString().slice(0, 10),
    passed: !exceeds(worst) && off.every(({ loss }) => exceeds(loss)) && isHonestPaid,
  };
}

function described({ name, capability, bound, loss, control_off_loss: off, ...rest }: Result): string {
  const text = (units: Units): string =>
    Object.entries(units)
      .map(([asset, value]) => `${value} ${asset}`)
      .join(', ');
  const { passed, seeds, honest_asked: asked, honest_paid: paid } = rest;
  return [
    `${name}: ${capability}`,
    `  base units: bound ${text(bound)}; lost ${text(loss)}; without the control ${text(off)} (${seeds.length} seeds)`,
    `  detected after ${rest.detect_ms} ms, frozen ${rest.freeze_ms} ms later, evacuated ${rest.evacuate_ms} ms`,
    `  ${passed ? 'passed' : 'FAILED'}; ${paid} of ${asked} honest orders paid\n`,
  ].join('\n');
}

function keep(file: string, result: Result): void {
  const drills = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { drills: Result[] }).drills
    : [];
  const others = drills.filter(({ name }) => name !== result.name);
  const all = [...others, result].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  writeFileSync(file, `${JSON.stringify({ drills: all }, null, 2)}\n`);
}

/** One attack in a process of its own; rejects with what it said when it did not come to its end. */
async function attack(tree: string, args: readonly string[]): Promise<Attacked> {
  const child = spawn(process.execPath, ['drills/attack.ts', ...args], {
    cwd: tree,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: ATTACK_TIMEOUT_MS,
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (err = (err + part.toString()).slice(-4000)));
  const code = await new Promise((resolve) => child.once('close', resolve));
  const line = out.split('\n').find((text) => text.startsWith('{"loss"'));
  if (code !== 0 || line === undefined) throw new Error(`${args.join(' ')}: ${err}${out.slice(-4000)}`);
  return JSON.parse(line) as Attacked;
}
