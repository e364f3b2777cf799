/** One run of the whole job in processes that are killed round their effects, and what they hang on with them. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { haltsOf } from '../../controls/controls.ts';
import { executorOf, type Database } from '../../db/db.ts';
import { trialBalance } from '../../ledger/ledger.ts';
import { startStack, whyNot, type Stack } from '../../withdrawals/test/stack.ts';
import type { TestScope } from '../../../world/testing.ts';
import { calmly, jobOf } from './kill-job.ts';
import { startKillParts, type KillParts } from './kill-parts.ts';
import { fateOf, seededNumbers, type Fate, type Said } from './kill-points.ts';

export interface KillOptions {
  readonly seed: number;
  /** Something is struck at every so manieth point, beside the first time at each. */
  readonly every: number;
  /** One stroke in so many hits another part than the process itself. */
  readonly others: number;
  readonly timeoutMs: number;
  /** The names of effects, by process, on both sides of which a process has to die: for them orders are made again. */
  readonly mustDie?: Readonly<Record<string, readonly string[]>>;
}

export interface KillReport {
  readonly fate: Fate;
  readonly lives: number;
  readonly blocks: number;
  readonly elapsedMs: number;
}

const MAIN = fileURLToPath(new URL('mortal.ts', import.meta.url));
/** With all processes up, nobody reached an effect for so long: they wait for a block. */
const QUIET_MS = 400;
/** A block comes anyway after this, whoever is busy. */
const BLOCK_WITHIN_MS = 20_000;
/** While nobody has died after the second of these, though before the first: a block would take the chance away. */
const MINED_LATER = [
  ['pipeline before broadcast', 'pipeline after spend.broadcast'],
  ['pipeline before send', 'pipeline after send'],
  ['watcher bitcoin before chain.mempool', 'watcher bitcoin after chain.mempool'],
] as const;
/** For them a block comes only after so long a quiet: a new life needs some time to come to where the last one died. */
const MINED_LATER_QUIET_MS = 3000;
/** Bitcoin's last block is replaced every so many blocks: less deep than any depth that is irreversible. */
const REORG_EVERY = 9;
const ROUNDS_MAX = 3;
/** A machine on which strokes come faster than what they interrupt: from here on only what was never struck is. */
const CALM_AFTER_MS = 90_000;

export async function killRun(scope: TestScope, options: KillOptions): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-kill-'));
  const parts = await startKillParts(scope, folder);
  const stack = await startStack(scope, { evm: true, parts });
  scope.after(async () => rmSync(folder, { recursive: true, force: true }));
  const world = worldOf(parts, stack, options.seed);
  const fate = fateOf(options);
  const job = jobOf(stack, parts);
  const beganAt = performance.now();
  const mortals = startMortals({ stack, folder, fate, world });
  try {
    const end = beganAt + options.timeoutMs;
    const wait = (holds: () => Promise<boolean>, what: string) =>
      mineUntil({ mortals, world, fate, end, db: stack.db }, holds, what);
    await world.alone(job.begin);
    await wait(job.isFunded, 'the deposits');
    for (
      let round = 0;
      round === 0 || (round < ROUNDS_MAX && missedBy(fate, options).length > 0);
      round += 1
    ) {
      await job.order();
      await wait(job.isOver, 'the orders');
    }
    mortals.spare();
    await world.mine();
    await wait(job.booksAreTheChain, 'the books');
  } finally {
    await mortals.stop();
  }
  await job.check();
  return { fate, lives: mortals.lives(), blocks: world.blocks(), elapsedMs: performance.now() - beganAt };
}

/** Points that no process died at yet, though one must. */
export function missedBy(fate: Fate, { mustDie = {} }: Pick<KillOptions, 'mustDie'>): string[] {
  return Object.entries(mustDie)
    .flatMap(([process, names]) =>
      names.flatMap((name) => [`${process} before ${name}`, `${process} after ${name}`]),
    )
    .filter((point) => !fate.tally.get(point)?.has('process'));
}

interface World {
  /** One thing at a time happens to nodes and database. */
  readonly alone: <Result>(act: () => Promise<Result>) => Promise<Result>;
  readonly strike: (stroke: Parameters<KillParts['strike']>[0]) => Promise<void>;
  readonly mine: () => Promise<void>;
  readonly blocks: () => number;
  readonly databaseAge: () => number;
}

function worldOf(parts: KillParts, stack: Stack, seed: number): World {
  const next = seededNumbers(seed + 1_000_000);
  let turn: Promise<unknown> = Promise.resolve();
  let blocks = 0;
  const alone: World['alone'] = (act) => {
    const mine = turn.then(act);
    turn = mine.catch(() => {});
    return mine;
  };
  return {
    alone,
    blocks: () => blocks,
    databaseAge: parts.databaseAge,
    strike: (stroke) => alone(() => parts.strike(stroke, next(), stack.signers.all)),
    mine: () =>
      alone(async () => {
        blocks += 1;
        if (blocks % REORG_EVERY === 0) await parts.reorg(1);
        await parts.mine();
      }),
  };
}

async function mineUntil(
  run: {
    readonly db: Database;
    readonly mortals: Mortals;
    readonly world: World;
    readonly fate: Fate;
    readonly end: number;
  },
  holds: () => Promise<boolean>,
  what: string,
): Promise<void> {
  const beganAt = performance.now();
  let minedAt = beganAt;
  while (!(await calmly(() => run.world.alone(holds)))) {
    run.mortals.refuseFaults();
    assert.deepEqual(await calmly(() => haltsOf(run.db)), [], 'nothing halts');
    const now = performance.now();
    run.mortals.calm(now - beganAt > CALM_AFTER_MS);
    if (now > run.end) assert.fail(`not in time: ${what}; ${run.mortals.tell()}; ${await booksOf(run.db)}`);
    const { tally } = run.fate;
    const isOnItsWay = MINED_LATER.some(([first, last]) => tally.has(first) && !tally.has(last));
    const quietMs = isOnItsWay ? MINED_LATER_QUIET_MS : QUIET_MS;
    if (run.mortals.quietMs() > quietMs || now - minedAt > BLOCK_WITHIN_MS) {
      await run.world.mine();
      minedAt = performance.now();
    }
    await delay(150);
  }
}

/** What waits, and what the books say, for the message of a run that did not come to its end. */
async function booksOf(db: Database): Promise<string> {
  const lines = await trialBalance(executorOf(db));
  return `${await whyNot()}; ${lines.map((line) => Object.values(line).join(' ')).join(', ')}`;
}

interface Mortals {
  /** How long all have been up without reaching an effect; 0 while one is not. */
  readonly quietMs: () => number;
  /** No stroke falls from here on. */
  readonly spare: () => void;
  /** Whether strokes fall only where none has fallen yet. */
  readonly calm: (isCalm: boolean) => void;
  readonly lives: () => number;
  /** A process that ended by itself, though nothing that it hangs on was struck, is a fault of ours. */
  readonly refuseFaults: () => void;
  readonly tell: () => string;
  /** SIGTERM, which each takes well. */
  readonly stop: () => Promise<void>;
}

interface Mortal {
  readonly label: string;
  readonly args: readonly string[];
  child: ChildProcess | undefined;
  up: boolean;
  /** When this life began. */
  databaseAge: number;
}

function startMortals(run: {
  readonly stack: Stack;
  readonly folder: string;
  readonly fate: Fate;
  readonly world: World;
}): Mortals {
  const { stack, fate, world } = run;
  const faults: string[] = [];
  let lives = 0;
  let lastAt = performance.now();
  let stopping = false;
  let spared = false;
  let calm = false;
  let last = '';
  const onPoint = (mortal: Mortal, child: ChildProcess, said: Extract<Said, { kind: 'point' }>): void => {
    const goOn = (): void => void (child.connected && child.send(said.id, () => {}));
    const point = { process: mortal.label, side: said.side, name: said.name };
    last = `${point.process} ${point.side} ${point.name}`;
    const isSpared = spared || (calm && fate.tally.has(last));
    const stroke = isSpared ? undefined : fate.strokeAt(point);
    if (stroke === undefined) return goOn();
    if (stroke === 'process') return void child.kill('SIGKILL');
    world
      .strike(stroke)
      .catch((error: unknown) => faults.push(`${stroke} at ${last}: ${String(error)}`))
      .finally(goOn);
  };
  const live = (mortal: Mortal): void => {
    lives += 1;
    mortal.up = false;
    mortal.databaseAge = world.databaseAge();
    const child = startChild(run, mortal);
    mortal.child = child;
    child.on('message', (said: Said) => {
      lastAt = performance.now();
      if (said.kind === 'up') mortal.up = true;
      else onPoint(mortal, child, said);
    });
    child.once('exit', (code, signal) => {
      lastAt = performance.now();
      mortal.up = false;
      if (stopping) return;
      const excused = signal === 'SIGKILL' || mortal.databaseAge !== world.databaseAge() || isAway(world);
      if (!excused) faults.push(`${mortal.label} ended by itself (${code}): ${lastWords(run, mortal)}`);
      setTimeout(() => stopping || live(mortal), signal === 'SIGKILL' ? 0 : 200);
    });
  };
  const mortals = mortalsOf(stack);
  for (const mortal of mortals) live(mortal);
  return {
    quietMs: () => (mortals.every(({ up }) => up) ? performance.now() - lastAt : 0),
    spare: () => void (spared = true),
    calm: (isCalm) => void (calm = isCalm),
    lives: () => lives,
    refuseFaults: () => assert.deepEqual(faults, []),
    tell: () =>
      [
        `${lives} lives, ${fate.strokes()} strokes, last ${last}`,
        ...mortals.map(
          (mortal) => `${mortal.label}, ${mortal.up ? 'up' : 'down'}: ${lastWords(run, mortal)}`,
        ),
      ].join('\n'),
    stop: async () => {
      stopping = true;
      await Promise.all(mortals.map(({ child }) => end(child)));
    },
  };
}

function mortalsOf({ config, configFile }: Stack): Mortal[] {
  const all = [['pipeline'], ...config.networks.map(({ id }) => ['watcher', id])];
  return all.map((words) => {
    const [what = '', network] = words;
    const args = [what, configFile, ...(network === undefined ? [] : [network])];
    return { label: words.join(' '), args, child: undefined, up: false, databaseAge: 0 };
  });
}

/** PostgreSQL ends, and is there again: its age is odd in between. */
function isAway(world: World): boolean {
  return world.databaseAge() % 2 === 1;
}

function lastWords(run: { readonly folder: string }, mortal: Mortal): string {
  return readFileSync(logOf(run, mortal), 'utf8').slice(-2000);
}

function logOf({ folder }: { readonly folder: string }, { label }: Mortal): string {
  return join(folder, `${label.replace(' ', '-')}.log`);
}

function startChild(run: { readonly stack: Stack; readonly folder: string }, mortal: Mortal): ChildProcess {
  const { stack, folder } = run;
  const log = openSync(logOf(run, mortal), 'a');
  try {
    return spawn(process.execPath, [MAIN, ...mortal.args], {
      env: {
        PATH: process.env['PATH'],
        PORTCULLIS_DATABASE_URL: stack.databaseUrl,
        NODE_COMPILE_CACHE: join(folder, 'compiled'),
      },
      stdio: ['ignore', log, log, 'ipc'],
    });
  } finally {
    closeSync(log);
  }
}

const STOP_WITHIN_MS = 20_000;

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exit;
  clearTimeout(late);
}
