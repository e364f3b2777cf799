/** The parts that processes of ours hang on, each of which can be killed at any instant and comes back. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { migrate } from '../../db/migrate.ts';
import { proxyOf, type NodeProxy } from '../../withdrawals/test/node-proxy.ts';
import { startAnvil, type Anvil } from '../../../world/parts/anvil.ts';
import { startBitcoind, type Bitcoind } from '../../../world/parts/bitcoind.ts';
import { startPostgres } from '../../../world/parts/postgres.ts';
import type { LocalSigner } from '../../../world/signers.ts';
import type { TestScope } from '../../../world/testing.ts';
import type { Stroke } from './kill-points.ts';

export interface KillParts {
  readonly databaseUrl: string;
  /** Both answer again after their node was killed, on the same port. */
  readonly node: Bitcoind;
  readonly anvil: Anvil;
  /** A proxy of the node, for processes of ours; tests ask the node itself. */
  readonly reach: (nodeUrl: string) => Promise<string>;
  /** A block on every chain. */
  readonly mine: () => Promise<void>;
  /** Bitcoin gives up its last blocks for one more, with the same transactions. */
  readonly reorg: (depth: number) => Promise<void>;
  /** A payment from outside, which whoever made it gives to the node again when that forgot it. */
  readonly pay: (address: string, satoshis: bigint) => Promise<void>;
  /** Ends something, and answers when it is there again. `pick` chooses among several of a kind. */
  readonly strike: (stroke: Stroke, pick: number, signers: readonly LocalSigner[]) => Promise<void>;
  /** One more when PostgreSQL ends, and one when it is there again: who ends with it is not to blame. */
  readonly databaseAge: () => number;
}

const DATABASE = 'portcullis';
const SETTINGS = { shared_buffers: '64MB', max_connections: '60' };
const GARBLED_CALLS = 6;

export async function startKillParts(scope: TestScope, folder: string): Promise<KillParts> {
  const [database, bitcoin, evm] = await Promise.all([
    mortalPostgres(join(folder, 'postgres')),
    mortalBitcoind(join(folder, 'bitcoind')),
    mortalAnvil(join(folder, 'anvil')),
  ]);
  const proxies: NodeProxy[] = [];
  scope.after(async () => {
    await Promise.all([database, bitcoin, evm, ...proxies].map((part) => part.stop()));
  });
  const strikes: Record<Exclude<Stroke, 'process' | 'signer'>, (pick: number) => Promise<void>> = {
    postgres: database.kill,
    backend: database.killBackend,
    // Nobody hears of it before its peers have told it all again: without them it would have forgotten blocks.
    bitcoind: async () => {
      for (const proxy of proxies) proxy.shut(true);
      await bitcoin.kill();
      for (const proxy of proxies) proxy.shut(false);
    },
    anvil: evm.restart,
    lag: bitcoin.lag,
    garbage: async (pick) => proxies[pick % proxies.length]?.garble(GARBLED_CALLS),
    lost: async () => {
      for (const proxy of proxies)
        for (const method of ['sendrawtransaction', 'eth_sendRawTransaction'])
          proxy.cut(method, 'unanswered', 1);
    },
  };
  return {
    databaseUrl: database.url,
    node: bitcoin.node,
    anvil: evm.anvil,
    reach: async (nodeUrl) => {
      const proxy = await proxyOf(nodeUrl);
      proxies.push(proxy);
      return proxy.url;
    },
    mine: async () => {
      await bitcoin.mine();
      await evm.anvil.mine(1);
    },
    reorg: bitcoin.reorg,
    pay: bitcoin.pay,
    databaseAge: database.age,
    strike: async (stroke, pick, signers) => {
      if (stroke === 'signer') signers[pick % signers.length]?.process.kill();
      else if (stroke !== 'process') await strikes[stroke](pick);
    },
  };
}

const BACKENDS = `select pid from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' order by pid`;

/** With all that makes it durable. */
async function mortalPostgres(folder: string) {
  mkdirSync(folder, { recursive: true });
  let server = await startPostgres({ folder, settings: SETTINGS });
  const url = server.urlOf(DATABASE);
  await once(server.url, `create database ${DATABASE}`);
  await migrate(url);
  let age = 0;
  return {
    url,
    age: () => age,
    stop: () => server.stop(),
    kill: async () => {
      age += 1;
      await server.kill();
      server = await startPostgres({ folder, port: server.port, settings: SETTINGS });
      await answers(url);
      age += 1;
    },
    /** One of its processes: PostgreSQL then ends all the others, and recovers. */
    killBackend: async (pick: number) => {
      age += 1;
      const rows = await once(url, BACKENDS);
      const pid = rows[pick % Math.max(1, rows.length)]?.['pid'];
      if (typeof pid === 'number') process.kill(pid, 'SIGKILL');
      await delay(100);
      await answers(url);
      age += 1;
    },
  };
}

/** It writes its chain when it is asked to end, not when it is killed; what was not mined is lost either way. */
async function mortalAnvil(folder: string) {
  mkdirSync(folder, { recursive: true });
  const options = { folder, mining: 'manual', slotsInAnEpoch: 2, history: true } as const;
  let server = await startAnvil(options);
  return {
    anvil: server,
    stop: () => server.stop(),
    restart: async () => {
      await server.stop();
      server = await startAnvil({ ...options, port: server.port });
    },
  };
}

/** A killed node comes back without what it had not written: others on its network tell it again. */
async function mortalBitcoind(folder: string) {
  mkdirSync(folder, { recursive: true });
  let server = await startBitcoind({ folder });
  const node = server;
  const blocks = new Map<number, string>();
  const payments: string[] = [];
  let hidden: string | undefined;
  const remember = async (hashes: readonly string[]): Promise<void> => {
    for (const hash of hashes) {
      const { height } = await node.rpc<{ height: number }>('getblockheader', hash);
      blocks.set(height, await node.rpc<string>('getblock', hash, 0));
    }
  };
  const catchUp = async (): Promise<void> => {
    if (hidden !== undefined) await node.rpc('reconsiderblock', hidden);
    hidden = undefined;
  };
  return {
    node,
    stop: () => server.stop(),
    mine: async () => {
      await catchUp();
      await remember(await node.mine(1));
    },
    reorg: async (depth: number) => {
      await catchUp();
      await remember((await node.reorg({ depth, blocks: depth + 1 })).mined);
    },
    pay: async (address: string, satoshis: bigint) => {
      const txId = await node.send(address, satoshis);
      payments.push(await node.rpc<string>('getrawtransaction', txId));
    },
    /** Its last block is not there until the next one comes. */
    lag: async () => {
      await catchUp();
      hidden = await node.rpc<string>('getbestblockhash');
      await node.rpc('invalidateblock', hidden);
    },
    kill: async () => {
      await catchUp();
      await server.kill();
      const { rpcPort, p2pPort } = server;
      // Loads the miner's wallet; the chain on disk is longer than one block.
      server = await startBitcoind({ folder, rpcPort, p2pPort, blocks: 1 });
      const height = await node.rpc<number>('getblockcount');
      for (const [, block] of [...blocks].filter(([at]) => at > height).toSorted(([a], [b]) => a - b))
        await node.rpc('submitblock', block);
      // The node says no to those that it has.
      for (const raw of payments) await node.rpc('sendrawtransaction', raw).catch(() => {});
    },
  };
}

async function once(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** PostgreSQL recovers after a crash of one of its processes; until then it turns everybody away. */
async function answers(url: string): Promise<void> {
  for (const end = performance.now() + 30_000; ; await delay(50)) {
    try {
      await once(url, 'select 1');
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
