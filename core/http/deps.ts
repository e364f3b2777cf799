import type { Logger } from 'pino';
import type { Config, Listing } from '../config/config.ts';
import type { Database } from '../db/db.ts';
import type { LedgerLane } from '../ledger/ledger.ts';

/** What the routes work with, built once per process. */
export interface HttpDeps {
  readonly config: Config;
  readonly listings: readonly Listing[];
  readonly db: Database;
  readonly lane: LedgerLane;
  readonly log: Logger;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Resolves when something new may be in the event table, or after the time. */
  readonly eventArrives: (timeoutMs: number, signal: AbortSignal) => Promise<void>;
}
