/** What a drill attacks: three vaults of signers on folders of their own, and a float on a real node that mines at random. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as bitcoin from 'bitcoinjs-lib';
import type { Policy } from '../signer/protocol/policy.ts';
import type { Vault } from '../signer/vault/vault.ts';
import {
  REGTEST,
  bitcoinRequest,
  callThrough,
  makeQuorum,
  orderJson,
  walletPayment,
  type BitcoinParts,
  type Coin,
  type Quorum,
} from '../signer/test/quorum.ts';
import { startBitcoind, type Bitcoind } from '../world/parts/bitcoind.ts';

export const network = bitcoin.networks.regtest;
const ASSET = `${REGTEST}/slip44:1`;

/** Base units: the policy in force, from which every bound is computed. */
export const LIMITS = { order: 30_000_000n, window: 100_000_000n, fees: 400_000n } as const;
const COINS = 14;
const COIN = 50_000_000n;
export const BITE = 25_000_000n;
export const FEE = 20_000n;
const HONEST = 5_000_000n;

/** What one captured pair of limits allows at most, in satoshi, fees burnt included. */
export const windowBound = (): bigint => LIMITS.window + LIMITS.fees;

export interface Drill {
  readonly name: string;
  /** Exactly what the thief holds. */
  readonly capability: string;
  readonly control: string;
  /** Satoshi, declared before anything runs. */
  readonly bound: bigint;
  readonly attack: (field: Field) => Promise<void>;
}

export interface Field {
  readonly quorum: Quorum;
  readonly node: Bitcoind;
  /** Coins of the float, none of them spent by honest traffic. */
  readonly coins: Coin[];
  readonly thief: string;
  /** Below `sides`, by the seed. */
  readonly roll: (sides: number) => number;
  /** Puts a transaction in the pool; whether the node took it. */
  readonly broadcast: (hex: string) => Promise<boolean>;
  /** Refusal codes that the thief met, and how often. */
  readonly met: Map<string, number>;
}

export interface Outcome {
  readonly loss: bigint;
  readonly seconds: number;
  readonly refusals: Readonly<Record<string, number>>;
}

/** Starts everything, pays honestly, attacks, and counts on the chain what is gone. */
export async function run(drill: Drill, seed: number): Promise<Outcome> {
  const started = performance.now();
  const roll = dice(seed);
  const node = await startBitcoind({});
  const quorum = makeQuorum({ policy: policy() });
  const ending = new AbortController();
  let mining: Promise<void> | undefined;
  try {
    const coins = await fund(node, quorum);
    const field: Field = {
      quorum,
      node,
      coins,
      thief: addressOf(`thief ${seed}`),
      roll,
      met: new Map(),
      broadcast: async (hex) =>
        patiently(async () => node.rpc('sendrawtransaction', hex, 0)).then(() => true, isRejection),
    };
    mining = mineAtRandom(node, dice(seed + 1_000_003), ending.signal);
    const before = await floatOf(field);
    const spent = await payHonestly(field, `before ${seed}`);
    await drill.attack(field);
    ending.abort();
    await mining;
    await node.mine(1);
    const loss = before - (await floatOf(field)) - spent;
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    return { loss, seconds, refusals: Object.fromEntries(field.met) };
  } finally {
    ending.abort();
    await mining;
    quorum.close();
    await node.stop();
  }
}

/** A vault decides without pause, in which the node closes an idle connection: asked once more, it answers. */
const patiently = async <T>(ask: () => Promise<T>): Promise<T> =>
  ask().catch(async (error: unknown) => {
    if (error instanceof TypeError) return ask();
    throw error;
  });

const isRejection = (error: unknown): false => {
  if (!(error instanceof Error) || !('code' in error)) throw error;
  return false;
};

/** Asks these signers, each with only `peers` in reach, and broadcasts what they sign together. */
export async function payBy(
  field: Field,
  parts: BitcoinParts,
  pair: readonly (readonly [Vault, readonly Vault[]])[],
  psbt?: bitcoin.Psbt,
): Promise<boolean> {
  const request = bitcoinRequest(field.quorum.manifest, parts, psbt);
  const partials: bitcoin.Psbt[] = [];
  for (const [vault, peers] of pair) {
    const answer = callThrough(vault, 'sign', request, peers);
    if (typeof answer['psbt'] !== 'string') {
      note(field, String(answer['code']));
      return false;
    }
    partials.push(bitcoin.Psbt.fromBase64(answer['psbt'], { network }));
  }
  const whole = bitcoin.Psbt.fromBase64(request.psbt, { network }).combine(...partials);
  return field.broadcast(whole.finalizeAllInputs().extractTransaction().toHex());
}

export const note = ({ met }: Field, code: string): void => void met.set(code, (met.get(code) ?? 0) + 1);

/** An order that core invents for the thief, paid out of the next coin. */
export function theft(field: Field, amount = BITE): BitcoinParts {
  const coin = field.coins.pop();
  assert.ok(coin, 'the float is spent');
  const orders = [orderJson({ destination: field.thief, amount: `${amount}` })];
  return { coins: [coin], orders, change: { index: 900, value: coin.value - amount - FEE } };
}

/** Two signers of three by the seed; each reaches only the other where `isCut`. */
export function pairOf({ quorum, roll }: Field, isCut = roll(2) === 0): [Vault, readonly Vault[]][] {
  const out = roll(3);
  const pair = quorum.vaults.filter((_, i) => i !== out);
  return pair.map((vault) => [vault, (isCut ? pair : quorum.vaults).filter((other) => other !== vault)]);
}

/** Takes a bite out of every coin that is left, as long as signers sign. */
export async function drain(field: Field): Promise<void> {
  while (field.coins.length > 0) await payBy(field, theft(field), pairOf(field));
}

async function payHonestly(field: Field, name: string): Promise<bigint> {
  const coin = field.coins.pop();
  assert.ok(coin);
  const parts = {
    coins: [coin],
    orders: [orderJson({ destination: addressOf(name), amount: `${HONEST}` })],
    change: { index: 901, value: coin.value - HONEST - FEE },
  };
  // The third signer takes part once too, so that all know where their peers are.
  const all = field.quorum.vaults.map(
    (vault) => [vault, field.quorum.vaults.filter((other) => other !== vault)] as const,
  );
  for (const [vault, peers] of all) assert.ok(callThrough(vault, 'confirm', {}, peers).ok);
  assert.ok(
    await payBy(field, parts, all.slice(0, field.quorum.manifest.threshold)),
    `honest traffic is paid: ${[...field.met.keys()].join()}`,
  );
  return HONEST + FEE;
}

export function policy(): Partial<Policy> {
  const windows = [{ seconds: 86_400, valueMax: LIMITS.window, countMax: 1000 }];
  return {
    assets: [{ asset: ASSET, orderMax: LIMITS.order, windows }],
    fees: [{ network: REGTEST, seconds: 86_400, feeMax: LIMITS.fees }],
  };
}

async function fund(node: Bitcoind, { manifest }: Quorum): Promise<Coin[]> {
  const coins: Coin[] = [];
  for (let index = 0; index < COINS; index += 1) {
    const { address, output } = walletPayment(manifest, 0, index);
    const id = await node.send(address, COIN);
    const previous = bitcoin.Transaction.fromHex(await node.rpc<string>('getrawtransaction', id));
    for (const input of previous.ins) input.witness = [];
    const vout = previous.outs.findIndex(({ script }) => Buffer.compare(script, output) === 0);
    coins.push({ previous, vout, value: COIN, branch: 0, index });
  }
  await node.mine(1);
  return coins;
}

/** Satoshi in confirmed coins at the quorum's scripts, by the node's own scan of the chain. */
async function floatOf({ node, quorum: { manifest } }: Field): Promise<bigint> {
  const scripts = [0, 1].flatMap((branch) => {
    const indexes = branch === 0 ? Array.from({ length: COINS }, (_, i) => i) : [900, 901];
    return indexes.map(
      (index) => `raw(${Buffer.from(walletPayment(manifest, branch, index).output).toString('hex')})`,
    );
  });
  const { unspents } = await node.rpc<{ unspents: { amount: bigint }[] }>('scantxoutset', 'start', scripts);
  return unspents.reduce((sum, { amount }) => sum + amount, 0n);
}

/** Blocks come when they come, on a schedule that neither side knows. */
async function mineAtRandom(node: Bitcoind, roll: Field['roll'], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await patiently(async () => node.mine(1));
    await sleep(50 + roll(400), undefined, { signal }).catch(() => undefined);
  }
}

/** An address whose owner is nobody here. */
function addressOf(name: string): string {
  const hash = createHash('ripemd160').update(name).digest();
  const { address } = bitcoin.payments.p2wpkh({ hash, network });
  assert.ok(address);
  return address;
}

/** A sequence that the seed alone decides. */
function dice(seed: number): (sides: number) => number {
  let count = 0;
  return (sides) => {
    count += 1;
    return createHash('sha256').update(`${seed} ${count}`).digest().readUInt32BE() % sides;
  };
}
