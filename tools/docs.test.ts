// Proves that the documents are true where a machine can tell: links lead somewhere, commands exist, each
// invariant names files that hold what it says they hold, and every problem code of the API is a known one.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { refusals } from '../signer/protocol/refusals.ts';
import { manifestOf, policyOf } from '../signer/test/quorum.ts';
import { faceOf, keptResults, pageWith } from '../drills/table.ts';

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

test('the table of the blast radius is what the drills declare and their kept runs say, each of which passed', async () => {
  const results = keptResults();
  assert.equal(await pageWith(results), read('docs/blast-radius.md'), 'node drills/table.ts');
  for (const { name, bound, passed } of results) {
    assert.ok(passed, `${name} has a kept run that passed`);
    const declared = Object.entries((await faceOf(name)).bound).map(([asset, units]) => [asset, `${units}`]);
    assert.deepEqual(bound, Object.fromEntries(declared), name);
  }
});

test('the page of policies has every field of a policy, and every code that a signer refuses with', () => {
  const page = read('docs/policies.md');
  const rows = [...page.matchAll(/^\| `([A-Za-z.]+)` \|/gm)].map(([, name = '']) => name);
  const fields = fieldsOf(policyOf(manifestOf([], 1)));
  assert.deepEqual(rows.toSorted(), fields.toSorted());
  const named = new Set([...page.matchAll(/`([A-Z_]{4,})`/g)].map(([, code = '']) => code));
  assert.deepEqual([...named].toSorted(), Object.keys(refusals).toSorted());
});

/** The names of all fields, those of the things in its lists after a dot. */
function fieldsOf(value: object, before = ''): string[] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const first: unknown = Array.isArray(inner) ? inner[0] : undefined;
    const below = typeof first === 'object' && first !== null ? fieldsOf(first, `${before}${name}.`) : [];
    return [`${before}${name}`, ...below];
  });
}
