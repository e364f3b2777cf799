import { ChainError } from '../faults.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';
import type { BitcoinWallet, Branch } from './derive.ts';
import { descriptorOf } from './descriptor.ts';
import { txIdOf, walkTransaction } from './parse-block.ts';
import type { BitcoinRpc } from './rpc.ts';
import type { Coin } from './select-coins.ts';
import { readHash, readHex } from './source.ts';

/** Consensus: a block's reward can be spent 100 blocks later. */
const COINBASE_MATURITY = 100;
const COINS_MAX = 5_000;

export interface SpendableQuery {
  readonly network: string;
  readonly tipHeight: number;
  /** Confirmations that a customer's coin needs before it may leave, by its value (config: depthFor). */
  readonly depositDepth: (units: bigint) => number;
  /** Confirmations for change of our own. Anybody can pay a change address: what others sent there is no change. */
  readonly changeDepth: number;
}

/**
 * Coins that a withdrawal may spend, the largest first: what others paid at irreversible depth, and confirmed change.
 * Whoever spends keeps its own record of coins that are taken; here only the chain speaks.
 */
export async function spendableCoins(
  db: Database | DatabaseTransaction,
  query: SpendableQuery,
): Promise<Coin[]> {
  const rows = await executorOf(db).query<{
    tx_id: string;
    vout: number;
    units: bigint;
    coinbase: boolean;
    height: number;
    block_hash: string;
    change: boolean;
    derivation: string;
  }>(
    `select c.tx_id, c.vout, c.units, c.coinbase, c.height, c.block_hash, w.derivation,
       w.purpose = 'change' and exists (select 1 from bitcoin_coin from_us
         where from_us.network = c.network and from_us.spent_tx_id = c.tx_id) as change
     from bitcoin_coin c join watched w on w.id = c.watched_id
     where c.network = $1 and c.spent_tx_id is null and c.height <= $2 and w.purpose in ('deposit', 'change')
     order by c.units desc limit $3`,
    [query.network, query.tipHeight, COINS_MAX],
  );
  return rows.flatMap((row) => {
    const confirmations = query.tipHeight - row.height + 1;
    const wanted = row.change ? query.changeDepth : query.depositDepth(row.units);
    if (confirmations < wanted || (row.coinbase && confirmations <= COINBASE_MATURITY)) return [];
    const { branch, index } = readDerivation(row.derivation);
    return [{ txId: row.tx_id, vout: row.vout, units: row.units, branch, index, blockHash: row.block_hash }];
  });
}

/** `0/17`: branch and index, as watchAddresses was told. */
function readDerivation(text: string): { branch: Branch; index: number } {
  const match = /^([01])\/(\d{1,10})$/.exec(text);
  if (!match) throw new RangeError(`${text} is no branch and index`);
  return { branch: match[1] === '0' ? 0 : 1, index: Number(match[2]) };
}

/**
 * Raw previous transactions of coins, by id, without witness: a node gives PSBTs back without it, and copies
 * with and without would not combine. Needs no transaction index where the coin's block is known. The bytes
 * are checked against the id, and the coin's value against the bytes.
 */
export async function previousTransactions(
  rpc: BitcoinRpc,
  coins: readonly Coin[],
): Promise<Map<string, Uint8Array>> {
  const byId = new Map(coins.map((coin) => [coin.txId, coin]));
  const calls = [...byId.values()].map((coin) => ({
    method: 'getrawtransaction',
    params: coin.blockHash === null ? [coin.txId, false] : [coin.txId, false, coin.blockHash],
  }));
  const answers = await rpc.batch<unknown>(calls);
  const found = new Map<string, Uint8Array>();
  for (const [i, coin] of [...byId.values()].entries()) {
    const answer = answers[i];
    if (answer instanceof ChainError) throw answer;
    const bytes = readHex(answer, 'getrawtransaction');
    if (txIdOf(bytes) !== coin.txId) {
      throw new ChainError('NODE_GARBAGE', 'another transaction than asked for');
    }
    found.set(coin.txId, withoutWitness(bytes));
  }
  for (const coin of coins) checkValue(found.get(coin.txId), coin);
  return found;
}

function checkValue(bytes: Uint8Array | undefined, coin: Coin): void {
  if (!bytes) throw new ChainError('NODE_GARBAGE', `${coin.txId} was not answered`);
  const raw = Buffer.from(bytes);
  let units: bigint | undefined;
  walkTransaction(raw, {
    onOutput: (_t, index, value) => {
      if (index === coin.vout) units = raw.readBigUInt64LE(value);
    },
  });
  if (units !== coin.units) {
    throw new ChainError('NODE_GARBAGE', `${coin.txId}:${coin.vout} is ${units}, recorded as ${coin.units}`);
  }
}

/** The form that the txid commits to (BIP-141). */
export function withoutWitness(raw: Buffer): Buffer {
  let bytes = raw;
  walkTransaction(raw, {
    onTransaction: (_t, { segwit, witness, end }) => {
      if (segwit)
        bytes = Buffer.concat([raw.subarray(0, 4), raw.subarray(6, witness), raw.subarray(end - 4)]);
    },
  });
  return bytes;
}

export interface WalletScan {
  readonly height: number;
  readonly blockHash: string;
  /** Satoshi in all coins of the wallet that stand in blocks. */
  readonly units: bigint;
  readonly coins: readonly {
    readonly txId: string;
    readonly vout: number;
    readonly units: bigint;
    readonly height: number;
    readonly branch: Branch;
  }[];
}

/** Indices that a node derives in one descriptor range (Bitcoin Core, 1,000,000). */
const RANGE_MAX = 1_000_000;
const SCAN_TIMEOUT_MS = 30 * 60_000;

/**
 * What the wallet holds by the node's own set of unspent coins, with scripts that the node derives itself: for
 * comparing books, independent of everything that we recorded. Takes minutes on a main chain.
 * `counts`: how many indices of each branch were ever used.
 */
export async function scanWallet(
  rpc: BitcoinRpc,
  wallet: BitcoinWallet,
  counts: readonly [number, number],
): Promise<WalletScan> {
  const branches = [0, 1] as const;
  const ranges = branches.flatMap((branch) => rangesOf(counts[branch]).map((range) => ({ branch, range })));
  const scans: { branch: Branch; answer: ScanAnswer }[] = [];
  for (const { branch, range } of ranges) {
    const scan = [{ desc: descriptorOf(wallet, branch), range }];
    const answer = await rpc.call<ScanAnswer>('scantxoutset', ['start', scan], SCAN_TIMEOUT_MS);
    if (!answer?.success || !Array.isArray(answer.unspents)) {
      throw new ChainError('NODE_GARBAGE', 'scantxoutset: no success');
    }
    scans.push({ branch, answer });
  }
  const [first] = scans;
  if (!first) throw new RangeError('nothing to scan for');
  if (scans.some(({ answer }) => answer.bestblock !== first.answer.bestblock)) {
    throw new ChainError('CHAIN_MOVED', 'a block came while the coins were scanned');
  }
  const coins = scans.flatMap(({ branch, answer }) =>
    answer.unspents.map(({ txid, vout, amount, height }) => ({
      txId: txid,
      vout,
      units: amount,
      height,
      branch,
    })),
  );
  return {
    height: first.answer.height,
    blockHash: readHash(first.answer.bestblock, 'scantxoutset'),
    units: coins.reduce((sum, coin) => sum + coin.units, 0n),
    coins,
  };
}

interface ScanAnswer {
  readonly success: boolean;
  readonly height: number;
  readonly bestblock: string;
  readonly unspents: readonly { txid: string; vout: number; amount: bigint; height: number }[];
}

function rangesOf(count: number): [number, number][] {
  const ranges: [number, number][] = [];
  for (let from = 0; from < count; from += RANGE_MAX) {
    ranges.push([from, Math.min(from + RANGE_MAX, count) - 1]);
  }
  return ranges;
}
