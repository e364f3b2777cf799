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
  readonly eventNotices: EventNotices;
  /** The JSON that a sentinel answers at a path; rejects when it does not. Undefined: none is configured. */
  readonly sentinel?: ((path: string) => Promise<unknown>) | undefined;
}

/** Counts PostgreSQL's notices of new events. */
export interface EventNotices {
  readonly count: () => number;
  /** Resolves once the count is above `seen`, or after the time, or when the signal aborts; never rejects. */
  readonly above: (seen: number, timeoutMs: number, signal: AbortSignal) => Promise<void>;
}
