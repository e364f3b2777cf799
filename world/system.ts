import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { privateKeyToAccount } from 'viem/accounts';
import type { Hex } from 'viem';
import { openDatabase, openPool } from '../core/db/db.ts';
import { addApiKey, backendScopes, operationsScopes } from '../core/http/http.ts';
import {
  BITCOIN_DEPTH_LEAST,
  localConfiguration,
  walletManifest,
  type LocalSystem,
} from './configuration.ts';
import { identityIn, type Identity } from './certificates.ts';
import { openLocalDatabase, type LocalDatabase, type Role } from './database.ts';
import { deployLocalEvm, type LocalEvm } from './evm-network.ts';
import { takeFolder, type WorldFolder } from './folder.ts';
import { startMiner, type Miner } from './miner.ts';
import { startAnvil, type Anvil } from './parts/anvil.ts';
import { startBitcoind, type Bitcoind } from './parts/bitcoind.ts';
import { startPostgres, type Postgres } from './parts/postgres.ts';
import { freePort } from './parts/process.ts';
import { installManifest, makeOperators, publicOperators } from './operators.ts';
import { startPeople, type People } from './people/people.ts';
import { makeSentinel, startSystemSentinel, type LocalSentinel } from './sentinel.ts';
import { startSigners, type LocalSigner } from './signers.ts';
import { supervise, type Supervised } from './supervisor.ts';
import { writeWorldFile, type WorldFile } from './world-file.ts';

export interface SystemOptions {
  /** Where it lives; the next start in the same folder goes on with the same data. */
  readonly folder: string;
  readonly fresh?: boolean;
  /** EVM networks by id; the local default is one. */
  readonly evmNetworks?: readonly { readonly id: string; readonly name: string; readonly chainId: number }[];
  /** A block on every chain this often; 0: only when asked. */
  readonly mineEveryMs?: number;
  readonly pollMs?: number;
  readonly stuckAfterMs?: number;
  /** A fixed port for the API; otherwise the one of the last start, or a free one. */
  readonly apiPort?: number;
  readonly log?: (line: string) => void;
}

/** A whole system of real parts on 127.0.0.1. */
export interface System {
  readonly folder: WorldFolder;
  readonly world: WorldFile;
  readonly postgres: Postgres;
  readonly bitcoind: Bitcoind;
  readonly anvils: ReadonlyMap<string, Anvil>;
  readonly people: People;
  readonly signers: readonly LocalSigner[];
  readonly sentinel: LocalSentinel;
  readonly processes: readonly Supervised[];
  readonly miner: Miner;
  readonly stop: () => Promise<void>;
}

const REGTEST_CAIP2 = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const EVM_DEFAULT = [{ id: 'ethereum', name: 'Ethereum (anvil)', chainId: 31337 }];
const API_READY_WITHIN_MS = 60_000;
/** Signers sign nothing without a sentinel's word that is younger. */
const POLICY_RULES = { attestationSeconds: 60 };

type Undo = (undo: () => Promise<unknown>) => void;

/** Starts everything, in the order in which the parts need each other; stops what had started if one fails. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const undos: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const undo of undos.splice(0).toReversed()) await undo().catch(() => {});
  };
  try {
    return await compose(options, (undo) => undos.push(undo), stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function compose(options: SystemOptions, onStop: Undo, stop: () => Promise<void>): Promise<System> {
  const say = options.log ?? (() => {});
  const folder = takeFolder(options.folder, options.fresh ?? false);
  onStop(async () => folder.release());
  const previous = previousWorld(folder);

  const nodes = await startNodes(options, folder, onStop, say, previous);
  const people = await startPeople(folder.at('people', 'keys.json'));
  onStop(people.stop);
  const introduced = await people.introduce();
  const relayerKeyFile = await secretKey(folder, 'relayer.key');
  const client = await identityIn(folder.at('secrets'), 'core');
  say('signers: three processes, each with a key of its own');
  const operators = await makeOperators(folder);
  const watcher = await makeSentinel(folder);
  const signers = await startSigners({
    folder,
    client,
    sentinels: [watcher.client],
    operators: operators.map((operator) => operator.client),
    ports: previous?.signers.map(({ port }) => port),
    bitcoind: { url: nodes.bitcoind.url, network: REGTEST_CAIP2, depositDepth: BITCOIN_DEPTH_LEAST },
  });
  onStop(signers.stop);
  say('contracts: registry, deposit factory, vault, Safes, timelock, test tokens');
  const { guardian } = watcher;
  const ours = { folder, people, signers: signers.all, relayerKeyFile, guardian };
  const evm = await deployNetworks(options, nodes.anvils, ours);
  const apiPort = options.apiPort ?? previous?.api.port ?? (await freePort());
  const { coldDescriptor, coldBitcoin } = introduced;
  const shared = { folder, coldDescriptor, coldBitcoin, client, apiPort };
  const system = described(options, { ...shared, bitcoind: nodes.bitcoind, evm, signers: signers.all });
  const manifest = walletManifest(signers.all, publicOperators(operators, introduced), system, [watcher]);
  const manifestFile = system.walletManifestFile;
  await installManifest({ ...POLICY_RULES, manifest, manifestFile, people, operators, signers });
  say('sentinel: watches all of it from outside');
  const booksUrl = nodes.database.urlOf.sentinel;
  const keys = { keys: watcher, booksUrl, signers: signers.all, previous: previous?.sentinel };
  const sentinel = await startSystemSentinel({ folder, system, ...keys });
  onStop(sentinel.process.stop);
  await writeFile(
    folder.at('portcullis.toml'),
    localConfiguration({ ...system, sentinelUrl: sentinel.url }),
    { mode: 0o600 },
  );

  const apiKeys = await registerApiKeys(folder, nodes.database.url);
  say('core: watchers, pipeline, API');
  const url = `http://127.0.0.1:${system.http.port}`;
  const processes = startCore(folder, system, nodes.database);
  onStop(async () => void (await Promise.all(processes.map((entry) => entry.stop()))));
  await answering(`${url}/livez`);

  const { bitcoind, database, postgres, anvils } = nodes;
  const miner = startMiner({ bitcoind, anvils: [...anvils.values()], everyMs: options.mineEveryMs ?? 0 });
  onStop(async () => miner.stop());
  const world = await writeWorldFile(folder, {
    api: { url, ...apiKeys, port: system.http.port },
    database: database.url,
    postgres,
    bitcoind,
    evm,
    anvils,
    signers: signers.all,
    sentinel,
    people: introduced,
    processes: [sentinel.process, ...processes],
  });
  return { folder, world, ...nodes, people, signers: signers.all, sentinel, processes, miner, stop };
}

function described(
  { pollMs = 250, stuckAfterMs = 30_000 }: SystemOptions,
  parts: {
    readonly folder: WorldFolder;
    readonly bitcoind: Bitcoind;
    readonly coldDescriptor: string;
    readonly coldBitcoin: string;
    readonly evm: LocalSystem['evm'];
    readonly signers: readonly LocalSigner[];
    readonly client: Identity;
    readonly apiPort: number;
  },
): LocalSystem {
  return {
    bitcoinNodeUrl: parts.bitcoind.url,
    bitcoinCaip2: REGTEST_CAIP2,
    coldDescriptor: parts.coldDescriptor,
    coldBitcoin: parts.coldBitcoin,
    evm: parts.evm,
    signers: parts.signers,
    signerClient: parts.client,
    walletManifestFile: parts.folder.at('wallet-manifest.json'),
    http: { host: '127.0.0.1', port: parts.apiPort },
    pollMs,
    stuckAfterMs,
  };
}

async function deployNetworks(
  { evmNetworks = EVM_DEFAULT }: SystemOptions,
  anvils: ReadonlyMap<string, Anvil>,
  parts: Omit<Parameters<typeof deployLocalEvm>[0], 'id' | 'anvil'>,
): Promise<(LocalEvm & { readonly name: string; readonly relayerKeyFile: string })[]> {
  const { relayerKeyFile } = parts;
  const all = [];
  for (const [id, anvil] of anvils) {
    const name = evmNetworks.find((network) => network.id === id)?.name ?? id;
    all.push({ ...(await deployLocalEvm({ id, anvil, ...parts })), name, relayerKeyFile });
  }
  return all;
}

async function startNodes(
  options: SystemOptions,
  folder: WorldFolder,
  onStop: Undo,
  say: (line: string) => void,
  previous: WorldFile | undefined,
) {
  say('PostgreSQL: the books');
  const postgres = await startPostgres({ folder: folder.at('postgres'), ...port(previous?.postgres.port) });
  onStop(postgres.stop);
  const database = await openLocalDatabase(postgres, folder);
  say('bitcoind: a regtest chain');
  const bitcoind = await startBitcoind({ folder: folder.at('bitcoind'), log: say });
  onStop(bitcoind.stop);
  const anvils = new Map<string, Anvil>();
  for (const network of options.evmNetworks ?? EVM_DEFAULT) {
    say(`anvil: ${network.id}`);
    const anvil = await startAnvil({
      folder: folder.at('anvil', network.id),
      chainId: network.chainId,
      mining: 'manual',
      slotsInAnEpoch: 2,
      stateIntervalSeconds: 5,
      ...port(previous?.evm.find(({ id }) => id === network.id)?.port),
    });
    onStop(anvil.stop);
    anvils.set(network.id, anvil);
  }
  return { postgres, database, bitcoind, anvils };
}

function port(known: number | undefined): { port?: number } {
  return known === undefined ? {} : { port: known };
}

function startCore(folder: WorldFolder, system: LocalSystem, database: LocalDatabase): Supervised[] {
  const config = folder.at('portcullis.toml');
  const core = (name: string, main: Exclude<Role, 'sentinel'>, ...args: string[]): Supervised =>
    supervise({
      name,
      main: `core/processes/${main}.ts`,
      args: [config, ...args],
      env: { PORTCULLIS_DATABASE_URL: database.urlOf[main] },
      logFile: folder.at('log', `${name}.log`),
    });
  const networks = ['bitcoin', ...system.evm.map(({ id }) => id)];
  return [
    ...networks.map((id) => core(`watcher-${id}`, 'watcher', id)),
    core('pipeline', 'pipeline'),
    core('api', 'api'),
  ];
}

/** The same keys at every start: the backend's, and one that decides what the backend may not. */
async function registerApiKeys(
  folder: WorldFolder,
  databaseUrl: string,
): Promise<{ key: string; operationsKey: string }> {
  const make = (): string => `pk_${randomBytes(32).toString('base64url')}`;
  const key = await secretText(folder, 'api.key', make);
  const operationsKey = await secretText(folder, 'operations.key', make);
  const pool = openPool(databaseUrl, 1);
  const db = openDatabase(pool);
  const at = new Date();
  await addApiKey(db, { id: 'local', label: 'backend of the local system', key, scopes: backendScopes, at });
  await addApiKey(db, {
    id: 'local-operations',
    label: 'operations of the local system',
    key: operationsKey,
    scopes: operationsScopes,
    at,
  });
  await pool.end();
  return { key, operationsKey };
}

/** A key of an account that pays gas and has no other power. */
async function secretKey(folder: WorldFolder, name: string): Promise<string> {
  await secretText(folder, name, () => `0x${randomBytes(32).toString('hex')}`);
  const path = folder.at('secrets', name);
  privateKeyToAccount(readFileSync(path, 'utf8').trim() as Hex);
  return path;
}

async function secretText(folder: WorldFolder, name: string, make: () => string): Promise<string> {
  const path = folder.at('secrets', name);
  if (!existsSync(path)) {
    await mkdir(folder.at('secrets'), { recursive: true, mode: 0o700 });
    await writeFile(path, `${make()}\n`, { mode: 0o600 });
  }
  return readFileSync(path, 'utf8').trim();
}

function previousWorld(folder: WorldFolder): WorldFile | undefined {
  const path = folder.at('world.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as WorldFile) : undefined;
}

async function answering(url: string): Promise<void> {
  const deadline = performance.now() + API_READY_WITHIN_MS;
  while (performance.now() < deadline) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok === true) return;
    await sleep(50);
  }
  throw new Error(`The API did not answer at ${url} within ${API_READY_WITHIN_MS / 1000} s: see the logs`);
}
