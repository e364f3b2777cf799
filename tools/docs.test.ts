// Proves that the documents are true where a machine can tell: links lead somewhere, commands exist, each
// invariant names files that hold what it says they hold, and every problem code of the API is a known one.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));

test('every relative link of every page leads to a file', () => {
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every file that a page names in backticks exists', () => {
  const missing = pages.flatMap((page) =>
    [
      ...read(page).matchAll(
        /`((?:core|signer|contracts|world|drills|tools|bench|docs|lib|cli|client|vectors)\/[\w./-]+\.(?:ts|sql|md|json|sol))`/g,
      ),
    ]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${page}: ${path}`),
  );
  assert.deepEqual(missing, []);
});

test('every npm command of README is a script, and every portcullis command a command', () => {
  const readme = read('README.md');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/npm (?:run )?(start|test|demo|bench|check|drill|storm|sim)\b/g)].map(
    ([, name = '']) => name,
  );
  assert.ok(named.length > 3, 'README names commands');
  assert.deepEqual(
    named.filter((name) => !(name in scripts)),
    [],
  );
  const sources = execFileSync('git', ['ls-files', 'cli'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(read)
    .join('\n');
  const commands = [...readme.matchAll(/npx portcullis ([a-z]+)/g)].map(([, name = '']) => name);
  assert.ok(commands.length > 0, 'README names portcullis commands');
  assert.deepEqual(
    commands.filter((name) => !sources.includes(`.command('${name}`)),
    [],
  );
});

test('each invariant is asserted, constrained and tested where the page says', () => {
  const rows = read('docs/invariants.md')
    .split('\n')
    .filter((line) => /^\| [A-Z]+-\d+ /.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  assert.ok(rows.length >= 10, 'the page has invariants');
  const wrong = rows.flatMap(([id, , ...places]) =>
    places.flatMap((place) =>
      [...place.matchAll(/`([^`]+)` in `([^`]+)`/g)]
        .filter(([, what = '', where = '']) => !existsSync(join(root, where)) || !read(where).includes(what))
        .map(([text]) => `${id}: ${text}`),
    ),
  );
  assert.deepEqual(wrong, []);
  const bare = rows
    .filter(([, , ...places]) => places.some((place) => !place.includes('` in `')))
    .map(([id]) => id);
  assert.deepEqual(bare, [], 'every cell names its place');
});

test('the blast radius has a row for each drill, with the figures of its kept run and the bound that is in force', async () => {
  const rows = read('docs/blast-radius.md')
    .split('\n')
    .filter((line) => /\| `[a-z-]+` \|/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const { drills } = JSON.parse(read('drills/results.json')) as { drills: Record<string, unknown>[] };
  const patches = execFileSync(
    'git',
    ['ls-files', '-co', '--exclude-standard', 'drills/*/control-off.patch'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  const names = [...patches.matchAll(/^drills\/(.+)\/control-off\.patch$/gm)].map(([, name = '']) => name);
  assert.deepEqual(rows.map(([, , , drill = '']) => drill.replaceAll('`', '')).toSorted(), names.toSorted());
  const grouped = (satoshi: unknown): string => String(satoshi).replace(/\B(?=(\d{3})+$)/g, ',');
  for (const [captured, bound, control, drill = '', lost, off] of rows) {
    const name = drill.replaceAll('`', '');
    const kept = drills.find((one) => one['name'] === name);
    assert.ok(kept?.['passed'] === true, `${name} has a kept run that passed`);
    const face = (await import(`../drills/${name}/attack.ts`)) as {
      drill: { capability: string; control: string; bound: bigint };
    };
    assert.equal(`${face.drill.bound}`, kept['bound'], name);
    assert.deepEqual(
      [captured, bound, control, lost, off],
      [
        face.drill.capability,
        grouped(kept['bound']),
        face.drill.control,
        grouped(kept['loss']),
        grouped(kept['control_off_loss']),
      ],
    );
  }
});
