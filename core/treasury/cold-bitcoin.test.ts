// Proves on a real node, through the real watcher, that the books know what lies in the cold Bitcoin wallet: what
// outsiders pay in, what its holders send to hot and elsewhere, and addresses far beyond those watched at first.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HDKey } from '@scure/bip32';
import { testBitcoind } from '../../world/testing.ts';
import { coins } from '../../world/parts/satoshi.ts';
import type { Bitcoind } from '../../world/parts/bitcoind.ts';
import { eventsAfter } from '../audit/audit.ts';
import {
  bitcoinRpc,
  descriptorChecksum,
  openColdWallet,
  startBitcoinWatcher,
  WalletError,
} from '../chain/bitcoin/bitcoin.ts';
import { watchAddresses } from '../chain/chain.ts';
import { listStrays } from '../deposits/deposits.ts';
import { config as written, setUp, type Setup } from '../deposits/test/following.ts';
import type { Config } from '../config/config.ts';
import { tipOf } from '../chain/chain.ts';
import { runTreasury } from './treasury.ts';

const TEST_VERSIONS = { private: 0x04358394, public: 0x043587cf };
const accounts = [7, 8, 9].map((n) =>
  HDKey.fromMasterSeed(new Uint8Array(32).fill(n), TEST_VERSIONS).derive("m/48'/1'/0'/2'"),
);
const descriptorOf = (keys: readonly string[]): string => `wsh(sortedmulti(2,${keys.join(',')}))`;
const coldDescriptor = descriptorOf(
  accounts.map(({ publicExtendedKey }) => `[0badf00d/48h/1h/0h/2h]${publicExtendedKey}/<0;1>/*`),
);

/** The wallet of its holders, on the node: it signs, and says what it has. */
async function holders(node: Bitcoind): Promise<void> {
  await node.rpc('createwallet', 'cold', false, true);
  const branch = (n: number): object => {
    const text = descriptorOf(accounts.map(({ privateExtendedKey }) => `${privateExtendedKey}/${n}/*`));
    const desc = `${text}#${descriptorChecksum(text)}`;
    return { desc, timestamp: 0, active: true, internal: n === 1, range: [0, 300] };
  };
  const imported = await node.walletRpc<{ success: boolean }[]>('cold', 'importdescriptors', [
    branch(0),
    branch(1),
  ]);
  assert.ok(imported.every(({ success }) => success));
}

function watch(s: Setup, config: Config, node: Bitcoind): () => Promise<void> {
  const [network] = config.networks;
  assert.ok(network?.kind === 'bitcoin');
  const stopping = new AbortController();
  const running = startBitcoinWatcher({
    db: s.db,
    network: { ...network, pollMs: 50 },
    rpc: bitcoinRpc({ urls: [node.url], timeoutMs: 5000 }),
    now: () => new Date(),
    seed: randomBytes(16),
    sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
    signal: stopping.signal,
    log: { info: () => {}, warn: () => {} },
  });
  return async () => {
    stopping.abort();
    await running;
  };
}

async function withCold(t: TestContext) {
  const node = await testBitcoind({ after: (fn) => t.after(fn) });
  const s = await setUp(t);
  const config: Config = {
    ...written,
    networks: written.networks.map((network) =>
      network.kind === 'bitcoin' ? { ...network, coldDescriptor } : network,
    ),
  };
  await holders(node);
  const stop = watch(s, config, node);
  t.after(stop);
  /** Mines, waits for the watcher, and steps until nothing moves. */
  const mine = async (blocks: number): Promise<void> => {
    await node.mine(blocks);
    const hash = await node.rpc<string>('getbestblockhash');
    for (let tries = 0; (await tipOf(s.db, 'bitcoin'))?.hash !== hash; tries += 1) {
      assert.ok(tries < 600, 'the watcher follows');
      await sleep(50);
    }
    for (let moved = 1; moved > 0;) {
      moved = (await s.run()) + (await runTreasury({ db: s.db, config, now: s.clock.now }));
    }
    await s.whole();
  };
  const inCold = (): Promise<bigint> => s.held('cold', 'BTC', 'bitcoin');
  /** What the node says that the wallet has. */
  const onChain = async (): Promise<bigint> => {
    const unspent = await node.walletRpc<{ amount: bigint }[]>('cold', 'listunspent', 1);
    return unspent.reduce((sum, { amount }) => sum + amount, 0n);
  };
  return { node, s, mine, inCold, onChain };
}

const DEEP = 5;

test(
  'books and node agree on the cold wallet, whatever is paid in and out',
  { timeout: 180_000 },
  async (t) => {
    const { node, s, mine, inCold, onChain } = await withCold(t);
    const change = await node.walletRpc<string>('miner', 'getnewaddress');
    const { scriptPubKey } = await node.rpc<{ scriptPubKey: string }>('validateaddress', change);
    const script = Buffer.from(scriptPubKey, 'hex');
    const watched = {
      network: 'bitcoin',
      address: change,
      script,
      purpose: 'change',
      derivation: '1/0',
    } as const;
    await s.db.transaction().execute((trx) => watchAddresses(trx, [watched]));
    await mine(1);

    const cold = await node.walletRpc<string>('cold', 'getnewaddress');
    const gift = await node.send(cold, 1_000_000n);
    await mine(DEEP);
    const [stray] = await listStrays(s.db, { limit: 5 });
    assert.deepEqual([stray?.tx_id, stray?.reason, stray?.state], [gift, 'INTERNAL_ADDRESS', 'recorded']);
    assert.deepEqual([await inCold(), await onChain()], [1_000_000n, 1_000_000n]);

    await node.walletRpc('cold', 'sendtoaddress', change, coins(300_000n));
    await mine(DEEP);
    assert.equal(await s.held('hot', 'BTC', 'bitcoin'), 300_000n, 'a refill of the hot wallet');
    assert.equal(await inCold(), await onChain());

    const stranger = await node.walletRpc<string>('miner', 'getnewaddress');
    await node.walletRpc('cold', 'sendtoaddress', stranger, coins(200_000n));
    await mine(DEEP);
    assert.ok((await inCold()) < 500_000n);
    assert.equal(await inCold(), await onChain());
    assert.equal((await listStrays(s.db, { limit: 5 })).length, 1, 'what we pay ourselves is no stray');
    const told = (await eventsAfter(s.db, 0n, 500)).filter(({ type }) => type === 'treasury.cold_spent');
    assert.deepEqual(
      told.map(({ data }) => [data['hot_base'], BigInt(String(data['left_base'])) > 200_000n]),
      [
        ['300000', false],
        ['0', true],
      ],
    );
  },
);

test('an address beyond those watched at first is watched once the ones before it were paid', async (t) => {
  const { node, mine, inCold, onChain } = await withCold(t);
  const addresses = await node.rpc<string[]>(
    'deriveaddresses',
    ((text) => `${text}#${descriptorChecksum(text)}`)(
      descriptorOf(accounts.map(({ publicExtendedKey }) => `${publicExtendedKey}/0/*`)),
    ),
    [0, 190],
  );
  await mine(1);
  for (const index of [95, 190]) {
    const address = addresses[index];
    assert.ok(address !== undefined);
    await node.send(address, 50_000n);
    await mine(1);
    await sleep(500);
  }
  await mine(DEEP);
  assert.deepEqual([await inCold(), await onChain()], [100_000n, 100_000n]);
});

test('a descriptor that is not the cold wallet’s is refused', () => {
  const checksum = descriptorChecksum(coldDescriptor);
  assert.equal(openColdWallet(`${coldDescriptor}#${checksum}`, 'regtest').threshold, 2);
  const refused = [
    `${coldDescriptor}#${checksum.slice(0, 7)}q`,
    `${coldDescriptor}##`,
    coldDescriptor.replace('<0;1>', '0'),
    coldDescriptor.replace('wsh(', 'sh('),
    coldDescriptor.replace('(2,', '(4,'),
    coldDescriptor.replaceAll('tpub', 'tprv'),
    coldDescriptor.replace('tpub', 'tpuб'),
    '',
  ];
  for (const text of refused) assert.throws(() => openColdWallet(text, 'regtest'), WalletError, text);
  assert.throws(() => openColdWallet(coldDescriptor, 'main'), WalletError);
});
