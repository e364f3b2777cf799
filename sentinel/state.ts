/** What the sentinel keeps between starts, in one file that is replaced whole. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { ChainEnd } from './checks/journal-chain.ts';
import type { FreezeRecord } from './freezer.ts';
import type { BitcoinState } from './sources/bitcoin.ts';
import type { EvmState } from './sources/evm.ts';
import type { OpenSpend } from './watch-bitcoin.ts';
import type { OpenPayouts } from './watch-evm.ts';

export interface SentinelState {
  journals: Record<string, ChainEnd>;
  freezes: FreezeRecord[];
  bitcoin: Record<string, { chain: BitcoinState; open: OpenSpend[] }>;
  evm: Record<string, { chain: EvmState; open: OpenPayouts[] }>;
}

export interface StateFile {
  readonly state: SentinelState;
  save(): void;
}

/** Throws SyntaxError for a file that is none: the sentinel does not start on half a memory. */
export function openState(path: string): StateFile {
  const empty: SentinelState = { journals: {}, freezes: [], bitcoin: {}, evm: {} };
  const state: SentinelState = existsSync(path)
    ? { ...empty, ...(JSON.parse(readFileSync(path, 'utf8'), reviveBigint) as SentinelState) }
    : empty;
  let saved = '';
  return {
    state,
    save: () => {
      const text = JSON.stringify(state, replaceBigint);
      if (text === saved) return;
      writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
      renameSync(`${path}.new`, path);
      saved = text;
    },
  };
}

const replaceBigint = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? { bigint: value.toString() } : value;

const reviveBigint = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'bigint' in value ? BigInt(String(value.bigint)) : value;
