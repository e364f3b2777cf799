/** Brings a freeze to the vault contracts too, by a guardian's key of the sentinel's own: what is paused pays no stolen keys. */
import { parseGwei } from 'viem';
import { tightenEvm } from '../evacuate/tighten.ts';
import { EVERYTHING } from '../signer/protocol/freeze.ts';
import type { SentinelConfig } from './config.ts';
import type { FreezeRecord } from './freezer.ts';
import type { Sleep } from './patience.ts';

/** One network's vault, as this sentinel can stop it. */
export interface StoppableVault {
  /** CAIP-2. */
  readonly network: string;
  /** All of it, or one asset (CAIP-19). False: it was not mined in time. Rejects when the node refuses. */
  readonly stop: (asset: string | undefined) => Promise<boolean>;
}

export interface VaultStops {
  /** Stops what stands and is not stopped yet. Several may ask at once: a vault is sent one call at a time. */
  bring(): Promise<void>;
}

const STOPPED = 'stopped';
/** A call that is not mined by then is sent anew, at the price of that moment. */
const STOP_WITHIN_MS = 60_000;
const ESCALATE_AFTER_MS = 3_000;

export function openVaultStops(deps: {
  readonly vaults: readonly StoppableVault[];
  readonly records: readonly FreezeRecord[];
  /** Whether people have lifted it, as journals say. */
  readonly isLifted: (id: string) => boolean;
  /** Called at each answer. */
  readonly keep: () => void;
}): VaultStops {
  const { vaults, records, isLifted, keep } = deps;
  const busy = new Set<string>();
  const stopWhatStands = async ({ network, stop }: StoppableVault): Promise<void> => {
    // What was stopped once for a freeze is the operators' to start again, also while it stands.
    const open = records.filter(
      ({ scope, id, vaults: answers }) =>
        covers(scope, network) && answers?.[network] !== STOPPED && !isLifted(id),
    );
    for (const record of open) {
      const asset = record.scope.startsWith(`${network}/`) ? record.scope : undefined;
      const answer = await stop(asset).then(
        (isDone) => (isDone ? STOPPED : 'not mined yet'),
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      record.vaults = { ...record.vaults, [network]: answer };
      keep();
    }
  };
  return {
    bring: async () => {
      await Promise.all(
        vaults.map(async (vault) => {
          if (busy.has(vault.network)) return;
          busy.add(vault.network);
          await stopWhatStands(vault).finally(() => busy.delete(vault.network));
        }),
      );
    },
  };
}

/** The vaults of the networks that a guardian's key is configured for. */
export function stoppableVaults(
  { manifest, evm }: Pick<SentinelConfig, 'manifest' | 'evm'>,
  {
    nowMs,
    sleep,
    log,
  }: { readonly nowMs: () => number; readonly sleep: Sleep; readonly log: (line: string) => void },
): StoppableVault[] {
  const { signal } = new AbortController();
  return evm.flatMap(({ network, node: nodeUrl, guardian: account, feePerGasMaxGwei }) => {
    const entry = manifest.evm.find((one) => one.network === network);
    if (entry === undefined || account === undefined) return [];
    const rules = {
      entry,
      nodeUrl,
      account,
      gasPriceMaxWei: parseGwei(String(feePerGasMaxGwei)),
      escalateAfterMs: ESCALATE_AFTER_MS,
      withinMs: STOP_WITHIN_MS,
      nowMs,
      sleep: async (ms: number) => sleep(ms, signal),
      tell: log,
    };
    return [{ network, stop: async (asset) => tightenEvm(rules, asset) }];
  });
}

const covers = (scope: string, network: string): boolean =>
  scope === EVERYTHING || scope === network || scope.startsWith(`${network}/`);
