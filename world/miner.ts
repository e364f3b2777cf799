import type { Anvil } from './parts/anvil.ts';
import type { Bitcoind } from './parts/bitcoind.ts';

export interface Miner {
  /** Mines on every chain, now. */
  readonly mine: (blocks: number) => Promise<void>;
  /** 0 pauses it. */
  readonly setEveryMs: (everyMs: number) => void;
  readonly stop: () => void;
}

/** Mines a block on every chain at an even pace; a chain that does not answer is tried again at the next beat. */
export function startMiner(options: {
  readonly bitcoind: Bitcoind;
  readonly anvils: readonly Anvil[];
  readonly everyMs: number;
}): Miner {
  const mine = async (blocks: number): Promise<void> => {
    await Promise.allSettled([
      options.bitcoind.mine(blocks),
      ...options.anvils.map((anvil) => anvil.mine(blocks)),
    ]);
  };
  let timer: NodeJS.Timeout | undefined;
  let busy = false;
  const beat = (): void => {
    if (busy) return;
    busy = true;
    void mine(1).finally(() => {
      busy = false;
    });
  };
  const setEveryMs = (everyMs: number): void => {
    clearInterval(timer);
    timer = everyMs > 0 ? setInterval(beat, everyMs) : undefined;
  };
  setEveryMs(options.everyMs);
  return { mine, setEveryMs, stop: () => clearInterval(timer) };
}
