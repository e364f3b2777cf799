/** A thief with the keys of two signers, who uses software of his own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSealedKey, unsealKey, type OpenKey } from '../../signer/vault/key.ts';
import type { Stack } from '../../core/withdrawals/test/stack.ts';

/** What lies on the signers' disks, opened with their passphrases. */
export function stolenKeys({ signers, folder }: Stack, count = 2): OpenKey[] {
  return signers.all.slice(0, count).map(({ id, dataFolder }) => {
    const parsed = parseSealedKey(JSON.parse(readFileSync(join(dataFolder, 'key.json'), 'utf8')));
    assert.ok(parsed.ok);
    const key = unsealKey(
      parsed.value,
      readFileSync(folder.at('secrets', `signer-${id}.passphrase`), 'utf8'),
    );
    assert.ok(key);
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
