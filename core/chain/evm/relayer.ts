import { keccak256, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { Fees } from './fees.ts';
import { RelayError } from './relay-fault.ts';

export interface RelayedTransaction {
  readonly chainId: number;
  readonly nonce: number;
  readonly to: Address;
  readonly data: Hex;
  readonly valueWei: bigint;
  readonly gasLimit: bigint;
  readonly fees: Fees;
}

/** Pays for gas and moves nobody's money: the vault pays what signers signed, whoever brings it. */
export interface Relayer {
  /** Canonical form. */
  readonly address: Address;
  readonly sign: (transaction: RelayedTransaction) => Promise<{ readonly raw: Hex; readonly txId: Hex }>;
}

const KEY = /^0x[0-9a-f]{64}$/i;

/** The relayer of a private key (0x and 64 hexadecimal digits, as its file has it). Throws RELAYER_KEY_INVALID. */
export function relayerOf(privateKey: string): Relayer {
  const text = privateKey.trim();
  const account = KEY.test(text) ? accountOf(text as Hex) : undefined;
  if (!account) throw new RelayError('RELAYER_KEY_INVALID', 'a relayer key is 0x and 64 hexadecimal digits');
  return {
    address: account.address,
    async sign({ chainId, nonce, to, data, valueWei, gasLimit, fees }) {
      const raw = await account.signTransaction({
        type: 'eip1559',
        chainId,
        nonce,
        to,
        data,
        value: valueWei,
        gas: gasLimit,
        ...fees,
      });
      return { raw, txId: keccak256(raw) };
    },
  };
}

function accountOf(key: Hex) {
  try {
    return privateKeyToAccount(key);
  } catch {
    // Zero, or above the order of the curve. The library's message could name the key.
    return undefined;
  }
}
