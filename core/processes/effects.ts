import { broadcast } from '../chain/bitcoin/bitcoin.ts';
import type { EvmRpc } from '../chain/evm/evm.ts';
import { commitTo, type Database } from '../db/db.ts';
import type { SpendEffects } from '../spends/spends.ts';

/** Everything that lasts or leaves the process, in one object: a test ends the process before and after each. */
export interface Effects extends SpendEffects {
  readonly sendRawTransaction: (rpc: EvmRpc, raw: `0x${string}`) => Promise<unknown>;
}

export function realEffects(db: Database): Effects {
  return {
    commit: commitTo(db),
    sign: (signer, request) => signer.sign(request),
    broadcast,
    sendRawTransaction: (rpc, raw) => rpc.call('eth_sendRawTransaction', [raw]),
  };
}
