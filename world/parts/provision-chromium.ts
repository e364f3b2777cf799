import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath, run, unpackDebian } from './debian-packages.ts';
import { PartError } from './process.ts';
import type { ProvisionOptions } from './provision-bitcoind.ts';

/** A program, and where its libraries lie when they are not the system's. */
export interface ChromiumProgram {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Chromium without windows: a third of the whole browser's libraries are not needed. */
const PACKAGE = 'chromium-headless-shell';
const PROGRAM = 'usr/lib/chromium/chromium-headless-shell';
const LIBRARIES: Readonly<Record<string, string>> = {
  x64: 'usr/lib/x86_64-linux-gnu',
  arm64: 'usr/lib/aarch64-linux-gnu',
};

/**
 * Finds a Chromium: the one on PATH, else the distribution's package, unpacked with its libraries into the cache
 * folder. Needs no root and changes nothing of the system. The suite is the machine's own, so that the libraries go
 * with its libc: the browser starts itself again for each of its processes, which a loader of another libc would not
 * survive. Throws PartError PART_MISSING.
 */
export async function provisionChromium(options: ProvisionOptions = {}): Promise<ChromiumProgram> {
  const onPath = options.ignorePath ? undefined : await findOnPath('chromium');
  if (onPath !== undefined) return { command: onPath, env: {} };
  try {
    return programIn(
      await unpackDebian({
        name: 'chromium',
        package: PACKAGE,
        suite: await suiteOfThisMachine(),
        cacheFolder: options.cacheFolder,
        file: PROGRAM,
        isLibrary: () => true,
        isWhole: true,
        // The machine's own libc and loader belong together.
        isLeftOut: (archive) => archive.startsWith('libc6_'),
        check: async (folder) => {
          const program = programIn(folder);
          return run(program.command, ['--version'], { env: { ...program.env } });
        },
        log: options.log,
      }),
    );
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PartError(
      'PART_MISSING',
      `No chromium on PATH, and it could not be had from Debian's packages: ${reason}\nPut any Chromium on PATH.`,
      { cause },
    );
  }
}

async function suiteOfThisMachine(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8');
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  if (suite === undefined) throw new Error('this machine does not say which Debian it is');
  return suite;
}

function programIn(folder: string): ChromiumProgram {
  const libraries = LIBRARIES[process.arch];
  if (process.platform !== 'linux' || libraries === undefined)
    throw new Error(`no packages for ${process.platform} ${process.arch}`);
  return { command: join(folder, PROGRAM), env: { LD_LIBRARY_PATH: join(folder, libraries) } };
}
