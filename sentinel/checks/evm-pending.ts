/** A call of the vault that waits for its block: signed by a quorum's keys, and in no journal, it is a theft. */
import { decodeFunctionData, recoverAddress, size, slice, type Hex } from 'viem';
import { hotVaultAbi } from '../../contracts/abi/hot-vault.ts';
import type { Finding } from './finding.ts';
import { digestOfPay } from './evm-pay.ts';
import { explain, type Witnesses } from './explain.ts';

/** A transaction to the vault that is in no block yet. */
export interface PendingCall {
  readonly txHash: Hex;
  readonly data: Hex;
}

export interface PendingRules {
  /** CAIP-2. */
  readonly network: string;
  readonly chainId: bigint;
  readonly vault: string;
  /** The vault's generation now: another one makes signatures worthless. */
  readonly generation: bigint;
  readonly threshold: number;
  /** Accounts of the signers, in lower case. */
  readonly signers: ReadonlySet<string>;
  readonly witnesses: (id: string) => Witnesses;
}

const SIGNATURE_BYTES = 65;

/** The digest that enough signers have signed; nothing for a call that the vault refuses: anybody can send one. */
export async function signedDigest(
  { data }: PendingCall,
  { chainId, vault, generation, threshold, signers }: Omit<PendingRules, 'witnesses'>,
): Promise<Hex | undefined> {
  const call = decodePay(data);
  if (call === undefined) return undefined;
  const [token, deadline, ids, items, signatures] = call;
  if (size(signatures) !== threshold * SIGNATURE_BYTES) return undefined;
  const digest = digestOfPay({ chainId, vault, generation, token, deadline, ids, items });
  const found = new Set<string>();
  for (let i = 0; i < threshold; i++) {
    const signature = slice(signatures, i * SIGNATURE_BYTES, (i + 1) * SIGNATURE_BYTES);
    // Not a point of the curve: no signature at all.
    const signer = await recoverAddress({ hash: digest, signature }).catch(() => '');
    if (signers.has(signer.toLowerCase())) found.add(signer);
  }
  return found.size === threshold ? digest : undefined;
}

/** Only what journals that all were read do not hold; whatever is unclear is judged in its block. */
export function judgePending(call: PendingCall, digest: Hex, rules: PendingRules): Finding | undefined {
  const witnesses = rules.witnesses(digest.slice(2));
  if (explain(witnesses, rules.threshold) !== 'unexplained') return undefined;
  return {
    level: 'freeze',
    code: 'UNEXPLAINED_PAYOUT',
    scope: rules.network,
    key: `payout ${rules.network} ${call.txHash}`,
    detail: `${call.txHash} waits for its block, signed, and ${witnesses.holding} journals hold it`,
  };
}

type PayCall = readonly [
  token: Hex,
  deadline: bigint,
  ids: readonly bigint[],
  items: readonly Hex[],
  signatures: Hex,
];

function decodePay(data: Hex): PayCall | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: hotVaultAbi, data });
    return functionName === 'pay' ? args : undefined;
  } catch {
    // Some other call: viem has no other way to say so.
    return undefined;
  }
}
