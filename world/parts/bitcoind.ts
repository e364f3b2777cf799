import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { callRpc, RpcError } from './json-rpc.ts';
import {
  freePort,
  PartError,
  passwordIn,
  removeFolder,
  startProcess,
  withFolder,
  type PartProcess,
} from './process.ts';
import { provisionBitcoind } from './provision-bitcoind.ts';
import { coins, parseBitcoinJson } from './satoshi.ts';

export interface BitcoindOptions {
  /** Made when absent; started again on it, the node has the same chain, wallets and password. Without one: a temporary folder, removed by stop(). */
  readonly folder?: string;
  readonly rpcPort?: number;
  readonly p2pPort?: number;
  /** Makes the wallet `miner` and mines this many blocks to it if the chain is shorter; 0: neither. */
  readonly blocks?: number;
  /** Further arguments, such as `-maxmempool=5`. */
  readonly args?: readonly string[];
  readonly log?: (line: string) => void;
}

/** A regtest node. Amounts in answers are bigint satoshis (see satoshi.ts); in calls, `coins(satoshis)`. */
export interface Bitcoind {
  /** With user and password in it. */
  readonly url: string;
  readonly rpcPort: number;
  readonly p2pPort: number;
  readonly pid: number;
  readonly folder: string;
  readonly rpc: <Result = unknown>(method: string, ...params: unknown[]) => Promise<Result>;
  readonly walletRpc: <Result = unknown>(
    wallet: string,
    method: string,
    ...params: unknown[]
  ) => Promise<Result>;
  /** Mines to the address, or to the wallet `miner`. Returns the blocks' hashes. */
  readonly mine: (blocks: number, address?: string) => Promise<string[]>;
  /** Pays from the wallet `miner`, unconfirmed. Returns the transaction's id. */
  readonly send: (address: string, satoshis: bigint) => Promise<string>;
  /** Makes a wallet with this many confirmed satoshis in one coin. */
  readonly fundedWallet: (wallet: string, satoshis: bigint) => Promise<void>;
  readonly reorg: (options: ReorgOptions) => Promise<Reorg>;
  readonly connect: (other: Bitcoind) => Promise<void>;
  readonly disconnect: (other: Bitcoind) => Promise<void>;
  /** Waits until both have the same best block. */
  readonly sync: (other: Bitcoind, timeoutMs?: number) => Promise<void>;
  /** Writes the chain to disk. Otherwise a kill may lose blocks: the node itself flushes about once an hour. */
  readonly flush: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

export interface ReorgOptions {
  /** This many blocks from the tip are given up. */
  readonly depth: number;
  /** This many are mined instead. Less than depth leaves a shorter chain, as a lagging node has it. */
  readonly blocks: number;
  /** Leave the mempool out of the new blocks, so that what was confirmed no longer is. */
  readonly empty?: boolean;
}

export interface Reorg {
  /** The last block that both chains share. */
  readonly forkHeight: number;
  readonly orphaned: readonly string[];
  readonly mined: readonly string[];
}

const USER = 'portcullis';
const MINER = 'miner';
/** 100 blocks until a block's reward can be spent; the other ten are worth 500 coins. */
const BLOCKS_DEFAULT = 110;
const RPC_TIMEOUT_MS = 60_000;
/**
 * Bitcoin Knots refuses a transaction with lock time 21 as an overlay protocol's (CAT-21), and the wallet, against
 * fee sniping, chooses such lock times by chance on a chain this short: a payment would be made and never mined.
 * In a file, because there another bitcoind passes over a setting that it does not know.
 */
const SETTINGS = 'rejectparasites=0\n';

/** Starts a node on loopback with ports of its own. Throws PartError. */
export async function startBitcoind(options: BitcoindOptions = {}): Promise<Bitcoind> {
  return withFolder({ name: 'bitcoind', folder: options.folder }, (folder) => startIn(folder, options));
}

async function startIn(folder: string, options: BitcoindOptions): Promise<Bitcoind> {
  const program = await provisionBitcoind(options.log ? { log: options.log } : {});
  await mkdir(join(folder, 'data'), { recursive: true });
  await writeFile(join(folder, 'data', 'bitcoin.conf'), SETTINGS);
  const password = await passwordIn(folder);
  const rpcPort = options.rpcPort ?? (await freePort());
  const p2pPort = options.p2pPort ?? (await freePort());
  const authorization = `Basic ${Buffer.from(`${USER}:${password}`).toString('base64')}`;
  const rpcAt = <Result>(path: string, method: string, params: readonly unknown[], timeoutMs: number) =>
    callRpc<Result>({
      url: `http://127.0.0.1:${rpcPort}${path}`,
      headers: { authorization },
      method,
      params,
      parse: parseBitcoinJson,
      timeoutMs,
    });
  const server = await startProcess({
    name: 'bitcoind',
    command: program.command,
    args: [...program.args, ...nodeArgs({ folder, password, rpcPort, p2pPort }), ...(options.args ?? [])],
    logFile: join(folder, 'bitcoind.log'),
    orphanSignal: 'SIGTERM',
    readyTimeoutMs: 60_000,
    ready: () => rpcAt('', 'getblockchaininfo', [], 5000).then(() => true, stillStarting),
  });
  const node = faceOf(
    { server, folder, rpcPort, p2pPort, password, temporary: options.folder === undefined },
    (path, method, params) => rpcAt(path, method, params, RPC_TIMEOUT_MS),
  );
  const blocks = options.blocks ?? BLOCKS_DEFAULT;
  try {
    if (blocks > 0) await fundMiner(node, blocks);
  } catch (error) {
    await node.kill();
    throw error;
  }
  return node;
}

/** Refused connection (fetch's TypeError) or "warming up" (-28): wait. A wrong password would never pass. */
function stillStarting(error: unknown): boolean {
  if (error instanceof TypeError || (error instanceof RpcError && error.rpcCode === -28)) return false;
  throw error;
}

function nodeArgs(node: { folder: string; password: string; rpcPort: number; p2pPort: number }): string[] {
  const salt = randomBytes(16).toString('hex');
  const hash = createHmac('sha256', salt).update(node.password).digest('hex');
  return [
    '-regtest',
    `-datadir=${join(node.folder, 'data')}`,
    '-server=1',
    `-rpcauth=${USER}:${salt}$${hash}`,
    '-rpcbind=127.0.0.1',
    '-rpcallowip=127.0.0.1',
    `-rpcport=${node.rpcPort}`,
    '-rpcworkqueue=1024',
    '-rpcthreads=8',
    `-bind=127.0.0.1:${node.p2pPort}`,
    '-listenonion=0',
    '-discover=0',
    '-dnsseed=0',
    '-fixedseeds=0',
    '-natpmp=0',
    '-txindex=1',
    '-fallbackfee=0.00002',
    '-addresstype=bech32',
    '-changetype=bech32',
    '-dbcache=64',
    // All goes to our own log file.
    '-printtoconsole=1',
    '-nodebuglogfile',
  ];
}

interface Running {
  readonly server: PartProcess;
  readonly folder: string;
  readonly rpcPort: number;
  readonly p2pPort: number;
  readonly password: string;
  readonly temporary: boolean;
}

type RpcAt = <Result>(path: string, method: string, params: readonly unknown[]) => Promise<Result>;

function faceOf(running: Running, rpcAt: RpcAt): Bitcoind {
  const { server, folder, rpcPort, p2pPort, password } = running;
  const rpc: Bitcoind['rpc'] = (method, ...params) => rpcAt('', method, params);
  const walletRpc: Bitcoind['walletRpc'] = (wallet, method, ...params) =>
    rpcAt(`/wallet/${encodeURIComponent(wallet)}`, method, params);
  const mine: Bitcoind['mine'] = async (blocks, address) =>
    rpc('generatetoaddress', blocks, address ?? (await walletRpc<string>(MINER, 'getnewaddress')));
  const send: Bitcoind['send'] = (address, satoshis) =>
    walletRpc(MINER, 'sendtoaddress', address, coins(satoshis));
  return {
    url: `http://${USER}:${password}@127.0.0.1:${rpcPort}`,
    rpcPort,
    p2pPort,
    pid: server.pid,
    folder,
    rpc,
    walletRpc,
    mine,
    send,
    fundedWallet: async (wallet, satoshis) => {
      await createWallet(rpc, wallet);
      await send(await walletRpc<string>(wallet, 'getnewaddress'), satoshis);
      await mine(1);
    },
    reorg: (options) => reorg({ rpc, walletRpc }, options),
    connect: (other) => connect({ rpc, p2pPort }, other),
    disconnect: (other) => disconnect({ rpc, p2pPort }, other),
    sync: (other, timeoutMs = 30_000) => sync(rpc, other, timeoutMs),
    // As a side effect it writes out what is only in memory (Bitcoin Core, src/rpc/blockchain.cpp).
    flush: async () => void (await rpc('gettxoutsetinfo', 'none')),
    stop: async () => {
      await server.stop('SIGTERM', 60_000);
      if (running.temporary) await removeFolder(folder);
    },
    kill: server.kill,
  };
}

async function fundMiner(node: Bitcoind, blocks: number): Promise<void> {
  const wallets = await node.rpc<string[]>('listwallets');
  if (!wallets.includes(MINER)) await createWallet(node.rpc, MINER);
  const missing = blocks - (await node.rpc<number>('getblockcount'));
  if (missing <= 0) return;
  await node.mine(missing);
  await node.flush();
}

/** A descriptor wallet that is loaded again at the next start; one left by an earlier run is loaded. */
async function createWallet(rpc: Bitcoind['rpc'], wallet: string): Promise<void> {
  try {
    await rpc('createwallet', wallet, false, false, '', false, true, true);
  } catch (error) {
    // RPC_WALLET_ERROR: it exists on disk.
    if (!(error instanceof RpcError && error.rpcCode === -4)) throw error;
    await rpc('loadwallet', wallet, true);
  }
}

async function reorg(
  { rpc, walletRpc }: Pick<Bitcoind, 'rpc' | 'walletRpc'>,
  { depth, blocks, empty = false }: ReorgOptions,
): Promise<Reorg> {
  const height = await rpc<number>('getblockcount');
  if (depth < 1 || depth > height) {
    throw new PartError('PART_REFUSED', `A reorg ${depth} deep at height ${height}`);
  }
  const forkHeight = height - depth;
  const orphaned: string[] = [];
  for (let at = forkHeight + 1; at <= height; at += 1) {
    orphaned.push(await rpc<string>('getblockhash', at));
  }
  await rpc('invalidateblock', orphaned[0]);
  // An address of its own: the new blocks differ from the old ones even within one second.
  const address = await walletRpc<string>(MINER, 'getnewaddress');
  const mined: string[] = [];
  while (mined.length < blocks) {
    const hashes = empty
      ? [(await rpc<{ hash: string }>('generateblock', address, [])).hash]
      : await rpc<string[]>('generatetoaddress', blocks, address);
    mined.push(...hashes);
  }
  return { forkHeight, orphaned, mined };
}

interface Peer {
  readonly addr: string;
  /** 0 until the handshake is done. */
  readonly version: number;
}

async function connect(self: Pick<Bitcoind, 'rpc' | 'p2pPort'>, other: Bitcoind): Promise<void> {
  const addr = `127.0.0.1:${other.p2pPort}`;
  await self.rpc('addnode', addr, 'onetry');
  await until(30_000, `no connection to ${addr}`, async () => {
    const peers = await self.rpc<Peer[]>('getpeerinfo');
    return peers.some((peer) => peer.addr === addr && peer.version > 0);
  });
}

/** Ends the connection whichever of the two made it. */
async function disconnect(self: Pick<Bitcoind, 'rpc' | 'p2pPort'>, other: Bitcoind): Promise<void> {
  for (const [from, to] of [
    [self, other],
    [other, self],
  ] as const) {
    const addr = `127.0.0.1:${to.p2pPort}`;
    const linked = async () => (await from.rpc<Peer[]>('getpeerinfo')).some((peer) => peer.addr === addr);
    if (!(await linked())) continue;
    await from.rpc('disconnectnode', addr);
    await until(10_000, `still connected to ${addr}`, async () => !(await linked()));
  }
}

async function sync(rpc: Bitcoind['rpc'], other: Bitcoind, timeoutMs: number): Promise<void> {
  await until(timeoutMs, 'the two nodes do not agree', async () => {
    const [mine, theirs] = await Promise.all([rpc('getbestblockhash'), other.rpc('getbestblockhash')]);
    return mine === theirs;
  });
}

async function until(timeoutMs: number, what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await done())) {
    if (performance.now() > deadline) throw new PartError('PART_TIMEOUT', `${what} after ${timeoutMs} ms`);
    await sleep(20);
  }
}
