import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { pino, type Logger } from 'pino';
import { bitcoinRpc, startBitcoinWatcher } from '../chain/bitcoin/bitcoin.ts';
import { parseConfig, type Config, type Network } from '../config/config.ts';
import { openDatabase, openPool, type Commit, type Database } from '../db/db.ts';

const DATABASE_CONNECTIONS_MAX = 4;
/** With the network's name: one watcher for each network, whoever started it. */
const WATCHER_LOCK_CLASS = 7_306_023;

export interface WatcherProcess {
  /** Of the configuration. */
  readonly path: string;
  readonly network: string;
  /** Of the database, with the role of the process. */
  readonly url: string;
  readonly commitOf: (db: Database) => Commit;
}

/**
 * Runs until SIGTERM; ends the process with 1 when the database is lost, so that its supervisor starts it again.
 * One watcher for each network: another one waits. Everything that lasts goes through `commitOf`.
 */
export async function runWatcher({ path, network: id, url, commitOf }: WatcherProcess): Promise<void> {
  const log = pino({ name: `watcher ${id}` });
  const config = readConfig(path);
  const network = config.networks.find((candidate) => candidate.id === id);
  if (!network) {
    const known = config.networks.map((candidate) => candidate.id).join(', ');
    process.stderr.write(`no network ${id} in ${path}: there are ${known}\n`);
    process.exit(2);
  }
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const lock = await takeLock(url, id, { log, signal: stop.signal });
  if (!lock) process.exit(0);
  const pool = openPool(url, DATABASE_CONNECTIONS_MAX);
  try {
    const db = openDatabase(pool);
    await watch(network, { db, commit: commitOf(db), log, signal: stop.signal });
  } catch (error) {
    log.fatal({ err: error }, 'stopped by an error');
    process.exit(1);
  }
  await pool.end();
  await lock.release();
  log.info('stopped');
}

/** What is wrong with a configuration is said in a line, not in a stack trace. */
function readConfig(path: string): Config {
  try {
    return parseConfig(readFileSync(path, 'utf8'));
  } catch (error) {
    process.stderr.write(`${path}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  }
}

interface Running {
  readonly db: Database;
  readonly commit: Commit;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

async function watch(network: Network, { db, commit, log, signal }: Running): Promise<void> {
  const shared = {
    db,
    commit,
    now: () => new Date(),
    sleep: async (ms: number, until: AbortSignal) => {
      await delay(ms, undefined, { signal: until }).catch(() => {});
    },
    signal,
    log,
  };
  if (network.kind === 'bitcoin') {
    const rpc = bitcoinRpc({ urls: network.nodes });
    return startBitcoinWatcher({ ...shared, network, rpc, seed: randomBytes(16) });
  }
  // Loaded here, for a Bitcoin watcher needs nothing of it: half the memory and the start of the process.
  const { startEvmWatcher } = await import('../chain/evm/evm.ts');
  return startEvmWatcher({ ...shared, network });
}

/** Waits while another process follows this network. The lock lives with its connection: lost, so are we. */
async function takeLock(
  url: string,
  network: string,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<{ readonly release: () => Promise<void> } | undefined> {
  const client = new Client({ connectionString: url, keepAlive: true });
  let releasing = false;
  const lost = (error?: Error): void => {
    if (releasing) return;
    log.fatal({ err: error }, 'lost the database');
    process.exit(1);
  };
  client.on('error', lost);
  client.on('end', () => lost());
  await client.connect();
  const release = async (): Promise<void> => {
    releasing = true;
    await client.end();
  };
  for (let told = false; !signal.aborted;) {
    const { rows } = await client.query<{ taken: boolean }>(
      'select pg_try_advisory_lock($1::int, hashtext($2)) as taken',
      [WATCHER_LOCK_CLASS, network],
    );
    if (rows[0]?.taken) return { release };
    if (!told) log.info('another watcher follows this network: waiting');
    told = true;
    await delay(500, undefined, { signal }).catch(() => {});
  }
  await release();
  return undefined;
}
