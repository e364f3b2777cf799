/**
 * Evacuates one EVM vault to COLD by one guardian's key: a node, the manifest and that key are all it needs. The
 * contract pauses with it, and sends nowhere else.
 */
import {
  BaseError,
  createPublicClient,
  encodeFunctionData,
  erc20Abi,
  http,
  keccak256,
  zeroAddress,
  type Address,
  type Hex,
  type PublicClient,
} from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import type { ManifestEvm } from '../signer/protocol/manifest.ts';

export type EvacuationCode = 'WRONG_CHAIN' | 'NOT_A_ROLE';

/** What stands in the way before anything is sent. */
export class EvacuationError extends Error {
  override readonly name = 'EvacuationError';
  readonly code: EvacuationCode;
  readonly retryable = false;

  constructor(code: EvacuationCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface EvmRules {
  readonly entry: ManifestEvm;
  readonly nodeUrl: string;
  readonly account: PrivateKeyAccount;
  /** Wei of one gas; more is never offered. */
  readonly gasPriceMaxWei: bigint;
  /** An attempt that is not in a block by then is replaced at a higher price. */
  readonly escalateAfterMs: number;
  /** When it gives up waiting. */
  readonly withinMs: number;
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly tell: (text: string) => void;
}

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
const TIP_WEI = 2_000_000_000n;
const POLL_MS = 200;
/** What comes in while it runs is moved too, and a token that refuses is not asked for ever. */
const ROUNDS_MAX = 3;

type Client = PublicClient;

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

async function connect({ entry, nodeUrl, account }: EvmRules): Promise<Client> {
  const client = createPublicClient({ transport: http(nodeUrl, { retryCount: 3 }), cacheTime: 0 });
  const found = await client.getChainId();
  if (BigInt(found) !== entry.chainId)
    throw new EvacuationError('WRONG_CHAIN', `the node serves ${found}, not ${entry.chainId}`);
  const address = entry.vault as Address;
  const args = [account.address] as const;
  const isRole = await Promise.all([
    client.readContract({ address, abi: hotVaultAbi, functionName: 'isGuardian', args }),
    client.readContract({ address, abi: hotVaultAbi, functionName: 'isSigner', args }),
  ]);
  if (!isRole.includes(true))
    throw new EvacuationError('NOT_A_ROLE', `the vault of ${entry.network} does not know ${account.address}`);
  return client;
}

const vaultOf = ({ entry }: EvmRules): { address: Address; abi: typeof hotVaultAbi } => ({
  address: entry.vault as Address,
  abi: hotVaultAbi,
});

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

interface Price {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** For a place in one of the next blocks, however the base fee rises meanwhile. */
async function priceNow(client: Client, maxWei: bigint): Promise<Price> {
  const { baseFeePerGas } = await client.getBlock();
  return bounded(
    { maxFeePerGas: (baseFeePerGas ?? 0n) * 2n + TIP_WEI, maxPriorityFeePerGas: TIP_WEI },
    maxWei,
  );
}

const bounded = (price: Price, maxWei: bigint): Price => ({
  maxFeePerGas: least(price.maxFeePerGas, maxWei),
  maxPriorityFeePerGas: least(price.maxPriorityFeePerGas, maxWei),
});

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** Nodes take a replacement that offers an eighth more of both. */
function bumped(price: Price, now: Price, maxWei: bigint): Price {
  const more = (old: bigint, fresh: bigint): bigint => {
    const step = (old * 9n) / 8n + 1n;
    return fresh > step ? fresh : step;
  };
  return bounded(
    {
      maxFeePerGas: more(price.maxFeePerGas, now.maxFeePerGas),
      maxPriorityFeePerGas: more(price.maxPriorityFeePerGas, now.maxPriorityFeePerGas),
    },
    maxWei,
  );
}

interface EvacuateCall {
  readonly data: Hex;
  readonly gas: bigint;
  readonly deadlineMs: number;
}

/** One nonce, as many prices as it takes: at most one of the attempts is mined. No hash: none was in time. */
async function sendUntilMined(
  client: Client,
  rules: EvmRules,
  call: EvacuateCall,
): Promise<{ hash: Hex | undefined; escalations: number }> {
  const { account, entry, nowMs, sleep, tell, escalateAfterMs, gasPriceMaxWei } = rules;
  const { address } = account;
  const nonce = await client.getTransactionCount({ address, blockTag: 'latest' });
  // A price that the guardian cannot pay would be refused, and with it the evacuation.
  const maxWei = least(gasPriceMaxWei, (await client.getBalance({ address })) / call.gas);
  const hashes = new Set<Hex>();
  let price = await priceNow(client, maxWei);
  for (let escalations = 0; ;) {
    const bytes = await signed(rules, { ...call, ...price, nonce });
    hashes.add(keccak256(bytes));
    const refusal = await send(client, bytes);
    tell(`${entry.network}: nonce ${nonce} at ${price.maxFeePerGas} wei${refusal && `: ${refusal}`}`);
    const isCheap = /underpriced/i.test(refusal);
    const until = Math.min(nowMs() + (isCheap ? 0 : escalateAfterMs), call.deadlineMs);
    do {
      await sleep(POLL_MS);
      const hash = await minedOf(client, hashes);
      // Without a hash something else of the guardian's took the nonce: the caller looks at what is left.
      if (hash !== undefined || (await isUsed(client, address, nonce))) return { hash, escalations };
    } while (nowMs() < until);
    if (nowMs() >= call.deadlineMs) return { hash: undefined, escalations };
    // What was refused for another reason does not become better by a higher price.
    if (refusal !== '' && !isCheap) continue;
    const next = bumped(price, await priceNow(client, maxWei).catch(() => price), maxWei);
    if (next.maxFeePerGas > price.maxFeePerGas) escalations += 1;
    price = next;
  }
}

const signed = async (
  { account, entry }: EvmRules,
  { data, gas, nonce, maxFeePerGas, maxPriorityFeePerGas }: EvacuateCall & Price & { readonly nonce: number },
): Promise<Hex> =>
  account.signTransaction({
    type: 'eip1559',
    chainId: Number(entry.chainId),
    to: entry.vault as Address,
    data,
    gas,
    nonce,
    maxFeePerGas,
    maxPriorityFeePerGas,
  });

/** Why the node did not take it; empty when it did, or has it already. */
async function send(client: Client, serializedTransaction: Hex): Promise<string> {
  try {
    await client.sendRawTransaction({ serializedTransaction });
    return '';
  } catch (error) {
    const text = error instanceof BaseError ? error.details : String(error);
    return /already (known|imported)/i.test(text) ? '' : text;
  }
}

/** A node that does not answer for a moment is asked again. */
const isUsed = async (client: Client, address: Address, nonce: number): Promise<boolean> =>
  client.getTransactionCount({ address, blockTag: 'latest' }).then(
    (count) => count > nonce,
    () => false,
  );

async function minedOf(client: Client, hashes: ReadonlySet<Hex>): Promise<Hex | undefined> {
  for (const hash of hashes) {
    // Throws for what is in no block.
    const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined);
    if (receipt !== undefined) return hash;
  }
  return undefined;
}
