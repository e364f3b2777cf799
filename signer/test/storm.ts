/**
 * A seeded storm of requests at one vault, through its whole `handle()`: honest ones repeated, bent in one place,
 * cut, too long, out of date, of every call. Each answer is judged: a refusal with a known code, or what was signed
 * honestly. Whatever else happens throws.
 */
import assert from 'node:assert/strict';
import * as bitcoin from 'bitcoinjs-lib';
import { freezeDocument } from '../protocol/freeze.ts';
import { calls, FRAME_BYTES_MAX, type SignRequest } from '../protocol/messages.ts';
import { refusalCodes } from '../protocol/refusals.ts';
import { signedBy } from './people.ts';
import { changeOf, childRequest } from './child.ts';
import {
  bitcoinRequest,
  coin,
  evmRequest,
  makeQuorum,
  payment,
  policyOf,
  signed,
  signedManifest,
  signedPolicy,
  type Quorum,
} from './quorum.ts';

export const kinds = ['bent', 'replayed', 'stale', 'oversized', 'document', 'call'] as const;
export type Kind = (typeof kinds)[number];

export interface Storm {
  /** Sends one request and judges its answer. Throws when it was signed though it should not be. */
  readonly strike: () => { readonly kind: Kind; readonly code: string };
  readonly vault: Quorum['vaults'][number];
  readonly close: () => void;
}

const DAY_MS = 86_400_000;

/** A vault with a key, a manifest and a policy, and what it signed honestly before the storm. */
export function openStorm(seed: number): Storm {
  const quorum = makeQuorum({ signers: 1, threshold: 1 });
  const [vault] = quorum.vaults;
  assert.ok(vault);
  const pick = random(seed);
  const { honest, stale, known } = signedBefore(quorum);
  const documents = documentsOf(quorum);
  let sent = 0;
  const strike = (): { kind: Kind; code: string } => {
    quorum.clock.nowMs += 1;
    sent += 1;
    const kind = kindOf(pick(200));
    const [request, call, body] = requestOf(kind, { honest, stale, documents }, pick);
    const line = JSON.stringify({ id: sent, call, body });
    const text =
      kind === 'oversized'
        ? vault.refuseOversized()
        : vault.handle(kind === 'bent' && pick(10) === 0 ? bendFrame(line, pick) : line);
    const { answer } = JSON.parse(text) as { answer: Answer };
    const because = (): string =>
      `${kind} ${sent}: ${line.slice(0, 2000)} was answered ${text.slice(0, 500)}`;
    if (answer.ok) {
      assert.ok(
        isHarmless(
          call,
          answer,
          documents.some((one) => saysTheSame(one[1], body)),
        ) || isHonest(body, request, answer, known),
        because(),
      );
      assert.ok(kind !== 'stale', because());
    } else assert.ok((refusalCodes as string[]).includes(answer.code ?? ''), because());
    if (kind === 'oversized') assert.ok(line.length > FRAME_BYTES_MAX);
    if (kind === 'replayed') assert.ok(answer.ok, because());
    return { kind, code: answer.code ?? ((answer.psbt ?? answer.signature) ? 'signed' : 'answered') };
  };
  return { strike, vault, close: quorum.close };
}

interface Answer {
  readonly ok: boolean;
  readonly code?: string;
  readonly psbt?: string;
  readonly signature?: string;
}

/** What an honest core was given, each signature of it, and requests whose time is over. */
function signedBefore(quorum: Quorum) {
  const { manifest, clock, vaults } = quorum;
  const [vault] = vaults;
  assert.ok(vault);
  const first = bitcoinRequest(manifest, payment(manifest));
  const coins = [coin(manifest, 120_000n), coin(manifest, 80_000n, 1, 4)];
  const honest: SignRequest[] = [
    first,
    bitcoinRequest(manifest, { ...payment(manifest), coins }),
    evmRequest({ deadline: String(Math.floor(clock.nowMs / 1000) + 3000) }),
  ];
  const answers = honest.map((request) => signed(vault, request));
  const child = childRequest(manifest, changeOf(first, 1, 9), { index: 12, value: 35_000n });
  honest.push(child);
  answers.push(signed(vault, child));
  const known = new Set(
    answers.flatMap(({ psbt, signature }) => [psbt, signature]).filter((text) => text !== undefined),
  );
  const over = String(Math.floor(clock.nowMs / 1000) - 1);
  const stale: SignRequest[] = [
    evmRequest({ deadline: over }),
    evmRequest({}, { expiry: over }),
    bitcoinRequest(manifest, payment(manifest, { expiry: over })),
    { ...evmRequest(), epoch: 0 },
    { ...bitcoinRequest(manifest, payment(manifest)), epoch: 2 },
  ];
  return { honest, stale, known };
}

/** Documents that say what stands already, or come too late: none of them changes anything, bent or not. */
function documentsOf({ manifest, operators, clock }: Quorum): (readonly [string, unknown])[] {
  const [alice] = operators;
  assert.ok(alice);
  const freeze = freezeDocument.normal({
    epoch: 1,
    id: new Uint8Array(16).fill(3),
    scope: 'everything',
    reason: 'long ago',
    by: alice.id,
    issuedAt: BigInt(Math.floor((clock.nowMs - 400 * DAY_MS) / 1000)),
  });
  return [
    ['freeze', signedBy(freezeDocument, freeze, [alice.byKey])],
    ['policy', signedPolicy(policyOf(manifest))],
    ['policy', signedPolicy(policyOf(manifest, { version: 3 }))],
    ['manifest', signedManifest(manifest)],
    ['manifest', signedManifest({ ...manifest, epoch: 2 })],
  ];
}

function kindOf(die: number): Kind {
  if (die === 0) return 'oversized';
  if (die < 130) return 'bent';
  if (die < 140) return 'replayed';
  if (die < 160) return 'stale';
  return die < 185 ? 'document' : 'call';
}

type Pick = (below: number) => number;

function chosen<T>(all: readonly T[], pick: Pick): T {
  const one = all[pick(all.length)];
  assert.ok(one !== undefined);
  return one;
}

/** The honest request that it comes from, the call, and its body. */
function requestOf(
  kind: Kind,
  from: {
    honest: readonly SignRequest[];
    stale: readonly SignRequest[];
    documents: readonly (readonly [string, unknown])[];
  },
  pick: Pick,
): [SignRequest, string, unknown] {
  const request = chosen(from.honest, pick);
  switch (kind) {
    case 'replayed':
      return [request, 'sign', request];
    case 'stale':
      return [request, 'sign', from.stale[pick(from.stale.length)]];
    case 'oversized':
      return [request, 'sign', { ...request, padding: 'A'.repeat(FRAME_BYTES_MAX) }];
    case 'document': {
      const [call, body] = chosen(from.documents, pick);
      return [request, call, pick(4) === 0 ? body : bend(body, pick)];
    }
    case 'call': {
      const others = calls.filter((call) => call !== 'journal' && call !== 'unseal');
      const body = pick(2) === 0 ? strange[pick(strange.length)] : bend(request, pick);
      return [request, [...others, '__proto__', 'constructor', ''][pick(others.length + 3)] ?? '', body];
    }
    case 'bent':
      return [request, 'sign', pick(3) === 0 ? bendPsbt(request, pick) : bend(request, pick)];
  }
}

/** The same document, whatever stands beside it: what was taken before is answered as taken, and journalled no more. */
const saysTheSame = (whole: unknown, body: unknown): boolean =>
  JSON.stringify((whole as { document: unknown }).document) ===
  JSON.stringify((body as { document?: unknown } | null)?.document);

/** Calls that say something and sign nothing; a document that stands already. */
const isHarmless = (call: string, answer: Answer, isWhole: boolean): boolean =>
  answer.psbt === undefined &&
  answer.signature === undefined &&
  (['identity', 'status', 'policies', 'confirm'].includes(call) ||
    (isWhole && ['manifest', 'policy'].includes(call)));

const isHonest = (body: unknown, request: SignRequest, answer: Answer, known: ReadonlySet<string>): boolean =>
  known.has(answer.psbt ?? answer.signature ?? '') || paysTheSame(body as SignRequest, request);

/** mulberry32: small, seeded, good enough to choose mutations. */
function random(seed: number): Pick {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
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

function bend(request: unknown, pick: Pick): unknown {
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
      parent[last] = typeof value === 'string' ? bendText(value, pick) : pick(1000);
  }
  return copy;
}

/** Flips, drops or doubles a character; in base64 that bends the transaction inside. */
function bendText(text: string, pick: Pick): string {
  const at = pick(text.length || 1);
  const letter = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='.charAt(pick(65));
  return text.slice(0, at) + ['', letter, letter + letter][pick(3)] + text.slice(at + 1);
}

/** Bytes of the PSBT itself, so that base64 stays whole and the decoder is reached. */
function bendPsbt(request: SignRequest, pick: Pick): unknown {
  if (request.type === 'evm-pay') return bend(request, pick);
  const bytes = Buffer.from(request.psbt, 'base64');
  for (let i = 0; i <= pick(3); i++) bytes[pick(bytes.length)] = pick(256);
  const cut = pick(10) === 0 ? pick(bytes.length) : bytes.length;
  return { ...request, psbt: bytes.subarray(0, cut).toString('base64') };
}

function bendFrame(line: string, pick: Pick): string {
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
    const numbered = [{ ...order, orderNumber: orders[0]?.orderNumber }, ...more];
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
