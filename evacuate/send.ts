/** Calls of one EVM vault by one guardian's key, sent until they are mined: at a higher price each time that blocks pass them over. */
import {
  BaseError,
  createPublicClient,
  http,
  keccak256,
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

const TIP_WEI = 2_000_000_000n;
const POLL_MS = 200;

export type Client = PublicClient;

/** Throws EvacuationError for another chain, and for who has no role at the vault. */
export async function connect({ entry, nodeUrl, account }: EvmRules): Promise<Client> {
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

export const vaultOf = ({ entry }: EvmRules): { address: Address; abi: typeof hotVaultAbi } => ({
  address: entry.vault as Address,
  abi: hotVaultAbi,
});

interface Price {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** For a place in one of the next blocks, however the base fee rises meanwhile. */
export async function priceNow(client: Client, maxWei: bigint): Promise<Price> {
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

export interface VaultCall {
  readonly data: Hex;
  readonly gas: bigint;
  readonly deadlineMs: number;
}

/** One nonce, as many prices as it takes: at most one of the attempts is mined. No hash: none was in time. */
export async function sendUntilMined(
  client: Client,
  rules: EvmRules,
  call: VaultCall,
): Promise<{ hash: Hex | undefined; escalations: number }> {
  const { account, entry, nowMs, sleep, tell, escalateAfterMs, gasPriceMaxWei } = rules;
  const { address } = account;
  const nonce = await client.getTransactionCount({ address, blockTag: 'latest' });
  // A price that the guardian cannot pay would be refused, and with it the call.
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
  { data, gas, nonce, maxFeePerGas, maxPriorityFeePerGas }: VaultCall & Price & { readonly nonce: number },
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
