/**
 * Evacuates one EVM vault to COLD by one guardian's key: a node, the manifest and that key are all it needs. The
 * contract pauses with it, and sends nowhere else.
 */
import { encodeFunctionData, erc20Abi, zeroAddress, type Address, type Hex } from 'viem';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import type { ManifestEvm } from '../signer/protocol/manifest.ts';
import { connect, priceNow, sendUntilMined, vaultOf, type Client, type EvmRules } from './send.ts';

export { EvacuationError, type EvmRules } from './send.ts';

export interface Holding {
  /** CAIP-19. */
  readonly asset: string;
  readonly token: Address;
  /** Base units; undefined: the token does not say. */
  readonly amount: bigint | undefined;
}

export interface EvmPlan {
  readonly network: string;
  readonly vault: Address;
  readonly cold: Address;
  readonly paused: boolean;
  readonly holdings: readonly Holding[];
  /** Transactions, and the gas that they may use together. */
  readonly transactions: number;
  readonly gasMax: bigint;
  /** At the first price that would be offered. */
  readonly feeMaxWei: bigint;
  /** What the guardian has to pay it with. */
  readonly guardianWei: bigint;
}

export interface EvmResult {
  readonly network: string;
  readonly cold: Address;
  readonly paused: boolean;
  readonly transactions: readonly Hex[];
  /** How often an attempt was replaced at a higher price. */
  readonly escalations: number;
  readonly moved: readonly Holding[];
  /** What the vault still holds, or does not tell. */
  readonly left: readonly Holding[];
}

/** EIP-7825 allows 2^24 to one transaction. */
const TRANSACTION_GAS_MAX = 15_000_000n;
const BASE_GAS = 300_000n;
const OWN_GAS = 100_000n;
/** What comes in while it runs is moved too, and a token that refuses is not asked for ever. */
const ROUNDS_MAX = 3;

/** What would move, and what it costs at most. Sends nothing. Throws EvacuationError. */
export async function planEvm(rules: EvmRules): Promise<EvmPlan> {
  const client = await connect(rules);
  const vault = vaultOf(rules);
  const [cold, paused, holdings, batches, price, guardianWei] = await Promise.all([
    client.readContract({ ...vault, functionName: 'COLD' }),
    client.readContract({ ...vault, functionName: 'paused' }),
    holdingsOf(client, rules.entry),
    batchesOf(client, rules),
    priceNow(client, rules.gasPriceMaxWei),
    client.getBalance({ address: rules.account.address }),
  ]);
  const gasMax = batches.reduce((sum, { gas }) => sum + gas, 0n);
  return {
    network: rules.entry.network,
    vault: vault.address,
    cold,
    paused,
    holdings,
    transactions: batches.length,
    gasMax,
    feeMaxWei: gasMax * price.maxFeePerGas,
    guardianWei,
  };
}

/**
 * Pauses and moves everything, and answers what is left. May be asked again, also after it was killed: it takes the
 * guardian's next nonce, so that an attempt that still waits is replaced. Throws EvacuationError before it sends.
 */
export async function evacuateEvm(rules: EvmRules): Promise<EvmResult> {
  const client = await connect(rules);
  const vault = vaultOf(rules);
  const deadlineMs = rules.nowMs() + rules.withinMs;
  const cold = await client.readContract({ ...vault, functionName: 'COLD' });
  const before = await holdingsOf(client, rules.entry);
  const transactions: Hex[] = [];
  let escalations = 0;
  let left = before;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    for (const batch of await batchesOf(client, rules)) {
      const sent = await sendUntilMined(client, rules, { ...batch, deadlineMs });
      escalations += sent.escalations;
      if (sent.hash !== undefined) transactions.push(sent.hash);
    }
    left = await leftOf(client, rules.entry);
    if (left.length === 0 || rules.nowMs() >= deadlineMs) break;
  }
  const paused = await client.readContract({ ...vault, functionName: 'paused' });
  const moved = before.flatMap((holding) => {
    const rest = left.find(({ asset }) => asset === holding.asset);
    if (holding.amount === undefined || rest?.amount === undefined)
      return rest === undefined && (holding.amount ?? 0n) > 0n ? [holding] : [];
    return holding.amount > rest.amount ? [{ ...holding, amount: holding.amount - rest.amount }] : [];
  });
  return { network: rules.entry.network, cold, paused, transactions, escalations, moved, left };
}

/** Whether nothing that the manifest lists is left, and nothing can be paid any more. */
export const isEvacuated = ({ paused, left }: EvmResult): boolean => paused && left.length === 0;

async function holdingsOf(client: Client, { vault, tokens }: ManifestEvm): Promise<Holding[]> {
  return Promise.all(
    tokens.map(async ({ asset, token }) => ({
      asset,
      token: token as Address,
      amount: await balanceOf(client, token as Address, vault as Address),
    })),
  );
}

const leftOf = async (client: Client, entry: ManifestEvm): Promise<Holding[]> =>
  (await holdingsOf(client, entry)).filter(({ amount }) => amount !== 0n);

async function balanceOf(client: Client, token: Address, address: Address): Promise<bigint | undefined> {
  if (token === zeroAddress) return client.getBalance({ address });
  try {
    return await client.readContract({
      address: token,
      abi: erc20Abi,
      functionName: 'balanceOf',
      args: [address],
    });
  } catch {
    // A token that does not tell holds nothing else up; it counts as left.
    return undefined;
  }
}

/**
 * Calls that together name every listed asset, also those that hold nothing now: something may come before the
 * block. The gas is computed, not estimated: an estimate is the least with which the call succeeds, and the call
 * succeeds too when a transfer inside had too little.
 */
async function batchesOf(client: Client, rules: EvmRules): Promise<{ data: Hex; gas: bigint }[]> {
  const [, tokenGas] = await client.readContract({ ...vaultOf(rules), functionName: 'gasCaps' });
  // Two calls for each token, and the 64th part that a call leaves behind (EIP-150).
  const each = (BigInt(tokenGas) * 2n * 64n) / 63n + OWN_GAS;
  const size = Math.max(1, Number((TRANSACTION_GAS_MAX - BASE_GAS) / each));
  const tokens = rules.entry.tokens.map(({ token }) => token as Address);
  return Array.from({ length: Math.ceil(tokens.length / size) }, (_, i) => {
    const part = tokens.slice(i * size, (i + 1) * size);
    const data = encodeFunctionData({ abi: hotVaultAbi, functionName: 'evacuate', args: [part] });
    return { data, gas: BASE_GAS + each * BigInt(part.length) };
  });
}
