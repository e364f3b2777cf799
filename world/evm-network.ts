import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { parseEther, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { deployEvmSystem, type EvmSystem } from '../contracts/deploy.ts';
import { connectEvm, transact } from '../contracts/rpc.ts';
import { LOCAL_CAPS, type SignerPublic } from './configuration.ts';
import type { WorldFolder } from './folder.ts';
import type { Anvil } from './parts/anvil.ts';
import type { People } from './people/people.ts';

export interface LocalEvm {
  readonly id: string;
  readonly nodeUrl: string;
  readonly system: EvmSystem;
}

/** A timelock of a minute: long enough to be seen, short enough to be waited for. */
const TIMELOCK_DELAY_SECONDS = 60;
const RELAYER_FLOAT_WEI = parseEther('50');
const PEOPLE_FLOAT_WEI = parseEther('5');

/**
 * Deploys the contracts to a local network the first time and remembers where; later starts read it back.
 * anvil's first account pays; its second initializes the registry, so that all networks have the same addresses.
 */
export async function deployLocalEvm(input: {
  readonly id: string;
  readonly anvil: Anvil;
  readonly folder: WorldFolder;
  readonly people: People;
  readonly signers: readonly SignerPublic[];
  readonly relayerKeyFile: string;
  /** The sentinel's, beside people's. */
  readonly guardian: Address;
}): Promise<LocalEvm> {
  const { anvil, id } = input;
  const remembered = input.folder.at('anvil', `${id}-contracts.json`);
  if (existsSync(remembered)) {
    const system = JSON.parse(readFileSync(remembered, 'utf8')) as EvmSystem;
    return { id, nodeUrl: anvil.url, system };
  }
  const [deployer, initializer] = anvil.accounts;
  if (!deployer || !initializer) throw new Error('anvil has no accounts');
  const people = await input.people.introduce();
  const mining = setInterval(() => void anvil.mine(1).catch(() => {}), 50);
  try {
    const system = await deployEvmSystem({
      rpcUrl: anvil.url,
      chainId: anvil.chainId,
      deployerKey: deployer.privateKey,
      initializerKey: initializer.privateKey,
      safes: people.safes,
      signers: input.signers.map(({ evmAddress }) => evmAddress as Address),
      threshold: 2,
      guardians: [...people.guardians, input.guardian],
      capUnits: LOCAL_CAPS,
      timelockDelaySeconds: TIMELOCK_DELAY_SECONDS,
      tokens: 'deploy-test-tokens',
    });
    await giveGas(anvil, deployer.privateKey, input.relayerKeyFile, [
      ...people.guardians,
      input.guardian,
      ...Object.values(people.safes).flatMap(({ owners }) => owners.slice(0, 1)),
    ]);
    await writeFile(remembered, `${JSON.stringify(system, null, 2)}\n`);
    return { id, nodeUrl: anvil.url, system };
  } finally {
    clearInterval(mining);
  }
}

/** The relayer's float, and gas for those who act alone. */
async function giveGas(
  anvil: Anvil,
  deployerKey: Hex,
  relayerKeyFile: string,
  people: readonly Address[],
): Promise<void> {
  const client = await connectEvm(anvil.url, anvil.chainId);
  const payer = privateKeyToAccount(deployerKey);
  const relayer = privateKeyToAccount(readFileSync(relayerKeyFile, 'utf8').trim() as Hex);
  await transact(client, payer, { to: relayer.address, data: '0x', valueWei: RELAYER_FLOAT_WEI });
  for (const address of people)
    await transact(client, payer, { to: address, data: '0x', valueWei: PEOPLE_FLOAT_WEI });
}
