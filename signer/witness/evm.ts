/**
 * An EVM payment against the signer's own node: vault and token still have the code that this host's operator pinned,
 * and a proxy still points where it did. A signature is over a vault's address; what stands there the chain alone says.
 */
import { createHash } from 'node:crypto';
import type { EvmPay } from '../protocol/messages.ts';
import { refuse, type WitnessRefusal } from './refusal.ts';
import { NodeError, ask, type NodeAddress } from './rpc.ts';

export interface EvmWitness extends NodeAddress {
  /** CAIP-2 (`eip155:` and the chain's number). */
  readonly network: string;
  /** Undefined: blocks may be of any age, as on a chain of a laptop. */
  readonly tipAgeMaxMinutes: number | undefined;
  /** The vault, and every token that is paid out of it. */
  readonly contracts: readonly PinnedContract[];
}

export interface PinnedContract {
  /** 0x and 40 hex digits. */
  readonly address: string;
  /** SHA-256 of what `eth_getCode` gives, hex: a check of ours, not the chain's own hash. */
  readonly codeSha256: string;
  /** Of a proxy: where it keeps what it runs, and what stands there. */
  readonly proxy: { readonly slot: string; readonly implementation: string } | undefined;
}

const NO_TOKEN = /^0x0{40}$/;

/** Undefined: nothing stands against it. Throws NodeError when the node cannot be asked. */
export async function witnessEvm(
  { vault, token }: Pick<EvmPay, 'vault' | 'token'>,
  node: EvmWitness,
  nowMs: number,
): Promise<WitnessRefusal | undefined> {
  const wanted = [vault, ...(NO_TOKEN.test(token) ? [] : [token])];
  const pinned = wanted.map((address) =>
    node.contracts.find((one) => one.address.toLowerCase() === address.toLowerCase()),
  );
  const missing = wanted.find((_, i) => pinned[i] === undefined);
  if (missing !== undefined) return refuse('CODE_CHANGED', `no code is pinned here for ${missing}`);
  const contracts = pinned.filter((one) => one !== undefined);
  const [chain, block, ...values] = await ask(node, [
    { method: 'eth_chainId', params: [] },
    { method: 'eth_getBlockByNumber', params: ['latest', false] },
    ...contracts.flatMap(({ address, proxy }) => [
      { method: 'eth_getCode', params: [address, 'latest'] },
      ...(proxy ? [{ method: 'eth_getStorageAt', params: [address, proxy.slot, 'latest'] }] : []),
    ]),
  ]);
  return checkChain(chain, block, node, nowMs) ?? checkContracts(contracts, values);
}

function checkChain(
  chain: unknown,
  block: unknown,
  { network, tipAgeMaxMinutes }: EvmWitness,
  nowMs: number,
): WitnessRefusal | undefined {
  if (`eip155:${BigInt(hexOf(chain, 'eth_chainId'))}` !== network)
    return refuse('CHAIN_MISMATCH', `the own node serves ${String(chain)}`);
  const timestamp = typeof block === 'object' && block !== null && 'timestamp' in block && block.timestamp;
  const ageMinutes = Math.floor((nowMs / 1000 - Number(hexOf(timestamp, 'eth_getBlockByNumber'))) / 60);
  return tipAgeMaxMinutes !== undefined && ageMinutes > tipAgeMaxMinutes
    ? refuse('NODE_BEHIND', `its newest block is ${ageMinutes} minutes old, at most ${tipAgeMaxMinutes}`)
    : undefined;
}

function checkContracts(
  contracts: readonly PinnedContract[],
  values: readonly unknown[],
): WitnessRefusal | undefined {
  const rest = [...values];
  for (const { address, codeSha256, proxy } of contracts) {
    const code = Buffer.from(hexOf(rest.shift(), 'eth_getCode').slice(2), 'hex');
    const found = createHash('sha256').update(code).digest('hex');
    if (code.length === 0 || found !== codeSha256)
      return refuse('CODE_CHANGED', `${address} has code ${found}, pinned is ${codeSha256}`);
    if (proxy === undefined) continue;
    const runs = `0x${hexOf(rest.shift(), 'eth_getStorageAt').slice(2).padStart(64, '0').slice(24)}`;
    if (runs.toLowerCase() !== proxy.implementation.toLowerCase())
      return refuse('PROXY_CHANGED', `${address} runs ${runs}, pinned is ${proxy.implementation}`);
  }
  return undefined;
}

function hexOf(value: unknown, method: string): string {
  if (typeof value !== 'string' || !/^0x([0-9a-f]{2})*[0-9a-f]?$/i.test(value))
    throw new NodeError(`${method}: no hex`);
  return value;
}
