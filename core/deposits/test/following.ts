import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { executorOf, type Database } from '../../db/db.ts';
import { accountBalance, auditLedger, balancesOf } from '../../ledger/ledger.ts';
import { listDeposits, runDeposits } from '../deposits.ts';
import { openTestDatabase, testClock, testConfig, testCustomer, type TestClock } from './written-chain.ts';

export const config = testConfig();
export const BTC = 100_000_000n;
export const ETH = 10n ** 18n;

export interface Setup {
  readonly db: Database;
  readonly clock: TestClock;
  readonly alice: string;
  readonly run: () => Promise<number>;
  readonly total: (asset: string) => Promise<{ final: bigint; provisional: bigint }>;
  readonly held: (
    kind: 'hot' | 'unswept' | 'gas' | 'cold',
    asset: string,
    network: string,
  ) => Promise<bigint>;
  readonly whole: () => Promise<void>;
}

export async function setUp(t: TestContext): Promise<Setup> {
  const db = await openTestDatabase({ after: (fn) => t.after(fn) });
  const clock = testClock();
  const alice = await testCustomer(db, 'alice');
  const executor = executorOf(db);
  const whole = async (): Promise<void> => assert.deepEqual(await auditLedger(executor), []);
  return {
    db,
    clock,
    alice,
    whole,
    run: async () => {
      clock.ms += 1000;
      const moved = await runDeposits({ db, config, now: clock.now });
      await whole();
      return moved;
    },
    total: async (asset) => {
      const found = (await balancesOf(executor, alice)).find((line) => line.asset === asset);
      return { final: found?.final ?? 0n, provisional: found?.provisional ?? 0n };
    },
    held: async (kind, asset, network) => -(await accountBalance(executor, { kind, asset, network })),
  };
}

export const states = async (db: Database): Promise<string[]> =>
  (await listDeposits(db, { limit: 50 })).map((row) => row.state).toReversed();

export function byText(a: readonly unknown[], b: readonly unknown[]): number {
  return a.join(' ') < b.join(' ') ? -1 : 1;
}
