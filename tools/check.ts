/** `npm run check`: format, lint, types, unused code, schema. Runs all of them and fails if one does. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = fileURLToPath(new URL('../node_modules/.bin', import.meta.url));
/** See its package.json for why these live apart; hence `npm install` and not `npm ci`. */
const lint = fileURLToPath(new URL('lint', import.meta.url));
if (!existsSync(join(lint, 'node_modules'))) {
  process.stdout.write('installing the lint tools …\n');
  const args = ['install', '--no-audit', '--no-fund', '--no-save', '--loglevel=error'];
  const { status } = spawnSync('npm', args, { cwd: lint, stdio: 'inherit' });
  if (status !== 0) process.exit(2);
}

const checks: readonly [name: string, command: string, ...args: string[]][] = [
  ['format', 'oxfmt', '--check', '.'],
  ['lint', 'oxlint', '.'],
  ['types', 'tsc', '-p', '.'],
  ['unused code', 'knip'],
  ['house rules', 'node', '--test', '--test-reporter=dot', 'tools/tidy.test.ts', 'tools/docs.test.ts'],
  ['schema', 'node', 'tools/schema.ts', '--check'],
  ['OpenAPI', 'node', 'tools/openapi.ts', '--check'],
];

const failed = checks.filter(([name, command, ...args]) => {
  const started = performance.now();
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: [join(lint, 'node_modules', '.bin'), bin, process.env['PATH'] ?? ''].join(delimiter),
    },
  });
  const ok = result.status === 0;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  if (!ok) process.stdout.write(`${result.stdout}${result.stderr}${result.error?.message ?? ''}\n`);
  return !ok;
});
process.stdout.write(`${checks.length - failed.length} passed, ${failed.length} failed\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
