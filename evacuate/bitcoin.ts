/**
 * Takes what one Bitcoin wallet holds to the manifest's cold address, under a freeze: a node, the kit and a quorum of
 * signers are all it needs. Signers let it go nowhere else.
 */
import { hex } from '@scure/base';
import type { Manifest, ManifestBitcoin } from '../signer/protocol/manifest.ts';
import { journalledBy, signedBy, type Signer } from './bitcoin-signers.ts';
import {
  NodeError,
  depthOf,
  feeRateNow,
  openNode,
  rawTransaction,
  scanCoins,
  scanProgress,
  spendersOf,
  type AskNode,
  type FoundCoin,
  type Spender,
} from './bitcoin-node.ts';
import {
  evacuationOf,
  previousOf,
  vbytesOf,
  walletOf,
  type Coin,
  type Wallet,
} from './bitcoin-transaction.ts';
import { EvacuationError } from './send.ts';

export interface BitcoinRules {
  readonly manifest: Manifest;
  readonly entry: ManifestBitcoin;
  /** The operator's own bitcoind, with user and password. */
  readonly nodeUrl: string;
  readonly signers: readonly Signer[];
  /** Addresses above it were never given out; at most the manifest's. */
  readonly indexMax: number;
  /** An attempt that is not in a block by then is replaced at a higher fee. */
  readonly escalateAfterMs: number;
  /** When it gives up waiting. */
  readonly withinMs: number;
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly tell: (text: string) => void;
}

/** A coin that stays where it is, and why. */
export interface LeftCoin {
  readonly coin: string;
  readonly satoshi: bigint;
  /** DUST costs more than it holds; PAYMENT_UNDER_WAY: what signers signed spends it, and its change comes later. */
  readonly reason:
    | 'DUST'
    | 'PAYMENT_UNDER_WAY'
    | 'RIVAL_TOO_DEAR'
    | 'RIVAL_MINED'
    | 'NOT_SIGNED'
    | 'NOT_MINED';
  readonly detail: string;
}

export interface BitcoinPlan {
  readonly network: string;
  readonly cold: string;
  readonly coins: number;
  readonly satoshi: bigint;
  readonly transactions: number;
  /** At the rate of this moment; a rival or a full pool may ask for more, up to the manifest's caps. */
  readonly feeSatoshi: bigint;
  readonly left: readonly LeftCoin[];
}

export interface BitcoinResult {
  readonly network: string;
  readonly cold: string;
  readonly coins: number;
  /** What is in a block at the cold address now. */
  readonly satoshi: bigint;
  readonly feeSatoshi: bigint;
  readonly transactions: readonly string[];
  readonly escalations: number;
  readonly left: readonly LeftCoin[];
}

/** Whether nothing is left that is worth its fee. */
export const isBitcoinEvacuated = ({ left }: BitcoinResult): boolean =>
  left.every(({ reason }) => reason === 'DUST');

const COINS_MAX = 100;
/** Signers take a PSBT of 3 MiB. */
const PREVIOUS_BYTES_MAX = 2 << 20;
const POLL_MS = 200;
const PROGRESS_MS = 2_000;
/** Where the node cannot say, satoshi for each virtual byte. */
const RATE_DEFAULT = 20;
/** What a node wants for a replacement beside the fees that it replaces, for each virtual byte (BIP-125). */
const STEP_RATE = 1n;
/** Change of payments under way comes in blocks of its own. */
const ROUNDS_MAX = 3;

/** What would move. Asks no signer for a signature. Throws EvacuationError and NodeError. */
export async function planBitcoin(rules: BitcoinRules): Promise<BitcoinPlan> {
  const open = await opened(rules);
  const { batches, left } = await batchesOf(open);
  const coins = batches.flatMap((batch) => batch.coins);
  return {
    network: rules.entry.network,
    cold: rules.entry.cold,
    coins: coins.length,
    satoshi: sumOf(coins),
    transactions: batches.length,
    feeSatoshi: batches.reduce((sum, batch) => sum + (feeOf(open, batch) ?? 0n), 0n),
    left,
  };
}

/**
 * Moves everything, and answers what is left. May be asked again, also after it was killed: what is in the pool already
 * is replaced or found. Throws EvacuationError before it has sent anything; NodeError when the node cannot say what there
 * is, also after that. A node that is away while what was sent is followed is asked again.
 */
export async function evacuateBitcoin(rules: BitcoinRules): Promise<BitcoinResult> {
  const open = await opened(rules);
  const deadlineMs = rules.nowMs() + rules.withinMs;
  const done: Sent[] = [];
  let left: LeftCoin[] = [];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const found = await batchesOf(open);
    left = [...found.left];
    // One after the other: signers work on one request at a time, and the largest coins go first.
    const sent: Sent[] = [];
    for (const batch of found.batches) {
      const outcome = await sendBatch(open, batch);
      if ('reason' in outcome) left.push(...leftBy(batch, outcome.reason, outcome.detail));
      else sent.push(outcome);
    }
    const followed = await Promise.all(sent.map(async (one) => follow(open, one, deadlineMs)));
    for (const { one, reason } of followed)
      if (reason === undefined) done.push(one);
      else left.push(...leftBy(one, reason, one.txid));
    const isComing = left.some(({ reason }) => reason === 'PAYMENT_UNDER_WAY');
    if (!isComing || rules.nowMs() >= deadlineMs) break;
    await nextBlock(open, deadlineMs);
  }
  return {
    network: rules.entry.network,
    cold: rules.entry.cold,
    coins: done.reduce((sum, { coins }) => sum + coins.length, 0),
    satoshi: done.reduce((sum, { coins, feeSatoshi }) => sum + sumOf(coins) - feeSatoshi, 0n),
    feeSatoshi: done.reduce((sum, { feeSatoshi }) => sum + feeSatoshi, 0n),
    transactions: done.map(({ txid }) => txid),
    escalations: done.reduce((sum, { escalations }) => sum + escalations, 0),
    left,
  };
}

interface Open {
  readonly rules: BitcoinRules;
  readonly node: AskNode;
  readonly wallet: Wallet;
  /** Satoshi for each virtual byte. */
  readonly rate: number;
}

/** Coins that go in one transaction: free ones, or those that one transaction in the pool spends. */
interface Batch {
  readonly coins: readonly Coin[];
  readonly rival?: Spender;
}

interface Sent extends Batch {
  readonly txid: string;
  readonly feeSatoshi: bigint;
  readonly escalations: number;
}

async function opened(rules: BitcoinRules): Promise<Open> {
  const { entry, manifest, nodeUrl } = rules;
  const node = openNode(nodeUrl);
  const genesis = await node<string>('getblockhash', 0);
  if (`bip122:${genesis.slice(0, 32)}` !== entry.network)
    throw new EvacuationError('WRONG_CHAIN', `the node follows bip122:${genesis.slice(0, 32)}`);
  const rate = Math.min((await feeRateNow(node)) ?? RATE_DEFAULT, entry.feeRateMaxSatPerVb);
  return { rules, node, wallet: walletOf(manifest, entry), rate: Math.max(rate, 1) };
}

async function batchesOf(open: Open): Promise<{ batches: readonly Batch[]; left: readonly LeftCoin[] }> {
  const { rules, node, wallet, rate } = open;
  const coins = await coinsOf(open);
  const inputVbytes = vbytesOf(wallet, 2) - vbytesOf(wallet, 1);
  const isDust = ({ satoshi }: Coin): boolean => Number(satoshi) <= inputVbytes * rate;
  const worth = coins.filter((coin) => !isDust(coin));
  const spenders = await spendersOf(node, worth);
  const ours = spenders.size === 0 ? new Set<string>() : await journalledBy(rules.signers, rules.manifest);
  const left = leftBy({ coins: coins.filter(isDust) }, 'DUST', `worth less than ${inputVbytes} vB of fee`);
  const free: Coin[] = [];
  const rivals = new Map<string, { rival: Spender; coins: Coin[] }>();
  for (const coin of worth.toSorted((a, b) => (a.satoshi < b.satoshi ? 1 : -1))) {
    const spender = spenders.get(nameOf(coin));
    if (spender === undefined) free.push(coin);
    else if (ours.has(spender.txid))
      left.push(...leftBy({ coins: [coin] }, 'PAYMENT_UNDER_WAY', spender.txid));
    else {
      const known = rivals.get(spender.txid) ?? { rival: spender, coins: [] };
      known.coins.push(coin);
      rivals.set(spender.txid, known);
    }
  }
  // A thief's transaction is about to take these: they go first, and each on its own.
  const contested = [...rivals.values()].flatMap(({ rival, coins: taken }) =>
    chunked(taken).map((part) => ({ coins: part, rival })),
  );
  return { batches: [...contested, ...chunked(free).map((part) => ({ coins: part }))], left };
}

/** Every coin of the wallet in a block; script and amount by what made it, not by the node's word. */
async function coinsOf({ rules, node, wallet }: Open): Promise<Coin[]> {
  const found = await scanned(rules, node, wallet);
  const previous = new Map<string, ReturnType<typeof previousOf>>();
  const coins: Coin[] = [];
  for (const one of found) {
    const { txid, vout, branch, index } = one;
    const made = previous.get(txid) ?? previousOf(await rawTransaction(node, one), txid);
    previous.set(txid, made);
    const output = made.outputs[vout];
    const place = branch === 0 || branch === 1 ? branch : undefined;
    const isOurs =
      output !== undefined &&
      place !== undefined &&
      hex.encode(wallet.scriptAt(place, index).script) === hex.encode(output.script);
    if (!isOurs) {
      rules.tell(`${rules.entry.network}: the node calls ${txid}:${vout} ours, and it is not`);
      continue;
    }
    coins.push({ txid, vout, satoshi: output.amount, branch: place, index, previous: made.bytes });
  }
  return coins;
}

async function scanned(
  { indexMax, nowMs, sleep, tell, entry }: BitcoinRules,
  node: AskNode,
  wallet: Wallet,
): Promise<readonly FoundCoin[]> {
  const ranges = wallet.descriptors.map((descriptor) => ({ descriptor, from: 0, to: indexMax }));
  const startedMs = nowMs();
  const running = new AbortController();
  const scan = scanCoins(node, ranges).finally(() => running.abort());
  const watch = async (): Promise<void> => {
    for (let toldMs = startedMs; !running.signal.aborted; await sleep(POLL_MS)) {
      if (nowMs() - toldMs < PROGRESS_MS) continue;
      toldMs = nowMs();
      const percent = await scanProgress(node).catch(() => undefined);
      if (percent === undefined) continue;
      const passed = toldMs - startedMs;
      const rest = percent === 0 ? '' : `, ${Math.ceil((passed * (100 - percent)) / percent / 1000)} s left`;
      tell(`${entry.network}: looking for coins, ${percent} %${rest}`);
    }
  };
  const [coins] = await Promise.all([scan, watch()]);
  return coins;
}

function chunked(coins: readonly Coin[]): Coin[][] {
  const parts: Coin[][] = [];
  let bytes = Infinity;
  for (const coin of coins) {
    const last = parts.at(-1);
    bytes += coin.previous.length;
    if (last !== undefined && last.length < COINS_MAX && bytes <= PREVIOUS_BYTES_MAX) last.push(coin);
    else {
      parts.push([coin]);
      bytes = coin.previous.length;
    }
  }
  return parts;
}

/** At the rate, and above what it replaces; undefined where the manifest's caps do not let it. */
function feeOf({ wallet, rate }: Open, { coins, rival }: Batch, before = 0n): bigint | undefined {
  const vbytes = BigInt(vbytesOf(wallet, coins.length));
  const { feeMaxSat, feeRateMaxSatPerVb } = wallet.entry;
  const cap = smaller(smaller(feeMaxSat, BigInt(feeRateMaxSatPerVb) * vbytes), sumOf(coins) - 1_000n);
  const replaced = larger(rival?.fees ?? 0n, before);
  const needed = replaced === 0n ? 0n : replaced + STEP_RATE * vbytes;
  const wanted = larger(smaller(BigInt(Math.ceil(rate * Number(vbytes))), cap), needed);
  return wanted > cap ? undefined : wanted;
}

type Refused = { readonly reason: LeftCoin['reason']; readonly detail: string };

async function sendBatch(open: Open, batch: Batch, before?: Sent): Promise<Sent | Refused> {
  const { rules, node, wallet } = open;
  const fee = feeOf(open, batch, before === undefined ? 0n : (before.feeSatoshi * 5n) / 4n);
  if (fee === undefined)
    return {
      reason: 'RIVAL_TOO_DEAR',
      detail: `${batch.rival?.txid ?? 'itself'}: above the manifest’s caps`,
    };
  const signed = await signedBy(rules.signers, evacuationOf(wallet, batch.coins, fee));
  if (!signed.ok) return { reason: 'NOT_SIGNED', detail: signed.detail };
  const { txid, raw } = signed;
  try {
    await node('sendrawtransaction', raw, 0);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    if (!/already in (mempool|block chain|utxo set)/i.test(detail)) return { reason: 'NOT_MINED', detail };
  }
  rules.tell(`${rules.entry.network}: ${batch.coins.length} coins in ${txid} for ${fee} sat of fee`);
  return { ...batch, txid, feeSatoshi: fee, escalations: before === undefined ? 0 : before.escalations + 1 };
}

interface Followed {
  readonly one: Sent;
  /** Undefined: it is in a block. */
  readonly reason?: LeftCoin['reason'];
}

/** Until it is in a block; replaced at a higher fee when blocks pass it over. */
async function follow(open: Open, first: Sent, deadlineMs: number): Promise<Followed> {
  const { nowMs, sleep, escalateAfterMs } = open.rules;
  /** Any of them may be the one that is mined. */
  const attempts = [first];
  for (let sentMs = nowMs(); nowMs() < deadlineMs; await sleep(POLL_MS)) {
    try {
      const ended = await endOf(open, attempts);
      if (ended !== undefined) return ended;
      if (nowMs() - sentMs < escalateAfterMs) continue;
      sentMs = nowMs();
      await escalate(open, attempts);
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      // It is sent: whether the node is there now changes nothing of it.
      open.rules.tell(`${open.rules.entry.network}: ${error.message}`);
      await sleep(PROGRESS_MS);
    }
  }
  return { one: attempts.at(-1) ?? first, reason: 'NOT_MINED' };
}

async function endOf({ node }: Open, attempts: readonly Sent[]): Promise<Followed | undefined> {
  for (const one of attempts) {
    const depth = await depthOf(node, { txid: one.txid, vout: 0 }, true);
    if (depth !== undefined && depth > 0) return { one };
  }
  const [first] = attempts;
  const [coin] = first?.coins ?? [];
  if (first === undefined || coin === undefined) return undefined;
  if ((await depthOf(node, coin, false)) !== undefined) return undefined;
  // Between the two questions a block may have come with it.
  for (const one of attempts)
    if ((await depthOf(node, { txid: one.txid, vout: 0 }, false)) !== undefined) return { one };
  return { one: first, reason: 'RIVAL_MINED' };
}

async function escalate(open: Open, attempts: Sent[]): Promise<void> {
  const { rules, node } = open;
  const last = attempts.at(-1);
  const [coin] = last?.coins ?? [];
  if (last === undefined || coin === undefined) return;
  const spender = (await spendersOf(node, [coin])).get(nameOf(coin));
  const isRival = spender !== undefined && !attempts.some(({ txid }) => txid === spender.txid);
  const next = await sendBatch(open, { coins: last.coins, ...(isRival ? { rival: spender } : {}) }, last);
  if ('txid' in next) attempts.push(next);
  else rules.tell(`${rules.entry.network}: ${last.txid} stays as it is: ${next.detail}`);
}

async function nextBlock({ rules, node }: Open, deadlineMs: number): Promise<void> {
  const height = await node<number>('getblockcount');
  while ((await node<number>('getblockcount')) === height && rules.nowMs() < deadlineMs)
    await rules.sleep(POLL_MS);
}

const nameOf = ({ txid, vout }: Pick<Coin, 'txid' | 'vout'>): string => `${txid}:${vout}`;
const sumOf = (coins: readonly Coin[]): bigint => coins.reduce((sum, { satoshi }) => sum + satoshi, 0n);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

const leftBy = ({ coins }: Batch, reason: LeftCoin['reason'], detail: string): LeftCoin[] =>
  coins.map((coin) => ({ coin: nameOf(coin), satoshi: coin.satoshi, reason, detail }));
