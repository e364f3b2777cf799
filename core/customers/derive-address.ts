import { idBytes, type Id } from '../../lib/ids/ids.ts';
import { deriveChecked, walletOf } from '../chain/bitcoin/bitcoin.ts';
import { depositSalt, deriveDepositAddress } from '../chain/evm/evm.ts';
import type { Config, Network } from '../config/config.ts';

export function deriveAddress(
  config: Config,
  network: Network,
  { customer, position }: { readonly customer: Id<'customer'>; readonly position: bigint },
): { readonly address: string; readonly script: Uint8Array | null; readonly derivation: string } {
  if (network.kind === 'evm') {
    const salt = depositSalt(idBytes(customer), Number(position));
    const address = deriveDepositAddress({
      factory: network.factory,
      initCodeHash: network.depositInitCodeHash,
      salt,
    });
    return { address, script: null, derivation: salt };
  }
  const { address, script } = deriveChecked(walletOf(config, network), 0, Number(position));
  return { address, script, derivation: `0/${position}` };
}
