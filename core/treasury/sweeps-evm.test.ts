// Proves on two real EVM networks with the real contracts, side by side, that deposits are credited in two stages and
// taken back by a reorg, that sweeps bring them home, and that the books hold what the chains hold.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeDeployData, encodeFunctionData, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { depositFactoryAbi } from '../../contracts/abi/deposit-factory.ts';
import { testUSDTAbi, testUSDTBytecode } from '../../contracts/abi/test-usdt.ts';
import { deployEvmSystem, type EvmSystem } from '../../contracts/deploy.ts';
import { connectEvm, transact, type EvmClient } from '../../contracts/rpc.ts';
import { localConfiguration } from '../../world/configuration.ts';
import type { Anvil } from '../../world/parts/anvil.ts';
import { testAnvil } from '../../world/testing.ts';
import { tipOf } from '../chain/chain.ts';
import { evmRpc, relayEffects, relayerOf, runRelayLane, startEvmWatcher } from '../chain/evm/evm.ts';
import { parseConfig, type Config, type EvmNetwork } from '../config/config.ts';
import { issueAddress } from '../customers/customers.ts';
import { executorOf, type Database } from '../db/db.ts';
import { listDeposits, listStrays, runDeposits } from '../deposits/deposits.ts';
import { openTestDatabase, testCustomer } from '../deposits/test/written-chain.ts';
import { accountBalance, auditLedger, balancesOf, type AccountKind } from '../ledger/ledger.ts';
import { runTreasury, treasurySources, watchRelayers } from './treasury.ts';

const ETHER = 10n ** 18n;
const USDT = 10n ** 6n;
const WAIT_MAX_MS = 20_000;
/** Of the local configuration. */
const IRREVERSIBLE = 6;
const key = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
const people = [11, 12, 13, 14].map((n) => privateKeyToAccount(key(n)).address);

interface Net {
  readonly id: string;
  readonly node: Anvil;
  readonly client: EvmClient;
  readonly system: EvmSystem;
  readonly network: EvmNetwork;
  readonly watching: Promise<void>;
  /** Blocks until ours is the node's. */
  readonly follow: () => Promise<void>;
  readonly send: (to: Address, call?: { valueWei?: bigint; data?: Hex }) => Promise<string>;
}

async function deployed(t: TestContext, id: string, chainId: number) {
  const node = await testAnvil({ after: (fn) => t.after(fn) }, { chainId });
  const safe = { owners: people.slice(0, 3), threshold: 2 };
  const system = await deployEvmSystem({
    rpcUrl: node.url,
    chainId,
    deployerKey: node.accounts[0]!.privateKey,
    initializerKey: node.accounts[1]!.privateKey,
    safes: { cold: safe, operators: safe, owner: safe },
    signers: people.slice(0, 3),
    threshold: 2,
    guardians: people.slice(3),
    capUnits: { ETH: ETHER, USDT, USDC: USDT },
    timelockDelaySeconds: 60,
    tokens: 'deploy-test-tokens',
  });
  return { id, node, system, client: await connectEvm(node.url, chainId) };
}

async function netOf(
  base: Awaited<ReturnType<typeof deployed>>,
  { db, config, signal }: { db: Database; config: Config; signal: AbortSignal },
): Promise<Net> {
  const network = config.networks.find((candidate) => candidate.id === base.id);
  assert.ok(network?.kind === 'evm');
  const watching = startEvmWatcher({
    db,
    network,
    now: () => new Date(),
    sleep: (ms, stopped) => sleep(ms, undefined, { signal: stopped }).catch(() => {}),
    signal,
    log: { info: () => {}, warn: () => {} },
  });
  const payer = privateKeyToAccount(base.node.accounts[0]!.privateKey);
  return {
    ...base,
    network,
    watching,
    async follow() {
      const deadline = Date.now() + WAIT_MAX_MS;
      for (;;) {
        const { hash } = await base.client.getBlock({ includeTransactions: false });
        if ((await tipOf(db, base.id))?.hash === hash) return;
        assert.ok(Date.now() < deadline, `${base.id} is followed in time`);
        await sleep(20);
      }
    },
    send: async (to, { valueWei = 0n, data = '0x' } = {}) =>
      (await transact(base.client, payer, { to, valueWei, data, gasMax: 3_000_000n })).transactionHash,
  };
}

async function setUp(t: TestContext) {
  const db = await openTestDatabase({ after: (fn) => t.after(fn) });
  const bases = [await deployed(t, 'ethereum', 31337), await deployed(t, 'polygon', 31338)];
  const text = localConfiguration({
    bitcoinNodeUrl: 'http://127.0.0.1:1',
    bitcoinCaip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
    coldBitcoin: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk',
    evm: bases.map((base) => ({
      id: base.id,
      name: base.id,
      nodeUrl: base.node.url,
      system: base.system,
      relayerKeyFile: 'none',
    })),
    signers: [{ id: 'a', url: 'https://127.0.0.1:1', certificateFile: 'none' }],
    signerClient: { certificateFile: 'none', keyFile: 'none' },
    walletManifestFile: 'none',
    http: { host: '127.0.0.1', port: 0 },
    pollMs: 50,
    stuckAfterMs: 1000,
  });
  const config = parseConfig(text);
  const relayer = relayerOf(bases[0]!.node.accounts[5]!.privateKey);
  const laneOf = ({ nodes }: EvmNetwork) => ({ rpc: evmRpc({ urls: nodes }), relayer: relayer.address });
  await watchRelayers({ db, config }, laneOf);
  const stopping = new AbortController();
  const nets: Net[] = [];
  for (const base of bases) nets.push(await netOf(base, { db, config, signal: stopping.signal }));
  const deps = { db, config, now: () => new Date(), ...treasurySources(laneOf) };
  const stop = async (): Promise<void> => {
    stopping.abort();
    await Promise.all(nets.map((net) => net.watching));
  };
  const step = async (): Promise<void> => {
    for (const net of nets) await net.follow();
    await runDeposits(deps);
    await runTreasury(deps);
    assert.deepEqual(await auditLedger(executorOf(db)), []);
  };
  const held = async (kind: AccountKind, asset: string, network: string): Promise<bigint> =>
    -(await accountBalance(executorOf(db), { kind, asset, network }));
  return { db, config, deps, nets, step, held, relayer, stop };
}

type Setup = Awaited<ReturnType<typeof setUp>>;

/** The relayer's lane, until everything that was queued is irreversible. Answers how many calls that were. */
async function relay(s: Setup, net: Net): Promise<number> {
  const rpc = evmRpc({ urls: [net.node.url] });
  const { db, relayer } = s;
  const { network } = net;
  const effects = relayEffects(db, rpc);
  let ended = 0;
  for (let i = 0; i < 2 * IRREVERSIBLE; i += 1) {
    const step = await runRelayLane({ db, network, rpc, relayer, now: s.deps.now, effects });
    assert.equal(step.wait, undefined);
    ended += step.ended;
    await net.node.mine(1);
    await net.follow();
  }
  return ended;
}

const transferOf = (to: Address, units: bigint): Hex =>
  encodeFunctionData({ abi: testUSDTAbi, functionName: 'transfer', args: [to, units] });
const issueOf = (units: bigint): Hex =>
  encodeFunctionData({ abi: testUSDTAbi, functionName: 'issue', args: [units] });

async function tokenBalance(net: Net, token: Address, holder: Address): Promise<bigint> {
  return net.client.readContract({
    address: token,
    abi: testUSDTAbi,
    functionName: 'balanceOf',
    args: [holder],
  });
}

test('two EVM networks with real contracts', { timeout: 240_000 }, async (t) => {
  const s = await setUp(t);
  try {
    await play(t, s);
  } finally {
    await s.stop();
  }
});

async function play(t: TestContext, s: Setup): Promise<void> {
  const [ethereum, polygon] = s.nets as [Net, Net];
  const alice = await testCustomer(s.db, 'alice');
  const [first] = s.config.networks.filter((network) => network.kind === 'evm');
  const issued = await issueAddress(s.deps, { customer: alice, network: first! });
  const deposit = issued.address as Address;
  const { USDT: token } = ethereum.system.tokens;
  const states = async (network: string): Promise<string[]> =>
    (await listDeposits(s.db, { limit: 20, network })).map((row) => row.state);
  await s.step();

  await t.test('credited in two stages, on the network meant and on the other', async () => {
    await ethereum.send(deposit, { valueWei: ETHER });
    await ethereum.send(token, { data: issueOf(1000n * USDT) });
    await ethereum.send(token, { data: transferOf(deposit, 40n * USDT) });
    await polygon.send(deposit, { valueWei: ETHER / 2n });
    await s.step();
    assert.deepEqual(await states('polygon'), ['seen']);
    await polygon.node.mine(1);
    await s.step();
    assert.deepEqual(await states('polygon'), ['safe']);
    for (const net of s.nets) await net.node.mine(IRREVERSIBLE);
    await s.step();
    assert.deepEqual(await states('ethereum'), ['irreversible', 'irreversible']);
    assert.deepEqual(await states('polygon'), ['irreversible']);
    const balances = await balancesOf(executorOf(s.db), alice);
    assert.deepEqual(
      new Map(balances.map((line) => [line.asset, line.final])),
      new Map([
        ['ETH', (3n * ETHER) / 2n],
        ['USDT', 40n * USDT],
      ]),
    );
  });

  await t.test('swept home by the factory: the books hold what the vault holds', async () => {
    for (const net of s.nets) assert.equal(await relay(s, net), 1, `one call on ${net.id}`);
    await s.step();
    for (const net of s.nets) {
      const { vault } = net.system;
      assert.equal(await s.held('hot', 'ETH', net.id), await net.client.getBalance({ address: vault }));
      assert.equal(await s.held('unswept', 'ETH', net.id), 0n);
      assert.equal(await net.client.getBalance({ address: deposit }), 0n);
    }
    assert.equal(await s.held('hot', 'ETH', 'polygon'), ETHER / 2n);
    assert.equal(await s.held('hot', 'USDT', 'ethereum'), 40n * USDT);
    assert.equal(await tokenBalance(ethereum, token, ethereum.system.vault), 40n * USDT);
    for (const net of s.nets) {
      assert.ok((await s.held('network-costs', 'ETH', net.id)) > 0n, 'gas is a cost');
      const float = await net.client.getBalance({ address: s.relayer.address });
      assert.equal(await s.held('gas', 'ETH', net.id), float, "the books have the relayer's real balance");
    }
    const sweeps = await s.db.selectFrom('sweep').select('state').execute();
    assert.deepEqual(sweeps, [{ state: 'settled' }, { state: 'settled' }]);
    assert.deepEqual(await listStrays(s.db, { limit: 10 }), [], 'what the factory delivers is no stray');
  });

  await t.test('a reorg takes a credited deposit back', async () => {
    await ethereum.send(deposit, { valueWei: 2n * ETHER });
    await ethereum.node.mine(1);
    await s.step();
    assert.equal((await states('ethereum'))[0], 'safe');
    assert.equal(await s.held('unswept', 'ETH', 'ethereum'), 2n * ETHER);
    await ethereum.node.reorg(2);
    await ethereum.node.mine(1);
    await s.step();
    assert.equal((await states('ethereum'))[0], 'orphaned');
    assert.equal(await s.held('unswept', 'ETH', 'ethereum'), 0n);
  });

  await t.test(
    'a token with a fee, an unlisted token, gifts to vault and relayer, a late deposit',
    async () => {
      const unlisted = encodeDeployData({ abi: testUSDTAbi, bytecode: testUSDTBytecode });
      const payer = privateKeyToAccount(ethereum.node.accounts[0]!.privateKey);
      const made = await transact(ethereum.client, payer, { data: unlisted });
      const other = made.contractAddress!;
      await ethereum.send(other, { data: issueOf(5n * USDT) });
      await ethereum.send(other, { data: transferOf(deposit, 5n * USDT) });
      await ethereum.send(ethereum.system.vault, { valueWei: 7n });
      await ethereum.send(s.relayer.address, { valueWei: ETHER });
      const setFee = { abi: testUSDTAbi, functionName: 'setParams', args: [10n, 40n] } as const;
      await ethereum.send(token, { data: encodeFunctionData(setFee) });
      await issueAddress(s.deps, { customer: alice, network: first!, renew: true });
      await ethereum.send(token, { data: transferOf(deposit, 100n * USDT) });
      await ethereum.node.mine(IRREVERSIBLE);
      await s.step();
      const [row] = await listDeposits(s.db, { limit: 1, network: 'ethereum', asset: 'USDT' });
      assert.deepEqual([row?.state, row?.late], ['irreversible', true]);
      assert.equal(row?.units, (100n * USDT * 9990n) / 10000n, 'credited by what arrived');
      const strays = await listStrays(s.db, { limit: 10 });
      assert.deepEqual(
        new Set(strays.map((stray) => `${stray.reason} ${stray.units} ${stray.state}`)),
        new Set([
          `UNSUPPORTED_TOKEN ${5n * USDT} recorded`,
          'INTERNAL_ADDRESS 7 recorded',
          `INTERNAL_ADDRESS ${ETHER} resolved`,
        ]),
      );
      assert.equal(await s.held('hot', 'ETH', 'ethereum'), ETHER + 7n);
    },
  );

  await t.test("a stranger's flush from a retired address, of a token that takes a fee again", async () => {
    const [item] = await s.db
      .selectFrom('watched')
      .select('derivation')
      .where('network', '=', 'ethereum')
      .where('address', '=', deposit)
      .execute();
    const stranger = privateKeyToAccount(ethereum.node.accounts[7]!.privateKey);
    const args = [[item!.derivation as Hex], [token]] as const;
    const data = encodeFunctionData({ abi: depositFactoryAbi, functionName: 'flush', args });
    await transact(ethereum.client, stranger, { to: ethereum.system.factory, data, gasMax: 2_000_000n });
    await ethereum.node.mine(IRREVERSIBLE);
    await s.step();
    const { vault } = ethereum.system;
    assert.equal(await s.held('hot', 'USDT', 'ethereum'), await tokenBalance(ethereum, token, vault));
    assert.equal(await s.held('unswept', 'USDT', 'ethereum'), 0n);
    assert.ok((await s.held('network-costs', 'USDT', 'ethereum')) > 0n, "the token's fee is a cost");
  });

  await t.test('ether that no transaction carried is credited and swept like any other', async () => {
    const units = ETHER / 5n;
    const suspense = { kind: 'suspense', asset: 'ETH' } as const;
    const before = await accountBalance(executorOf(s.db), suspense);
    const has = await polygon.client.getBalance({ address: deposit });
    await polygon.node.rpc('anvil_setBalance', deposit, `0x${(has + units).toString(16)}`);
    await polygon.node.mine(1);
    const found = async () =>
      (await listDeposits(s.db, { limit: 20, network: 'polygon' })).find((row) => row.units === units);
    for (let tries = 0; !(await found()); tries += 1) {
      assert.ok(tries < 200, 'its balance is looked at');
      await s.step();
      await sleep(50);
    }
    await polygon.node.mine(IRREVERSIBLE);
    await s.step();
    assert.equal((await found())?.state, 'irreversible');
    const [item] = await s.db
      .selectFrom('watched')
      .select('derivation')
      .where('network', '=', 'polygon')
      .where('address', '=', deposit)
      .execute();
    const stranger = privateKeyToAccount(polygon.node.accounts[7]!.privateKey);
    const args = [[item!.derivation as Hex], []] as const;
    const data = encodeFunctionData({ abi: depositFactoryAbi, functionName: 'flush', args });
    await transact(polygon.client, stranger, { to: polygon.system.factory, data, gasMax: 2_000_000n });
    await polygon.node.mine(IRREVERSIBLE);
    await s.step();
    const { vault } = polygon.system;
    assert.equal(await s.held('hot', 'ETH', 'polygon'), await polygon.client.getBalance({ address: vault }));
    assert.equal(await s.held('unswept', 'ETH', 'polygon'), 0n);
    assert.equal(await accountBalance(executorOf(s.db), suspense), before, 'nothing is unexplained');
  });
}
