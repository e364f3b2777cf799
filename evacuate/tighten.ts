/** Stops what an EVM vault pays by one guardian's key: all of it, or one asset. OPERATORS start it again. */
import { encodeFunctionData, type Address, type Hex } from 'viem';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import { connect, sendUntilMined, vaultOf, type Client, type EvmRules } from './send.ts';

export { EvacuationError, type EvmRules } from './send.ts';

/** pause() costs 30,000 and a lowered cap 40,000; both have room for a fork's prices. */
const TIGHTEN_GAS = 150_000n;

/**
 * Pauses the vault or, for an asset of the manifest (CAIP-19), lowers its cap to nothing. True once the chain says so, at
 * once where it did already; false when it was not mined in time. May be asked again, also after it was killed. Throws
 * EvacuationError, and what the node answers.
 */
export async function tightenEvm(rules: EvmRules, asset?: string): Promise<boolean> {
  const client = await connect(rules);
  const stop = asset === undefined ? pause : lowering(rules, asset);
  if (await stop.isDone(client, rules)) return true;
  const deadlineMs = rules.nowMs() + rules.withinMs;
  await sendUntilMined(client, rules, { data: stop.data, gas: TIGHTEN_GAS, deadlineMs });
  return stop.isDone(client, rules);
}

interface Stop {
  readonly data: Hex;
  readonly isDone: (client: Client, rules: EvmRules) => Promise<boolean>;
}

const pause: Stop = {
  data: encodeFunctionData({ abi: hotVaultAbi, functionName: 'pause' }),
  isDone: async (client, rules) => client.readContract({ ...vaultOf(rules), functionName: 'paused' }),
};

function lowering({ entry }: EvmRules, asset: string): Stop {
  const found = entry.tokens.find((one) => one.asset === asset);
  // Whatever is not listed has no cap of its own to lower.
  if (found === undefined) return pause;
  const token = found.token as Address;
  return {
    data: encodeFunctionData({ abi: hotVaultAbi, functionName: 'lowerCap', args: [token, 0n] }),
    isDone: async (client, rules) => {
      const [cap] = await client.readContract({
        ...vaultOf(rules),
        functionName: 'limitOf',
        args: [token],
      });
      return cap === 0n;
    },
  };
}
