/** A whole wallet of real parts for tests: PostgreSQL, bitcoind, anvil with the contracts, three signers, watchers. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Pool } from 'pg';
import { parse, stringify } from 'smol-toml';
import { privateKeyToAccount } from 'viem/accounts';
import type { Hex } from 'viem';
import { identityIn } from '../../../world/certificates.ts';
import { localConfiguration, walletManifest, type LocalEvmNetwork } from '../../../world/configuration.ts';
import { deployLocalEvm } from '../../../world/evm-network.ts';
import { takeFolder, type WorldFolder } from '../../../world/folder.ts';
import {
  installManifest,
  makeOperators,
  publicOperators,
  type LocalOperator,
} from '../../../world/operators.ts';
import { startPeople, type People } from '../../../world/people/people.ts';
import type { Anvil } from '../../../world/parts/anvil.ts';
import type { Bitcoind } from '../../../world/parts/bitcoind.ts';
import { makeSentinel, type SentinelKeys } from '../../../world/sentinel.ts';
import { startSigners, type LocalSigners } from '../../../world/signers.ts';
import { testAnvil, testBitcoind, testDatabase, type TestScope } from '../../../world/testing.ts';
import { newId, type Id } from '../../../lib/ids/ids.ts';
import { bitcoinRpc, startBitcoinWatcher } from '../../chain/bitcoin/bitcoin.ts';
import { tipOf } from '../../chain/chain.ts';
import { startEvmWatcher } from '../../chain/evm/evm.ts';
import { listingsOf, parseConfig, type Config, type Listing } from '../../config/config.ts';
import { createCustomer, issueAddress } from '../../customers/customers.ts';
import { executorOf, openDatabase, openPool, type Database } from '../../db/db.ts';
import { auditLedger, balancesOf, trialBalance } from '../../ledger/ledger.ts';
import { realEffects, type Effects } from '../../processes/effects.ts';
import { makePipeline, type Pipeline, type PipelineDeps } from '../../processes/pipeline-steps.ts';
import { requestWithdrawal, withdrawalById } from '../withdrawals.ts';

const REGTEST = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
/** Long enough for a machine that does much else; what is there sooner is not waited for. */
const WITHIN_MS = 120_000;
const silent = pino({ level: 'silent' });
export const BTC = 100_000_000n;
export const ETH = 10n ** 18n;

export interface StackOptions {
  readonly evm?: boolean;
  /** Overrides of every network's entry in the configuration. */
  readonly network?: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
  /** How young a sentinel's attestation has to be; default: none is needed. */
  readonly attestationSeconds?: number;
  /** So far is the EVM chain's clock behind ours when it begins. */
  readonly chainBehindSeconds?: number;
  /** Parts that the caller runs, and may end; default: parts of this scope, followed by watchers in this process. */
  readonly parts?: OwnParts;
}

export interface OwnParts {
  readonly databaseUrl: string;
  readonly node: Bitcoind;
  readonly anvil: Anvil;
  /** Where core finds a node, which may be a proxy of it. */
  readonly reach: (nodeUrl: string) => Promise<string>;
}

export interface Stack {
  readonly db: Database;
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly config: Config;
  readonly configFile: string;
  readonly node: Bitcoind;
  readonly anvil: Anvil | undefined;
  readonly signers: LocalSigners;
  readonly people: People;
  readonly operators: readonly LocalOperator[];
  readonly sentinel: SentinelKeys;
  readonly folder: WorldFolder;
  readonly manifestFile: string;
  readonly relayer: string;
  readonly effects: Effects;
  /** Reconfigured, or with other effects: another pipeline over the same wallet. */
  readonly pipeline: (change?: Partial<Omit<PipelineDeps, 'db' | 'randomBytes'>>) => Promise<Pipeline>;
  readonly listing: (asset: string, network: string) => Listing;
  readonly customer: (name: string) => Promise<Id<'customer'>>;
  readonly address: (customer: string, network: string) => Promise<string>;
  /** A block on every chain, taken by the watchers. */
  readonly mine: (blocks?: number) => Promise<void>;
  readonly caughtUp: () => Promise<void>;
  readonly whole: () => Promise<void>;
  readonly stopWatching: () => Promise<void>;
}

const BITCOIN = { bitcoinCaip2: REGTEST, coldBitcoin: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk' };

export async function startStack(scope: TestScope, options: StackOptions = {}): Promise<Stack> {
  const path = mkdtempSync(join(tmpdir(), 'portcullis-stack-'));
  const folder = takeFolder(path, true);
  scope.after(async () => rmSync(path, { recursive: true, force: true }));
  const { parts: own } = options;
  const reach = own?.reach ?? (async (url: string) => url);
  const [databaseUrl, node] = own
    ? [own.databaseUrl, own.node]
    : await Promise.all([testDatabase(scope).then(({ url }) => url), testBitcoind(scope)]);
  const client = await identityIn(folder.at('secrets'), 'core');
  const people = await startPeople(folder.at('people.json'));
  scope.after(people.stop);
  const operators = await makeOperators(folder);
  const sentinel = await makeSentinel(folder);
  const signers = await startSigners({
    folder,
    client,
    operators: operators.map((one) => one.client),
    sentinels: [sentinel.client],
  });
  scope.after(signers.stop);
  const { relayerKey, relayerKeyFile } = makeRelayerKey(folder);
  const bornSeconds = Math.floor(Date.now() / 1000) - (options.chainBehindSeconds ?? 0);
  const relay = { relayerKeyFile, folder, signers, people, own, bornSeconds, sentinel };
  const { anvil, evm } = options.evm ? await startEvm(scope, relay) : { anvil: undefined, evm: [] };
  const system = {
    bitcoinNodeUrl: await reach(node.url),
    ...BITCOIN,
    evm,
    signers: signers.all,
    signerClient: client,
    walletManifestFile: folder.at('manifest.json'),
    http: { host: '127.0.0.1', port: 0 },
    pollMs: 50,
    stuckAfterMs: 3_600_000,
  };
  const introduced = publicOperators(operators, await people.introduce());
  const manifest = walletManifest(signers.all, introduced, system, [sentinel]);
  const manifestFile = system.walletManifestFile;
  const { attestationSeconds } = options;
  await installManifest({ manifest, manifestFile, people, operators, signers, attestationSeconds });
  const configFile = folder.at('portcullis.toml');
  writeFileSync(configFile, tuned(localConfiguration(system), options));
  const config = parseConfig(readFileSync(configFile, 'utf8'));
  const pool = openPool(databaseUrl, 8);
  scope.after(async () => pool.end());
  const db = openDatabase(pool);
  const stopWatching = own ? async () => {} : watchAll(db, config);
  scope.after(stopWatching);
  const parts = {
    db,
    pool,
    databaseUrl,
    config,
    configFile,
    node,
    anvil,
    signers,
    people,
    operators,
    sentinel,
    folder,
    manifestFile,
    stopWatching,
  };
  const stack = faceOf(parts, privateKeyToAccount(relayerKey).address);
  if (!own) await stack.mine();
  whyNot = () => waiting(db);
  return stack;
}

function makeRelayerKey(folder: WorldFolder): { relayerKey: Hex; relayerKeyFile: string } {
  const relayerKey: Hex = `0x${randomBytes(32).toString('hex')}`;
  const relayerKeyFile = folder.at('secrets', 'relayer.key');
  writeFileSync(relayerKeyFile, relayerKey);
  return { relayerKey, relayerKeyFile };
}

interface EvmParts {
  readonly relayerKeyFile: string;
  readonly folder: WorldFolder;
  readonly signers: LocalSigners;
  readonly people: People;
  readonly own: OwnParts | undefined;
  readonly bornSeconds: number;
  readonly sentinel: SentinelKeys;
}

async function startEvm(
  scope: TestScope,
  { relayerKeyFile, folder, signers, people, own, bornSeconds, sentinel }: EvmParts,
): Promise<{ anvil: Anvil; evm: LocalEvmNetwork[] }> {
  const anvil = own?.anvil ?? (await testAnvil(scope, { mining: 'manual', slotsInAnEpoch: 2, bornSeconds }));
  mkdirSync(folder.at('anvil'));
  const { guardian } = sentinel;
  const parts = { id: 'ethereum', anvil, folder, people, signers: signers.all, relayerKeyFile, guardian };
  const made = await deployLocalEvm(parts);
  const nodeUrl = own ? await own.reach(anvil.url) : anvil.url;
  return { anvil, evm: [{ ...made, nodeUrl, name: 'Ethereum', relayerKeyFile }] };
}

/** Short waits; what the test overrides. */
function tuned(text: string, options: StackOptions): string {
  const raw = parse(text) as { networks: Record<string, unknown>[] };
  const networks = raw.networks.map((network) => ({ ...network, batchWaitMs: 0, ...options.network }));
  return stringify({ ...raw, networks, ...options.config });
}

function watchAll(db: Database, config: Config): () => Promise<void> {
  const stopping = new AbortController();
  const shared = {
    db,
    now: () => new Date(),
    sleep: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {}),
    signal: stopping.signal,
    log: silent,
  };
  const running = config.networks.map((network) =>
    network.kind === 'evm'
      ? startEvmWatcher({ ...shared, network })
      : startBitcoinWatcher({
          ...shared,
          network,
          rpc: bitcoinRpc({ urls: network.nodes }),
          seed: randomBytes(16),
        }),
  );
  return async () => {
    stopping.abort();
    await Promise.all(running);
  };
}

type Parts = Pick<
  Stack,
  | 'db'
  | 'pool'
  | 'databaseUrl'
  | 'config'
  | 'configFile'
  | 'node'
  | 'anvil'
  | 'signers'
  | 'people'
  | 'operators'
  | 'sentinel'
  | 'folder'
  | 'manifestFile'
  | 'stopWatching'
>;

function faceOf(parts: Parts, relayer: string): Stack {
  const { db, config, node, anvil } = parts;
  const effects = realEffects(db);
  const caughtUp = async (): Promise<void> => {
    const best = await node.rpc<string>('getbestblockhash');
    await until('the watchers', async () => (await tipOf(db, 'bitcoin'))?.hash === best);
    if (!anvil) return;
    const { hash } = await anvil.rpc<{ hash: string }>('eth_getBlockByNumber', 'latest', false);
    await until('the watchers', async () => (await tipOf(db, 'ethereum'))?.hash === hash);
  };
  return {
    ...parts,
    relayer,
    effects,
    caughtUp,
    pipeline: (change = {}) =>
      makePipeline({ db, config, log: silent, now: () => new Date(), randomBytes, effects, ...change }),
    listing: (asset, network) => {
      const found = listingsOf(config).find((one) => one.asset.id === asset && one.network.id === network);
      assert.ok(found, `${asset} on ${network}`);
      return found;
    },
    customer: async (name) => {
      const id = newId('customer', { nowMs: Date.now, randomBytes });
      await db.transaction().execute((trx) => createCustomer(trx, { id, externalId: name, at: new Date() }));
      return id;
    },
    address: async (customer, id) => {
      const network = config.networks.find((one) => one.id === id);
      assert.ok(network);
      return (await issueAddress({ db, config, now: () => new Date() }, { customer, network })).address;
    },
    mine: async (blocks = 1) => {
      await node.mine(blocks);
      await anvil?.mine(blocks);
      await caughtUp();
    },
    whole: async () => {
      assert.deepEqual(await auditLedger(executorOf(db)), []);
    },
  };
}

async function waiting(db: Database): Promise<string> {
  const spends = db.selectFrom('spend').select(['id', 'state', 'reason']).where('state', '<>', 'settled');
  const halts = db.selectFrom('halt').selectAll();
  return `: ${JSON.stringify([await spends.execute(), await halts.execute()])}`;
}

/** Reasons of what waits, for the message of a test that failed. */
export let whyNot = async (): Promise<string> => '';

export async function until(what: string, holds: () => Promise<boolean>, act?: () => Promise<unknown>) {
  const deadline = Date.now() + WITHIN_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) assert.fail(`not in time: ${what}${await whyNot()}`);
    await act?.();
    await sleep(30);
  }
}

/** Steps until nothing moves. */
export async function settleDown(pipeline: Pipeline): Promise<void> {
  for (let quiet = 0, i = 0; quiet < 2 && i < 200; i += 1)
    quiet = (await pipeline.step()) === 0 ? quiet + 1 : 0;
}

/** A customer with this much bitcoin, irreversible, in as many coins. */
export async function fundBitcoin(stack: Stack, pipeline: Pipeline, name: string, coins: readonly bigint[]) {
  const customer = await stack.customer(name);
  const address = await stack.address(customer, 'bitcoin');
  for (const units of coins) await stack.node.send(address, units);
  await stack.mine(6);
  const total = coins.reduce((sum, units) => sum + units, 0n);
  await until('the deposit', async () => (await available(stack, customer, 'BTC')) === total, pipeline.step);
  return customer;
}

/** A customer with this much ether, swept into the vault. */
export async function fundEther(stack: Stack, pipeline: Pipeline, name: string, wei: bigint) {
  const customer = await stack.customer(name);
  const to = await stack.address(customer, 'ethereum');
  const from = stack.anvil?.accounts[3]?.address;
  await stack.anvil?.rpc('eth_sendTransaction', { from, to, value: `0x${wei.toString(16)}` });
  await stack.mine(8);
  const isSwept = async () =>
    (await trialBalance(executorOf(stack.db))).some(
      (line) => line.kind === 'hot' && line.asset === 'ETH' && line.balance <= -wei,
    );
  await until('the sweep', isSwept, async () => {
    await pipeline.step();
    await stack.mine();
  });
  return customer;
}

export async function available(stack: Stack, customer: string, asset: string): Promise<bigint> {
  const lines = await balancesOf(executorOf(stack.db), customer);
  return lines.find((line) => line.asset === asset)?.available ?? 0n;
}

let asked = 0;

/** Asks for a withdrawal, which must be taken. */
export async function ask(
  stack: Stack,
  input: { customer: Id<'customer'>; asset: string; network: string; destination: string; amount: string },
): Promise<Id<'withdrawal'>> {
  asked += 1;
  const { customer, destination, amount } = input;
  const listing = stack.listing(input.asset, input.network);
  const deps = { db: stack.db, config: stack.config, now: () => new Date(), randomBytes };
  const externalId = `test-${asked}`;
  const result = await requestWithdrawal(deps, { customer, listing, destination, amount, externalId });
  assert.ok(result.ok, result.ok ? '' : result.reason);
  return result.withdrawal.id as Id<'withdrawal'>;
}

export async function stateOf(stack: Stack, id: string): Promise<string | undefined> {
  return (await withdrawalById(stack.db, id))?.row.state;
}

/** What each signer said to each attempt for these withdrawals. */
export async function answersTo({ db }: Stack, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('withdrawal as w')
    .innerJoin('spend_attempt as a', 'a.spend_id', 'w.spend_id')
    .innerJoin('signer_answer as s', 's.attempt_id', 'a.id')
    .select('s.code')
    .where('w.id', 'in', ids)
    .execute();
  return rows.map(({ code }) => code);
}

export async function timeline(stack: Stack, id: string): Promise<string[]> {
  return ((await withdrawalById(stack.db, id))?.timeline ?? []).map((step) => step.to_state);
}

/** Satoshi that an address of the node's own wallet has received, mined. */
export async function receivedBitcoin(stack: Stack, address: string): Promise<bigint> {
  const found = await stack.node.rpc<{ total_amount: bigint }>('scantxoutset', 'start', [`addr(${address})`]);
  return found.total_amount;
}

export async function outsideAddress(stack: Stack): Promise<string> {
  const wallets = await stack.node.rpc<string[]>('listwallets');
  return stack.node.walletRpc<string>(wallets[0] ?? '', 'getnewaddress');
}
