import assert from 'node:assert';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What can go wrong with a part of the local system. `retryable`: the same call may succeed later. */
export type PartErrorCode = 'PART_MISSING' | 'PART_FAILED' | 'PART_TIMEOUT' | 'PART_REFUSED';

export class PartError extends Error {
  override readonly name = 'PartError';
  readonly code: PartErrorCode;
  readonly retryable: boolean;
  constructor(code: PartErrorCode, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? code === 'PART_TIMEOUT';
  }
}

export interface StartProcessOptions {
  /** For messages: "postgres", "bitcoind". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** stdout and stderr are appended here; its tail is quoted when the start fails. */
  readonly logFile: string;
  /** Sent when whoever started the process is gone, however it went. */
  readonly orphanSignal: 'SIGINT' | 'SIGTERM';
  /** Run as this user. Only root may choose. */
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly env?: Readonly<Record<string, string>>;
  /** Resolves to true once the process answers. Called every 20 ms. */
  readonly ready: (pid: number) => Promise<boolean>;
  readonly readyTimeoutMs: number;
}

export interface PartProcess {
  readonly pid: number;
  readonly isRunning: () => boolean;
  /** Asks with `signal`, waits, and after `timeoutMs` kills. Does nothing when it is gone. */
  readonly stop: (signal: NodeJS.Signals, timeoutMs: number) => Promise<void>;
  /** SIGKILL: no chance to write anything. Resolves when the process is gone. */
  readonly kill: () => Promise<void>;
}

/**
 * Starts a program in a session of its own, so that Ctrl-C reaches only us and we stop our parts in order.
 * Should we be killed, the kernel tells the program (PR_SET_PDEATHSIG, where setpriv knows it).
 * Throws PartError: PART_MISSING (no such program), PART_FAILED (it ended), PART_TIMEOUT (never ready).
 */
export async function startProcess(options: StartProcessOptions): Promise<PartProcess> {
  const child = spawnLogged(options);
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  let spawnError: Error | undefined;
  child.once('error', (error) => (spawnError = error));
  const isRunning = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const killAtExit = () => void child.kill('SIGKILL');
  process.once('exit', killAtExit);
  void gone.then(() => process.removeListener('exit', killAtExit));

  const deadline = performance.now() + options.readyTimeoutMs;
  while (!(isRunning() && child.pid !== undefined && (await options.ready(child.pid)))) {
    if (!isRunning()) {
      await gone;
      const code = spawnError ? 'PART_MISSING' : 'PART_FAILED';
      throw new PartError(code, `${options.name} did not start\n${await tailOf(options.logFile)}`, {
        cause: spawnError,
      });
    }
    if (performance.now() > deadline) {
      child.kill('SIGKILL');
      await gone;
      throw new PartError(
        'PART_TIMEOUT',
        `${options.name} did not answer within ${options.readyTimeoutMs} ms\n${await tailOf(options.logFile)}`,
      );
    }
    await sleep(20);
  }
  const { pid } = child;
  assert(pid !== undefined);
  return { pid, isRunning, ...enders(child, gone, isRunning) };
}

function spawnLogged(options: StartProcessOptions): ChildProcess {
  const log = openSync(options.logFile, 'a');
  try {
    const watched = knowsParentDeath();
    const command = watched ? 'setpriv' : options.command;
    const prefix = watched ? ['--pdeathsig', options.orphanSignal.slice(3), '--', options.command] : [];
    const child = spawn(command, [...prefix, ...options.args], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', ...options.env },
      ...options.user,
    });
    // A part never keeps its owner alive: what waits for it holds its own promise.
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

function enders(
  child: ChildProcess,
  gone: Promise<void>,
  isRunning: () => boolean,
): Pick<PartProcess, 'stop' | 'kill'> {
  /** An unreferenced child lets node end in the middle of a wait; a timer holds it. */
  const waitGone = async (timeoutMs: number): Promise<boolean> => {
    const limit = new AbortController();
    const late = sleep(timeoutMs, false, { signal: limit.signal }).catch(() => false);
    const ended = await Promise.race([gone.then(() => true), late]);
    limit.abort();
    return ended;
  };
  const kill = async () => {
    if (isRunning()) child.kill('SIGKILL');
    await waitGone(10_000);
  };
  return {
    kill,
    stop: async (signal, timeoutMs) => {
      if (isRunning()) child.kill(signal);
      if (!(await waitGone(timeoutMs))) await kill();
    },
  };
}

let parentDeathKnown: boolean | undefined;

function knowsParentDeath(): boolean {
  parentDeathKnown ??=
    process.platform === 'linux' &&
    (spawnSync('setpriv', ['--help'], { encoding: 'utf8' }).stdout ?? '').includes('--pdeathsig');
  return parentDeathKnown;
}

/** A folder for one start: the caller's own, kept; or a temporary one, gone when the start fails. */
export async function withFolder<Part>(
  options: { readonly name: string; readonly folder: string | undefined },
  start: (folder: string) => Promise<Part>,
): Promise<Part> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), `portcullis-${options.name}-`)));
  try {
    await mkdir(folder, { recursive: true });
    return await start(folder);
  } catch (error) {
    if (options.folder === undefined) await removeFolder(folder);
    throw error;
  }
}

/** A killed server's children may still be writing: try again rather than fail. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** A password that a folder keeps from its first start on. */
export async function passwordIn(folder: string): Promise<string> {
  const path = join(folder, 'password');
  const kept = await readFile(path, 'utf8').catch(() => '');
  if (kept !== '') return kept.trim();
  const password = randomBytes(16).toString('hex');
  await writeFile(path, `${password}\n`, { mode: 0o600 });
  return password;
}

/** A TCP port on loopback that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return address.port;
}

/** The last 2,000 bytes of a log. */
export async function tailOf(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, 2000);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8');
  } finally {
    await file.close();
  }
}
