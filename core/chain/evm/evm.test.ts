// Proves that the watcher follows two real networks at once, waits out a dead node, and stops when told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { EvmNetwork } from '../../config/config.ts';
import type { Database } from '../../db/db.ts';
import { receiptsAfter, watchAddresses } from '../chain.ts';
import { startAnvil, type Anvil } from '../../../world/parts/anvil.ts';
import { startEvmWatcher } from './evm.ts';
import { testDb } from './test/evm-rig.ts';

function networkOf(id: string, node: Anvil): EvmNetwork {
  return {
    id,
    name: id,
    kind: 'evm',
    caip2: `eip155:${node.chainId}`,
    chainId: node.chainId,
    nodes: [node.url],
    pollMs: 20,
    reorgDepthMax: 20,
    batchWaitMs: 0,
    batchOrdersMax: 100,
    stuckAfterMs: 60_000,
    registry: '0x0000000000000000000000000000000000000a00',
    factory: '0x0000000000000000000000000000000000000a01',
    vault: '0x0000000000000000000000000000000000000a02',
    cold: '0x0000000000000000000000000000000000000a03',
    depositInitCodeHash: `0x${'ab'.repeat(32)}`,
    relayerKeyFile: 'none',
    feePerGasMaxGwei: 100,
    payDeadlineSeconds: 3600,
    listings: [],
  };
}

async function until(
  what: string,
  holds: () => Promise<boolean>,
  tell: () => Promise<unknown> = async () => '',
): Promise<void> {
  for (const end = Date.now() + 40_000; Date.now() < end; await delay(25)) {
    if (await holds()) return;
  }
  assert.fail(`never: ${what} ${JSON.stringify(await tell())}`);
}

const pay = (node: Anvil, to: string, units: bigint): Promise<unknown> =>
  node.rpc('eth_sendTransaction', { from: node.accounts[0]!.address, to, value: `0x${units.toString(16)}` });

async function seen(db: Database, network: string): Promise<string[]> {
  const rows = await receiptsAfter(db, network, 0n, 100);
  return rows.map((row) => `${row.purpose} ${row.units} ${row.state}`);
}

test(
  'two networks at once, an address issued meanwhile, a dead node, an end',
  { timeout: 120_000 },
  async (t) => {
    const db = await testDb(t);
    let one = await startAnvil({ chainId: 41 });
    const two = await startAnvil({ chainId: 42 });
    t.after(() => two.stop());
    t.after(() => one.stop());
    const told: string[] = [];
    const stop = new AbortController();
    const watchers = [networkOf('one', one), networkOf('two', two)].map((network) =>
      startEvmWatcher({
        db,
        network,
        now: () => new Date(),
        sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
        signal: stop.signal,
        log: {
          info: (_, message) => told.push(message),
          warn: (data, message) => told.push(`${message} ${(data as { code?: string }).code}`),
        },
        startHeight: 0,
      }),
    );
    const [{ vault }, address] = [networkOf('one', one), '0x00000000000000000000000000000000000A11cE'];
    await pay(one, vault, 3n);
    await until('the vault is watched from the start', async () => (await seen(db, 'one')).length === 1);
    await db.transaction().execute((trx) =>
      watchAddresses(
        trx,
        ['one', 'two'].map((network) => ({
          network,
          address,
          script: null,
          purpose: 'deposit' as const,
          derivation: '0',
        })),
      ),
    );
    await pay(one, address, 4n);
    await pay(two, address, 5n);
    await until(
      'both payments',
      async () => (await seen(db, 'one')).length === 2 && (await seen(db, 'two')).length === 1,
      async () => [await seen(db, 'one'), await seen(db, 'two'), told],
    );
    assert.deepEqual(await seen(db, 'one'), ['vault 3 mined', 'deposit 4 mined']);
    assert.deepEqual(await seen(db, 'two'), ['deposit 5 mined']);
    await one.kill();
    await until('the trouble is told', async () => told.includes('node trouble NODE_UNREACHABLE'));
    await two.reorg(1);
    await until('the other network goes on', async () => (await seen(db, 'two'))[0] === 'deposit 5 orphaned');
    one = await startAnvil({ chainId: 41, port: one.port, bornSeconds: 1_700_000_000 });
    await until('it is another chain now', async () => told.some((line) => line.includes('GENESIS_CHANGED')));
    stop.abort();
    await Promise.all(watchers);
  },
);
