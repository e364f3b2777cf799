/** SoftHSM2: a PKCS#11 token in software, as Debian packages it. It guards a key as a device does, and protects nothing. */
import { readFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isReadable, run, unpackDebian } from './debian-packages.ts';
import { PartError } from './process.ts';

export interface SofthsmOptions {
  /** Keeps the tokens; made when absent. */
  readonly folder: string;
  readonly cacheFolder?: string;
  readonly log?: (line: string) => void;
}

export interface Softhsm {
  /** The PKCS#11 module. */
  readonly module: string;
  /** What a process that loads it must have in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

const PACKAGE = 'libsofthsm2';
const LIBRARIES: Readonly<Record<string, string>> = {
  x64: 'usr/lib/x86_64-linux-gnu',
  arm64: 'usr/lib/aarch64-linux-gnu',
};
/** The machine's own, which every program has loaded: another version of them beside it would not work. */
const BASE = ['libc6', 'libgcc-s1', 'libstdc++6'];

/**
 * A SoftHSM2 with its tokens in this folder: the machine's own, else one unpacked from the packages of the Debian that
 * the machine runs, since it is loaded into a process of the machine. Throws PartError PART_MISSING.
 */
export async function provisionSofthsm(options: SofthsmOptions): Promise<Softhsm> {
  const tokens = join(options.folder, 'tokens');
  await mkdir(tokens, { recursive: true });
  const settings = join(options.folder, 'softhsm2.conf');
  await writeFile(
    settings,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const libraries = LIBRARIES[process.arch];
  const own = `/${libraries}/softhsm/libsofthsm2.so`;
  if (libraries !== undefined && (await isReadable(own)))
    return { module: own, env: { SOFTHSM2_CONF: settings } };
  try {
    if (libraries === undefined) throw new Error(`no packages for ${process.platform} ${process.arch}`);
    const module = `${libraries}/softhsm/libsofthsm2.so`;
    const folder = await unpackDebian({
      name: 'softhsm',
      package: PACKAGE,
      suite: await findSuite(),
      cacheFolder: options.cacheFolder,
      file: module,
      isLibrary: (name) => name.startsWith('lib') && !BASE.includes(name),
      isWhole: false,
      check: async (at) => checkLoads(join(at, module), join(at, libraries)),
      log: options.log,
    });
    const env = { SOFTHSM2_CONF: settings, LD_LIBRARY_PATH: join(folder, libraries) };
    return { module: join(folder, module), env };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PartError(
      'PART_MISSING',
      `No SoftHSM2 on this machine, and it could not be had from Debian's packages: ${reason}\n` +
        'Install it (apt-get install softhsm2), or name a Debian mirror: DEBIAN_MIRROR=http://… npm test',
      { cause },
    );
  }
}

/** Debian's name of the release that this machine runs. */
async function findSuite(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8');
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}="?([a-z0-9.-]+)"?$`, 'm').exec(release)?.[1];
  const suite = field('VERSION_CODENAME');
  if (field('ID') !== 'debian' || suite === undefined) throw new Error('this machine runs no Debian release');
  return suite;
}

async function checkLoads(module: string, libraries: string): Promise<void> {
  const program = `require('node:ffi').dlopen(process.argv[1], {}).lib.close()`;
  await run(process.execPath, ['-e', program, module], { env: { LD_LIBRARY_PATH: libraries } });
}
