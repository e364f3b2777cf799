// Proves that no request whatever stops a vault or is signed that should not be: a seeded storm of honest ones
// repeated, bent, cut, too long, out of date, of every call. `npm run storm` is the same a million times.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { kinds, openStorm } from './storm.ts';

const SEED = 20_260_101;
const REQUESTS = 6_000;

const storm = openStorm(SEED);
const { vault } = storm;
after(storm.close);

test(`${REQUESTS} requests (seed ${SEED}): every answer is a refusal or the honest signature`, () => {
  const codes = new Set<string>();
  const struck = new Set<string>();
  for (let i = 0; i < REQUESTS; i += 1) {
    const { kind, code } = storm.strike();
    struck.add(kind);
    codes.add(code);
  }
  assert.equal(struck.size, kinds.length);
  for (const code of [
    'MALFORMED',
    'PSBT_MALFORMED',
    'ORDER_CHANGED',
    'UNKNOWN_NETWORK',
    'WRONG_EPOCH',
    'EXPIRED',
    'DEADLINE_REFUSED',
    'DOCUMENT_STALE',
    'POLICY_STALE',
    'SIGNATURE_REFUSED',
    'FRAME_TOO_LARGE',
    'signed',
  ])
    assert.ok(codes.has(code), `the storm reached ${code}, not only ${[...codes].join(' ')}`);
});

test('deep, long and hostile JSON', () => {
  const deep = `{"id":1,"call":"sign","body":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
  for (const line of [
    deep,
    '['.repeat(1_000_000),
    '',
    'null',
    '{}',
    '{"id":1}',
    '{"id":1,"call":["sign"],"body":{}}',
    '{"id":"1","call":"sign","body":{}}',
  ]) {
    const { answer } = JSON.parse(vault.handle(line)) as { answer: { ok: boolean } };
    assert.equal(answer.ok, false);
  }
});
