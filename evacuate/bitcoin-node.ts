/** The operator's own bitcoind: what the wallet's scripts hold, what spends it, and what has become of a transaction. */
import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { parseAmount } from '../lib/money/money.ts';

/** The node did not answer, or refused. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly retryable = true;
  readonly code: 'NODE_UNREACHABLE' | 'NODE_REFUSED';

  constructor(code: NodeError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export type AskNode = <Result>(method: string, ...params: readonly unknown[]) => Promise<Result>;

/** A node that is well answers at once. */
const ANSWER_WITHIN_MS = 60_000;
/** Of a scan of all coins, which takes minutes on the main chain, and longer on a disk that is slow. */
const SCAN_WITHIN_MS = 3_600_000;

/** The URL may hold user and password. Amounts are satoshi. Throws NodeError. */
export function openNode(address: string, answerWithinMs = ANSWER_WITHIN_MS): AskNode {
  const url = new URL(address);
  return async <Result>(method: string, ...params: readonly unknown[]): Promise<Result> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const timeoutMs = method === 'scantxoutset' && params[0] === 'start' ? SCAN_WITHIN_MS : answerWithinMs;
    const { result, error } = await exchange(url, body, timeoutMs);
    if (error != null)
      throw new NodeError('NODE_REFUSED', `${method}: ${error.message ?? 'refused'} (${error.code})`);
    return result as Result;
  };
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message?: string; readonly code?: number } | null;
}

async function exchange(url: URL, body: string, timeoutMs: number): Promise<Answer> {
  try {
    return JSON.parse(await posted(url, body, timeoutMs), asSatoshi) as Answer;
  } catch (cause) {
    throw new NodeError('NODE_UNREACHABLE', `${url.host} does not answer as a bitcoind does`, cause);
  }
}

/** By node:http: fetch gives up after five minutes, whatever it is told, and a scan may take longer. */
function posted(url: URL, body: string, timeoutMs: number): Promise<string> {
  const { request } = url.protocol === 'https:' ? https : http;
  const auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(timeoutMs),
      ...(auth === ':' ? {} : { auth }),
    };
    const outgoing = request(url, options, (response) => {
      text(response).then(resolve, reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** An amount is a decimal of eight places, which a float may not hold: it is read from its own text. */
function asSatoshi(name: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || !['descendant'].includes(name)) return value;
  const parsed = parseAmount(context?.source ?? '', 8);
  if (parsed.ok) return parsed.units;
  return parsed.reason === 'AMOUNT_NOT_POSITIVE' ? 0n : value;
}

/** One unspent output of the wallet in a block. */
export interface FoundCoin {
  readonly txid: string;
  readonly vout: number;
  /** Hex. */
  readonly script: string;
  readonly height: number;
  /** The node's word for where in the wallet it is. */
  readonly branch: number;
  readonly index: number;
}

export interface ScanRange {
  readonly descriptor: string;
  readonly from: number;
  readonly to: number;
}

/** A node derives no more at once. */
const RANGE_MAX = 1_000_000;

/** Every coin in a block that these descriptors' scripts hold. One scan of all coins, however many ranges. */
export async function scanCoins(ask: AskNode, ranges: readonly ScanRange[]): Promise<readonly FoundCoin[]> {
  const objects = ranges.flatMap(({ descriptor, from, to }) =>
    Array.from({ length: Math.ceil((to - from + 1) / RANGE_MAX) }, (_, i) => {
      const start = from + i * RANGE_MAX;
      return { desc: descriptor, range: [start, Math.min(to, start + RANGE_MAX - 1)] };
    }),
  );
  const { unspents } = await ask<{
    unspents: { txid: string; vout: number; scriptPubKey: string; height: number; desc: string }[];
  }>('scantxoutset', 'start', objects);
  return unspents.map(({ txid, vout, scriptPubKey, height, desc }) => {
    const [, branch = '', index = ''] = /\[[0-9a-f]{8}\/([01])\/(\d+)\]/.exec(desc) ?? [];
    return { txid, vout, script: scriptPubKey, height, branch: Number(branch), index: Number(index) };
  });
}

/** Parts of a hundred that the running scan has done; undefined when none runs. */
export async function scanProgress(ask: AskNode): Promise<number | undefined> {
  return (await ask<{ progress: number } | null>('scantxoutset', 'status'))?.progress;
}

/** Its bytes, from the block that holds it: no index of transactions is needed. */
export async function rawTransaction(
  ask: AskNode,
  { txid, height }: Pick<FoundCoin, 'txid' | 'height'>,
): Promise<Uint8Array> {
  const block = await ask<string>('getblockhash', height);
  return Buffer.from(await ask<string>('getrawtransaction', txid, 0, block), 'hex');
}

/** A transaction in the pool that spends a coin of ours, with what replaces it has to pay for. */
export interface Spender {
  readonly txid: string;
  /** Satoshi: of it and of whatever spends its outputs. */
  readonly fees: bigint;
}

/** By `txid:vout`, of coins that something in the pool spends. */
export async function spendersOf(
  ask: AskNode,
  coins: readonly Pick<FoundCoin, 'txid' | 'vout'>[],
): Promise<ReadonlyMap<string, Spender>> {
  const found = new Map<string, Spender>();
  if (coins.length === 0) return found;
  const asked = coins.map(({ txid, vout }) => ({ txid, vout }));
  const answers = await ask<{ txid: string; vout: number; spendingtxid?: string }[]>(
    'gettxspendingprevout',
    asked,
  );
  for (const { txid, vout, spendingtxid } of answers) {
    if (spendingtxid === undefined) continue;
    const entry = await ask<{ fees: { descendant: bigint } }>('getmempoolentry', spendingtxid).catch(
      () => undefined,
    );
    if (entry !== undefined)
      found.set(`${txid}:${vout}`, { txid: spendingtxid, fees: entry.fees.descendant });
  }
  return found;
}

/** Satoshi for each virtual byte that a place in one of the next blocks costs; undefined: the node cannot say. */
export async function feeRateNow(ask: AskNode): Promise<number | undefined> {
  const { feerate } = await ask<{ feerate?: number }>('estimatesmartfee', 1, 'conservative');
  return feerate === undefined ? undefined : (feerate * 1e8) / 1000;
}

/** Blocks that hold an output, 0 in the pool where that counts too; undefined: spent, or never heard of. */
export async function depthOf(
  ask: AskNode,
  { txid, vout }: Pick<FoundCoin, 'txid' | 'vout'>,
  withPool: boolean,
): Promise<number | undefined> {
  const out = await ask<{ confirmations: number } | null>('gettxout', txid, vout, withPool);
  return out?.confirmations;
}
