/** The EIP-712 digest of a payment by the HotVault, by another library than the signers' (docs/decisions/0001). */
import { concatHex, getAddress, hashTypedData, pad, toHex, type Hex } from 'viem';

export interface PayMessage {
  readonly chainId: bigint;
  readonly vault: string;
  readonly token: string;
  readonly deadline: bigint;
  readonly generation: bigint;
  readonly ids: readonly bigint[];
  /** Amount (96 bits) above recipient (160 bits). */
  readonly items: readonly Hex[];
}

export function digestOfPay({ chainId, vault, token, ...message }: PayMessage): Hex {
  return hashTypedData({
    domain: {
      name: 'Portcullis HotVault',
      version: '1',
      chainId,
      verifyingContract: getAddress(vault),
    },
    types,
    primaryType: 'Pay',
    message: { ...message, token: getAddress(token) },
  });
}

export const itemOf = (amount: bigint, to: string): Hex =>
  concatHex([toHex(amount, { size: 12 }), pad(getAddress(to), { size: 20 })]);

const types = {
  Pay: [
    { name: 'token', type: 'address' },
    { name: 'deadline', type: 'uint64' },
    { name: 'generation', type: 'uint64' },
    { name: 'ids', type: 'uint64[]' },
    { name: 'items', type: 'bytes32[]' },
  ],
} as const;
