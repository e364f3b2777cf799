import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import type { SentinelFile } from '../sentinel/config.ts';
import type { SentinelStatus } from '../sentinel/sentinel.ts';
import { identityIn, type Identity } from './certificates.ts';
import type { LocalSystem } from './configuration.ts';
import type { WorldFile } from './world-file.ts';
import type { WorldFolder } from './folder.ts';
import { callRpc } from './parts/json-rpc.ts';
import { freePort } from './parts/process.ts';
import type { LocalSigner } from './signers.ts';
import { supervise, type Supervised } from './supervisor.ts';

/** The sentinel's name in the manifest, and its two keys. */
export interface SentinelKeys {
  readonly id: string;
  readonly folder: string;
  readonly keyFile: string;
  /** Ed25519, hex. */
  readonly publicKey: string;
  /** Its end of the mutual TLS with the signers. */
  readonly client: Identity;
  /** A guardian of every vault: by this key the sentinel stops it. */
  readonly guardianKeyFile: string;
  readonly guardian: Address;
}

export interface LocalSentinel {
  readonly id: string;
  /** By EVM network (CAIP-2): what it watches begins after this block. */
  readonly fromBlocks: Readonly<Record<string, number>>;
  readonly url: string;
  readonly port: number;
  readonly process: Supervised;
  readonly status: () => Promise<SentinelStatus>;
}

const ID = 'watch-1';
const READY_WITHIN_MS = 120_000;

/** Makes the sentinel's keys the first time. */
export async function makeSentinel(folder: WorldFolder): Promise<SentinelKeys> {
  const home = folder.at('sentinel');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const keyFile = join(home, 'sentinel.key');
  if (!existsSync(keyFile)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFile(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  }
  const key = createPublicKey(createPrivateKey(readFileSync(keyFile, 'utf8')));
  const { x = '' } = key.export({ format: 'jwk' });
  const client = await identityIn(home, `sentinel-${ID}`);
  const guardianKeyFile = join(home, 'guardian.key');
  if (!existsSync(guardianKeyFile))
    await writeFile(guardianKeyFile, `${generatePrivateKey()}\n`, { mode: 0o600 });
  const { address: guardian } = privateKeyToAccount(readFileSync(guardianKeyFile, 'utf8').trim() as Hex);
  const publicKey = Buffer.from(x, 'base64url').toString('hex');
  return { id: ID, folder: home, keyFile, publicKey, client, guardianKeyFile, guardian };
}

/** Addresses that the local system gives out before some are used; a node derives them at every start. */
const LOCAL_LOOKAHEAD = 1_000;
const LOCAL_POLL_MS = 500;

/** The sentinel of the local system, on the same nodes as core: there is one of each. */
export async function startSystemSentinel(options: {
  readonly folder: WorldFolder;
  readonly keys: SentinelKeys;
  readonly signers: readonly LocalSigner[];
  readonly system: Pick<LocalSystem, 'bitcoinCaip2' | 'bitcoinNodeUrl' | 'walletManifestFile' | 'evm'>;
  /** Of core's database, by the sentinel's own role. */
  readonly booksUrl: string;
  /** As the last start had it. */
  readonly previous: Pick<WorldFile['sentinel'], 'port' | 'from_blocks'> | undefined;
}): Promise<LocalSentinel> {
  const { system, previous, booksUrl, ...rest } = options;
  const guardianKeyFile = relative(rest.keys.folder, rest.keys.guardianKeyFile);
  const { bitcoinCaip2: network, bitcoinNodeUrl: node } = system;
  const evm = system.evm.map(async ({ nodeUrl, system: contracts }) => {
    const { chainId, registry, factory, owner, operators, ownerSafe, cold } = contracts;
    const caip2 = `eip155:${chainId}`;
    const best = await callRpc<string>({
      url: nodeUrl,
      method: 'eth_blockNumber',
      params: [],
      timeoutMs: 10_000,
    });
    // What was set up before is what people have signed.
    const fromBlock = previous?.from_blocks[caip2] ?? Number(best);
    const ours = [registry, factory, owner, operators, ownerSafe, cold];
    return { network: caip2, node: nodeUrl, fromBlock, contracts: ours, guardianKeyFile };
  });
  return startLocalSentinel({
    ...rest,
    manifestFile: system.walletManifestFile,
    watch: {
      bitcoin: [{ network, node, fromHeight: 0, lookahead: LOCAL_LOOKAHEAD }],
      evm: await Promise.all(evm),
    },
    pollMs: LOCAL_POLL_MS,
    books: { url: booksUrl, networks: namedByCore(system) },
    port: previous?.port,
  });
}

/** Core's database by the sentinel's own role, and how core names what the manifest names. */
export interface LocalBooks {
  readonly url: string;
  readonly agreeSeconds?: number;
  readonly networks: NonNullable<SentinelFile['books']>['networks'];
}

async function booksIn(folder: string, books: LocalBooks | undefined): Promise<Pick<SentinelFile, 'books'>> {
  if (books === undefined) return {};
  const { url, ...rest } = books;
  await writeFile(join(folder, 'database.url'), `${url}\n`, { mode: 0o600 });
  return { books: { urlFile: 'database.url', ...rest } };
}

/** BTC, and ETH, USDT and USDC on every EVM network, as localConfiguration names them. */
function namedByCore(system: Pick<LocalSystem, 'bitcoinCaip2' | 'evm'>): LocalBooks['networks'] {
  return [
    { network: system.bitcoinCaip2, id: 'bitcoin', assets: { [`${system.bitcoinCaip2}/slip44:1`]: 'BTC' } },
    ...system.evm.map(({ id, system: { chainId, tokens } }) => ({
      network: `eip155:${chainId}`,
      id,
      assets: {
        [`eip155:${chainId}/slip44:60`]: 'ETH',
        [`eip155:${chainId}/erc20:${tokens.USDT.toLowerCase()}`]: 'USDT',
        [`eip155:${chainId}/erc20:${tokens.USDC.toLowerCase()}`]: 'USDC',
      },
    })),
  ];
}

/** Starts the sentinel's process and waits until it tells its status. */
export async function startLocalSentinel(options: {
  readonly folder: WorldFolder;
  readonly keys: SentinelKeys;
  readonly manifestFile: string;
  readonly signers: readonly LocalSigner[];
  readonly watch: Pick<SentinelFile, 'bitcoin' | 'evm'>;
  readonly pollMs: number;
  readonly attest?: SentinelFile['attest'];
  readonly books?: LocalBooks | undefined;
  readonly port?: number | undefined;
}): Promise<LocalSentinel> {
  const { folder, keys, signers } = options;
  const near = (path: string): string => relative(keys.folder, path);
  const port = options.port ?? (await freePort());
  const file: SentinelFile = {
    id: keys.id,
    keyFile: near(keys.keyFile),
    manifest: near(options.manifestFile),
    state: 'state.json',
    client: { certificate: near(keys.client.certificateFile), key: near(keys.client.keyFile) },
    signers: signers.map(({ id, url, certificateFile }) => ({ id, url, certificate: near(certificateFile) })),
    ...options.watch,
    ...(await booksIn(keys.folder, options.books)),
    pollMs: options.pollMs,
    ...(options.attest === undefined ? {} : { attest: options.attest }),
    status: { host: '127.0.0.1', port },
  };
  const configFile = join(keys.folder, 'sentinel.json');
  await writeFile(configFile, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  await mkdir(folder.at('log'), { recursive: true });
  const process = supervise({
    name: 'sentinel',
    main: 'sentinel/main.ts',
    args: [configFile],
    env: {},
    logFile: folder.at('log', 'sentinel.log'),
  });
  const url = `http://127.0.0.1:${port}`;
  const status = async (): Promise<SentinelStatus> =>
    (await (await fetch(`${url}/v1/status`)).json()) as SentinelStatus;
  const deadline = performance.now() + READY_WITHIN_MS;
  while ((await status().catch(() => undefined)) === undefined) {
    if (performance.now() > deadline) {
      await process.stop();
      throw new Error('The sentinel did not answer: see its log');
    }
    await sleep(50);
  }
  const fromBlocks = Object.fromEntries(
    (options.watch.evm ?? []).map(({ network, fromBlock }) => [network, fromBlock]),
  );
  return { id: keys.id, fromBlocks, url, port, process, status };
}
