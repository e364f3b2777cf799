// What signers sign and a relayer sends to a hot vault, for tests, measurements and local systems. Signers of a
// production system build these bytes themselves from their own orders.

import type { Address, Hex } from 'viem';
import { concatHex, encodeFunctionData, pad, toHex } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { hotVaultAbi } from './abi/hot-vault.ts';

export interface Payment {
  /** The order number. */
  readonly id: bigint;
  readonly to: Address;
  readonly amountUnits: bigint;
}

export interface PaymentBatch {
  readonly chainId: number;
  readonly vault: Address;
  /** Zero means ETH. */
  readonly token: Address;
  /** Unix seconds. */
  readonly deadline: bigint;
  readonly generation: bigint;
  /** Ids strictly ascending. */
  readonly payments: readonly Payment[];
}

/** The call of `pay`, signed by these accounts in ascending order of address. */
export async function signedPayCall(
  batch: PaymentBatch,
  signers: readonly PrivateKeyAccount[],
): Promise<Hex> {
  const ids = batch.payments.map(({ id }) => id);
  const items = batch.payments.map(({ to, amountUnits }) =>
    concatHex([toHex(amountUnits, { size: 12 }), pad(to, { size: 20 })]),
  );
  const { token, deadline, generation } = batch;
  const byAddress = [...signers].sort((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1));
  const signatures = await Promise.all(
    byAddress.map((signer) =>
      signer.signTypedData({
        domain: {
          name: 'Portcullis HotVault',
          version: '1',
          chainId: batch.chainId,
          verifyingContract: batch.vault,
        },
        types: payTypes,
        primaryType: 'Pay',
        message: { token, deadline, generation, ids, items },
      }),
    ),
  );
  return encodeFunctionData({
    abi: hotVaultAbi,
    functionName: 'pay',
    args: [token, deadline, ids, items, concatHex(signatures)],
  });
}

const payTypes = {
  Pay: [
    { name: 'token', type: 'address' },
    { name: 'deadline', type: 'uint64' },
    { name: 'generation', type: 'uint64' },
    { name: 'ids', type: 'uint64[]' },
    { name: 'items', type: 'bytes32[]' },
  ],
} as const;
