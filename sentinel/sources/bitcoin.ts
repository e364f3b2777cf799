/**
 * Coins of ours, and who spends them, followed through blocks and mempool of the sentinel's own node. What is ours
 * follows from the manifest alone: the node itself (`deriveaddresses`) turns its keys into addresses, which is no
 * code that signers or core share.
 */
import type { Manifest, ManifestBitcoin } from '../../signer/protocol/manifest.ts';
import type { Spend } from '../checks/bitcoin-outflow.ts';
import type { Rpc } from './rpc.ts';

export interface Coin {
  /** Index of its address on its branch. */
  readonly index: number;
  readonly branch: 0 | 1;
  readonly satoshi: string;
  readonly height: number;
  readonly spentAt?: number;
}

/** Plain JSON: kept on disk, so that what happened while no sentinel ran is found by the next one. */
export interface BitcoinState {
  height: number;
  /** Hashes of the last blocks, oldest first; the last is the block of `height`. */
  hashes: string[];
  /** Of the last block, Unix seconds. */
  time?: number;
  /** By `txid:vout`. */
  coins: Record<string, Coin>;
  /** Addresses are known up to here (excluded) on both branches. */
  known: number;
  /** Spends in blocks that no step has told yet. */
  untold: Spend[];
}

export interface BitcoinFacts {
  readonly height: number;
  readonly hash: string;
  /** Of the last block, Unix seconds. */
  readonly time: number;
  /** Spends seen in this step, in blocks and in the mempool; the same may come again. */
  readonly spends: readonly Spend[];
  /** Blocks that were given up in this step. */
  readonly reorgDepth: number;
  /** Satoshi of unspent coins in blocks. */
  readonly satoshi: bigint;
  /** Blocks are left to be read. */
  readonly behind: boolean;
}

export interface BitcoinSource {
  step(): Promise<BitcoinFacts>;
  readonly state: BitcoinState;
}

/** A reorg deeper than this is read anew from the beginning. */
const HASHES_MAX = 300;
const BLOCKS_A_STEP = 50;
/** The node's own limit of a call is far higher; an answer stays under a megabyte. */
const DERIVE_AT_ONCE = 10_000;
const OUTPOINTS_A_CALL = 2_000;
/** A mempool holds chains of at most 25 (Bitcoin Core, DEFAULT_ANCESTOR_LIMIT). */
const CHAIN_MAX = 25;

export interface BitcoinOptions {
  readonly rpc: Rpc;
  readonly manifest: Manifest;
  readonly entry: ManifestBitcoin;
  /** The wallet has no coin in an earlier block. */
  readonly fromHeight: number;
  /** Addresses beyond the highest used one that are watched. */
  readonly lookahead: number;
  readonly state?: BitcoinState | undefined;
}

export async function openBitcoin(options: BitcoinOptions): Promise<BitcoinSource> {
  const { rpc, entry, fromHeight } = options;
  const fresh = (): BitcoinState => ({ height: fromHeight - 1, hashes: [], coins: {}, known: 0, untold: [] });
  const state = options.state ?? fresh();
  const addresses = await openAddresses(options, state);
  const step = async (): Promise<BitcoinFacts> => {
    const best = await rpc<number>('getblockcount');
    const reorgDepth = await leaveOrphans(rpc, state, fresh);
    const last = Math.min(best, state.height + BLOCKS_A_STEP);
    for (let height = state.height + 1; height <= last; height++) {
      const block = await rpc<Block>('getblock', await rpc<string>('getblockhash', height), 2);
      // The chain turned while it was read: the next step sees it.
      if (state.hashes.length > 0 && block.previousblockhash !== state.hashes.at(-1)) break;
      await takeBlock(block, { state, addresses, network: entry.network });
    }
    const behind = state.height < best;
    const waiting = behind ? [] : await mempoolSpends(rpc, state, addresses, entry.network);
    const spends = [...state.untold.splice(0), ...waiting];
    const hash = state.hashes.at(-1) ?? '';
    return {
      height: state.height,
      hash,
      time: state.time ?? 0,
      spends,
      reorgDepth,
      satoshi: sum(state),
      behind,
    };
  };
  return { step, state };
}

interface Output {
  readonly n: number;
  /** In coins. A double holds every satoshi that exists exactly enough to round back. */
  readonly value: number;
  readonly scriptPubKey: { readonly address?: string };
}
interface Transaction {
  readonly txid: string;
  readonly vin: readonly { readonly txid?: string; readonly vout?: number }[];
  readonly vout: readonly Output[];
}
interface Block {
  readonly hash: string;
  readonly time: number;
  readonly height: number;
  readonly previousblockhash?: string;
  readonly tx: readonly Transaction[];
}
interface Place {
  readonly branch: 0 | 1;
  readonly index: number;
}
interface Addresses {
  find(address: string | undefined): Place | undefined;
  /** Makes sure that the lookahead stands beyond this index. */
  reach(index: number): Promise<void>;
}

/** Both branches of the wallet, wsh(sortedmulti(threshold, …)), as the manifest has it. */
async function openAddresses(
  { rpc, manifest, lookahead }: BitcoinOptions,
  state: BitcoinState,
): Promise<Addresses> {
  const places = new Map<string, Place>();
  const descriptors = await Promise.all(
    [0, 1].map(async (branch) => {
      const keys = manifest.signers.map(({ xpub }) => `${xpub}/${branch}/*`).join(',');
      const plain = `wsh(sortedmulti(${manifest.threshold},${keys}))`;
      return (await rpc<{ descriptor: string }>('getdescriptorinfo', plain)).descriptor;
    }),
  );
  let known = 0;
  const extend = async (to: number): Promise<void> => {
    for (; known < to; known = Math.min(to, known + DERIVE_AT_ONCE)) {
      const end = Math.min(to, known + DERIVE_AT_ONCE) - 1;
      for (const [branch, descriptor] of descriptors.entries()) {
        const derived = await rpc<string[]>('deriveaddresses', descriptor, [known, end]);
        for (const [i, address] of derived.entries())
          places.set(address, { branch: branch === 0 ? 0 : 1, index: known + i });
      }
    }
    state.known = known;
  };
  await extend(Math.max(state.known, lookahead));
  return {
    find: (address) => (address === undefined ? undefined : places.get(address)),
    reach: async (index) => {
      // In halves, so that not every new address costs a call.
      if (index + lookahead / 2 >= known) await extend(index + lookahead);
    },
  };
}

/** Gives up the blocks that are no longer the node's. Answers how many; all is read anew when none is left. */
async function leaveOrphans(rpc: Rpc, state: BitcoinState, fresh: () => BitcoinState): Promise<number> {
  let depth = 0;
  while (state.hashes.length > 0) {
    const hash = await rpc<string>('getblockhash', state.height).catch(() => undefined);
    if (hash === state.hashes.at(-1)) return depth;
    undoBlock(state);
    depth += 1;
  }
  if (depth > 0) Object.assign(state, { ...fresh(), known: state.known });
  return depth;
}

function undoBlock(state: BitcoinState): void {
  for (const [outpoint, coin] of Object.entries(state.coins)) {
    if (coin.height === state.height) delete state.coins[outpoint];
    else if (coin.spentAt === state.height) {
      const { spentAt: _, ...back } = coin;
      state.coins[outpoint] = back;
    }
  }
  state.hashes.pop();
  state.height -= 1;
}

interface Taking {
  readonly state: BitcoinState;
  readonly addresses: Addresses;
  readonly network: string;
}

async function takeBlock(block: Block, { state, addresses, network }: Taking): Promise<void> {
  for (let used = -1, seen = -2; used !== seen;) {
    // A block may use addresses beyond those that an earlier output of it made known: then it is read again.
    seen = used;
    for (const { vout } of block.tx)
      for (const { scriptPubKey } of vout)
        used = Math.max(used, addresses.find(scriptPubKey.address)?.index ?? -1);
    if (used >= 0) await addresses.reach(used);
  }
  for (const transaction of block.tx) {
    const spent = spentBy(transaction, state);
    for (const outpoint of spent) {
      const coin = state.coins[outpoint];
      if (coin !== undefined) state.coins[outpoint] = { ...coin, spentAt: block.height };
    }
    for (const [outpoint, coin] of received(transaction, addresses, block.height))
      state.coins[outpoint] = coin;
    if (spent.length > 0)
      state.untold.push({
        network,
        txid: transaction.txid,
        satoshi: worth(spent, state),
        height: block.height,
      });
  }
  state.height = block.height;
  state.hashes.push(block.hash);
  state.time = block.time;
  if (state.hashes.length > HASHES_MAX) state.hashes.shift();
  const old = block.height - HASHES_MAX;
  for (const [outpoint, { spentAt }] of Object.entries(state.coins))
    if (spentAt !== undefined && spentAt < old) delete state.coins[outpoint];
}

/** Asks the mempool about our coins, not about its own, which are many. */
async function mempoolSpends(
  rpc: Rpc,
  state: BitcoinState,
  addresses: Addresses,
  network: string,
): Promise<Spend[]> {
  const found = new Map<string, bigint>();
  const values = new Map(
    Object.entries(state.coins)
      .filter(([, coin]) => coin.spentAt === undefined)
      .map(([outpoint, { satoshi }]) => [outpoint, BigInt(satoshi)]),
  );
  let asked = [...values.keys()];
  for (let round = 0; round < CHAIN_MAX && asked.length > 0; round++) {
    const spenders = new Set<string>();
    for (const [outpoint, txid] of await spendersOf(rpc, asked)) {
      if (!found.has(txid)) spenders.add(txid);
      found.set(txid, (found.get(txid) ?? 0n) + (values.get(outpoint) ?? 0n));
    }
    asked = [];
    for (const txid of spenders) {
      // Mined or replaced meanwhile: the next step sees it.
      const transaction = await rpc<Transaction>('getrawtransaction', txid, true).catch(() => undefined);
      for (const [outpoint, coin] of transaction ? received(transaction, addresses, 0) : []) {
        values.set(outpoint, BigInt(coin.satoshi));
        asked.push(outpoint);
      }
    }
  }
  return [...found].map(([txid, satoshi]) => ({ network, txid, satoshi }));
}

async function spendersOf(
  rpc: Rpc,
  outpoints: readonly string[],
): Promise<[outpoint: string, txid: string][]> {
  const found: [string, string][] = [];
  for (let i = 0; i < outpoints.length; i += OUTPOINTS_A_CALL) {
    const asked = outpoints.slice(i, i + OUTPOINTS_A_CALL).map((outpoint) => {
      const [txid, vout] = outpoint.split(':');
      return { txid, vout: Number(vout) };
    });
    const answers = await rpc<{ txid: string; vout: number; spendingtxid?: string }[]>(
      'gettxspendingprevout',
      asked,
    );
    for (const { txid, vout, spendingtxid } of answers)
      if (spendingtxid !== undefined) found.push([`${txid}:${vout}`, spendingtxid]);
  }
  return found;
}

const spentBy = ({ vin }: Transaction, { coins }: BitcoinState): string[] =>
  vin.map(({ txid, vout }) => `${txid}:${vout}`).filter((outpoint) => coins[outpoint] !== undefined);

const received = ({ txid, vout }: Transaction, addresses: Addresses, height: number): [string, Coin][] =>
  vout.flatMap(({ n, value, scriptPubKey }): [string, Coin][] => {
    const place = addresses.find(scriptPubKey.address);
    return place === undefined ? [] : [[`${txid}:${n}`, { ...place, satoshi: satoshiOf(value), height }]];
  });

/** 21 million coins in satoshi need 51 bits of a double's 53. */
const satoshiOf = (coins: number): string => BigInt(Math.round(coins * 1e8)).toString();

const worth = (outpoints: readonly string[], { coins }: BitcoinState): bigint =>
  outpoints.reduce((total, outpoint) => total + BigInt(coins[outpoint]?.satoshi ?? 0), 0n);

const sum = ({ coins }: BitcoinState): bigint =>
  Object.values(coins).reduce(
    (total, { satoshi, spentAt }) => (spentAt === undefined ? total + BigInt(satoshi) : total),
    0n,
  );
