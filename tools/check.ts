/** `npm run check`: format, lint, types, unused code, schema. Runs all of them and fails if one does. */
import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = fileURLToPath(new URL('../node_modules/.bin', import.meta.url));

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
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
  });
  const ok = result.status === 0;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  if (!ok) process.stdout.write(`${result.stdout}${result.stderr}${result.error?.message ?? ''}\n`);
  return !ok;
});
process.stdout.write(`${checks.length - failed.length} passed, ${failed.length} failed\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
