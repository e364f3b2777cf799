// Proves that no malformed or mutated request stops a vault or is signed: a seeded storm of bent frames.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import type { BitcoinPayRequest, SignRequest } from '../protocol/messages.ts';
import { refusalCodes } from '../protocol/refusals.ts';
import {
  bitcoinRequest,
  changeOf,
  childRequest,
  coin,
  evmRequest,
  makeQuorum,
  payment,
  signed,
} from './quorum.ts';

const SEED = Number(process.env['PORTCULLIS_FUZZ_SEED'] ?? 20_260_101);
const FRAMES = Number(process.env['PORTCULLIS_FUZZ_FRAMES'] ?? 20_000);

const quorum = makeQuorum({ signers: 1, threshold: 1 });
const { manifest, clock } = quorum;
const [vault] = quorum.vaults;
assert.ok(vault);
after(quorum.close);

/** mulberry32: small, seeded, good enough to choose mutations. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
const pick = random(SEED);

const strange: unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  2 ** 53,
  0.1,
  '',
  '0',
  '-0',
  '00',
  '1e9',
  '\u0000',
  '🙂',
  'A'.repeat(70_000),
  [],
  {},
  [[]],
  [null],
  '115792089237316195423570985008687907853269984665640564039457584007913129639936',
  '18446744073709551616',
  '__proto__',
  'constructor',
  '0x',
  '0x0000000000000000000000000000000000000000',
  'cHNidP8BAAoCAAAAAAAAAAAAAA==',
];

/** Every place in a JSON tree, as a path. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  const here = [path];
  if (typeof value !== 'object' || value === null) return here;
  return here.concat(Object.entries(value).flatMap(([key, child]) => places(child, [...path, key])));
}

function bend(request: SignRequest): unknown {
  const copy = JSON.parse(JSON.stringify(request)) as Record<string, unknown>;
  const paths = places(copy).slice(1);
  const path = paths[pick(paths.length)] ?? [];
  const last = String(path.at(-1));
  const parent = path
    .slice(0, -1)
    .reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, copy);
  const value = parent[last];
  switch (pick(6)) {
    case 0:
      delete parent[last];
      break;
    case 1:
      parent[`${last}x`] = value;
      break;
    case 2:
      parent[last] = strange[pick(strange.length)];
      break;
    case 3:
      parent[last] = [value, value];
      break;
    default:
      parent[last] = typeof value === 'string' ? bendText(value) : pick(1000);
  }
  return copy;
}

/** Flips, drops or doubles a character; in base64 that bends the transaction inside. */
function bendText(text: string): string {
  const at = pick(text.length || 1);
  const letter = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='.charAt(pick(65));
  return text.slice(0, at) + ['', letter, letter + letter][pick(3)] + text.slice(at + 1);
}

/** Bytes of the PSBT itself, so that base64 stays whole and the decoder is reached. */
function bendPsbt(request: SignRequest): unknown {
  if (request.type === 'evm-pay') return bend(request);
  const bytes = Buffer.from(request.psbt, 'base64');
  for (let i = 0; i <= pick(3); i++) bytes[pick(bytes.length)] = pick(256);
  const cut = pick(10) === 0 ? pick(bytes.length) : bytes.length;
  return { ...request, psbt: bytes.subarray(0, cut).toString('base64') };
}

function bendFrame(line: string): string {
  const at = pick(line.length);
  return (
    [
      line.slice(0, at),
      line.slice(at),
      `${line.slice(0, at)}\u0000${line.slice(at)}`,
      line + line,
      `[${line}]`,
    ][pick(5)] ?? ''
  );
}

/**
 * What a caller may choose freely: deadline, generation and a fresh order number on EVM, and on Bitcoin how much of
 * the change goes to the fee, within the caps. Whatever else differs must not have been signed.
 */
function paysTheSame(bent: SignRequest, honest: SignRequest): boolean {
  if (honest.type === 'evm-pay' && bent.type === 'evm-pay') {
    const { deadline, generation, orders } = honest;
    const [order, ...more] = bent.orders;
    const numbered = [{ ...order, orderNumber: orders[0]!.orderNumber }, ...more];
    return JSON.stringify({ ...bent, deadline, generation, orders: numbered }) === JSON.stringify(honest);
  }
  if (honest.type === 'evm-pay' || bent.type === 'evm-pay') return false;
  const [a, b] = [bent, honest].map(({ psbt }) => bitcoin.Psbt.fromBase64(psbt));
  assert.ok(a && b);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return (
    JSON.stringify({ ...bent, psbt: '' }) === JSON.stringify({ ...honest, psbt: '' }) &&
    JSON.stringify(a.txInputs.map(({ hash, index }) => [hex(hash), index])) ===
      JSON.stringify(b.txInputs.map(({ hash, index }) => [hex(hash), index])) &&
    JSON.stringify(a.txOutputs.map(({ script }) => hex(script))) ===
      JSON.stringify(b.txOutputs.map(({ script }) => hex(script))) &&
    a.txOutputs.slice(0, -1).every(({ value }, i) => value === b.txOutputs[i]?.value) &&
    (a.txOutputs.at(-1)?.value ?? 0n) <= 50_000n
  );
}

test(`${FRAMES} bent frames (seed ${SEED}): every answer is a refusal or the honest signature`, () => {
  const parts = payment(manifest);
  const honest: SignRequest[] = [
    bitcoinRequest(manifest, parts),
    bitcoinRequest(manifest, {
      ...payment(manifest),
      coins: [coin(manifest, 120_000n), coin(manifest, 80_000n, 1, 4)],
    }),
    evmRequest(),
  ];
  const answers = honest.map((request) => signed(vault, request));
  const child = childRequest(manifest, changeOf(honest[0] as BitcoinPayRequest, 1, 9), {
    index: 12,
    value: 35_000n,
  });
  honest.push(child);
  answers.push(signed(vault, child));
  const known = new Set(
    answers.flatMap(({ psbt, signature }) => [psbt, signature]).filter((text) => text !== undefined),
  );
  const seen = new Map<string, number>();
  for (let i = 0; i < FRAMES; i++) {
    clock.nowMs += 1;
    const request = honest[pick(honest.length)]!;
    const body = pick(3) === 0 ? bendPsbt(request) : bend(request);
    const line = JSON.stringify({ id: i, call: 'sign', body });
    const text: string = vault.handle(pick(10) === 0 ? bendFrame(line) : line);
    const { answer } = JSON.parse(text) as {
      answer: { ok: boolean; code?: string; psbt?: string; signature?: string };
    };
    if (answer.ok) {
      const honestly =
        known.has(answer.psbt ?? answer.signature ?? '') || paysTheSame(body as SignRequest, request);
      assert.ok(honestly, `frame ${i} was signed: ${line.slice(0, 2000)}`);
    } else assert.ok((refusalCodes as string[]).includes(answer.code ?? ''), text);
    seen.set(answer.code ?? 'signed', (seen.get(answer.code ?? 'signed') ?? 0) + 1);
  }
  for (const code of ['MALFORMED', 'PSBT_MALFORMED', 'ORDER_CHANGED', 'UNKNOWN_NETWORK', 'WRONG_EPOCH']) {
    assert.ok((seen.get(code) ?? 0) > 0, `the storm reached ${code}`);
  }
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
