/** The API process: `node core/processes/api.ts CONFIG`, PORTCULLIS_DATABASE_URL in the environment. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { pino } from 'pino';
import { listingsOf, parseConfig } from '../config/config.ts';
import { openDatabase, openPool } from '../db/db.ts';
import { buildApi } from '../http/http.ts';
import { startLedgerLane } from '../ledger/ledger.ts';

const DATABASE_CONNECTIONS_MAX = 24;

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
    eventArrives: arrivals.wait,
  });
  const address = await app.listen({ host: config.http.host, port: config.http.port });
  log.info({ address }, 'listening');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      void (async () => {
        arrivals.stop();
        await app.close();
        await lane.stop();
        await pool.end();
        process.exit(0);
      })();
    });
  }
}

/** Wakes whoever waits for events when PostgreSQL says that there is one. */
async function listenForEvents(url: string, onLost: () => void) {
  const client = new Client({ connectionString: url });
  let wake = Promise.withResolvers<void>();
  let stopping = false;
  client.on('notification', () => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  client.on('error', onLost);
  client.on('end', () => {
    if (!stopping) onLost();
  });
  await client.connect();
  await client.query('listen portcullis_event');
  return {
    async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
      await Promise.race([wake.promise, sleep(timeoutMs, undefined, { signal, ref: false }).catch(() => {})]);
    },
    stop(): void {
      stopping = true;
      wake.resolve();
      void client.end();
    },
  };
}
