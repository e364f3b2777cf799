/**
 * Measures how long one signer takes from the line that asks to the line that answers, for a Bitcoin request of ten
 * inputs and ten orders: with keys derived before (warm) and never (fresh). Each request is taken apart in the same
 * run, and set beside its primitives alone: the curve operations that nobody can leave out, and one flush.
 *
 * `node bench/sign.ts [--json] [--short]`
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { parseSignRequest, type BitcoinPay, type SignRequest } from '../signer/protocol/messages.ts';
import {
  askPeer,
  bitcoinRequest,
  call,
  callThrough,
  coin,
  evmRequest,
  makeQuorum,
  orderJson,
  PASSPHRASE,
} from '../signer/test/quorum.ts';
import type { Awaiting } from '../signer/protocol/peers.ts';
import { decodeTransaction, signatureDigests } from '../signer/vault/bitcoin-transaction.ts';
import { openKeys, openWallet, type OwnKey } from '../signer/vault/bitcoin-wallet.ts';
import { openJournal } from '../signer/vault/journal.ts';
import { parseSealedKey, unsealKey } from '../signer/vault/key.ts';
import { manifestAccounts } from '../signer/vault/manifest-check.ts';
import { recoveredAddress } from '../signer/vault/possession.ts';
import type { Vault } from '../signer/vault/vault.ts';

export interface SignBenchOptions {
  /** Few requests: a check that it works, no figures to quote. */
  readonly short: boolean;
}

/** Of one step over all requests, milliseconds. */
export interface SignFigure {
  readonly what: string;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

export interface SignTable {
  readonly keys: 'warm' | 'fresh';
  readonly requests: number;
  readonly total: SignFigure;
  /** The thread's processor time alone: waiting for a flush or for a busy machine is not counted. */
  readonly totalCpu: SignFigure;
  /** A peer's work before it countersigns, on its own host. */
  readonly peer: SignFigure;
  /** The vault's own steps; they add up to the total, `checks` being what the others leave. */
  readonly parts: readonly SignFigure[];
  readonly primitives: readonly SignFigure[];
  readonly primitivesSum: SignFigure;
  /** Median of the total by median of the sum. */
  readonly ratio: number;
}

export interface SignBench {
  readonly tables: readonly SignTable[];
  readonly others: readonly SignFigure[];
}

/** What a request may take at most, and how many times its primitives in the same run; printed beside the figures. */
const CEILING_MS = 150;
const RATIO_MAX = 2;
const INPUTS = 10;
const ORDERS = 10;
/** Public keys in each input's script. */
const KEYS_EACH = 3;
/** Requests before the first that counts: what is compiled only after some runs is not the signer's latency. */
const WARM_UP = 20;
const ECDSA = { prehash: false, lowS: true, format: 'der' } as const;

/** One vault in this process, its journal flushed as in production; a minute or two, or seconds when short. */
export function benchSign({ short }: SignBenchOptions): SignBench {
  const quorum = makeQuorum();
  try {
    const rig = openRig(quorum);
    const runs = (short ? 10 : 200) + WARM_UP;
    const samples: Record<SignTable['keys'], Sample[]> = { warm: [], fresh: [] };
    for (let run = 0; run < runs; run += 1) {
      // In turn, so that a busy machine slows both alike.
      samples.warm.push(measureRequest(rig, payRequest(quorum, 0), 0));
      const fresh = payRequest(quorum, 1000 + INPUTS * run);
      samples.fresh.push(measureRequest(rig, fresh, INPUTS * KEYS_EACH));
    }
    const tables = (['warm', 'fresh'] as const).map((keys) => tableOf(keys, samples[keys].slice(WARM_UP)));
    rig.close();
    return { tables, others: measureOthers(quorum, short ? 3 : 20) };
  } finally {
    quorum.close();
  }
}

type Quorum = ReturnType<typeof makeQuorum>;
type Timed = Readonly<Record<string, number>>;

interface Sample {
  readonly totalMs: number;
  readonly cpuMs: number;
  /** A peer’s work on another host, while this signer waits. */
  readonly peerMs: number;
  readonly parts: Timed;
  readonly primitives: Timed;
}

/** The vault, and beside it the pieces it is made of, which see the same requests and so know the same keys. */
interface Rig {
  readonly vault: Vault;
  /** The peer whose countersignature is enough. */
  readonly peer: Vault;
  readonly wallet: ReturnType<typeof openWallet>;
  readonly keys: ReturnType<typeof openKeys>;
  readonly journal: ReturnType<typeof openJournal>;
  /** Writes and flushes these bytes at the end of a file. */
  readonly flush: (bytes: Uint8Array) => void;
  /** Of the vault's journal. */
  readonly lastEntry: () => Buffer;
  readonly close: () => void;
}

function openRig({ manifest, vaults: [vault, peer], folders: [folder], clock }: Quorum): Rig {
  assert.ok(vault !== undefined && peer !== undefined && folder !== undefined);
  for (const one of [vault, peer]) assert.ok(callThrough(one, 'sign', evmRequest()).ok);
  const sealed = parseSealedKey(JSON.parse(readFileSync(join(folder, 'key.json'), 'utf8')));
  assert.ok(sealed.ok);
  const key = unsealKey(sealed.value, PASSPHRASE);
  assert.ok(key !== undefined);
  const beside = mkdtempSync(`${folder}-beside-`);
  const nowMs = (): number => clock.nowMs;
  const journal = openJournal({ folder: beside, signer: key.identity.signer, nowMs, apply: () => undefined });
  const file = openSync(join(beside, 'flush'), 'as');
  return {
    vault,
    peer,
    wallet: openWallet(manifestAccounts(manifest), manifest.threshold),
    keys: openKeys(key.account),
    journal,
    flush: (bytes) => void writeSync(file, bytes),
    lastEntry: () => {
      const text = readFileSync(join(folder, 'journal.jsonl'));
      return text.subarray(text.lastIndexOf(10, text.length - 2) + 1);
    },
    close: () => {
      journal.close();
      closeSync(file);
      rmSync(beside, { recursive: true });
    },
  };
}

function payRequest({ manifest }: Quorum, firstIndex: number): SignRequest {
  const value = 20_000n * BigInt(ORDERS);
  return bitcoinRequest(manifest, {
    coins: Array.from({ length: INPUTS }, (_, i) => coin(manifest, value, 0, firstIndex + i)),
    orders: Array.from({ length: ORDERS }, () => orderJson({ amount: '15000' })),
    change: { index: 5, value: value * BigInt(INPUTS) - 15_000n * BigInt(ORDERS) - 3_000n },
  });
}

/** The whole through the vault, then each part again, then each primitive alone; `derived` keys are new. */
function measureRequest(rig: Rig, body: SignRequest, derived: number): Sample {
  const line = JSON.stringify({ id: 1, call: 'sign', body });
  const before = process.threadCpuUsage();
  const [askMs, { awaiting }] = timed(() => awaitingIn(rig.vault.handle(line)));
  const asked = process.threadCpuUsage(before);
  const entry = rig.lastEntry();
  const [peerMs, given] = timed(() => askPeer(rig.vault, rig.peer, awaiting));
  const release = {
    id: awaiting.id,
    countersignatures: [{ signer: given['signer'], signature: given['countersignature'] }],
  };
  const releaseLine = JSON.stringify({ id: 2, call: 'release', body: release });
  const between = process.threadCpuUsage();
  const [releaseMs, answer] = timed(() => rig.vault.handle(releaseLine));
  const released = process.threadCpuUsage(between);
  if (!answer.includes('"ok":true')) assert.fail(answer);
  const totalMs = askMs + releaseMs;

  const [read, request] = timed(() => readRequest(line));
  const [decode, transaction] = timed(() => {
    const decoded = decodeTransaction(request.psbt);
    assert.ok(decoded.ok);
    return decoded.value;
  });
  const [derive, keys] = timed(() => deriveAll(rig, request));
  const [journal] = timed(() => rig.journal.append('bitcoin-pay', { as: entry.toString('latin1') }));
  const digests = signatureDigests(transaction);
  const [sign, signatures] = timed(() => signAll(digests, keys));
  const [verify] = timed(() => verifyAll(digests, signatures, keys));
  const [write] = timed(() =>
    transaction.withSignatures(
      signatures.map((signature, i) => ({ signature, publicKey: keys[i]?.publicKey ?? signature })),
    ),
  );
  const [share] = timed(() => shareAll(digests[0] ?? new Uint8Array(32), keys[0]));
  const named = { read, decode, derive, journal, share, sign, verify, write };
  const checks = totalMs - sum(named);

  const [multiply] = timed(() => multiplyAll(digests, derived));
  const [flush] = timed(() => rig.flush(entry));
  return {
    totalMs,
    cpuMs: (asked.user + asked.system + released.user + released.system) / 1000,
    peerMs,
    parts: { ...named, checks },
    primitives: { multiply, sign, verify, share, flush },
  };
}

function readRequest(line: string): BitcoinPay {
  const parsed = parseSignRequest((JSON.parse(line) as { readonly body: unknown }).body);
  assert.ok(parsed.ok && parsed.value.type === 'bitcoin-pay');
  return parsed.value;
}

/** Every script that the vault compares, and its own key pairs. */
function deriveAll({ wallet, keys }: Rig, { inputs, outputs }: BitcoinPay): OwnKey[] {
  for (const { branch, index } of inputs) wallet.scriptAt(branch, index);
  for (const output of outputs) if ('change' in output) wallet.scriptAt(1, output.change);
  return inputs.map(({ branch, index }) => keys.keyAt(branch, index));
}

const signAll = (digests: readonly Uint8Array[], keys: readonly OwnKey[]): Uint8Array[] =>
  keys.map(({ privateKey }, i) => secp256k1.sign(digests[i] ?? privateKey, privateKey, ECDSA));

function verifyAll(
  digests: readonly Uint8Array[],
  signatures: readonly Uint8Array[],
  keys: readonly OwnKey[],
): void {
  for (const [i, { publicPoint }] of keys.entries()) {
    assert.ok(secp256k1.verify(signatures[i] ?? publicPoint, digests[i] ?? publicPoint, publicPoint, ECDSA));
  }
}

/** An ask signed, and a countersignature verified by its address. */
function shareAll(digest: Uint8Array, key: OwnKey | undefined): void {
  assert.ok(key !== undefined);
  const signature = secp256k1.sign(digest, key.privateKey, { ...ECDSA, format: 'recovered' });
  assert.ok(recoveredAddress(signature, digest) !== undefined);
}

function awaitingIn(answer: string): Pick<Awaiting, 'awaiting'> {
  const frame = JSON.parse(answer) as { readonly answer: object };
  if (!('awaiting' in frame.answer)) assert.fail(answer);
  return frame.answer as Pick<Awaiting, 'awaiting'>;
}

/** What deriving a public key takes at least: the generator times a number. */
function multiplyAll(digests: readonly Uint8Array[], count: number): void {
  const { Point } = secp256k1;
  for (let n = 0; n < count; n += 1) {
    const scalar = Point.Fn.fromBytes(digests[n % digests.length] ?? new Uint8Array(32), true);
    Point.BASE.multiplyUnsafe(Point.Fn.create(scalar + BigInt(n)));
  }
}

function tableOf(keys: SignTable['keys'], samples: readonly Sample[]): SignTable {
  const columns = (of: (sample: Sample) => Timed): SignFigure[] =>
    Object.keys(samples[0] === undefined ? {} : of(samples[0])).map((what) =>
      figure(
        what,
        samples.map((sample) => of(sample)[what] ?? 0),
      ),
    );
  const total = figure(
    'total',
    samples.map(({ totalMs }) => totalMs),
  );
  const totalCpu = figure(
    'total, processor time',
    samples.map(({ cpuMs }) => cpuMs),
  );
  const peer = figure(
    'a peer’s countersignature, beside',
    samples.map(({ peerMs }) => peerMs),
  );
  const primitivesSum = figure(
    'sum of primitives',
    samples.map(({ primitives }) => sum(primitives)),
  );
  return {
    keys,
    requests: samples.length,
    total,
    totalCpu,
    peer,
    parts: columns(({ parts }) => parts),
    primitives: columns(({ primitives }) => primitives),
    primitivesSum,
    ratio: total.medianMs / primitivesSum.medianMs,
  };
}

/** Kinds of work that have no table of their own. */
function measureOthers(quorum: Quorum, runs: number): SignFigure[] {
  const [vault] = quorum.vaults;
  assert.ok(vault !== undefined);
  const repeat = (what: string, times: number, run: () => void): SignFigure =>
    figure(
      what,
      Array.from({ length: times }, () => timed(run)[0]),
    );
  const many = Array.from({ length: 150 }, () => evmRequest().orders).flat();
  const ok = (answer: { readonly ok: boolean }): void => assert.ok(answer.ok, JSON.stringify(answer));
  return [
    repeat('EVM, 1 order, both peers’ work included', runs, () =>
      ok(callThrough(vault, 'sign', evmRequest())),
    ),
    figure('EVM, 150 orders, both peers’ work included', [
      timed(() => ok(callThrough(vault, 'sign', evmRequest({ orders: many }))))[0],
    ]),
    repeat('unseal (scrypt, N = 2^17)', 3, () => ok(call(vault, 'unseal', { passphrase: PASSPHRASE }))),
    repeat('start: verify and replay the journal', 3, () => quorum.reopen(0).close()),
  ];
}

function timed<T>(run: () => T): [ms: number, value: T] {
  const started = performance.now();
  const value = run();
  return [performance.now() - started, value];
}

const sum = (times: Timed): number => Object.values(times).reduce((total, ms) => total + ms, 0);

function figure(what: string, times: readonly number[]): SignFigure {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { what, medianMs: at(0.5), p99Ms: at(0.99), worstMs: at(1) };
}

function lines({ tables, others }: SignBench): string[] {
  const row = ({ what, medianMs, p99Ms, worstMs }: SignFigure, indent = ''): string =>
    `${(indent + what).padEnd(44)} median ${medianMs.toFixed(2).padStart(7)} ms   ` +
    `p99 ${p99Ms.toFixed(2).padStart(7)}   worst ${worstMs.toFixed(2).padStart(7)}`;
  return [
    ...tables.flatMap((table) => [
      `Bitcoin, ${INPUTS} inputs, ${ORDERS} orders, keys ${table.keys}, ${table.requests} requests`,
      row(table.total, '  '),
      row(table.totalCpu, '  '),
      row(table.peer, '  '),
      ...table.parts.map((part) => row(part, '    ')),
      row(table.primitivesSum, '  '),
      ...table.primitives.map((primitive) => row(primitive, '    ')),
      `  ratio of medians ${table.ratio.toFixed(2)} (at most ${RATIO_MAX}), worst ${table.total.worstMs.toFixed(0)} ms (at most ${CEILING_MS})`,
    ]),
    ...others.map((other) => row(other)),
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { short: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  });
  const result = benchSign({ short: values.short });
  process.stdout.write(`${lines(result).join('\n')}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
}
