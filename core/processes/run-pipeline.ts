import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { pino } from 'pino';
import { openDatabase, openPool, type Database } from '../db/db.ts';
import { parseConfig } from '../config/config.ts';
import { makePipeline } from './pipeline-steps.ts';
import type { Effects } from './effects.ts';

const DATABASE_CONNECTIONS_MAX = 8;
/** One pipeline for each database, whoever started it. */
const PIPELINE_LOCK = 7_306_040;
/** With nothing to do it looks again after this, or when the database says that something happened. */
const IDLE_MS = 200;

/**
 * Runs until SIGTERM; ends the process with 1 when the database is lost, so that its supervisor starts it again.
 * One pipeline for each database: another one waits. Everything with an effect goes through `effectsOf`.
 */
export async function runPipeline(
  path: string,
  url: string,
  effectsOf: (db: Database) => Effects,
): Promise<void> {
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
      effects: effectsOf(db),
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
