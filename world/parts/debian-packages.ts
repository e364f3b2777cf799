/** Programs and libraries out of Debian's packages, unpacked into the cache folder: no root, the system as it was. */
import { spawn } from 'node:child_process';
import { access, constants, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface DebianPackage {
  /** Of the folder in the cache. */
  readonly name: string;
  readonly package: string;
  readonly suite: string;
  /** Default: PORTCULLIS_CACHE, else `.cache` at the repository's root. */
  readonly cacheFolder?: string | undefined;
  /** A file that is there when the folder is complete. */
  readonly file: string;
  /** Of what the package depends on, what is unpacked beside it. */
  readonly isLibrary: (name: string) => boolean;
  /** What the libraries depend on comes too, the C library among it: for a program that runs under its loader. */
  readonly isWhole: boolean;
  /** Which of the archives are not unpacked all the same; none when left out. */
  readonly isLeftOut?: (archive: string) => boolean;
  /** Rejects when what was unpacked does not run. */
  readonly check: (folder: string) => Promise<unknown>;
  readonly log?: ((line: string) => void) | undefined;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LOCK_TIMEOUT_MS = 300_000;

/**
 * The folder with the package's files and those of its libraries. apt gets a configuration of its own, and signatures
 * stay checked. The folder appears by one rename, after its check: where it exists it is complete.
 */
export async function unpackDebian(wanted: DebianPackage): Promise<string> {
  const cache = wanted.cacheFolder ?? process.env['PORTCULLIS_CACHE'] ?? join(ROOT, '.cache');
  const folder = join(cache, wanted.name);
  if (await isReadable(join(folder, wanted.file))) return folder;
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, `${wanted.name}.lock`), async () => {
    if (await isReadable(join(folder, wanted.file))) return;
    wanted.log?.(`unpacking the package ${wanted.package} into ${folder}`);
    await unpack(cache, folder, wanted);
  });
  return folder;
}

async function unpack(cache: string, folder: string, wanted: DebianPackage): Promise<void> {
  const partial = `${folder}.partial`;
  const apt = join(cache, `${wanted.name}.apt`);
  for (const stale of [partial, apt]) await rm(stale, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const archives = join(apt, 'cache/archives');
  const env = { APT_CONFIG: await writeAptConfig(apt, wanted.suite) };
  await run('apt-get', ['-qq', 'update'], { env });
  const depends = await run('apt-cache', ['depends', '-i', wanted.package], { env });
  const libraries = [...depends.matchAll(/^\s*Depends: (\S+)$/gm)]
    .map((match) => match[1] ?? '')
    .filter((name) => wanted.isLibrary(name));
  if (wanted.isWhole)
    await run('apt-get', ['-qq', '-y', '--download-only', 'install', ...libraries], { env });
  const named = wanted.isWhole ? [wanted.package] : [wanted.package, ...libraries];
  await run('apt-get', ['-qq', 'download', ...named], { env, cwd: archives });
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb') && wanted.isLeftOut?.(name) !== true)
      await run('dpkg-deb', ['-x', join(archives, name), partial]);
  }
  await wanted.check(partial);
  await rename(partial, folder);
  await rm(apt, { recursive: true, force: true });
}

/** A world of its own for apt: nothing it reads or writes is the system's but the keyring. */
async function writeAptConfig(apt: string, suite: string): Promise<string> {
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

export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && (await isProgram(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

const isProgram = async (path: string): Promise<boolean> => may(path, constants.R_OK | constants.X_OK);

export const isReadable = async (path: string): Promise<boolean> => may(path, constants.R_OK);

async function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/** One process at a time. SQLite's lock is the kernel's: it ends with its process, so none is ever stale. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
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
