/** What an EVM vault would pay now to whoever has enough signers' keys: its own cap, read on the chain. */
import { createPublicClient, erc20Abi, http, zeroAddress, type Address } from 'viem';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import type { ManifestEvm } from '../signer/protocol/manifest.ts';

const ANSWER_WITHIN_MS = 15_000;

/**
 * By CAIP-19, base units: what the cap of 24 hours still lets through, and no more than the vault holds; nothing while it
 * is paused. Throws when the node does not answer, or serves another chain.
 */
export async function payableOf(
  { chainId, vault, tokens, network }: ManifestEvm,
  nodeUrl: string,
): Promise<ReadonlyMap<string, bigint>> {
  const client = createPublicClient({
    transport: http(nodeUrl, { timeout: ANSWER_WITHIN_MS, retryCount: 1 }),
  });
  const found = await client.getChainId();
  if (BigInt(found) !== chainId) throw new Error(`the node of ${network} serves ${found}, not ${chainId}`);
  const address = vault as Address;
  const blockNumber = await client.getBlockNumber();
  const at = { address, abi: hotVaultAbi, blockNumber } as const;
  const paused = await client.readContract({ ...at, functionName: 'paused' });
  const rows = tokens.map(async ({ asset, token }): Promise<[string, bigint]> => {
    if (paused) return [asset, 0n];
    const one = token as Address;
    const [cap, spent] = await client.readContract({ ...at, functionName: 'limitOf', args: [one] });
    const holds =
      one === zeroAddress
        ? await client.getBalance({ address, blockNumber })
        : await client.readContract({
            address: one,
            abi: erc20Abi,
            functionName: 'balanceOf',
            args: [address],
            blockNumber,
          });
    const left = cap > spent ? cap - spent : 0n;
    return [asset, left < holds ? left : holds];
  });
  return new Map(await Promise.all(rows));
}
