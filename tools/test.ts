/**
 * `npm test`: gets the real parts that tests run against, says where each comes from, then runs node's test runner.
 *   npm test                       every *.test.ts
 *   npm test -- core/ledger        those in a folder, or a single file
 *   npm test -- --test-only        options go to node
 * Exits with the runner's code; 2 when a part is missing or nothing matches.
 */
import { spawn } from 'node:child_process';
import { glob, stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findAnvil } from '../world/parts/anvil.ts';
import { PartError } from '../world/parts/process.ts';
import { findPostgres } from '../world/parts/postgres.ts';
import { provisionBitcoind } from '../world/parts/provision-bitcoind.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Not ours, or not sources. */
const SKIPPED = new Set(['node_modules', '.git', '.cache', '.portcullis', 'out', 'cache']);

/** No test takes nearly as long: one that hangs fails by name instead of holding up the run. */
const TEST_TIMEOUT_MS = 900_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const options = args.filter((arg) => arg.startsWith('-'));
  const files = await testFiles(args.filter((arg) => !arg.startsWith('-')));
  if (files.length === 0) {
    process.stderr.write(`No *.test.ts in ${args.join(' ')}\n`);
    return 2;
  }
  try {
    await reportParts();
  } catch (error) {
    if (!(error instanceof PartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  return runTests(files, options);
}

/** Every test file under the given folders and files, or in the repository; each once, in order. */
async function testFiles(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const path of paths.length > 0 ? paths : [ROOT]) {
    const at = resolve(ROOT, path);
    const kind = await stat(at).catch(() => undefined);
    if (kind?.isFile()) found.add(at);
    if (!kind?.isDirectory()) continue;
    const inside = glob('**/*.test.ts', {
      cwd: at,
      withFileTypes: true,
      exclude: (entry) => SKIPPED.has(entry.name),
    });
    for await (const entry of inside) {
      if (entry.isFile()) found.add(resolve(entry.parentPath, entry.name));
    }
  }
  return [...found].map((file) => relative(ROOT, file)).toSorted();
}

async function reportParts(): Promise<void> {
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  say(`node        ${process.version}`);
  say(`postgres    ${relative(ROOT, (await findPostgres()).postgres)}`);
  say(`anvil       ${relative(ROOT, await findAnvil())}`);
  const bitcoind = await provisionBitcoind({ log: (line) => say(`bitcoind    ${line}`) });
  say(`bitcoind    ${bitcoind.args.at(-1) ?? bitcoind.command}`);
}

async function runTests(files: readonly string[], options: readonly string[]): Promise<number> {
  const child = spawn(
    process.execPath,
    [
      '--test',
      '--test-global-setup=world/testing-setup.ts',
      '--test-concurrency=2',
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      ...options,
      ...files,
    ],
    { cwd: ROOT, stdio: 'inherit' },
  );
  // Ctrl-C reaches the runner as well, which stops its tests and prints what it has: wait for it.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => void child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
