// Proves that a watcher process follows its network, yields to one that runs already, stops clean, and dies with the database.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { stringify } from 'smol-toml';
import { testBitcoind, testDatabase } from '../../world/testing.ts';

const MAIN = fileURLToPath(new URL('watcher.ts', import.meta.url));

interface Watcher {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

function start(t: TestContext, args: readonly string[], databaseUrl?: string): Watcher {
  const env = databaseUrl === undefined ? {} : { PORTCULLIS_DATABASE_URL: databaseUrl };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  t.after(() => child.kill('SIGKILL'));
  return { child, output: () => output, exit };
}

async function until(done: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !(await done()); await delay(50)) {
    assert.ok(performance.now() < end, 'in time');
  }
}

function configure(t: TestContext, nodeUrl: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-watcher-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'core.toml');
  const network = {
    id: 'bitcoin',
    name: 'Bitcoin',
    kind: 'bitcoin',
    caip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
    chain: 'regtest',
    nodes: [nodeUrl],
    pollMs: 50,
    reorgDepthMax: 10,
    feeRateMaxSatPerVb: 100,
    listings: [
      {
        asset: 'BTC',
        depths: [{ from: '0', safe: 1, irreversible: 3 }],
        depositMin: '0.0001',
        withdrawalMin: '0.0002',
        withdrawalFee: '0.00005',
      },
    ],
  };
  const assets = [{ id: 'BTC', name: 'Bitcoin', decimals: 8 }];
  const client = { certificateFile: 'none', keyFile: 'none' };
  writeFileSync(
    path,
    stringify({
      epoch: 1,
      assets,
      networks: [network],
      signers: [{ id: 'a', url: 'https://127.0.0.1:1', certificateFile: 'none' }],
      signerClient: client,
      walletManifestFile: 'none',
      http: { host: '127.0.0.1', port: 0 },
    }),
  );
  return path;
}

test(
  'follows, waits behind another, takes over, stops clean, dies with the database',
  { timeout: 60_000 },
  async (t) => {
    const node = await testBitcoind(t);
    const { url } = await testDatabase(t);
    const client = new Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    t.after(() => client.end());
    const config = configure(t, node.url);
    const height = async (): Promise<number> => {
      const { rows } = await client.query<{ height: number }>('select height from chain_tip');
      return rows[0]?.height ?? -1;
    };
    const first = start(t, [config, 'bitcoin'], url);
    await until(async () => (await height()) === 110);
    const second = start(t, [config, 'bitcoin'], url);
    await until(() => second.output().includes('another watcher follows'));
    await node.mine(2);
    await until(async () => (await height()) === 112);
    first.child.kill('SIGTERM');
    assert.equal(await first.exit, 0, first.output());
    await node.mine(1);
    await until(async () => (await height()) === 113);
    assert.doesNotMatch(second.output(), /fatal|TIP_TAKEN/);
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
    );
    assert.equal(await second.exit, 1, second.output());
  },
);

test('a wrong start says what is wrong and exits with 2', async (t) => {
  const config = configure(t, 'http://127.0.0.1:1');
  const without = start(t, [config, 'bitcoin']);
  assert.equal(await without.exit, 2);
  assert.match(without.output(), /usage: PORTCULLIS_DATABASE_URL/);
  const unknown = start(t, [config, 'dogecoin'], 'postgres://127.0.0.1:1/none');
  assert.equal(await unknown.exit, 2);
  const broken = start(t, [fileURLToPath(import.meta.url), 'bitcoin'], 'postgres://127.0.0.1:1/none');
  assert.equal(await broken.exit, 2);
  assert.match(broken.output(), /watcher\.test\.ts: Not TOML/);
  assert.match(unknown.output(), /no network dogecoin .*: there are bitcoin/);
});
