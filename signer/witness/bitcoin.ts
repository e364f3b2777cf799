/**
 * A Bitcoin payment against the signer's own node: every coin that it spends stands in that node's UTXO set, with
 * exactly its amount and script, and deep enough. The mempool does not count: what stands in no block may vanish.
 */
import type { BitcoinChildRequest, BitcoinPay } from '../protocol/messages.ts';
import { refuse, type WitnessRefusal } from './refusal.ts';
import { NodeError, ask, type NodeAddress } from './rpc.ts';

export interface BitcoinWitness extends NodeAddress {
  /** CAIP-2 (`bip122:` and the first 32 digits of the genesis block's hash). */
  readonly network: string;
  /** Blocks, the one that holds it counted, on coins that others paid. */
  readonly depositDepth: number;
  /** Blocks on the wallet's own change. */
  readonly changeDepth: number;
  /** The tip may be this old by the own clock. Undefined on regtest alone: its blocks come when told. */
  readonly tipAgeMaxMinutes: number | undefined;
}

/** Undefined: nothing stands against it. Throws NodeError when the node cannot be asked. */
export async function witnessBitcoin(
  pay: BitcoinPay | BitcoinChildRequest,
  node: BitcoinWitness,
  nowMs: number,
): Promise<WitnessRefusal | undefined> {
  const [genesis, chain] = await ask(node, [
    { method: 'getblockhash', params: [0] },
    { method: 'getblockchaininfo', params: [] },
  ]);
  const amiss = checkNode(genesis, chain, node, nowMs);
  if (amiss !== undefined) return amiss;
  // A child spends change of a transaction in this signer's journal, in a block or not, back to us: its vault's rule.
  if (pay.type === 'bitcoin-child') return undefined;
  return checkCoins(pay, node);
}

function checkNode(
  genesis: unknown,
  chain: unknown,
  { network, tipAgeMaxMinutes }: BitcoinWitness,
  nowMs: number,
): WitnessRefusal | undefined {
  if (typeof genesis !== 'string' || `bip122:${genesis.slice(0, 32)}` !== network)
    return refuse('CHAIN_MISMATCH', `the own node follows ${String(genesis)}`);
  const { blocks, headers, time } = factsOf(chain, 'getblockchaininfo');
  if (typeof blocks !== 'number' || typeof headers !== 'number' || typeof time !== 'number')
    throw new NodeError('getblockchaininfo: without heights and time');
  if (headers > blocks) return refuse('NODE_BEHIND', `block ${blocks} of ${headers}`);
  const ageMinutes = Math.floor((nowMs / 1000 - time) / 60);
  if (tipAgeMaxMinutes !== undefined && ageMinutes > tipAgeMaxMinutes)
    return refuse(
      'NODE_BEHIND',
      `its tip ${blocks} is ${ageMinutes} minutes old, at most ${tipAgeMaxMinutes}`,
    );
  return undefined;
}

async function checkCoins(pay: BitcoinPay, node: BitcoinWitness): Promise<WitnessRefusal | undefined> {
  const decoded = await decode(pay.psbt, node);
  // What the vault may read and the node does not has no coins that anybody witnessed.
  if (decoded === undefined) return refuse('COIN_UNKNOWN', 'the own node cannot decode the PSBT');
  if (decoded.length !== pay.inputs.length)
    return refuse('COIN_UNKNOWN', `${decoded.length} inputs, ${pay.inputs.length} claims`);
  const coins = await ask(
    node,
    decoded.map(({ txid, vout }) => ({ method: 'gettxout', params: [txid, vout, false] })),
  );
  for (const [i, claim] of pay.inputs.entries()) {
    const { txid, vout, previous } = decoded[i] ?? {};
    const where = `input ${i}: ${String(txid)}:${String(vout)}`;
    if (coins[i] == null) return refuse('COIN_UNKNOWN', `${where} is no coin of the own node’s chain`);
    const coin = factsOf(coins[i], 'gettxout');
    const stated = outputIn(previous, vout);
    if (stated === undefined || coin['value'] !== stated.value || scriptOf(coin) !== scriptOf(stated))
      return refuse('COIN_UNKNOWN', `${where} has another amount or script`);
    // The vault derives the script of the claimed branch: who claims change for a deposit is refused there.
    const depth = claim.branch === 0 ? node.depositDepth : node.changeDepth;
    const confirmations = coin['confirmations'];
    if (typeof confirmations !== 'number') throw new NodeError('gettxout: without confirmations');
    if (confirmations < depth) return refuse('COIN_UNCONFIRMED', `${where} has ${confirmations} of ${depth}`);
  }
  return undefined;
}

interface DecodedInput {
  readonly txid: unknown;
  readonly vout: unknown;
  /** The transaction that it spends, as the PSBT brings it. */
  readonly previous: unknown;
}

/** Undefined: it is no PSBT to this node. */
async function decode(psbt: string, node: NodeAddress): Promise<DecodedInput[] | undefined> {
  const analysed = await ask(node, [{ method: 'decodepsbt', params: [psbt] }]).catch((error: unknown) => {
    if (error instanceof NodeError && error.message.startsWith('decodepsbt:')) return undefined;
    throw error;
  });
  if (analysed === undefined) return undefined;
  const { tx, inputs } = factsOf(analysed[0], 'decodepsbt');
  const { vin } = factsOf(tx, 'decodepsbt');
  if (!Array.isArray(vin) || !Array.isArray(inputs) || vin.length !== inputs.length)
    throw new NodeError('decodepsbt: without inputs');
  return vin.map((spent: unknown, i) => {
    const { txid, vout } = factsOf(spent, 'decodepsbt');
    return { txid, vout, previous: factsOf(inputs[i], 'decodepsbt')['non_witness_utxo'] };
  });
}

type Facts = Readonly<Record<string, unknown>>;

function factsOf(value: unknown, method: string): Facts {
  if (typeof value !== 'object' || value === null) throw new NodeError(`${method}: no object`);
  return value as Facts;
}

function outputIn(previous: unknown, vout: unknown): Facts | undefined {
  if (typeof previous !== 'object' || previous === null || typeof vout !== 'number') return undefined;
  const outputs = (previous as Facts)['vout'];
  const output: unknown = Array.isArray(outputs) ? outputs[vout] : undefined;
  return typeof output === 'object' && output !== null ? (output as Facts) : undefined;
}

/** Hex; undefined is like no script. */
function scriptOf({ scriptPubKey }: Facts): unknown {
  const script = typeof scriptPubKey === 'object' && scriptPubKey !== null ? scriptPubKey : {};
  return 'hex' in script ? script.hex : Number.NaN;
}
