// Proves the main job on a whole system: deposits of four assets, a trade, batched withdrawals, and books that
// agree with the nodes to the satoshi; that one planted satoshi is seen; and that a stopped system goes on.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hex } from 'viem';
import { makeClient } from '../client/client.ts';
import { executorOf, openDatabase, openPool } from '../core/db/db.ts';
import { applyPostings, recordHouseFunding } from '../core/ledger/ledger.ts';
import { compareBooks } from './demo/books.ts';
import { play } from './demo/play.ts';
import { outsideWallets } from './outside.ts';
import { startSystem, type System } from './system.ts';

// As `npm start` names its folder: seen from where one is.
const folder = relative(process.cwd(), await mkdtemp(join(tmpdir(), 'portcullis-test-')));
let system: System | undefined;
after(async () => {
  await system?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Two EVM networks side by side: nothing is wired to one. */
const evmNetworks = [
  { id: 'ethereum', name: 'Ethereum (anvil)', chainId: 31337 },
  { id: 'polygon', name: 'Polygon (anvil)', chainId: 31338 },
];

async function books(running: System) {
  const pool = openPool(running.world.postgres.url, 2);
  const relayerKey = readFileSync(running.world.relayer_key_file, 'utf8').trim() as Hex;
  try {
    return await compareBooks(running.world, openDatabase(pool), relayerKey);
  } finally {
    await pool.end();
  }
}

async function balanced(running: System): Promise<void> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const found = await books(running);
    if (found.balanced) return;
    if (performance.now() > deadline)
      assert.fail(JSON.stringify(found, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v), 1));
    await running.miner.mine(1);
    await sleep(500);
  }
}

async function act(running: System, run: string) {
  const { world } = running;
  const client = makeClient({ url: world.api.url, apiKey: world.api.key });
  return play({ client, outside: outsideWallets(world), world, say: () => {}, run });
}

test('the main job happens on Bitcoin and on two EVM networks, and the books agree with the nodes', async () => {
  system = await startSystem({ folder, evmNetworks, pollMs: 100 });
  const assets = await act(system, 'first');
  assert.equal(assets.length, 7, 'BTC, and ETH, USDT, USDC on each EVM network');
  for (const asset of assets) {
    assert.equal(asset.credited, asset.deposited, asset.asset);
    assert.ok(asset.chain_transactions < asset.orders, `${asset.asset}: orders share transactions`);
  }
  await balanced(system);
});

test('the sentinel attests every network to every signer, found nothing, and the command line shows it', async () => {
  assert.ok(system);
  const { sentinel } = system;
  const deadline = performance.now() + 120_000;
  const isCovered = async () =>
    (await sentinel.status()).networks.every(
      ({ hash, books: compared }) => compared?.hash === hash && compared.isCovered,
    );
  while (!(await isCovered())) {
    if (performance.now() > deadline) assert.fail(JSON.stringify((await sentinel.status()).networks));
    await sleep(100);
  }
  const status = await sentinel.status();
  const networks = status.networks.map(({ network }) => network).toSorted();
  assert.deepEqual(networks, ['bip122:0f9188f13cb7b2c71f2a335e3a4fc328', 'eip155:31337', 'eip155:31338']);
  for (const { attestation } of status.networks)
    assert.deepEqual(Object.values(attestation?.answers ?? {}), ['taken', 'taken', 'taken']);
  assert.deepEqual([status.freezes, status.findings.filter(({ level }) => level === 'freeze')], [[], []]);
  const { url } = system.world.sentinel;
  assert.deepEqual(await (await fetch(`${url}/livez`)).json(), { ok: true });
  assert.equal((await fetch(`${url}/v1/freeze`, { method: 'POST' })).status, 404);
  const env = {
    PATH: process.env['PATH'],
    PORTCULLIS_URL: system.world.api.url,
    PORTCULLIS_API_KEY: system.world.api.key,
    PORTCULLIS_SENTINEL_URL: url,
  };
  const program = fileURLToPath(new URL('../cli/portcullis.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'status'], { env });
  assert.match(stdout, /sentinel watch-1/);
  assert.equal(stdout.match(/attested [0-9]+ s ago/g)?.length, 3, stdout);
});

test('every signer asks a bitcoind before it signs, and says so', async () => {
  assert.ok(system);
  for (const { ask } of system.signers)
    assert.deepEqual((await ask('GET', '/v1/status'))['witness'], [
      'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
    ]);
});

test('what a capture could cost comes from the journals, by an operator’s own reading and by the sentinel’s; the backend clears no halt', async () => {
  assert.ok(system);
  const { url, key, operationsKey } = system.world.api;
  const clear = async (apiKey: string): Promise<number> => {
    const headers = { authorization: `Bearer ${apiKey}` };
    return (await fetch(`${url}/v1/halts/bitcoin/clear`, { method: 'POST', headers })).status;
  };
  assert.deepEqual([await clear(key), await clear(operationsKey)], [403, 200]);
  const env = {
    PATH: process.env['PATH'],
    PORTCULLIS_URL: url,
    PORTCULLIS_API_KEY: operationsKey,
  };
  const program = fileURLToPath(new URL('../cli/portcullis.js', import.meta.url));
  const nodes = system.world.evm.flatMap((network) => [
    '--node',
    `eip155:${network.chain_id}=${network.url}`,
  ]);
  const args = ['--json', 'blast-radius', '--as', system.folder.at('operators', 'alice'), ...nodes];
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { env });
  const { coreAnswers, silent, captures } = JSON.parse(stdout) as {
    coreAnswers: boolean;
    silent: object[];
    captures: { captured: string; costs: { ticker: string; amount_base: string; basis: string }[] }[];
  };
  assert.deepEqual([coreAnswers, silent], [true, []]);
  const costOf = (name: string, asset = 'BTC') =>
    captures.find(({ captured }) => captured === name)?.costs.find(({ ticker }) => ticker === asset);
  const [core, keys] = [costOf('core'), costOf('2 signer keys')];
  assert.ok(core?.basis === 'journals' && BigInt(core.amount_base) > 0n, stdout);
  assert.ok(keys?.basis === 'core' && BigInt(keys.amount_base) > 0n, stdout);
  const ether = costOf('2 signer keys', 'ETH');
  assert.ok(ether?.basis === 'chain' && BigInt(ether.amount_base) > 0n, stdout);

  const ask = async (apiKey: string) =>
    fetch(`${url}/v1/ops/blast-radius`, { headers: { authorization: `Bearer ${apiKey}` } });
  assert.equal((await ask(key)).status, 403);
  const answer = await ask(operationsKey);
  const told = (await answer.json()) as {
    unread_signers: string[];
    unasked_networks: object[];
    captures: { captured: string; costs: { asset: string; amount_base: string; basis: string }[] }[];
  };
  assert.deepEqual([answer.status, told.unread_signers, told.unasked_networks], [200, [], []]);
  assert.deepEqual(
    told.captures.map(({ captured }) => captured),
    captures.map(({ captured }) => captured),
  );
  const toldOf = (name: string, asset = 'BTC') =>
    told.captures.find(({ captured }) => captured === name)?.costs.find((one) => one.asset === asset);
  const { amount_base: byCli } = core;
  assert.deepEqual([toldOf('core')?.amount_base, toldOf('core')?.basis], [byCli, 'journals']);
  assert.deepEqual(
    [toldOf('2 signer keys')?.amount_base, toldOf('2 signer keys')?.basis],
    [keys.amount_base, 'chain'],
  );
  assert.equal(toldOf('2 signer keys', 'ETH')?.amount_base, ether.amount_base);
});

test('one planted satoshi is seen', async () => {
  assert.ok(system);
  const pool = openPool(system.world.postgres.url, 1);
  const plant = async (key: string, network: string, asset: string) =>
    openDatabase(pool)
      .transaction()
      .execute((trx) =>
        applyPostings(executorOf(trx), [recordHouseFunding({ key, network, asset, units: 1n, into: 'hot' })]),
      );
  try {
    assert.equal((await books(system)).balanced, true);
    await plant('planted-satoshi', 'bitcoin', 'BTC');
    assert.equal((await books(system)).balanced, false);
  } finally {
    await pool.end();
  }
  const line = (await books(system)).lines.find(({ asset }) => asset === 'BTC');
  assert.equal(line && line.ledger - line.chain, 1n);
});

test('stopped and started again on the same data, it goes on', async () => {
  assert.ok(system);
  const before = system.world;
  await system.stop();
  system = await startSystem({ folder, evmNetworks, pollMs: 100 });
  assert.deepEqual(system.world.signers, before.signers);
  assert.deepEqual(system.world.sentinel, before.sentinel);
  assert.deepEqual(
    system.world.evm.map((network) => network.contracts),
    before.evm.map((network) => network.contracts),
  );
  const client = makeClient({ url: system.world.api.url, apiKey: system.world.api.key });
  const kept = await client.GET('/v1/customers', { params: { query: { external_id: 'alice-first' } } });
  assert.equal(kept.data?.data.length, 1);
});
