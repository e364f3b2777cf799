import { encodeFunctionData, erc20Abi, type Address } from 'viem';
import { ChainError } from '../faults.ts';
import type { EvmRpc } from './rpc.ts';

/**
 * Whether a token moves from the vault at all at this moment: a paused token, or one that blocks the vault, would
 * have every payment of a batch fail, for ever. Tried without sending, to each of `recipients`; one that is taken is
 * enough, since a single recipient may be blocked. Throws ChainError when the node cannot.
 */
export async function tokenMoves(
  rpc: EvmRpc,
  transfer: {
    readonly contract: string;
    readonly vault: string;
    readonly units: bigint;
    readonly recipients: readonly string[];
  },
): Promise<boolean> {
  const { contract, vault, units, recipients } = transfer;
  const answers = await rpc.batch(
    recipients.map((to) => {
      const data = encodeFunctionData({
        abi: erc20Abi,
        functionName: 'transfer',
        args: [to as Address, units],
      });
      return { method: 'eth_call', params: [{ from: vault, to: contract, data }, 'latest'] };
    }),
  );
  const fault = answers.find((answer) => answer instanceof ChainError && answer.code !== 'NODE_ERROR');
  if (fault) throw fault;
  return answers.some((answer) => !(answer instanceof ChainError) && isTaken(answer));
}

/** Nothing, as USDT answers, or true. */
function isTaken(answer: unknown): boolean {
  return typeof answer === 'string' && (answer === '0x' || /^0x0{63}1$/.test(answer));
}
