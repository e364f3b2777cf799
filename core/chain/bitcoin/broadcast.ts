import { ChainError } from '../faults.ts';
import { txIdOf } from './parse-block.ts';
import type { BitcoinRpc } from './rpc.ts';

export type BroadcastRefusal =
  /** One of its coins is spent by another transaction, or does not exist on this chain. */
  | 'INPUTS_MISSING_OR_SPENT'
  /** Below what the mempool takes now, or not enough above what it would replace. */
  | 'FEE_TOO_LOW'
  /** The mempool holds a conflict that may not be replaced, or too long a chain hangs on it. */
  | 'CONFLICT'
  | 'REJECTED';

export type Broadcast =
  | {
      readonly ok: true;
      readonly txId: string;
      /** The node had it before: in the mempool or in a block. */
      readonly known: boolean;
    }
  | { readonly ok: false; readonly reason: BroadcastRefusal; readonly detail: string };

/** Fees have caps of our own; the node's guess at a typing error must not stop a bump. */
const NO_FEE_LIMIT = 0;
/** RPC_VERIFY_ALREADY_IN_CHAIN: all its outputs stand in the set of coins. */
const ALREADY_IN_CHAIN = -27;
const REJECTED_CODES = [-25, -26];
/** RPC_INVALID_ADDRESS_OR_KEY. */
const NOT_IN_MEMPOOL = -5;

/**
 * Sends the stored bytes of a transaction; again is no harm. What the node says no to is an answer, not an
 * error: ChainError means that it is unknown whether the node has it, and the same bytes are to be sent again.
 * A `parent` that the node does not have, because its own fee buys no place any more, is sent with it (BIP-331's
 * package of one child with one parent).
 */
export async function broadcast(rpc: BitcoinRpc, raw: Buffer, parent?: Buffer): Promise<Broadcast> {
  const hex = raw.toString('hex');
  const txId = txIdOf(raw);
  const [test] = await rpc.call<{ allowed?: boolean; 'reject-reason'?: string }[]>('testmempoolaccept', [
    [hex],
    NO_FEE_LIMIT,
  ]);
  if (!test) throw new ChainError('NODE_GARBAGE', 'testmempoolaccept: no verdict');
  const reason = test['reject-reason'] ?? '';
  if (test.allowed !== true) {
    if (isKnown(reason)) return { ok: true, txId, known: true };
    const refused = refusal(reason);
    return parent && refused.reason === 'INPUTS_MISSING_OR_SPENT'
      ? broadcastPackage(rpc, { parent, raw, txId })
      : refused;
  }
  try {
    await rpc.call('sendrawtransaction', [hex, NO_FEE_LIMIT]);
  } catch (error) {
    if (!(error instanceof ChainError) || error.nodeCode === undefined) throw error;
    if (error.nodeCode === ALREADY_IN_CHAIN || isKnown(error.message)) return { ok: true, txId, known: true };
    if (REJECTED_CODES.includes(error.nodeCode)) return refusal(error.message);
    throw error;
  }
  return { ok: true, txId, known: false };
}

async function broadcastPackage(
  rpc: BitcoinRpc,
  { parent, raw, txId }: { readonly parent: Buffer; readonly raw: Buffer; readonly txId: string },
): Promise<Broadcast> {
  const hexes = [parent, raw].map((bytes) => bytes.toString('hex'));
  type Verdict = { readonly txid?: string; readonly error?: string };
  type Answer = { package_msg?: string; 'tx-results'?: Record<string, Verdict> };
  const answer = await rpc.call<Answer>('submitpackage', [hexes, NO_FEE_LIMIT]);
  const verdicts = Object.values(answer['tx-results'] ?? {});
  const own = verdicts.find(({ txid }) => txid === txId);
  if (answer.package_msg === undefined || !own)
    throw new ChainError('NODE_GARBAGE', 'submitpackage: no verdict');
  if (answer.package_msg === 'success') return { ok: true, txId, known: false };
  return refusal(verdicts.find(({ error }) => error !== undefined)?.error ?? answer.package_msg);
}

function isKnown(reason: string): boolean {
  return /txn-already-(in-mempool|known)|already in (utxo set|block chain)/i.test(reason);
}

function refusal(detail: string): Extract<Broadcast, { ok: false }> {
  if (/missing-inputs|missingorspent/.test(detail)) {
    return { ok: false, reason: 'INPUTS_MISSING_OR_SPENT', detail };
  }
  if (/insufficient fee|min relay fee|mempool min fee|mempool full|fee-not/i.test(detail)) {
    return { ok: false, reason: 'FEE_TOO_LOW', detail };
  }
  if (/conflict|too-long-mempool-chain|too many potential replacements/i.test(detail)) {
    return { ok: false, reason: 'CONFLICT', detail };
  }
  return { ok: false, reason: 'REJECTED', detail };
}

/** Satoshi that a transaction of the mempool pays, alone and with all that hangs on it. Undefined: it is not there. */
export async function mempoolFees(
  rpc: BitcoinRpc,
  txId: string,
): Promise<{ readonly base: bigint; readonly descendant: bigint } | undefined> {
  try {
    const entry = await rpc.call<{ fees?: { base?: unknown; descendant?: unknown } }>('getmempoolentry', [
      txId,
    ]);
    const { base, descendant } = entry?.fees ?? {};
    if (typeof base === 'bigint' && typeof descendant === 'bigint' && descendant >= base)
      return { base, descendant };
  } catch (error) {
    if (error instanceof ChainError && error.nodeCode === NOT_IN_MEMPOOL) return undefined;
    throw error;
  }
  throw new ChainError('NODE_GARBAGE', 'getmempoolentry: no fees');
}

export interface FeeRateQuery {
  readonly targetBlocks: number;
  readonly minSatPerVb: number;
  readonly maxSatPerVb: number;
}

export interface FeeRate {
  /** Within the bounds of the query, whatever the node says. */
  readonly satPerVb: number;
  readonly source: 'estimate' | 'mempool' | 'minimum' | 'maximum';
}

/**
 * The node's estimate for confirmation within so many blocks, never below what its mempool takes now, and
 * always within the operator's bounds: a node that lies about fees costs the difference between these at most.
 */
export async function estimateFeeRate(rpc: BitcoinRpc, query: FeeRateQuery): Promise<FeeRate> {
  const [estimate, mempool] = await Promise.all([
    rpc.call<{ feerate?: unknown }>('estimatesmartfee', [query.targetBlocks]),
    rpc.call<{ mempoolminfee?: unknown; minrelaytxfee?: unknown }>('getmempoolinfo'),
  ]);
  const candidates: FeeRate[] = [
    { satPerVb: query.minSatPerVb, source: 'minimum' },
    { satPerVb: perVb(estimate?.feerate), source: 'estimate' },
    { satPerVb: Math.max(perVb(mempool?.mempoolminfee), perVb(mempool?.minrelaytxfee)), source: 'mempool' },
  ];
  const highest = candidates.reduce((best, next) => (next.satPerVb > best.satPerVb ? next : best));
  return highest.satPerVb > query.maxSatPerVb ? { satPerVb: query.maxSatPerVb, source: 'maximum' } : highest;
}

/** Satoshi per 1,000 virtual bytes, as rpc.ts read it, to satoshi per virtual byte. 0 where there is none. */
function perVb(perKvb: unknown): number {
  return typeof perKvb === 'bigint' && perKvb > 0n && perKvb < 10n ** 12n ? Number(perKvb) / 1000 : 0;
}
