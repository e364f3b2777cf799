/** Moves deposits, withdrawals and sweeps: `node core/processes/pipeline.ts CONFIG`, PORTCULLIS_DATABASE_URL in the environment. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { pino } from 'pino';
import { openDatabase, openPool } from '../db/db.ts';
import { parseConfig } from '../config/config.ts';
import { makePipeline } from './pipeline-steps.ts';
import { realEffects } from './effects.ts';

const DATABASE_CONNECTIONS_MAX = 8;
/** One pipeline for each database, whoever started it. */
const PIPELINE_LOCK = 7_306_040;
/** With nothing to do it looks again after this, or when the database says that something happened. */
const IDLE_MS = 200;

const [configPath] = process.argv.slice(2);
const databaseUrl = process.env['PORTCULLIS_DATABASE_URL'];
if (configPath === undefined || databaseUrl === undefined) {
  process.stderr.write(
    'usage: PORTCULLIS_DATABASE_URL=postgres://… node core/processes/pipeline.ts CONFIG\n',
  );
  process.exit(2);
}
await main(configPath, databaseUrl);

async function main(path: string, url: string): Promise<void> {
  const log = pino({ name: 'pipeline' });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const lock = await takeLock(url, stop.signal, (why) => {
    log.fatal({ why }, 'lost the database');
    process.exit(1);
  });
  if (!lock) process.exit(0);
  const pool = openPool(url, DATABASE_CONNECTIONS_MAX);
  const db = openDatabase(pool);
  const config = parseConfig(readFileSync(path, 'utf8'));
  try {
    const pipeline = await makePipeline({
      db,
      config,
      log,
      now: () => new Date(),
      randomBytes,
      effects: realEffects(db),
    });
    log.info('running');
    while (!stop.signal.aborted) {
      const moved = await pipeline.step();
      if (moved === 0)
        await Promise.race([
          lock.notified(),
          delay(IDLE_MS, undefined, { signal: stop.signal }).catch(() => {}),
        ]);
    }
  } catch (error) {
    log.fatal({ err: error }, 'stopped by an error');
    process.exit(1);
  }
  await pool.end();
  await lock.release();
  log.info('stopped');
  process.exit(0);
}

/** Waits while another pipeline runs. The lock lives with its connection: lost, so are we. */
async function takeLock(url: string, signal: AbortSignal, onLost: (why: string) => void) {
  const client = new Client({ connectionString: url, keepAlive: true });
  let releasing = false;
  let wake = Promise.withResolvers<void>();
  const lost = (error?: Error): void => {
    if (!releasing) onLost(error?.message ?? 'the connection ended');
  };
  client.on('error', lost);
  client.on('end', () => lost());
  client.on('notification', () => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  await client.connect();
  await client.query('listen portcullis_event');
  const release = async (): Promise<void> => {
    releasing = true;
    await client.end();
  };
  while (!signal.aborted) {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
      PIPELINE_LOCK,
    ]);
    if (rows[0]?.taken) return { release, notified: () => wake.promise };
    await delay(500, undefined, { signal }).catch(() => {});
  }
  await release();
  return undefined;
}
