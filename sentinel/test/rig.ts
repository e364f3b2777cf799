/** A sentinel's process beside a whole wallet of real parts. */
import assert from 'node:assert/strict';
import { parseStatusAnswer, type StandingFreeze } from '../../signer/protocol/messages.ts';
import type { Stack } from '../../core/withdrawals/test/stack.ts';
import type { SentinelFile } from '../config.ts';
import type { TestScope } from '../../world/testing.ts';
import { startLocalSentinel, type LocalBooks, type LocalSentinel } from '../../world/sentinel.ts';

export const BITCOIN = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';

export interface WatchOptions {
  readonly attest?: SentinelFile['attest'];
  readonly lagMaxSeconds?: number;
  readonly books?: LocalBooks;
  /** Its guardian's key stops the vault with a freeze. */
  readonly stopsVault?: boolean;
}

export async function watching(
  scope: TestScope,
  stack: Stack,
  { attest, lagMaxSeconds, books, stopsVault = false }: WatchOptions = {},
): Promise<LocalSentinel> {
  const lag = lagMaxSeconds === undefined ? {} : { lagMaxSeconds };
  const fromBlock = Number((await stack.anvil?.rpc<string>('eth_blockNumber')) ?? 0);
  const evm = stack.config.networks.flatMap((network) =>
    network.kind === 'evm'
      ? [
          {
            network: network.caip2,
            node: stack.anvil?.url ?? '',
            fromBlock,
            contracts: [network.registry, network.factory],
            ...(stopsVault ? { guardianKeyFile: stack.sentinel.guardianKeyFile } : {}),
            ...lag,
          },
        ]
      : [],
  );
  const sentinel = await startLocalSentinel({
    folder: stack.folder,
    keys: stack.sentinel,
    manifestFile: stack.manifestFile,
    signers: stack.signers.all,
    watch: {
      bitcoin: [{ network: BITCOIN, node: stack.node.url, fromHeight: 0, lookahead: 200, ...lag }],
      evm,
    },
    pollMs: 50,
    books,
    ...(attest === undefined ? {} : { attest }),
  });
  scope.after(sentinel.process.stop);
  return sentinel;
}

/** What stands at each signer, or at the first few. */
export async function freezesAt(stack: Stack, count?: number): Promise<StandingFreeze[][]> {
  return Promise.all(
    stack.signers.all.slice(0, count).map(async ({ ask }) => {
      const parsed = parseStatusAnswer(await ask('GET', '/v1/status'));
      assert.ok(parsed.ok && parsed.value.ok);
      return [...parsed.value.freezes];
    }),
  );
}
