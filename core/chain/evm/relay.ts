import type { Hex } from 'viem';
import type { EvmNetwork } from '../../config/config.ts';
import { commitTo, type Commit, type Database } from '../../db/db.ts';
import { ChainError } from '../faults.ts';
import { feeMarketOf, firstFees, replacementFees, type FeeMarket } from './fees.ts';
import { readHash, readNumber, readObject, readQuantity } from './read.ts';
import { RelayError } from './relay-fault.ts';
import {
  depthOf,
  earlierRelayers,
  endCall,
  giveNonce,
  hasQueued,
  hashAtDepth,
  insertAttempt,
  lastAttempt,
  lockLane,
  nextNonce,
  nextQueued,
  openCalls,
  queueAgain,
  type Attempt,
  type CallEnd,
  type Lane,
  type OpenCall,
} from './relay-store.ts';
import { noteRelayWait, type RelayWait } from './relay-wait.ts';
import type { Relayer } from './relayer.ts';
import type { EvmRpc } from './rpc.ts';

export type RelayNetwork = Pick<
  EvmNetwork,
  'id' | 'chainId' | 'stuckAfterMs' | 'feePerGasMaxGwei' | 'listings'
>;

/** Everything with an effect outside the process, or that lasts; a test can end the process round each. */
export interface RelayEffects {
  readonly commit: Commit;
  readonly sendRawTransaction: (raw: Hex) => Promise<unknown>;
}

export interface RelayLane {
  readonly db: Database;
  readonly network: RelayNetwork;
  readonly rpc: EvmRpc;
  readonly relayer: Relayer;
  readonly now: () => Date;
  readonly effects: RelayEffects;
}

export interface RelayStep {
  /** Calls whose outcome is irreversible since this step. */
  readonly ended: number;
  /** Transactions given to the node, the same bytes again included. */
  readonly sent: number;
  /** Of these, replacements at a higher fee. */
  readonly replaced: number;
  readonly wait: RelayWait | undefined;
}

/** Nodes hold this many transactions of one account without fail (geth's account slots). */
const IN_FLIGHT_MAX = 16;
const GWEI = 1_000_000_000;

export function relayEffects(db: Database, rpc: EvmRpc): RelayEffects {
  return {
    commit: commitTo(db),
    sendRawTransaction: (raw) => rpc.call('eth_sendRawTransaction', [raw]),
  };
}

/**
 * One step of a relayer's lane: ends calls that are irreversible, brings what the node does not have, replaces the
 * first one when it is stuck, and gives nonces to queued calls. Nonce and signed bytes are stored in one transaction
 * and only then sent, so that after any crash the next step goes on with the same bytes. Throws ChainError for
 * trouble with the node, and RELAYER_NONCE_FOREIGN when somebody else uses the relayer's key: halt the network.
 */
export async function runRelayLane(deps: RelayLane): Promise<RelayStep> {
  const { db, network, relayer } = deps;
  const lane: Lane = { network: network.id, relayer: relayer.address };
  // Before our own record is read: what we have given out meanwhile is then never taken for another's.
  const minedNonces = await transactionCount(deps, 'latest');
  const next = await nextNonce(db, lane);
  if (next !== undefined && minedNonces > next) throw foreign(minedNonces - 1, relayer);
  const step: Progress = { ended: 0, sent: 0, replaced: 0, wait: undefined };
  const sightings = await look(deps, await openCalls(db, lane));
  const open: Sighting[] = [];
  for (const sighting of sightings) {
    if (await endWhereIrreversible(deps, sighting)) step.ended += 1;
    else open.push(sighting);
  }
  await refuseForeign(deps, open, minedNonces);
  step.ended += await carryOver(deps, lane);
  const market = lazily(() => feeMarketOf(deps.rpc));
  for (const [index, sighting] of open.entries()) {
    if (sighting.mined || step.wait === 'FUNDS_LOW') continue;
    const isFirst = open.slice(0, index).every((earlier) => earlier.mined);
    if (isFirst) await replaceIfStuck(deps, sighting, { lane, market, step });
    if (!sighting.known) await send(deps, sighting.last, step);
  }
  await sendQueued(deps, { lane, market, step, room: IN_FLIGHT_MAX - open.length, minedNonces });
  await noteRelayWait(deps, lane, step.wait);
  return step;
}

interface Progress {
  ended: number;
  sent: number;
  replaced: number;
  wait: RelayWait | undefined;
}

/** How a call stands at the node. */
interface Sighting {
  readonly call: OpenCall;
  /** The attempt that is in a block. */
  mined: { readonly attempt: Attempt; readonly answer: unknown } | undefined;
  last: Attempt;
  /** The node has the last attempt. */
  known: boolean;
}

async function look({ rpc }: RelayLane, calls: readonly OpenCall[]): Promise<Sighting[]> {
  const questions = calls.flatMap((call) => [
    ...call.attempts.map((attempt) => ({ method: 'eth_getTransactionReceipt', params: [attempt.txId] })),
    { method: 'eth_getTransactionByHash', params: [call.attempts.at(-1)?.txId] },
  ]);
  const answers = await rpc.batch(questions);
  const fault = answers.find((answer) => answer instanceof ChainError);
  if (fault) throw fault;
  let at = 0;
  return calls.map((call) => {
    const receipts = answers.slice(at, at + call.attempts.length);
    const known = answers[at + call.attempts.length] !== null;
    at += call.attempts.length + 1;
    const index = receipts.findIndex((receipt) => receipt !== null);
    const attempt = call.attempts[index];
    const last = call.attempts.at(-1) as Attempt;
    return { call, last, known, mined: attempt && { attempt, answer: receipts[index] } };
  });
}

async function endWhereIrreversible(
  { db, network, effects }: RelayLane,
  { call, mined }: Sighting,
): Promise<boolean> {
  if (!mined) return false;
  const { blockHash, end } = endOf(mined.attempt.txId, mined.answer);
  // Our own chain decides how deep it is, not the node's word.
  if ((await depthOf(db, network.id, blockHash)) < irreversibleDepth(network)) return false;
  return effects.commit('relay.end', (trx) => endCall(trx, call.id, end));
}

/** As deep as the deepest listing: then all that a call paid or delivered is irreversible with it. */
export function irreversibleDepth({ listings }: Pick<EvmNetwork, 'listings'>): number {
  return Math.max(1, ...listings.flatMap((listing) => listing.depths.map((tier) => tier.irreversible)));
}

function endOf(txId: Hex, answer: unknown): { blockHash: Hex; end: CallEnd } {
  const receipt = readObject(answer, 'eth_getTransactionReceipt');
  if (readHash(receipt['transactionHash'], 'transactionHash') !== txId) {
    throw new ChainError('NODE_GARBAGE', `a receipt is not of ${txId}`);
  }
  const gasWei =
    readQuantity(receipt['gasUsed'], 'gasUsed') *
    readQuantity(receipt['effectiveGasPrice'], 'effectiveGasPrice');
  // Rollups of the OP family charge the data's price on their parent chain on top.
  const dataWei = receipt['l1Fee'] == null ? 0n : readQuantity(receipt['l1Fee'], 'l1Fee');
  return {
    blockHash: readHash(receipt['blockHash'], 'blockHash'),
    end: {
      state: readQuantity(receipt['status'], 'status') === 1n ? 'succeeded' : 'reverted',
      txId,
      height: readNumber(receipt['blockNumber'], 'blockNumber'),
      costWei: gasWei + dataWei,
    },
  };
}

/** A nonce of ours that is irreversibly used, and by none of our transactions. */
async function refuseForeign(deps: RelayLane, open: readonly Sighting[], minedNonces: number): Promise<void> {
  const missing = open.find((sighting) => !sighting.mined && sighting.call.nonce < minedNonces);
  if (!missing) return;
  if (await isClosed(deps, missing, deps.relayer.address)) throw foreign(missing.call.nonce, deps.relayer);
}

/** Its nonce is irreversibly used, by none of its attempts. */
async function isClosed(deps: RelayLane, { call }: Sighting, relayer: string): Promise<boolean> {
  const hash = await hashAtDepth(deps.db, deps.network.id, irreversibleDepth(deps.network));
  if (hash === undefined) return false;
  const irreversible = await transactionCount(deps, { blockHash: hash }, relayer);
  if (irreversible <= call.nonce) return false;
  // It may have been mined after we looked.
  const [again] = await look(deps, [call]);
  return !again?.mined;
}

/**
 * Calls of keys that ours has replaced. Their bytes are as good as ever, so they are sent again until their nonces
 * are closed; one whose nonce another transaction took irreversibly can never be mined, and is queued for our key.
 */
async function carryOver(deps: RelayLane, lane: Lane): Promise<number> {
  const { db, effects, network } = deps;
  let ended = 0;
  for (const relayer of await earlierRelayers(db, lane)) {
    for (const sighting of await look(deps, await openCalls(db, { network: network.id, relayer }))) {
      if (await endWhereIrreversible(deps, sighting)) ended += 1;
      else if (sighting.mined) continue;
      else if (await isClosed(deps, sighting, relayer)) {
        await effects.commit('relay.carry-over', (trx) => queueAgain(trx, sighting.call.id));
      } else if (!sighting.known) {
        // Without ether on that account it waits there, which is no trouble of our lane.
        await send(deps, sighting.last, { ended: 0, sent: 0, replaced: 0, wait: undefined });
      }
    }
  }
  return ended;
}

function foreign(nonce: number, relayer: Relayer): RelayError {
  return new RelayError(
    'RELAYER_NONCE_FOREIGN',
    `nonce ${nonce} of ${relayer.address} was used by a transaction that is none of ours`,
  );
}

interface Sending {
  readonly lane: Lane;
  readonly market: () => Promise<FeeMarket>;
  readonly step: Progress;
}

async function replaceIfStuck(
  { network, relayer, now, effects }: RelayLane,
  sighting: Sighting,
  { lane, market, step }: Sending,
): Promise<void> {
  const { call, last } = sighting;
  const at = now();
  if (at.getTime() - last.madeAt.getTime() < network.stuckAfterMs) return;
  const fees = replacementFees(await market(), last.fees, limitPerGas(network));
  if (!fees) {
    step.wait = 'FEE_ABOVE_MAX';
    return;
  }
  const signed = await relayer.sign({
    chainId: network.chainId,
    nonce: call.nonce,
    to: call.target,
    data: call.data,
    valueWei: call.valueWei,
    gasLimit: call.gasLimit,
    fees,
  });
  const attempt: Attempt = { n: last.n + 1, ...signed, fees, madeAt: at };
  const stored = await effects.commit('relay.replace', async (trx) => {
    await lockLane(trx, lane);
    if ((await lastAttempt(trx, call.id)) !== last.n) return false;
    await insertAttempt(trx, call.id, attempt);
    return true;
  });
  if (!stored) return;
  step.replaced += 1;
  sighting.last = attempt;
  sighting.known = false;
}

async function sendQueued(
  deps: RelayLane,
  {
    lane,
    market,
    step,
    room,
    minedNonces,
  }: Sending & { readonly room: number; readonly minedNonces: number },
): Promise<void> {
  const { db, network, relayer, effects, now } = deps;
  for (let free = room; free > 0 && step.wait === undefined; free -= 1) {
    if (!(await hasQueued(db, network.id))) return;
    const fees = firstFees(await market(), limitPerGas(network));
    if (!fees) {
      step.wait = 'FEE_ABOVE_MAX';
      return;
    }
    const attempt = await effects.commit('relay.sign', async (trx) => {
      await lockLane(trx, lane);
      const call = await nextQueued(trx, network.id);
      if (!call) return undefined;
      // A key that this lane has never used may have a past.
      const nonce = (await nextNonce(trx, lane)) ?? minedNonces;
      const signed = await relayer.sign({
        chainId: network.chainId,
        nonce,
        to: call.target,
        data: call.data,
        valueWei: call.valueWei,
        gasLimit: call.gasLimit,
        fees,
      });
      const first: Attempt = { n: call.attemptsBefore + 1, ...signed, fees, madeAt: now() };
      await giveNonce(trx, call.id, { relayer: lane.relayer, nonce });
      await insertAttempt(trx, call.id, first);
      return first;
    });
    if (!attempt) return;
    await send(deps, attempt, step);
  }
}

/** The node has these very bytes, or the nonce is closed already: receipts tell which of our hashes it was. */
const NOTHING_TO_DO =
  /already known|known transaction|already imported|already exists|nonce too low|nonce is too low/i;
/** Another attempt of ours is in the pool at a similar fee; it, or the next replacement, will do. */
const UNDERPRICED = /underpriced|fee too low|less than block base fee|fee cap/i;
const FUNDS_LOW = /insufficient (?:funds|balance)/i;

async function send(deps: RelayLane, attempt: Attempt, step: Progress): Promise<void> {
  try {
    await deps.effects.sendRawTransaction(attempt.raw);
    step.sent += 1;
  } catch (error) {
    if (!(error instanceof ChainError) || error.code !== 'NODE_ERROR') throw error;
    if (FUNDS_LOW.test(error.message)) step.wait = 'FUNDS_LOW';
    else if (!NOTHING_TO_DO.test(error.message) && !UNDERPRICED.test(error.message)) throw error;
  }
}

async function transactionCount(
  { rpc, relayer }: RelayLane,
  block: 'latest' | { readonly blockHash: string },
  account: string = relayer.address,
): Promise<number> {
  return readNumber(await rpc.call('eth_getTransactionCount', [account, block]), 'eth_getTransactionCount');
}

function limitPerGas({ feePerGasMaxGwei }: RelayNetwork): bigint {
  return BigInt(Math.round(feePerGasMaxGwei * GWEI));
}

function lazily<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
}
