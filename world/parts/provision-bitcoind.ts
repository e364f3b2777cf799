import { spawn } from 'node:child_process';
import { access, constants, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PartError } from './process.ts';

/** How to run it: `command ...args` and then bitcoind's own arguments. */
export interface BitcoindProgram {
  readonly command: string;
  readonly args: readonly string[];
}

export interface ProvisionOptions {
  /** Default: PORTCULLIS_CACHE, else `.cache` at the repository's root. */
  readonly cacheFolder?: string;
  /** Told once when packages are fetched, since that takes a while. */
  readonly log?: (line: string) => void;
  /** Do not take the one on PATH. */
  readonly ignorePath?: boolean;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Debian's package of Bitcoin Knots, a derivative of Bitcoin Core; its suite is the one that carries it. */
const PACKAGE = 'bitcoin-knots';
const SUITE = 'sid';

/** Each architecture's library folder and the loader in it (the psABI's fixed names). */
const LOADERS: Readonly<Record<string, { folder: string; loader: string }>> = {
  x64: { folder: 'usr/lib/x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { folder: 'usr/lib/aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

const LOCK_TIMEOUT_MS = 300_000;

/**
 * Finds a bitcoind: the one on PATH, else one unpacked from the distribution's packages into the cache folder.
 * Needs no root and leaves the system as it is: apt gets a configuration of its own, signatures stay checked,
 * and the program runs under the packages' own loader because their libc may be newer than the machine's.
 * Throws PartError PART_MISSING, which names the one line to run.
 */
export async function provisionBitcoind(options: ProvisionOptions = {}): Promise<BitcoindProgram> {
  const onPath = options.ignorePath ? undefined : await findOnPath('bitcoind');
  if (onPath !== undefined) return { command: onPath, args: [] };
  const cache = options.cacheFolder ?? process.env['PORTCULLIS_CACHE'] ?? join(ROOT, '.cache');
  const folder = join(cache, 'bitcoind');
  // The folder appears by one rename, after its program has run: where it exists it is complete.
  if (!(await readable(join(folder, 'usr/bin/bitcoind')))) {
    try {
      await mkdir(cache, { recursive: true });
      await withLock(join(cache, 'bitcoind.lock'), async () => {
        if (await readable(join(folder, 'usr/bin/bitcoind'))) return;
        options.log?.(`bitcoind is not on PATH: unpacking the package ${PACKAGE} into ${folder}`);
        await unpack(cache, folder);
      });
    } catch (cause) {
      throw missing(cause);
    }
  }
  return programIn(folder);
}

function missing(cause: unknown): PartError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PartError(
    'PART_MISSING',
    `No bitcoind on PATH, and it could not be had from Debian's packages: ${reason}\n` +
      'Put any bitcoind from version 28 on PATH, or name a Debian mirror: DEBIAN_MIRROR=http://… npm test',
    { cause },
  );
}

async function unpack(cache: string, folder: string): Promise<void> {
  const partial = `${folder}.partial`;
  const apt = join(cache, 'bitcoind.apt');
  for (const stale of [partial, apt]) await rm(stale, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const archives = join(apt, 'cache/archives');
  const env = { APT_CONFIG: await writeAptConfig(apt, SUITE) };
  await run('apt-get', ['-qq', 'update'], { env });
  // The libraries it needs; debconf and systemd serve the service, not the program.
  const depends = await run('apt-cache', ['depends', '-i', PACKAGE], { env });
  const libraries = [...depends.matchAll(/^\s*Depends: (lib\S+)$/gm)].map((match) => match[1] ?? '');
  await run('apt-get', ['-qq', '-y', '--download-only', 'install', ...libraries], { env });
  await run('apt-get', ['-qq', 'download', PACKAGE], { env, cwd: archives });
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(archives, name), partial]);
  }
  const program = programIn(partial);
  await run(program.command, [...program.args, '-version']);
  await rename(partial, folder);
  await rm(apt, { recursive: true, force: true });
}

/** A world of its own for apt: nothing it reads or writes is the system's but the keyring. */
export async function writeAptConfig(apt: string, suite: string): Promise<string> {
  for (const name of ['lists/partial', 'cache/archives/partial', 'state']) {
    await mkdir(join(apt, name), { recursive: true });
  }
  await writeFile(join(apt, 'status'), '');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(
    join(apt, 'sources.list'),
    `deb [signed-by=${keyring}] ${await findMirror()} ${suite} main\n`,
  );
  const path = join(apt, 'apt.conf');
  const settings = {
    'Dir::Etc::SourceList': join(apt, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Cache': join(apt, 'cache'),
    'Dir::State': join(apt, 'state'),
    'Dir::State::Lists': join(apt, 'lists'),
    'Dir::State::status': join(apt, 'status'),
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'pkgCacheGen::Essential': 'none',
    'Debug::NoLocking': 'true',
  };
  await writeFile(
    path,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  );
  return path;
}

/** The mirror that this machine already uses. A derivative's mirror has no such suite: DEBIAN_MIRROR wins. */
async function findMirror(): Promise<string> {
  const named = process.env['DEBIAN_MIRROR'];
  if (named !== undefined && named !== '') return named;
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  for (const path of ['/etc/apt/sources.list', ...names.map((name) => join(folder, name))]) {
    const text = await readFile(path, 'utf8').catch(() => '');
    const uris = text.matchAll(/^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s*)?)([a-z]+:\/\/\S+)/gm);
    for (const [, uri] of uris) if (uri !== undefined && !uri.includes('security')) return uri;
  }
  throw new Error('this machine names no package mirror');
}

function programIn(folder: string): BitcoindProgram {
  const known = LOADERS[process.arch];
  if (process.platform !== 'linux' || !known) {
    throw new Error(`no packages for ${process.platform} ${process.arch}`);
  }
  const libraries = join(folder, known.folder);
  return {
    command: join(libraries, known.loader),
    // Not LD_LIBRARY_PATH: it would reach every program that bitcoind starts.
    args: ['--library-path', libraries, join(folder, 'usr/bin/bitcoind')],
  };
}

export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && (await readable(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

export async function readable(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** One process at a time. SQLite's lock is the kernel's: it ends with its process, so none is ever stale. */
export async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  const db = new DatabaseSync(path);
  try {
    const deadline = performance.now() + LOCK_TIMEOUT_MS;
    while (!tryBegin(db)) {
      if (performance.now() > deadline) throw new Error(`another process has held ${path} for too long`);
      await sleep(200);
    }
    await work();
  } finally {
    db.close();
  }
}

function tryBegin(db: DatabaseSync): boolean {
  try {
    db.exec('begin exclusive');
    return true;
  } catch (error) {
    // SQLITE_BUSY
    if ((error as { errcode?: number }).errcode === 5) return false;
    throw error;
  }
}

/** Runs to the end and returns stdout; throws with stderr's last lines. */
export async function run(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err = (err + chunk.toString()).slice(-2000)));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new Error(`${command} ${args.slice(0, 3).join(' ')} failed: ${err.trim()}`);
  return out;
}
