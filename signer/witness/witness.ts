/**
 * What a signer's own nodes say about a payment, asked by its gate before the vault sees it: the vault has no
 * network. A witness can only refuse. It is asked anew each time: nothing that money rests on is remembered.
 */
import { parseSignRequest } from '../protocol/messages.ts';
import { witnessBitcoin, type BitcoinWitness } from './bitcoin.ts';
import { witnessEvm, type EvmWitness } from './evm.ts';
import { NodeError } from './rpc.ts';
import { refuse, type WitnessRefusal } from './refusal.ts';

export type { BitcoinWitness } from './bitcoin.ts';
export type { EvmWitness, PinnedContract } from './evm.ts';
export type NodeWitness = BitcoinWitness | EvmWitness;
export type { WitnessRefusal } from './refusal.ts';

export interface Witness {
  /** CAIP-2 names of the networks that it has a node of; the others are signed for without one. */
  readonly networks: readonly string[];
  /** Why this must not be signed; undefined when the node has no objection or the network has no node. */
  check(request: unknown): Promise<WitnessRefusal | undefined>;
}

export interface WitnessOptions {
  readonly nodes: readonly NodeWitness[];
  readonly nowMs: () => number;
}

export function openWitness({ nodes, nowMs }: WitnessOptions): Witness {
  return {
    networks: nodes.map(({ network }) => network),
    check: async (request) => {
      const read = parseSignRequest(request);
      // The vault reads it by the same code, and says what is wrong with it.
      if (!read.ok) return undefined;
      const pay = read.value;
      const node = nodes.find(({ network }) => network === pay.network);
      if (node === undefined) return undefined;
      try {
        if (pay.type === 'evm-pay') {
          if ('contracts' in node) return await witnessEvm(pay, node, nowMs());
        } else if ('depositDepth' in node) return await witnessBitcoin(pay, node, nowMs());
        return refuse('CHAIN_MISMATCH', `the own node of ${pay.network} is of another kind`);
      } catch (error) {
        if (error instanceof NodeError) return refuse('NODE_UNREACHABLE', error.message);
        throw error;
      }
    },
  };
}
