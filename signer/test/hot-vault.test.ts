// Proves against the real contract that two signatures pay a batch, that one does not, and that no id pays twice.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { encodeFunctionData, getAddress, zeroAddress, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { hotVaultAbi } from '../../contracts/abi/hot-vault.ts';
import { deployHotVault } from '../../contracts/deploy.ts';
import { connectEvm, transact } from '../../contracts/rpc.ts';
import { testAnvil } from '../../world/testing.ts';
import type { Identity } from '../protocol/messages.ts';
import {
  NATIVE,
  call,
  evmRequest,
  makeQuorum,
  manifestOf,
  orderJson,
  signed,
  policyOf,
  signedManifest,
  signedPolicy,
} from './quorum.ts';

const quorum = makeQuorum({ pin: false });
const { vaults, clock } = quorum;
after(quorum.close);
const identities = vaults.map((vault) => call(vault, 'identity', {}) as unknown as Identity);

test('a batch of ether is paid by two signatures, by each pair, and never again', async (t) => {
  const node = await testAnvil(t, { chainId: 31337 });
  const [account, cold, owner, operators, guardian] = node.accounts;
  assert.ok(account && cold && owner && operators && guardian);
  const client = await connectEvm(node.url, 31337);
  // The contract refuses a COLD without code: it must be a Safe, and this test moves nothing there.
  await node.rpc('anvil_setCode', cold.address, '0x00');
  const payer = privateKeyToAccount(account.privateKey);
  const vault = await deployHotVault(client, payer, {
    signers: identities.map(({ evmAddress }) => getAddress(evmAddress)),
    threshold: 2,
    guardians: [guardian.address],
    cold: cold.address,
    owner: owner.address,
    operators: operators.address,
    caps: [{ token: zeroAddress, capUnits: 10n ** 18n }],
  });
  const manifest = manifestOf(identities, 2, vault);
  for (const one of vaults) {
    assert.ok(call(one, 'manifest', signedManifest(manifest)).ok);
    assert.ok(call(one, 'policy', signedPolicy(policyOf(manifest))).ok);
  }
  await node.rpc('anvil_setBalance', vault, '0xde0b6b3a7640000');
  const { timestamp } = await client.getBlock();
  clock.nowMs = Number(timestamp) * 1000;

  const recipients = [1, 2, 3].map((i) => getAddress(`0x${String(i).repeat(40)}`));
  const generation = await client.readContract({
    abi: hotVaultAbi,
    address: vault,
    functionName: 'generation',
  });
  for (const [i, pair] of [
    [0, 1],
    [2, 0],
    [1, 2],
  ].entries()) {
    const orders = recipients.map((destination) =>
      orderJson({
        destination,
        asset: 'eip155:31337/slip44:60',
        amount: '1000',
        expiry: String(timestamp + 7200n),
      }),
    );
    const request = evmRequest({
      vault,
      deadline: String(timestamp + 3000n),
      generation: String(generation),
      orders,
    });
    const signatures = pair
      .map((index) => signed(vaults[index]!, request))
      .toSorted((a, b) => (BigInt(a.address!) < BigInt(b.address!) ? -1 : 1))
      .map(({ signature }) => signature!.slice(2));
    const pay = (parts: readonly string[]): { to: Hex; data: Hex } => {
      const ids = orders.map((order) => BigInt(order.orderNumber));
      const items = orders.map((order): Hex => {
        const item = (BigInt(order.amount) << 160n) | BigInt(order.destination);
        return `0x${item.toString(16).padStart(64, '0')}`;
      });
      const args = [NATIVE, BigInt(request.deadline), ids, items, `0x${parts.join('')}`] as const;
      return { to: vault, data: encodeFunctionData({ abi: hotVaultAbi, functionName: 'pay', args }) };
    };
    await assert.rejects(
      client.call({ ...pay(signatures.slice(0, 1)), account: payer.address }),
      /SignaturesInvalid|revert/,
    );
    await transact(client, payer, pay(signatures));
    for (const address of recipients)
      assert.equal(await client.getBalance({ address }), 1000n * BigInt(i + 1));
    await assert.rejects(client.call({ ...pay(signatures), account: payer.address }), /IdUsed|revert/);
  }
  assert.equal(await client.getBalance({ address: vault }), 10n ** 18n - 9000n);
});
