// Proves that docs/refusals.md lists exactly the codes that a signer can answer, with their meaning.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { refusals } from './refusals.ts';

test('the table of the documentation is the union', () => {
  const page = readFileSync(new URL('../../docs/refusals.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|$/gm)];
  assert.deepEqual(Object.fromEntries(rows.map(([, code, meaning]) => [code, meaning])), refusals);
  for (const [, code, , answer] of rows)
    assert.ok((answer ?? '').trim().length > 3, `${code} says what to do`);
});
