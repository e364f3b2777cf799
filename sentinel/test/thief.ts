/** A thief with the keys of two signers, who uses software of his own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, encodeFunctionData, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { hotVaultAbi } from '../../contracts/abi/hot-vault.ts';
import { signedPayCall } from '../../contracts/payments.ts';
import { parseSealedKey, unsealKey, type DerivedKey } from '../../signer/vault/key.ts';
import type { Stack } from '../../core/withdrawals/test/stack.ts';

/** What lies on the signers' disks, opened with their passphrases. */
export function stolenKeys({ signers, folder }: Stack, count = 2): DerivedKey[] {
  return signers.all.slice(0, count).map(({ id, dataFolder }) => {
    const parsed = parseSealedKey(JSON.parse(readFileSync(join(dataFolder, 'key.json'), 'utf8')));
    assert.ok(parsed.ok);
    const key = unsealKey(
      parsed.value,
      readFileSync(folder.at('secrets', `signer-${id}.passphrase`), 'utf8'),
    );
    assert.ok(key !== undefined && key.token === undefined);
    return key;
  });
}

let wallets = 0;

/** Bitcoin Core with the stolen keys in a wallet of its own; answers how it pays. */
export async function thiefWallet(
  stack: Stack,
  node = stack.node,
): Promise<(address: string, satoshis: bigint) => Promise<string>> {
  wallets += 1;
  const name = `thief-${wallets}`;
  const keys = stolenKeys(stack).map(({ account }) => account.privateExtendedKey);
  const third = stack.signers.all[2]?.xpub;
  await node.rpc('createwallet', name, false, true);
  const requests = await Promise.all(
    [0, 1].map(async (branch) => {
      const plain = `wsh(sortedmulti(2,${[...keys, third].map((key) => `${key}/${branch}/*`).join(',')}))`;
      const { checksum } = await node.rpc<{ checksum: string }>('getdescriptorinfo', plain);
      return {
        desc: `${plain}#${checksum}`,
        range: [0, 500],
        timestamp: 0,
        active: true,
        internal: branch === 1,
      };
    }),
  );
  const imported = await node.walletRpc<{ success: boolean }[]>(name, 'importdescriptors', requests);
  assert.ok(imported.every(({ success }) => success));
  return async (address, satoshis) =>
    node.walletRpc<string>(name, 'sendtoaddress', address, `${Number(satoshis) / 1e8}`);
}

/** Pays out of the vault with the stolen keys, by a relayer of the thief's own; answers the transaction in the pool. */
export async function thiefPayout(
  stack: Stack,
  theft: { readonly id: bigint; readonly token: Address; readonly to: Address; readonly units: bigint },
  /** What the thief offers for a place in the next block. */
  fee: { readonly maxFeePerGas?: Hex; readonly maxPriorityFeePerGas?: Hex } = {},
): Promise<Hex> {
  const { anvil } = stack;
  const network = stack.config.networks.find((one) => one.kind === 'evm');
  const from = anvil?.accounts[5]?.address;
  assert.ok(anvil !== undefined && network !== undefined && from !== undefined);
  const generation = encodeFunctionData({ abi: hotVaultAbi, functionName: 'generation' });
  const batch = {
    chainId: anvil.chainId,
    vault: network.vault as Address,
    token: theft.token,
    deadline: 2n ** 63n,
    generation: BigInt(await anvil.rpc<Hex>('eth_call', { to: network.vault, data: generation }, 'latest')),
    payments: [{ id: theft.id, to: theft.to, amountUnits: theft.units }],
  };
  const keys = stolenKeys(stack).map(({ evmPrivateKey }) => privateKeyToAccount(bytesToHex(evmPrivateKey)));
  const data = await signedPayCall(batch, keys);
  return anvil.rpc<Hex>('eth_sendTransaction', { from, to: network.vault, data, gas: '0xf4240', ...fee });
}
