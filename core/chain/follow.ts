import { haltNetwork, haltOf } from '../controls/controls.ts';
import { commitTo, executorOf, type Commit, type Database, type DatabaseTransaction } from '../db/db.ts';
import { ChainError, type ChainHaltCode } from './faults.ts';
import { recordOrphaned } from './receipts.ts';
import { tipOf, type ChainTip } from './tip.ts';

export interface BlockRef {
  readonly height: number;
  readonly hash: string;
}

export interface SourceBlock<Raw> extends BlockRef {
  readonly parent: string;
  readonly minedAt: Date;
  readonly raw: Raw;
}

/** A real node behind. Every call throws ChainError when the node does not answer, or not sensibly. */
export interface ChainSource<Raw> {
  /** Hash of block 0. Throws WRONG_CHAIN when it, or whatever else names the chain, is not the configured one. */
  readonly genesis: () => Promise<string>;
  readonly tip: () => Promise<BlockRef>;
  /** Hash of the node's block at a height of its own chain, at most the tip's. */
  readonly hashAt: (height: number) => Promise<string>;
  /** The whole block: `hash` is checked against its contents as far as the network allows. */
  readonly blockAt: (height: number) => Promise<SourceBlock<Raw>>;
}

/**
 * What a network does with its blocks. All three run inside the transaction that moves the tip. What they
 * answer runs once that transaction has committed: memory follows the database, never the other way.
 */
export interface BlockHandler<Raw> {
  readonly onBlock: (trx: DatabaseTransaction, block: SourceBlock<Raw>) => Promise<AfterCommit>;
  /** Receipts and blocks are marked already; what else hangs on these blocks is the handler's. */
  readonly onReorg: (trx: DatabaseTransaction, reorg: ReorgNotice) => Promise<AfterCommit>;
  /** Depth reorgDepthMax was reached: no reorg that we follow takes this block back. */
  readonly onFinalize?: (trx: DatabaseTransaction, block: BlockRef) => Promise<void>;
}

export type AfterCommit = (() => void) | undefined;

export interface ReorgNotice {
  /** No longer of the chain, lowest first. */
  readonly orphanedHashes: readonly string[];
  /** The last block that both chains share. */
  readonly forkHeight: number;
}

export interface FollowDeps<Raw> {
  readonly db: Database;
  /** Default: the database's own. */
  readonly commit?: Commit;
  readonly network: {
    readonly id: string;
    readonly reorgDepthMax: number;
  };
  readonly source: ChainSource<Raw>;
  readonly handler: BlockHandler<Raw>;
  readonly now: () => Date;
  /** First block of a network that was never followed; without it, reorgDepthMax below the node's tip. */
  readonly startHeight?: number;
}

export type FollowStep =
  | { readonly kind: 'block'; readonly height: number; readonly hash: string }
  | { readonly kind: 'reorg'; readonly forkHeight: number; readonly depth: number }
  | { readonly kind: 'caught-up'; readonly tip: ChainTip }
  /** The node is below us on our own chain, or on a fork that is shorter than it: we wait. */
  | { readonly kind: 'waiting'; readonly nodeHeight: number }
  | { readonly kind: 'halted'; readonly code: string };

/** One writer for each network: whatever raises `change` holds this until it commits. */
const NETWORK_LOCK_CLASS = 7_306_022;

/**
 * Takes one step along the chain: a block, a reorg back to the common ancestor, or nothing. Each step is one
 * transaction that also moves the tip, and only from where this step has read it.
 */
export async function followStep<Raw>(deps: FollowDeps<Raw>): Promise<FollowStep> {
  const { db, network, source } = deps;
  const standing = await haltOf(db, network.id);
  if (standing) return { kind: 'halted', code: standing.code };
  const genesis = await genesisOf(source);
  if (genesis instanceof ChainError) return halt(deps, 'GENESIS_CHANGED', genesis.message);
  const pinned = await ourHashAt(db, network.id, 0);
  if (pinned !== undefined && pinned !== genesis) {
    return halt(deps, 'GENESIS_CHANGED', `block 0 is ${genesis}, and was ${pinned}`);
  }
  const nodeTip = await source.tip();
  const tip = await tipOf(db, network.id);
  if (!tip) return start(deps, genesis, nodeTip);
  if (nodeTip.hash === tip.hash) return { kind: 'caught-up', tip };
  if (nodeTip.height < tip.height) return behind(deps, tip, nodeTip);
  if (nodeTip.height > tip.height) {
    const block = await readBlock(source, tip.height + 1);
    if (block.parent === tip.hash) return takeBlock(deps, tip, block);
  }
  return reorganise(deps, tip);
}

async function genesisOf<Raw>(source: ChainSource<Raw>): Promise<string | ChainError> {
  try {
    return await source.genesis();
  } catch (error) {
    if (error instanceof ChainError && error.code === 'WRONG_CHAIN') return error;
    throw error;
  }
}

async function start<Raw>(deps: FollowDeps<Raw>, genesis: string, nodeTip: BlockRef): Promise<FollowStep> {
  const wanted = deps.startHeight ?? Math.max(0, nodeTip.height - deps.network.reorgDepthMax);
  if (wanted > nodeTip.height) return { kind: 'waiting', nodeHeight: nodeTip.height };
  const block = await readBlock(deps.source, wanted);
  return takeBlock(deps, undefined, block, genesis);
}

async function readBlock<Raw>(source: ChainSource<Raw>, height: number): Promise<SourceBlock<Raw>> {
  const block = await source.blockAt(height);
  if (block.height !== height) {
    throw new ChainError('NODE_GARBAGE', `asked for block ${height}, got ${block.height}`);
  }
  return block;
}

async function takeBlock<Raw>(
  deps: FollowDeps<Raw>,
  tip: ChainTip | undefined,
  block: SourceBlock<Raw>,
  genesis?: string,
): Promise<FollowStep> {
  const { network, handler, now } = deps;
  const afterCommit = await commitOf(deps)('chain.block', async (trx) => {
    await lockNetwork(trx, network.id);
    if (genesis !== undefined) await pinGenesis(trx, network.id, genesis, now());
    await insertBlock(trx, network.id, block);
    await moveTip(trx, network.id, tip?.hash, block, now());
    const after = await handler.onBlock(trx, block);
    await finalize(trx, deps, block.height);
    return after;
  });
  afterCommit?.();
  return { kind: 'block', height: block.height, hash: block.hash };
}

async function finalize<Raw>(
  trx: DatabaseTransaction,
  { network, handler }: FollowDeps<Raw>,
  tipHeight: number,
): Promise<void> {
  if (!handler.onFinalize) return;
  const height = tipHeight - network.reorgDepthMax;
  const hash = height > 0 ? await ourHashAt(trx, network.id, height) : undefined;
  if (hash !== undefined) await handler.onFinalize(trx, { height, hash });
}

async function behind<Raw>(deps: FollowDeps<Raw>, tip: ChainTip, nodeTip: BlockRef): Promise<FollowStep> {
  const missing = tip.height - nodeTip.height;
  if (missing > deps.network.reorgDepthMax) {
    const detail = `the node's tip is ${nodeTip.height}, ${missing} blocks below ours`;
    return halt(deps, 'CHAIN_FORGOT_BLOCKS', detail);
  }
  return { kind: 'waiting', nodeHeight: nodeTip.height };
}

/** Walks back from our tip until node and we agree, then gives up what stands above. */
async function reorganise<Raw>(deps: FollowDeps<Raw>, tip: ChainTip): Promise<FollowStep> {
  const { network, source, handler, now } = deps;
  const fork = await commonAncestor(deps, tip);
  if (!fork) {
    const detail = `no common block within ${network.reorgDepthMax} below ${tip.height} (${tip.hash})`;
    return halt(deps, 'REORG_TOO_DEEP', detail);
  }
  if (fork.height === tip.height) throw new ChainError('CHAIN_MOVED', `the chain moved at ${tip.height}`);
  // The walk took several calls: only a chain that stands now as it stood then is worth a reorg.
  if ((await source.hashAt(fork.height)) !== fork.hash) {
    throw new ChainError('CHAIN_MOVED', `the chain moved at ${fork.height}`);
  }
  const afterCommit = await commitOf(deps)('chain.reorg', async (trx) => {
    await lockNetwork(trx, network.id);
    const rows = await executorOf(trx).query<{ hash: string; height: number }>(
      `update chain_block set canonical = false where network = $1 and canonical and height > $2
       returning hash, height`,
      [network.id, fork.height],
    );
    const orphanedHashes = rows.toSorted((a, b) => a.height - b.height).map((row) => row.hash);
    await moveTip(trx, network.id, tip.hash, fork, now());
    await recordOrphaned(trx, network.id, orphanedHashes);
    return handler.onReorg(trx, { orphanedHashes, forkHeight: fork.height });
  });
  afterCommit?.();
  return { kind: 'reorg', forkHeight: fork.height, depth: tip.height - fork.height };
}

async function commonAncestor<Raw>(
  { db, network, source }: FollowDeps<Raw>,
  tip: ChainTip,
): Promise<BlockRef | undefined> {
  for (let height = tip.height; height >= tip.height - network.reorgDepthMax && height >= 0; height -= 1) {
    const ours = await ourHashAt(db, network.id, height);
    if (ours === undefined) return undefined;
    if ((await source.hashAt(height)) === ours) return { height, hash: ours };
  }
  return undefined;
}

async function halt<Raw>(deps: FollowDeps<Raw>, code: ChainHaltCode, detail: string): Promise<FollowStep> {
  const { network, now } = deps;
  await commitOf(deps)('chain.halt', (trx) => haltNetwork(trx, network.id, code, detail, now()));
  return { kind: 'halted', code };
}

function commitOf<Raw>({ commit, db }: FollowDeps<Raw>): Commit {
  return commit ?? commitTo(db);
}

/** Held by whoever writes receipts of a network, to the end of its transaction. */
export async function lockNetwork(trx: DatabaseTransaction, network: string): Promise<void> {
  await executorOf(trx).query('select pg_advisory_xact_lock($1::int, hashtext($2))', [
    NETWORK_LOCK_CLASS,
    network,
  ]);
}

async function insertBlock<Raw>(
  trx: DatabaseTransaction,
  network: string,
  block: SourceBlock<Raw>,
): Promise<void> {
  await executorOf(trx).query(
    `insert into chain_block (network, height, hash, parent, mined_at, canonical)
     values ($1, $2, $3, $4, $5, true) on conflict (network, hash) do update set canonical = true`,
    [network, block.height, block.hash, block.parent, block.minedAt],
  );
}

/** Block 0 stands in the table whatever height we began at: it says which chain this is. */
async function pinGenesis(
  trx: DatabaseTransaction,
  network: string,
  genesis: string,
  at: Date,
): Promise<void> {
  await executorOf(trx).query(
    `insert into chain_block (network, height, hash, parent, mined_at, canonical)
     values ($1, 0, $2, '', $3, true) on conflict (network, hash) do nothing`,
    [network, genesis, at],
  );
}

async function ourHashAt(
  db: Database | DatabaseTransaction,
  network: string,
  height: number,
): Promise<string | undefined> {
  const [row] = await executorOf(db).query<{ hash: string }>(
    'select hash from chain_block where network = $1 and height = $2 and canonical',
    [network, height],
  );
  return row?.hash;
}

/** Compare and set: two watchers of one network cannot both move it. Throws TIP_TAKEN. */
async function moveTip(
  trx: DatabaseTransaction,
  network: string,
  from: string | undefined,
  to: BlockRef,
  at: Date,
): Promise<void> {
  const sql = executorOf(trx);
  const moved =
    from === undefined
      ? await sql.query(
          `insert into chain_tip (network, height, hash, at) values ($1, $2, $3, $4)
           on conflict (network) do nothing returning network`,
          [network, to.height, to.hash, at],
        )
      : await sql.query(
          `update chain_tip set height = $3, hash = $4, at = $5 where network = $1 and hash = $2
           returning network`,
          [network, from, to.height, to.hash, at],
        );
  if (moved.length === 0) throw new ChainError('TIP_TAKEN', `another watcher moved ${network}`);
}
