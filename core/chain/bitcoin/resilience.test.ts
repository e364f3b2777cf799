// Proves that a node that dies, forgets, lags, lies or talks nonsense never puts anything wrong into the database.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { Block } from 'bitcoinjs-lib';
import { haltOf } from '../../controls/controls.ts';
import { openDatabase, openPool, type Database } from '../../db/db.ts';
import { startBitcoind, type Bitcoind } from '../../../world/parts/bitcoind.ts';
import { testBitcoind, testDatabase } from '../../../world/testing.ts';
import { ChainError, followChain, followStep, receiptsAfter, tipOf, watchAddresses } from '../chain.ts';
import { openBitcoinFollower } from './follow-bitcoin.ts';
import { bitcoinRpc } from './rpc.ts';
import { bitcoinSource } from './source.ts';

const NETWORK = { id: 'bitcoin', caip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328', reorgDepthMax: 15 };
const now = (): Date => new Date();

async function database(t: TestContext): Promise<Database> {
  const { url } = await testDatabase(t);
  const pool = openPool(url, 4);
  t.after(() => pool.end());
  return openDatabase(pool);
}

async function watch(db: Database, node: Bitcoind): Promise<string> {
  const address = await node.walletRpc<string>('miner', 'getnewaddress');
  const info = await node.walletRpc<{ scriptPubKey: string }>('miner', 'getaddressinfo', address);
  const script = Buffer.from(info.scriptPubKey, 'hex');
  const entry = { network: NETWORK.id, address, script, purpose: 'deposit' as const, derivation: '0/0' };
  await db.transaction().execute((trx) => watchAddresses(trx, [entry]));
  return address;
}

/** The real loop in the background, until stopped. */
async function background(db: Database, urls: readonly string[], network = NETWORK) {
  const stop = new AbortController();
  const rpc = bitcoinRpc({ urls, timeoutMs: 2000 });
  const follower = await openBitcoinFollower({ db, network, rpc, now, seed: randomBytes(16) });
  const warnings: string[] = [];
  const done = followChain({
    db,
    network,
    source: bitcoinSource(rpc, network),
    handler: follower.handler,
    now,
    pollMs: 20,
    sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
    signal: stop.signal,
    log: { info: () => {}, warn: (data) => warnings.push(String((data as { code?: string }).code)) },
    onCaughtUp: follower.pollMempool,
  });
  return {
    warnings,
    stop: async () => {
      stop.abort();
      await done;
    },
  };
}

async function until(done: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await done())) {
    assert.ok(performance.now() < end, 'in time');
    await delay(30);
  }
}

async function sameChain(db: Database, node: Bitcoind): Promise<boolean> {
  return (await tipOf(db, NETWORK.id))?.hash === (await node.rpc<string>('getbestblockhash'));
}

/** Our canonical blocks, block by block, are the node's. */
async function assertChain(db: Database, node: Bitcoind): Promise<void> {
  const rows = await db
    .selectFrom('chain_block')
    .select(['height', 'hash', 'parent'])
    .where('canonical', '=', true)
    .orderBy('height')
    .execute();
  for (const [i, row] of rows.entries()) {
    assert.equal(row.hash, await node.rpc<string>('getblockhash', row.height));
    const before = rows[i - 1];
    if (before && before.height === row.height - 1 && row.height > 1) assert.equal(row.parent, before.hash);
  }
}

test('a node killed with -9 that comes back without its last blocks: followed on to the same chain', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-node-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const db = await database(t);
  let node = await startBitcoind({ folder });
  const { rpcPort, p2pPort } = node;
  const address = await watch(db, node);
  const loop = await background(db, [node.url]);
  await until(() => sameChain(db, node));
  await node.mine(2);
  const txId = await node.send(address, 70_000n);
  await node.mine(2);
  await until(() => sameChain(db, node));
  const before = await tipOf(db, NETWORK.id);
  await node.kill();
  await delay(300);
  node = await startBitcoind({ folder, rpcPort, p2pPort });
  const height = await node.rpc<number>('getblockcount');
  assert.ok(height < before!.height, 'the kill cost blocks');
  await delay(300);
  assert.equal(await haltOf(db, NETWORK.id), undefined);
  await node.mine(before!.height - height + 3);
  await until(() => sameChain(db, node));
  await assertChain(db, node);
  const states = (await receiptsAfter(db, NETWORK.id, 0n, 100)).filter((row) => row.tx_id === txId);
  assert.ok(states.some((row) => row.state === 'orphaned'));
  assert.ok(loop.warnings.includes('NODE_UNREACHABLE'));
  await loop.stop();
  await node.stop();
});

test('a node stopped and started goes on where it was; a watcher started anew knows its coins', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-node-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const db = await database(t);
  let node = await startBitcoind({ folder });
  const { rpcPort, p2pPort } = node;
  const address = await watch(db, node);
  const txId = await node.send(address, 5_000_000n);
  await node.mine(1);
  const first = await background(db, [node.url]);
  await until(() => sameChain(db, node));
  await node.stop();
  node = await startBitcoind({ folder, rpcPort, p2pPort });
  await node.mine(1);
  await until(() => sameChain(db, node));
  await first.stop();
  const all = await node.walletRpc<string>('miner', 'sendall', [
    await node.walletRpc('miner', 'getnewaddress'),
  ]);
  assert.ok(all);
  await node.mine(1);
  const second = await background(db, [node.url]);
  await until(() => sameChain(db, node));
  const coin = await db
    .selectFrom('bitcoin_coin')
    .selectAll()
    .where('tx_id', '=', txId)
    .executeTakeFirstOrThrow();
  assert.notEqual(coin.spent_block_hash, null);
  await second.stop();
  await node.stop();
});

test('two nodes: the second is asked when the first is gone; one that lags behind is waited for', async (t) => {
  const db = await database(t);
  const a = await testBitcoind(t);
  const b = await testBitcoind(t, { blocks: 0 });
  await a.connect(b);
  await a.sync(b);
  const loop = await background(db, [a.url, b.url]);
  await until(() => sameChain(db, a));
  await a.disconnect(b);
  await a.mine(3);
  await until(() => sameChain(db, a));
  const ahead = await tipOf(db, NETWORK.id);
  await a.kill();
  await until(async () => loop.warnings.includes('undefined'));
  assert.equal((await tipOf(db, NETWORK.id))?.hash, ahead!.hash, 'a lagging node takes nothing back');
  assert.equal(await haltOf(db, NETWORK.id), undefined);
  await loop.stop();
});

/** Stands between us and the node; `bend` may change any answer before it is sent. */
async function proxy(
  t: TestContext,
  node: Bitcoind,
  bend: (method: string, body: string) => string | undefined,
): Promise<string> {
  const target = new URL(node.url);
  const authorization = `Basic ${Buffer.from(`${target.username}:${target.password}`).toString('base64')}`;
  const server: Server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const call = JSON.parse(body.toString()) as { method?: string } | { method: string }[];
      const method = Array.isArray(call) ? (call[0]?.method ?? '') : (call.method ?? '');
      const answer = await fetch(target.origin, { method: 'POST', headers: { authorization }, body });
      const text = await answer.text();
      const bent = bend(method, text);
      if (bent === 'DROP') return request.socket.destroy();
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(bent ?? text);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  t.after(() => server.closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const result = (value: unknown): string => JSON.stringify({ jsonrpc: '2.0', id: 0, result: value });

test('nonsense of every kind: one typed error, nothing written; the truth afterwards is taken', async (t) => {
  const node = await testBitcoind(t);
  const db = await database(t);
  const address = await watch(db, node);
  let bend: (method: string, body: string) => string | undefined = () => undefined;
  const url = await proxy(t, node, (method, body) => bend(method, body));
  const rpc = bitcoinRpc({ urls: [url], timeoutMs: 500 });
  const follower = await openBitcoinFollower({ db, network: NETWORK, rpc, now, seed: randomBytes(16) });
  const source = bitcoinSource(rpc, NETWORK);
  const step = () => followStep({ db, network: NETWORK, source, handler: follower.handler, now });
  while ((await step()).kind === 'block');
  await node.send(address, 80_000n);
  const [next] = await node.mine(1);
  const genesis = await node.rpc<string>('getblockhash', 0);
  const genesisBlock = await node.rpc<string>('getblock', genesis, 0);
  const real = await node.rpc<string>('getblock', next, 0);
  const tip = await tipOf(db, NETWORK.id);
  const flipped = real.slice(0, 400) + (real[400] === '0' ? '1' : '0') + real.slice(401);
  const lies: [string, string, string, string?][] = [
    ['html', 'getblockchaininfo', '<html>502 Bad Gateway</html>', 'NODE_GARBAGE'],
    ['empty', 'getblockchaininfo', '', 'NODE_GARBAGE'],
    ['null result', 'getblockchaininfo', '{"result":null,"error":null,"id":0}'],
    ['no result', 'getblockchaininfo', '{"id":0}', 'NODE_GARBAGE'],
    ['array', 'getblockchaininfo', '[]', 'NODE_GARBAGE'],
    ['height text', 'getblockchaininfo', result({ blocks: 'many', bestblockhash: next }), 'NODE_GARBAGE'],
    ['loading', 'getblockchaininfo', '{"error":{"code":-28,"message":"Loading"},"id":0}', 'NODE_BEHIND'],
    ['dropped', 'getblock', 'DROP', 'NODE_UNREACHABLE'],
    ['another block', 'getblock', result(genesisBlock), 'NODE_GARBAGE'],
    ['cut block', 'getblock', result(real.slice(0, -20)), 'NODE_GARBAGE'],
    ['longer block', 'getblock', result(`${real}00`), 'NODE_GARBAGE'],
    ['no hex', 'getblock', result(`${real.slice(0, -2)}zz`), 'NODE_GARBAGE'],
    ['changed transaction', 'getblock', result(flipped), 'NODE_GARBAGE'],
    ['header alone', 'getblock', result(`${real.slice(0, 160)}00`), 'NODE_GARBAGE'],
    ['not a hash', 'getblockhash', result(7), 'NODE_GARBAGE'],
  ];
  for (const [what, method, body, code] of lies) {
    bend = (asked) => (asked === method ? body : undefined);
    await assert.rejects(step(), (error: unknown) => {
      assert.ok(error instanceof ChainError, `${what}: ${String(error)}`);
      assert.ok(error.retryable, what);
      if (code !== undefined) assert.equal(error.code, code, what);
      return true;
    });
    assert.deepEqual(await tipOf(db, NETWORK.id), tip, what);
  }
  assert.deepEqual(await receiptsAfter(db, NETWORK.id, 0n, 10), []);
  bend = () => undefined;
  assert.equal((await step()).kind, 'block');
  assert.equal((await receiptsAfter(db, NETWORK.id, 0n, 10)).length, 1);
});

test('a transaction that a lying node leaves out of a block is missed by its Merkle root', async (t) => {
  const node = await testBitcoind(t);
  const db = await database(t);
  const address = await watch(db, node);
  let hide = false;
  const url = await proxy(t, node, (method, body) => {
    if (!hide || method !== 'getblock') return undefined;
    const { result: hex } = JSON.parse(body) as { result: string };
    const block = Block.fromHex(hex);
    block.transactions = block.transactions!.slice(0, 1);
    return result(Buffer.from(block.toBuffer()).toString('hex'));
  });
  const rpc = bitcoinRpc({ urls: [url], timeoutMs: 500 });
  const follower = await openBitcoinFollower({ db, network: NETWORK, rpc, now, seed: randomBytes(16) });
  const step = () =>
    followStep({ db, network: NETWORK, source: bitcoinSource(rpc, NETWORK), handler: follower.handler, now });
  while ((await step()).kind === 'block');
  await node.send(address, 80_000n);
  await node.mine(1);
  hide = true;
  await assert.rejects(step(), { code: 'NODE_GARBAGE', message: /not those that the header commits to/ });
  hide = false;
  assert.equal((await step()).kind, 'block');
});

test('a node of another chain, at the start or later, halts the network', async (t) => {
  const node = await testBitcoind(t, { blocks: 0 });
  const db = await database(t);
  const rpc = bitcoinRpc({ urls: [node.url] });
  const follower = await openBitcoinFollower({ db, network: NETWORK, rpc, now, seed: randomBytes(16) });
  const main = { ...NETWORK, caip2: 'bip122:000000000019d6689c085ae165831e93' };
  const step = (network: typeof NETWORK) =>
    followStep({ db, network, source: bitcoinSource(rpc, network), handler: follower.handler, now });
  assert.deepEqual(await step(main), { kind: 'halted', code: 'GENESIS_CHANGED' });
  assert.equal(await tipOf(db, NETWORK.id), undefined);
  await db.deleteFrom('halt').execute();
  assert.equal((await step(NETWORK)).kind, 'block');
  await db
    .updateTable('chain_block')
    .set({ hash: 'f'.repeat(64) })
    .where('height', '=', 0)
    .execute();
  assert.deepEqual(await step(NETWORK), { kind: 'halted', code: 'GENESIS_CHANGED' });
});

test('wrong credentials and a node that hangs have their own codes', async (t) => {
  const node = await testBitcoind(t, { blocks: 0 });
  const wrong = new URL(node.url);
  wrong.password = 'wrong';
  await assert.rejects(bitcoinRpc({ urls: [wrong.href] }).call('getblockcount'), { code: 'NODE_REFUSED' });
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await assert.rejects(bitcoinRpc({ urls: [url], timeoutMs: 100 }).call('getblockcount'), {
    code: 'NODE_TIMEOUT',
  });
  server.closeAllConnections();
  server.close();
  await assert.rejects(bitcoinRpc({ urls: [node.url] }).call('nosuchmethod'), {
    code: 'NODE_ERROR',
    nodeCode: -32601,
  });
});

test('two watchers of one network: the second finds the tip taken and goes on from there', async (t) => {
  const node = await testBitcoind(t);
  const db = await database(t);
  const address = await watch(db, node);
  await node.send(address, 44_000n);
  await node.mine(5);
  const loops = await Promise.all([background(db, [node.url]), background(db, [node.url])]);
  await until(() => sameChain(db, node));
  await Promise.all(loops.map((loop) => loop.stop()));
  await assertChain(db, node);
  assert.equal((await receiptsAfter(db, NETWORK.id, 0n, 10)).length, 1);
});
