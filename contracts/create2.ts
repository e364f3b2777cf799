// Deployment to addresses that depend on the code alone, through the deterministic deployment proxy that
// nearly every EVM network has (and anvil too).

import type { Address, Hex } from 'viem';
import { concatHex, getCreate2Address, zeroHash } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import type { EvmClient } from './rpc.ts';
import { EvmFault, transact } from './rpc.ts';

/** Nick's method: nobody has its key, and it is at this address wherever it is. */
export const create2Deployer: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C';

/** Where `deployCreate2` puts this init code (salt zero), on every network. */
export function create2Address(initCode: Hex): Address {
  return getCreate2Address({ from: create2Deployer, salt: zeroHash, bytecode: initCode });
}

/** Deploys the init code unless it is already there. Throws EVM_CREATE2_DEPLOYER_MISSING. */
export async function deployCreate2(
  client: EvmClient,
  payer: PrivateKeyAccount,
  initCode: Hex,
): Promise<Address> {
  const address = create2Address(initCode);
  if ((await client.getCode({ address })) !== undefined) return address;
  if ((await client.getCode({ address: create2Deployer })) === undefined) {
    throw new EvmFault('EVM_CREATE2_DEPLOYER_MISSING', `no code at ${create2Deployer}`);
  }
  await transact(client, payer, { to: create2Deployer, data: concatHex([zeroHash, initCode]) });
  return address;
}
