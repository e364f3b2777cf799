/** What an attack plays in: a real system with honest customers beside the thief, and blocks that come when they come. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readKit } from '../cli/operator-kit.ts';
import { haltsOf } from '../core/controls/controls.ts';
import type { Pipeline } from '../core/processes/pipeline-steps.ts';
import {
  BTC,
  ask,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  startStack,
  stateOf,
  type Stack,
} from '../core/withdrawals/test/stack.ts';
import type { Id } from '../lib/ids/ids.ts';
import { freezesAt, watching } from '../sentinel/test/rig.ts';
import { manifestDocument, type Manifest } from '../signer/protocol/manifest.ts';
import { policyDocument, type Policy } from '../signer/protocol/policy.ts';
import { readSigned, signaturesToJson } from '../signer/protocol/signatures.ts';
import { walletPolicy } from '../world/configuration.ts';
import type { LocalSentinel } from '../world/sentinel.ts';
import { requireOk } from '../world/signers.ts';

export type Asset = 'BTC' | 'ETH' | 'USDT' | 'USDC';
/** Base units by asset. */
export type Amounts = Readonly<Partial<Record<Asset, bigint>>>;

export interface Times {
  readonly detectMs: number | null;
  readonly freezeMs: number | null;
  readonly evacuateMs: number | null;
}

export interface Drill {
  readonly name: string;
  /** Exactly what the thief holds. */
  readonly capability: string;
  /** What the kept patch takes away. */
  readonly control: string;
  /** What may be lost at most, of each asset that the drill counts; declared before anything runs. */
  readonly bound: Amounts;
  readonly scene: SceneOptions;
  /** Whether honest orders beside the attack must all be paid, or may wait for people afterwards. */
  readonly honest: 'paid' | 'may-wait';
  /** Before anything is counted. */
  readonly prepare?: (stack: Stack) => Promise<void>;
  /** Why a time is null. */
  readonly unmeasured: string;
  /** Answers what was measured; nothing where nothing watches. */
  readonly attack: (scene: Scene) => Promise<Partial<Times> | void>;
}

export interface SceneOptions {
  /** An anvil with the contracts, beside Bitcoin. */
  readonly evm?: boolean;
  /** A sentinel’s process watches. */
  readonly isWatched?: boolean;
  /** Signers sign nothing without an attestation that is younger. */
  readonly attestationSeconds?: number;
}

export interface Scene {
  readonly stack: Stack;
  /** A customer with 8 bitcoin, whose name the thief uses. */
  readonly victim: Id<'customer'>;
  /** Where the thief is paid. */
  readonly thief: string;
  readonly sentinel: LocalSentinel | undefined;
  /** The policy in force at every signer. */
  readonly policy: Policy;
  /** Below `sides`, by the seed. */
  readonly roll: (sides: number) => number;
  /** Refusal codes that the thief met, and how often. */
  readonly met: Map<string, number>;
  /** From now on core is this one. */
  readonly release: (pipeline: Pipeline) => void;
  /** Until it holds, with core at work, honest orders now and then, and blocks on a schedule of the seed’s. */
  readonly until: (what: string, holds: () => Promise<boolean>) => Promise<void>;
  /** Of a theft that left at `sinceMs` (Unix ms): when it was found, and from there to a freeze at every signer. */
  readonly frozen: (sinceMs: number) => Promise<Pick<Times, 'detectMs' | 'freezeMs'>>;
}

export interface Outcome extends Times {
  readonly loss: Amounts;
  readonly honestAsked: number;
  readonly honestPaid: number;
  readonly refusals: Readonly<Record<string, number>>;
}

/** Satoshi: the policy in force, from which bounds are computed. */
export const LIMITS = { order: BTC, window: 3n * BTC, fees: BTC / 100n } as const;
/** What one set of windows allows at most, fees burnt included. */
export const WINDOW_BOUND: bigint = LIMITS.window + LIMITS.fees;
const VICTIM_COINS = 8;
const HONEST_COINS = 3;
/** Satoshi: all that customers bring. */
export const FLOAT_MAX: bigint = BigInt(VICTIM_COINS + HONEST_COINS) * BTC;
const HONEST_ORDERS = 3;
/** More than an honest fee ever is; what is above it counts as burnt. */
const HONEST_FEE_MAX = 50_000n;
const WITHIN_MS = 180_000;
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** Starts the system, lets the attack happen, waits for honest orders, and asks the chains what was lost. */
export async function play(drill: Drill, seed: number, isControlOff: boolean): Promise<Outcome> {
  const hooks: (() => Promise<void>)[] = [];
  const scope = { after: (hook: () => Promise<void>) => void hooks.unshift(hook) };
  try {
    const { isWatched = false, ...options } = drill.scene;
    const stack = await startStack(scope, options);
    const policy = await limit(stack, options.attestationSeconds);
    const attest =
      options.attestationSeconds === undefined
        ? {}
        : { attest: { everySeconds: 1, validSeconds: options.attestationSeconds } };
    const sentinel = isWatched ? await watching(scope, stack, { ...attest, stopsVault: true }) : undefined;
    await drill.prepare?.(stack);
    const setting = await settle(stack, dice(seed));
    const before = await floatOf(stack);
    const scene: Scene = { stack, sentinel, policy, ...setting, frozen: (at) => frozen(stack, sentinel, at) };
    const times = (await drill.attack(scene)) ?? {};
    // Without the control the books may follow no more: honest orders wait for people then.
    if (!isControlOff) await setting.finish();
    await stack.node.mine(1);
    await stack.anvil?.mine(1);
    return {
      loss: await lossOf(drill.bound, stack, { before, honest: setting.honest }),
      detectMs: times.detectMs ?? null,
      freezeMs: times.freezeMs ?? null,
      evacuateMs: times.evacuateMs ?? null,
      honestAsked: setting.honest.length,
      honestPaid: (await paid(stack, setting.honest)).filter(Boolean).length,
      refusals: Object.fromEntries(setting.met),
    };
  } finally {
    for (const hook of hooks) await hook();
  }
}

interface HonestOrder {
  readonly id: Id<'withdrawal'>;
  readonly destination: string;
}

/** Customers with deposits, honest traffic, and blocks by the seed. */
async function settle(stack: Stack, roll: Scene['roll']) {
  let core = await stack.pipeline();
  const coins = (count: number): bigint[] => Array.from({ length: count }, () => BTC);
  const victim = await fundBitcoin(stack, core, 'victim', coins(VICTIM_COINS));
  const bob = await fundBitcoin(stack, core, 'bob', coins(HONEST_COINS));
  const thief = await outsideAddress(stack);
  const honest: HonestOrder[] = [];
  let isOpen = false;
  const askHonestly = async (): Promise<void> => {
    const destination = await outsideAddress(stack);
    const amount = `0.0${1 + roll(9)}`;
    const order = { customer: bob, asset: 'BTC', network: 'bitcoin', destination, amount };
    honest.push({ id: await ask(stack, order), destination });
  };
  const until: Scene['until'] = async (what, holds) => {
    const end = performance.now() + WITHIN_MS;
    while (!(await holds())) {
      if (performance.now() > end) throw new Error(`not in time: ${what}: ${await whatWaits(stack)}`);
      if (isOpen && honest.length < HONEST_ORDERS && roll(10) === 0) await askHonestly();
      if (roll(5) === 0) await stack.mine(1);
      await core.step();
      await sleep(20);
    }
  };
  const finish = async (): Promise<void> => {
    while (honest.length < HONEST_ORDERS) await askHonestly();
    const isOver = async (): Promise<boolean> =>
      (await paid(stack, honest)).every(Boolean) || (await cannotPay(stack));
    await until('honest orders paid, or core stopped', isOver);
  };
  // One is paid before the attack begins, by the same signers under the same windows.
  await askHonestly();
  await until('an honest order', async () => (await paid(stack, honest)).some(Boolean));
  isOpen = true;
  const release = (pipeline: Pipeline): void => void (core = pipeline);
  return { victim, thief, honest, roll, until, finish, release, met: new Map<string, number>() };
}

const paid = async (stack: Stack, orders: readonly HonestOrder[]): Promise<boolean[]> =>
  Promise.all(orders.map(async ({ id }) => (await stateOf(stack, id)) === 'settled'));

/** Core halted over what it sees, or signers refuse. */
async function cannotPay(stack: Stack): Promise<boolean> {
  if ((await haltsOf(stack.db)).length > 0) return true;
  // One that is starting again says nothing yet.
  const standing = await freezesAt(stack).catch(() => [[]]);
  if (standing.every(({ length }) => length > 0)) return true;
  const answers = await stack.db.selectFrom('signer_answer').select('code').execute();
  return answers.some(({ code }) => /^(WINDOW_|FROZEN|UNCONFIRMED|ATTESTATION)/.test(code));
}

async function whatWaits(stack: Stack): Promise<string> {
  const { db } = stack;
  const orders = await db.selectFrom('withdrawal').select(['state', 'reason', 'units']).execute();
  const answers = await db.selectFrom('signer_answer').select(['signer', 'code']).execute();
  return JSON.stringify([orders, answers, await haltsOf(db)], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
}

/** Tightens the first policy to the drill’s limits, as one operator may. */
async function limit(stack: Stack, attestationSeconds: number | undefined): Promise<Policy> {
  const manifest = manifestIn(stack);
  const first = walletPolicy(manifest, 'alice', attestationSeconds);
  const bitcoin = manifest.bitcoin.map(({ asset }) => asset);
  const tight = nextPolicy(first, {
    assets: first.assets.map((rule) =>
      bitcoin.includes(rule.asset)
        ? {
            ...rule,
            orderMax: LIMITS.order,
            windows: rule.windows.map((window) => ({ ...window, valueMax: LIMITS.window })),
          }
        : rule,
    ),
    fees: first.fees.map((rule) => ({ ...rule, feeMax: LIMITS.fees })),
  });
  for (const answer of await propose(stack, tight)) requireOk('all', answer);
  return tight;
}

/** The manifest that every signer pinned. */
export function manifestIn({ manifestFile }: Pick<Stack, 'manifestFile'>): Manifest {
  const { document } = readSigned(JSON.parse(readFileSync(manifestFile, 'utf8')), 'manifest');
  return manifestDocument.fromJson(document, 'manifest');
}

/** The version that follows. */
export const nextPolicy = (last: Policy, change: Partial<Policy>): Policy =>
  policyDocument.normal({
    ...last,
    ...change,
    version: last.version + 1,
    previous: policyDocument.digest(last, sha256),
  });

/** Brings every signer a policy that one command key signed; whether it is taken is theirs to say. */
export async function propose(stack: Stack, policy: Policy): Promise<Record<string, unknown>[]> {
  const [alice] = stack.operators;
  assert.ok(alice);
  const key = readKit(alice.folder).openKey(readFileSync(alice.passphraseFile, 'utf8'));
  const by = {
    kind: 'key',
    by: alice.id,
    signature: key.sign(policyDocument.digest(policy, sha256)),
  } as const;
  const body = { document: policyDocument.toJson(policy), signatures: signaturesToJson([by]) };
  return Promise.all(stack.signers.all.map((signer) => signer.ask('POST', '/v1/policy', body)));
}

/** What is irreversibly ours, by the chains themselves: core and its database are not asked. */
export async function floatOf(stack: Stack): Promise<Amounts> {
  const { node, anvil, signers, config } = stack;
  const { threshold } = manifestIn(stack);
  const keys = signers.all.map(({ xpub }) => xpub);
  const scripts = [0, 1].map((branch) => ({
    desc: `wsh(sortedmulti(${threshold},${keys.map((key) => `${key}/${branch}/*`).join(',')}))`,
    range: [0, 300],
  }));
  const { total_amount: total } = await node.rpc<{ total_amount: bigint }>('scantxoutset', 'start', scripts);
  const network = config.networks.find((one) => one.kind === 'evm');
  if (!anvil || !network) return { BTC: total };
  const unitsOf = async (contract: string | undefined, holder: string): Promise<bigint> => {
    const data = `0x70a08231${holder.slice(2).padStart(64, '0')}`;
    return BigInt(
      contract === undefined
        ? await anvil.rpc<string>('eth_getBalance', holder, 'latest')
        : await anvil.rpc<string>('eth_call', { to: contract, data }, 'latest'),
    );
  };
  // What was evacuated is not lost.
  const held = await Promise.all(
    network.listings.map(async ({ asset, contract }) => {
      const units = await Promise.all(
        [network.vault, network.cold].map(async (one) => unitsOf(contract, one)),
      );
      return [asset, units.reduce((sum, one) => sum + one, 0n)] as const;
    }),
  );
  return { BTC: total, ...Object.fromEntries(held) };
}

/** What is gone and was not paid to honest customers; their fees are theirs, as far as they are usual. */
async function lossOf(
  bound: Amounts,
  stack: Stack,
  { before, honest }: { readonly before: Amounts; readonly honest: readonly HonestOrder[] },
): Promise<Amounts> {
  const after = await floatOf(stack);
  const gone = (asset: Asset): bigint => (before[asset] ?? 0n) - (after[asset] ?? 0n);
  let spent = 0n;
  const transactions = new Set<string>();
  // The first was paid before the float was counted.
  for (const { destination } of honest.slice(1)) {
    spent += await receivedBitcoin(stack, destination);
    for (const transaction of await paying(stack, destination)) transactions.add(transaction);
  }
  for (const id of transactions) {
    const fee = await feeOf(stack, id);
    spent += fee < HONEST_FEE_MAX ? fee : HONEST_FEE_MAX;
  }
  const assets = Object.keys(bound) as Asset[];
  return Object.fromEntries(assets.map((asset) => [asset, gone(asset) - (asset === 'BTC' ? spent : 0n)]));
}

/** Mined transactions that paid an address of the node’s wallet. */
async function paying({ node }: Stack, address: string): Promise<readonly string[]> {
  const [wallet = ''] = await node.rpc<string[]>('listwallets');
  const found = await node.walletRpc<{ txids: string[] }[]>(
    wallet,
    'listreceivedbyaddress',
    1,
    false,
    false,
    address,
  );
  return found.flatMap(({ txids }) => txids);
}

/** Satoshi, of a transaction that is mined and paid an address outside. */
async function feeOf({ node }: Stack, id: string): Promise<bigint> {
  const [wallet = ''] = await node.rpc<string[]>('listwallets');
  const { blockhash } = await node.walletRpc<{ blockhash: string }>(wallet, 'gettransaction', id);
  const { fee } = await node.rpc<{ fee: bigint }>('getrawtransaction', id, 2, blockhash);
  return fee;
}

async function frozen(
  stack: Stack,
  sentinel: LocalSentinel | undefined,
  sinceMs: number,
): Promise<Pick<Times, 'detectMs' | 'freezeMs'>> {
  assert.ok(sentinel, 'a scene that is watched');
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    const { freezes } = await sentinel.status();
    const found = freezes.filter(({ at }) => at >= sinceMs).toSorted((a, b) => a.at - b.at)[0];
    if (found?.tookMs !== undefined && (await freezesAt(stack)).every((standing) => standing.length > 0))
      return { detectMs: found.at - sinceMs, freezeMs: found.tookMs };
    if (performance.now() > end) throw new Error(`no freeze: ${JSON.stringify(await sentinel.status())}`);
    await sleep(20);
  }
}

export const note = ({ met }: Pick<Scene, 'met'>, code: string): void =>
  void met.set(code, (met.get(code) ?? 0) + 1);

export const randomId = (): string => randomBytes(8).toString('hex');

/** A sequence that the seed alone decides. */
export function dice(seed: number): Scene['roll'] {
  let count = 0;
  return (sides) => {
    count += 1;
    return sha256AsNumber(`${seed} ${count}`) % sides;
  };
}

const sha256AsNumber = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE();
