import { join } from 'node:path';
import { findOnPath, run, unpackDebian } from './debian-packages.ts';
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

/** Debian's package of Bitcoin Knots, a derivative of Bitcoin Core; its suite is the one that carries it. */
const PACKAGE = 'bitcoin-knots';
const SUITE = 'sid';

/** Each architecture's library folder and the loader in it (the psABI's fixed names). */
const LOADERS: Readonly<Record<string, { folder: string; loader: string }>> = {
  x64: { folder: 'usr/lib/x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { folder: 'usr/lib/aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

/**
 * Finds a bitcoind: the one on PATH, else one unpacked from the distribution's packages into the cache folder.
 * The program runs under the packages' own loader because their libc may be newer than the machine's.
 * Throws PartError PART_MISSING, which names the one line to run.
 */
export async function provisionBitcoind(options: ProvisionOptions = {}): Promise<BitcoindProgram> {
  const onPath = options.ignorePath ? undefined : await findOnPath('bitcoind');
  if (onPath !== undefined) return { command: onPath, args: [] };
  try {
    return programIn(
      await unpackDebian({
        name: 'bitcoind',
        package: PACKAGE,
        suite: SUITE,
        cacheFolder: options.cacheFolder,
        file: 'usr/bin/bitcoind',
        // debconf and systemd serve the service, not the program.
        isLibrary: (name) => name.startsWith('lib'),
        isWhole: true,
        check: async (folder) => {
          const program = programIn(folder);
          return run(program.command, [...program.args, '-version']);
        },
        log: options.log,
      }),
    );
  } catch (cause) {
    throw missing(cause);
  }
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
