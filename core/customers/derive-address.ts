import { idBytes, type Id } from '../../lib/ids/ids.ts';
import { deriveChecked, walletOf } from '../chain/bitcoin/bitcoin.ts';
import { depositSalt, deriveDepositAddress } from '../chain/evm/evm.ts';
import type { Config, Network } from '../config/config.ts';

/**
 * The deposit address at a position, by two libraries. Bitcoin: the descriptor's branch 0, index `position`. EVM:
 * the keyless address of the salt of customer and counter; `derivation` is that salt.
 */
export function deriveAddress(
  config: Config,
  network: Network,
  { customer, position }: { readonly customer: Id<'customer'>; readonly position: bigint },
): { readonly address: string; readonly script: Uint8Array | null; readonly derivation: string } {
  if (network.kind === 'evm') {
    const salt = depositSalt(idBytes(customer), Number(position));
    const { factory, depositInitCodeHash: initCodeHash } = network;
    return { address: deriveDepositAddress({ factory, initCodeHash, salt }), script: null, derivation: salt };
  }
  const { address, script } = deriveChecked(walletOf(config, network), 0, Number(position));
  return { address, script, derivation: `0/${position}` };
}
