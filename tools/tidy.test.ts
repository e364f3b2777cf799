// Proves that the repository keeps its house rules, and that each rule turns red on a planted violation.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { violations, type SourceFile } from './tidy.ts';

const root = new URL('../', import.meta.url);

test('every file of the repository keeps the rules', () => {
  const names = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const files = names
    .split('\n')
    .filter((path) => /\.(ts|js|sql|sol|md|json|sh|toml)$/.test(path) && existsSync(new URL(path, root)))
    .map((path): SourceFile => ({ path, text: readFileSync(new URL(path, root), 'utf8') }));
  assert.ok(files.length > 20, 'the files were found');
  assert.deepEqual(violations(files), []);
});

const planted: Record<string, SourceFile> = {
  'a signer that imports core': {
    path: 'signer/vault/a.ts',
    text: "import { x } from '../../core/db/db.ts';",
  },
  'a vault with a network': { path: 'signer/vault/a.ts', text: "import net from 'node:net';" },
  'a protocol with a dependency': {
    path: 'signer/protocol/a.ts',
    text: "import { sha256 } from '@noble/hashes/sha2.js';",
  },
  'lib that knows core': { path: 'lib/money/a.ts', text: "import { x } from '../../core/db/db.ts';" },
  'an edge to the right': {
    path: 'core/ledger/a.ts',
    text: "import { x } from '../withdrawals/withdrawals.ts';",
  },
  'an edge past the face': { path: 'core/http/a.ts', text: "import { x } from '../ledger/lane.ts';" },
  'deposits met by withdrawals': {
    path: 'core/withdrawals/a.ts',
    text: "import { x } from '../deposits/deposits.ts';",
  },
  'core that imports the world': {
    path: 'core/http/a.ts',
    text: "import { x } from '../../world/start.ts';",
  },
  'core that imports the vault': {
    path: 'core/signing/a.ts',
    text: "import { x } from '../../signer/vault/vault.ts';",
  },
  'export star': { path: 'core/ledger/a.ts', text: "export * from './b.ts';" },
  'an empty face': {
    path: 'core/ledger/ledger.ts',
    text: "export { a } from './a.ts';\nexport { b } from './b.ts';",
  },
  'a clock below processes': { path: 'core/ledger/a.ts', text: 'const at = Date.now();' },
  'the environment below processes': { path: 'core/http/a.ts', text: 'const a = process.env.A;' },
  'a foreign write in SQL': { path: 'core/http/a.ts', text: '`update withdrawal set state = 1`' },
  'a foreign write in Kysely': { path: 'core/http/a.ts', text: "db.insertInto('entry')" },
  'a fixme': { path: 'core/http/a.ts', text: '// FIXME later' },
  'a lonely test': { path: 'core/http/a.test.ts', text: "test.only('x', () => {})" },
};

for (const [name, file] of Object.entries(planted)) {
  test(`refused: ${name}`, () => assert.notDeepEqual(violations([file]), []));
}

test('allowed: a module to the left by its face, and own files', () => {
  const text =
    "import { a } from '../ledger/ledger.ts';\nimport { b } from './b.ts';\nimport { z } from 'zod';";
  assert.deepEqual(violations([{ path: 'core/http/a.ts', text }]), []);
});
