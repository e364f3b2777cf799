/** The API process: `node core/processes/api.ts CONFIG`, PORTCULLIS_DATABASE_URL in the environment. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { pino } from 'pino';
import { listingsOf, parseConfig } from '../config/config.ts';
import { openDatabase, openPool } from '../db/db.ts';
import { buildApi, type EventNotices } from '../http/http.ts';
import { startLedgerLane } from '../ledger/ledger.ts';

const DATABASE_CONNECTIONS_MAX = 24;
/** It asks nodes of its own before it answers. */
const SENTINEL_WITHIN_MS = 20_000;

const [configPath] = process.argv.slice(2);
const databaseUrl = process.env['PORTCULLIS_DATABASE_URL'];
if (configPath === undefined || databaseUrl === undefined) {
  process.stderr.write('usage: PORTCULLIS_DATABASE_URL=postgres://… node core/processes/api.ts CONFIG\n');
  process.exit(2);
}
await main(configPath, databaseUrl);

async function main(path: string, url: string): Promise<void> {
  const log = pino({ name: 'api' });
  const config = parseConfig(readFileSync(path, 'utf8'));
  const pool = openPool(url, DATABASE_CONNECTIONS_MAX);
  const lane = startLedgerLane(pool);
  const arrivals = await listenForEvents(url, () => {
    log.fatal('lost the database');
    process.exit(1);
  });
  const app = await buildApi({
    config,
    listings: listingsOf(config),
    db: openDatabase(pool),
    lane,
    log,
    now: () => new Date(),
    randomBytes,
    eventNotices: arrivals.notices,
    sentinel: sentinelAt(config.sentinel?.url),
  });
  const address = await app.listen({ host: config.http.host, port: config.http.port });
  log.info({ address }, 'listening');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      void (async () => {
        await app.close();
        await arrivals.stop();
        await lane.stop();
        await pool.end();
        process.exit(0);
      })();
    });
  }
}

function sentinelAt(base: string | undefined): ((path: string) => Promise<unknown>) | undefined {
  if (base === undefined) return undefined;
  return async (path) => {
    const response = await fetch(new URL(path, base), { signal: AbortSignal.timeout(SENTINEL_WITHIN_MS) });
    if (!response.ok) throw new Error(`answered ${response.status}`);
    return response.json();
  };
}

/** Counts PostgreSQL's notices of new events and wakes whoever waits for one. */
async function listenForEvents(url: string, onLost: () => void) {
  const client = new Client({ connectionString: url });
  let count = 0;
  let wake = Promise.withResolvers<void>();
  let stopping = false;
  client.on('notification', () => {
    count += 1;
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  client.on('error', onLost);
  client.on('end', () => {
    if (!stopping) onLost();
  });
  await client.connect();
  await client.query('listen portcullis_event');
  const notices: EventNotices = {
    count: () => count,
    async above(seen, timeoutMs, signal) {
      if (count > seen || signal.aborted) return;
      const timer = new AbortController();
      const either = AbortSignal.any([signal, timer.signal]);
      await Promise.race([wake.promise, sleep(timeoutMs, undefined, { signal: either }).catch(() => {})]);
      timer.abort();
    },
  };
  return {
    notices,
    async stop(): Promise<void> {
      stopping = true;
      await client.end();
    },
  };
}
