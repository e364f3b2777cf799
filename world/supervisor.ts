import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Supervised {
  readonly name: string;
  /** The process that runs at this moment, if one does. */
  readonly pid: () => number | undefined;
  /** How often it had to be started again. */
  readonly restarts: () => number;
  /** SIGKILL; the supervisor starts it again. */
  readonly kill: () => void;
  /** SIGTERM, and SIGKILL for one that does not listen. */
  readonly stop: () => Promise<void>;
}

export interface SuperviseOptions {
  readonly name: string;
  /** Path of a TypeScript main from the repository's root. */
  readonly main: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const RESTART_AFTER_MIN_MS = 200;
const RESTART_AFTER_MAX_MS = 5_000;
/** One that ran this long was healthy: its next failure starts from the shortest pause again. */
const HEALTHY_AFTER_MS = 10_000;
const STOP_WITHIN_MS = 10_000;

/** Keeps one process of ours running, as systemd would: a crash is followed by a start, with growing pauses. */
export function supervise(options: SuperviseOptions): Supervised {
  let child: ChildProcess | undefined;
  let restarts = 0;
  let stopping = false;
  let pauseMs = RESTART_AFTER_MIN_MS;
  let timer: NodeJS.Timeout | undefined;

  const start = (): void => {
    const startedAt = performance.now();
    const running = launch(options);
    child = running;
    running.once('exit', () => {
      child = undefined;
      if (stopping) return;
      pauseMs =
        performance.now() - startedAt > HEALTHY_AFTER_MS
          ? RESTART_AFTER_MIN_MS
          : Math.min(pauseMs * 2, RESTART_AFTER_MAX_MS);
      timer = setTimeout(() => {
        restarts += 1;
        start();
      }, pauseMs);
    });
  };
  start();

  return {
    name: options.name,
    pid: () => child?.pid,
    restarts: () => restarts,
    kill: () => void child?.kill('SIGKILL'),
    async stop() {
      stopping = true;
      clearTimeout(timer);
      const running = child;
      if (!running) return;
      const gone = new Promise<void>((resolve) => running.once('exit', () => resolve()));
      running.kill('SIGTERM');
      const late = setTimeout(() => running.kill('SIGKILL'), STOP_WITHIN_MS);
      await gone;
      clearTimeout(late);
    },
  };
}

function launch(options: SuperviseOptions): ChildProcess {
  const log = openSync(options.logFile, 'a');
  try {
    return spawn(process.execPath, [options.main, ...options.args], {
      cwd: root,
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...options.env },
    });
  } finally {
    closeSync(log);
  }
}
