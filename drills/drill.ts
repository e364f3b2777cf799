/**
 * `npm run drill -- NAME [--json] [--seeds N] [--control-off] [--out FILE]`: attacks with the capability that the drill
 * names, in this tree and in a copy without the control, and compares what is lost on the chain with the bound.
 * Exits with 0 when no seed loses more than the bound and the copy loses more than it on each; 1 otherwise; 2 for
 * arguments that are wrong. `--control-off` runs only the copy, to look at what it loses.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ATTACK_TIMEOUT_MS = 600_000;

const patchOf = (name: string): string => join(ROOT, 'drills', name, 'control-off.patch');

interface Attacked {
  readonly name: string;
  readonly capability: string;
  readonly control: string;
  /** Satoshi, like the loss. */
  readonly bound: string;
  readonly loss: string;
  readonly seconds: number;
  readonly refusals: Readonly<Record<string, number>>;
}

process.exitCode = main(process.argv.slice(2));

function main(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      seeds: { type: 'string', default: '1' },
      'control-off': { type: 'boolean' },
      out: { type: 'string' },
    },
  });
  const [name = ''] = positionals;
  const known = readdirSync(join(ROOT, 'drills')).filter((one) => existsSync(patchOf(one)));
  const seeds = Number(values.seeds);
  if (positionals.length !== 1 || !known.includes(name) || !Number.isSafeInteger(seeds) || seeds < 1) {
    process.stderr.write(
      `npm run drill -- NAME [--json] [--seeds N] [--control-off] [--out FILE]\n${known.join('\n')}\n`,
    );
    return 2;
  }
  const all = Array.from({ length: seeds }, (_, i) => i + 1);
  const off = withoutControl(name, (tree) => all.map((seed) => attack(tree, name, seed)));
  const on = values['control-off'] === true ? [] : all.map((seed) => attack(ROOT, name, seed));
  const result = resultOf(on, off);
  const text = JSON.stringify(result);
  if (values.out !== undefined) writeFileSync(values.out, `${text}\n`);
  process.stdout.write(values.json === true ? `${text}\n` : described(result));
  return result.passed ? 0 : 1;
}

/** The worst seed with the control, the mildest without: a drill passes by all of them. */
function resultOf(on: readonly Attacked[], off: readonly Attacked[]): ReturnType<typeof compared> {
  const by = (a: Attacked, b: Attacked): number => Number(BigInt(a.loss) - BigInt(b.loss));
  const worst = on.toSorted(by).at(-1);
  const [mildest] = off.toSorted(by);
  if (mildest === undefined) throw new RangeError('no seed');
  return compared(worst, mildest, off.length);
}

function compared(worst: Attacked | undefined, mildest: Attacked, seeds: number) {
  const { name, capability, control, bound } = mildest;
  const isHeld = worst === undefined || BigInt(worst.loss) <= BigInt(bound);
  const isNeeded = BigInt(mildest.loss) > BigInt(bound);
  return {
    name,
    capability,
    control,
    unit: 'satoshi',
    bound,
    loss: worst?.loss ?? null,
    // No sentinel watches in these drills: refusals end the theft, and nothing is frozen.
    detect_ms: null,
    freeze_ms: null,
    evacuate_ms: null,
    control_off_loss: mildest.loss,
    seeds,
    refusals: worst?.refusals ?? {},
    passed: isHeld && isNeeded,
  };
}

function described(result: ReturnType<typeof compared>): string {
  const { name, capability, bound, loss, control_off_loss: off, passed, seeds } = result;
  return [
    `${name}: ${capability}`,
    `  bound ${bound} satoshi, lost ${loss ?? 'not run'}; without the control ${off} (${seeds} seeds)`,
    `  ${passed ? 'passed' : 'FAILED'}\n`,
  ].join('\n');
}

function attack(tree: string, name: string, seed: number): Attacked {
  const text = execFileSync(process.execPath, ['drills/attack.ts', name, `${seed}`], {
    cwd: tree,
    encoding: 'utf8',
    timeout: ATTACK_TIMEOUT_MS,
  });
  return JSON.parse(text.trim().split('\n').at(-1) ?? '') as Attacked;
}

/** A copy of the tree without the control; the tree itself has no switch. */
function withoutControl<T>(name: string, use: (tree: string) => T): T {
  const tree = mkdtempSync(join(tmpdir(), 'portcullis-drill-'));
  try {
    for (const folder of [
      'drills',
      'signer',
      'world',
      'lib',
      'client',
      'core',
      'contracts',
      'package.json',
    ]) {
      const isOurs = (path: string): boolean => !path.endsWith('node_modules');
      cpSync(join(ROOT, folder), join(tree, folder), { recursive: true, filter: isOurs });
    }
    for (const link of ['node_modules', '.cache', 'signer/node_modules']) {
      if (existsSync(join(ROOT, link))) symlinkSync(join(ROOT, link), join(tree, link));
    }
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(tree) };
    execFileSync('git', ['apply', '--whitespace=nowarn', '-'], {
      cwd: tree,
      env,
      input: readFileSync(patchOf(name)),
    });
    return use(tree);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
