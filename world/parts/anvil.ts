import { readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bytesToHex, type Hex } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { callRpc } from './json-rpc.ts';
import { freePort, PartError, removeFolder, startProcess, withFolder, type PartProcess } from './process.ts';
import { findOnPath } from './debian-packages.ts';

export interface AnvilOptions {
  /** Made when absent; started again on it after stop(), the node has the same chain. Without one: a temporary folder, removed by stop(). */
  readonly folder?: string;
  readonly port?: number;
  /** Default 31337. */
  readonly chainId?: number;
  /** `auto`: a block for each transaction. `manual`: only by mine(). A number: a block every so many seconds. */
  readonly mining?: 'auto' | 'manual' | number;
  /** safe = head - this, finalized = head - twice this. Default 32, as on Ethereum. */
  readonly slotsInAnEpoch?: number;
  /** The chain is also written this often, so that a kill loses at most so much. */
  readonly stateIntervalSeconds?: number;
  /** Keep the state of every block across a restart; see startAnvil for what that costs. */
  readonly history?: boolean;
  /** Unix seconds of block 0, which later blocks follow at the pace of the clock. Default: now. */
  readonly bornSeconds?: number;
  /** Further arguments, such as `--block-base-fee-per-gas=7`. */
  readonly args?: readonly string[];
}

export interface AnvilAccount {
  readonly address: Hex;
  readonly privateKey: Hex;
}

export interface Anvil {
  readonly url: string;
  readonly port: number;
  readonly chainId: number;
  readonly pid: number;
  readonly folder: string;
  /** Ten accounts of 10,000 ether each, whose keys the whole world knows. */
  readonly accounts: readonly AnvilAccount[];
  readonly rpc: <Result = unknown>(method: string, ...params: unknown[]) => Promise<Result>;
  readonly mine: (blocks: number) => Promise<void>;
  /** Replaces the last `depth` blocks by as many empty ones. What was in them is dropped, not put back in the pool. */
  readonly reorg: (depth: number) => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

const MNEMONIC = 'test test test test test test test test test test test junk';
const RPC_TIMEOUT_MS = 60_000;

/**
 * Starts an EVM node on loopback. Throws PartError.
 *
 * What survives, measured with anvil 1.7.1:
 * - SIGTERM with --state writes the chain (1.7 kB a block, 26 ms for 3,000) and the next start has the same hashes,
 *   transactions, receipts, logs, balances and nonces. `trace_block` still answers for the old blocks.
 * - Without --preserve-historical-states the state *at* old blocks is gone: eth_call and eth_getBalance at an old
 *   height, debug_trace* of old transactions, and anvil_reorg into the old blocks are refused until as many new
 *   blocks are there. With it all of them work, but the file grows by 100 to 200 kB a block: 1,200 blocks are 117
 *   MB, 2 s to stop and 3.6 s to start; 3,400 blocks are 703 MB, 11 s and 19 s. Hence off by default.
 * - SIGKILL loses everything since the last write: all of it, or with --state-interval at most that long.
 * - Two nodes never peer: to have one lag or lie, put a proxy before it.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  return withFolder({ name: 'anvil', folder: options.folder }, (folder) => startIn(folder, options));
}

async function startIn(folder: string, options: AnvilOptions): Promise<Anvil> {
  const command = await findAnvil();
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const chainId = options.chainId ?? 31337;
  const born = await bornAt(folder, options.bornSeconds);
  const rpcWithin = <Result>(timeoutMs: number, method: string, params: readonly unknown[]) =>
    callRpc<Result>({ url, method, params, timeoutMs });
  const server = await startProcess({
    name: 'anvil',
    command,
    args: [
      ...nodeArgs(options, { folder, port, chainId, bornSeconds: born.seconds }),
      ...(options.args ?? []),
    ],
    logFile: join(folder, 'anvil.log'),
    orphanSignal: 'SIGTERM',
    readyTimeoutMs: 60_000,
    ready: async () =>
      rpcWithin<string>(5000, 'eth_chainId', []).then(
        (answer) => requireChain(Number(answer), chainId),
        (error: unknown) => {
          if (error instanceof TypeError) return false;
          throw error;
        },
      ),
  });
  if (born.again) await catchUpWithTime(rpcWithin);
  return faceOf({ server, url, port, chainId, folder, temporary: options.folder === undefined }, rpcWithin);
}

/**
 * When the folder's chain began. At every start anvil makes a block 0 of that moment, and answers with it or with the
 * stored one as chance has it: a chain whose genesis changes. With the same moment it is the same block.
 */
async function bornAt(folder: string, wanted?: number): Promise<{ seconds: number; again: boolean }> {
  const path = join(folder, 'born');
  const kept = Number(await readFile(path, 'utf8').catch(() => ''));
  if (kept > 0) return { seconds: kept, again: true };
  const seconds = wanted ?? Math.floor(Date.now() / 1000);
  await writeFile(path, `${seconds}\n`);
  return { seconds, again: false };
}

/** Started again, its clock would go on from its last block. */
async function catchUpWithTime(
  rpc: <Result>(timeoutMs: number, method: string, params: readonly unknown[]) => Promise<Result>,
): Promise<void> {
  const params = ['latest', false];
  const { timestamp } = await rpc<{ timestamp: string }>(RPC_TIMEOUT_MS, 'eth_getBlockByNumber', params);
  const now = Math.floor(Date.now() / 1000);
  if (Number(timestamp) < now) await rpc(RPC_TIMEOUT_MS, 'evm_setTime', [now]);
}

function nodeArgs(
  options: AnvilOptions,
  node: { folder: string; port: number; chainId: number; bornSeconds: number },
): string[] {
  const mining = options.mining ?? 'auto';
  return [
    '--host=127.0.0.1',
    `--port=${node.port}`,
    `--chain-id=${node.chainId}`,
    `--timestamp=${node.bornSeconds}`,
    `--mnemonic=${MNEMONIC}`,
    `--slots-in-an-epoch=${options.slotsInAnEpoch ?? 32}`,
    `--state=${join(node.folder, 'state.json')}`,
    `--cache-path=${join(node.folder, 'cache')}`,
    // EIP-7825, which mainnet has and anvil leaves off unless told.
    '--enable-tx-gas-limit',
    '--quiet',
    ...(mining === 'manual' ? ['--no-mining'] : []),
    ...(typeof mining === 'number' ? [`--block-time=${mining}`] : []),
    ...(options.history ? ['--preserve-historical-states'] : []),
    ...(options.stateIntervalSeconds === undefined
      ? []
      : [`--state-interval=${options.stateIntervalSeconds}`]),
  ];
}

function requireChain(actual: number, wanted: number): true {
  if (actual === wanted) return true;
  throw new PartError(
    'PART_FAILED',
    `Another node answers on this port: chain ${actual} instead of ${wanted}`,
  );
}

interface Running {
  readonly server: PartProcess;
  readonly url: string;
  readonly port: number;
  readonly chainId: number;
  readonly folder: string;
  readonly temporary: boolean;
}

function faceOf(
  { server, temporary, ...node }: Running,
  rpcWithin: <Result>(timeoutMs: number, method: string, params: readonly unknown[]) => Promise<Result>,
): Anvil {
  const rpc: Anvil['rpc'] = (method, ...params) => rpcWithin(RPC_TIMEOUT_MS, method, params);
  return {
    ...node,
    pid: server.pid,
    accounts: developerAccounts(),
    rpc,
    mine: async (blocks) => void (await rpc('anvil_mine', `0x${blocks.toString(16)}`)),
    reorg: async (depth) => void (await rpc('anvil_reorg', depth, [])),
    stop: async () => {
      await server.stop('SIGTERM', 120_000);
      if (temporary) await removeFolder(node.folder);
    },
    kill: server.kill,
  };
}

function developerAccounts(): AnvilAccount[] {
  return Array.from({ length: 10 }, (_, addressIndex) => {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex });
    const { privateKey } = account.getHdKey();
    if (!privateKey) throw new PartError('PART_FAILED', 'A seed without private keys');
    return { address: account.address, privateKey: bytesToHex(privateKey) };
  });
}

/** From npm where there is a package for this platform, else the one on PATH. */
export async function findAnvil(): Promise<string> {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const name = `@foundry-rs/anvil-${process.platform}-${arch}`;
  const binary = await packageFile(name, 'bin/anvil');
  if (binary !== undefined) return binary;
  const onPath = await findOnPath('anvil');
  if (onPath !== undefined) return onPath;
  throw new PartError('PART_MISSING', `No anvil: neither the package ${name} nor one on PATH. Run: npm ci`);
}

async function packageFile(name: string, path: string): Promise<string | undefined> {
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const file = join(dirname(manifest), path);
    await stat(file);
    return file;
  } catch {
    return undefined;
  }
}
