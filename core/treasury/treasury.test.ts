// Proves that sweeps take only irreversible value that is worth it, one call at a time, and that whatever the
// factory delivered, to whomever, on whosever call, ends in the right account with the books whole.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { decodeFunctionData, getAddress, type Hex } from 'viem';
import { depositFactoryAbi } from '../../contracts/abi/deposit-factory.ts';
import { executorOf, type Database } from '../db/db.ts';
import { accountBalance, auditLedger } from '../ledger/ledger.ts';
import { runDeposits } from '../deposits/deposits.ts';
import {
  bindAddress,
  COLD,
  openTestDatabase,
  testClock,
  testConfig,
  testCustomer,
  TOKEN,
  VAULT,
  watch,
  writtenChain,
} from '../deposits/test/written-chain.ts';
import { runTreasury, type TreasuryDeps } from './treasury.ts';

const config = testConfig();
const NETWORK = 'ethereum';
const ETH = 10n ** 18n;
const GWEI = 10n ** 9n;

type Account = 'hot' | 'unswept' | 'gas' | 'cold' | 'network-costs';

async function setUp(t: TestContext, more: Partial<TreasuryDeps> = {}) {
  const db = await openTestDatabase({ after: (fn) => t.after(fn) });
  const clock = testClock();
  const chain = writtenChain(db, NETWORK, clock);
  let addresses = 0;
  const address = async () => {
    addresses += 1;
    const text = getAddress(`0x${addresses.toString(16).padStart(40, 'a')}`);
    const derivation = `0x${addresses.toString(16).padStart(64, '0')}`;
    const customer = await testCustomer(db, `customer-${addresses}`);
    const input = { network: NETWORK, address: text, customer, position: BigInt(addresses), derivation };
    return { text, derivation, watchedId: await bindAddress(db, input) };
  };
  const run = async (): Promise<void> => {
    clock.ms += 1000;
    await runDeposits({ db, config, now: clock.now });
    await runTreasury({ db, config, now: clock.now, ...more });
    assert.deepEqual(await auditLedger(executorOf(db)), []);
  };
  const bury = async (): Promise<void> => {
    for (let i = 0; i < 6; i += 1) await chain.mine();
  };
  const balance = (kind: Account, asset: string): Promise<bigint> =>
    accountBalance(executorOf(db), { kind, asset, network: NETWORK });
  return { db, clock, chain, address, run, bury, balance };
}

type Setup = Awaited<ReturnType<typeof setUp>>;

let payments = 0;
const pay = (to: { watchedId: bigint }, units: bigint, contract = '') => {
  payments += 1;
  return {
    txId: `0xp${payments}`,
    position: 'call:0',
    watchedId: to.watchedId,
    contract,
    units,
    sender: '0xS',
  };
};

async function calls(db: Database) {
  const rows = await db.selectFrom('evm_call').selectAll().orderBy('created_at').execute();
  return rows.map((row) => {
    const data: Hex = `0x${row.data.toString('hex')}`;
    const { args } = decodeFunctionData({ abi: depositFactoryAbi, data });
    return {
      ...row,
      salts: args[0] as readonly Hex[],
      tokens: (args[1] as readonly Hex[]).map((token) => token.toLowerCase()),
    };
  });
}

/** The factory's events in a block, as the watcher writes them; the relayer's call is settled when it is ours. */
async function deliver(
  s: Setup,
  txId: string,
  events: readonly { from: string; units: bigint; contract?: string; to?: string }[],
): Promise<void> {
  const block = await s.chain.mine();
  for (const [i, event] of events.entries()) {
    await s.db
      .insertInto('evm_delivery')
      .values({
        network: NETWORK,
        tx_id: txId,
        position: `log:${i}`,
        deposit: event.from,
        contract: event.contract ?? '',
        destination: event.to ?? VAULT,
        units: event.units,
        block_hash: block.hash,
        height: block.height,
        canonical: true,
      })
      .execute();
  }
}

async function endCall(s: Setup, id: string, state: 'succeeded' | 'reverted', txId: string): Promise<void> {
  const height = s.chain.blocks.at(-1)!.height;
  await s.bury();
  await s.db
    .updateTable('evm_call')
    .set({ state, tx_id: txId, cost_wei: 1234n, height })
    .where('id', '=', id)
    .execute();
}

test('one call takes every address that is worth it, with all its assets; the books follow the delivery', async (t) => {
  const s = await setUp(t);
  const [rich, poor, token] = [await s.address(), await s.address(), await s.address()];
  await s.chain.mine(pay(rich, ETH), pay(rich, 2_000_000n, TOKEN), pay(poor, ETH / 50n));
  await s.chain.mine(pay(token, 6_000_000n, TOKEN));
  await s.chain.mine();
  await s.run();
  assert.deepEqual(await calls(s.db), [], 'nothing is irreversible yet');
  await s.bury();
  await s.run();
  const [call, ...others] = await calls(s.db);
  assert.equal(others.length, 0);
  assert.deepEqual(call!.salts.toSorted(), [rich.derivation, token.derivation].toSorted());
  assert.deepEqual(call!.tokens, [TOKEN]);
  await s.chain.mine(pay(rich, ETH));
  await s.bury();
  await s.run();
  assert.equal((await calls(s.db)).length, 1, 'an address is in one unsettled sweep at most');
  // The delivery takes along what came in the meantime.
  await deliver(s, '0xsweep', [
    { from: rich.text, units: 2n * ETH },
    { from: rich.text, units: 2_000_000n, contract: TOKEN },
    { from: token.text, units: 6_000_000n, contract: TOKEN },
  ]);
  await s.run();
  assert.equal(await s.balance('hot', 'ETH'), 0n, 'a delivery counts when it is irreversible');
  await endCall(s, call!.id, 'succeeded', '0xsweep');
  await s.run();
  assert.equal(await s.balance('hot', 'ETH'), -2n * ETH);
  assert.equal(await s.balance('unswept', 'ETH'), -ETH / 50n);
  assert.equal(await s.balance('hot', 'USDT'), -8_000_000n);
  assert.equal(await s.balance('unswept', 'USDT'), 0n);
  assert.equal(await s.balance('network-costs', 'ETH'), -1234n);
  const items = await s.db.selectFrom('sweep_item').selectAll().orderBy('units').execute();
  assert.deepEqual(
    items.map((item) => [item.settled, item.units, item.delivered]),
    [
      [true, 2_000_000n, 2_000_000n],
      [true, 6_000_000n, 6_000_000n],
      [true, ETH, 2n * ETH],
    ],
  );
  await s.run();
  assert.equal((await calls(s.db)).length, 1, 'an empty address is not swept');
  assert.equal(await s.balance('network-costs', 'ETH'), -1234n, 'gas is booked once');
});

test('what was not delivered stays, and is tried again later, and later still', async (t) => {
  const s = await setUp(t);
  const [good, bad] = [await s.address(), await s.address()];
  await s.chain.mine(pay(good, ETH), pay(bad, 9_000_000n, TOKEN));
  await s.bury();
  await s.run();
  const [first] = await calls(s.db);
  await deliver(s, '0x1', [{ from: good.text, units: ETH }]);
  await endCall(s, first!.id, 'succeeded', '0x1');
  await s.run();
  await s.run();
  assert.equal((await calls(s.db)).length, 1, 'it waits after a failure');
  s.clock.ms += 10 * 60_000;
  await s.run();
  const [, second] = await calls(s.db);
  assert.ok(second);
  assert.deepEqual(second.salts, [bad.derivation]);
  await s.chain.mine();
  await endCall(s, second.id, 'reverted', '0x2');
  await s.run();
  s.clock.ms += 10 * 60_000;
  await s.run();
  assert.equal((await calls(s.db)).length, 2, 'and twice as long after the second');
  s.clock.ms += 10 * 60_000;
  await s.run();
  assert.equal((await calls(s.db)).length, 3);
  const sweeps = await s.db.selectFrom('sweep').select('state').orderBy('id').execute();
  assert.deepEqual(
    sweeps.map((row) => row.state),
    ['settled', 'failed', 'sent'],
  );
});

test("a stranger's call is booked like ours, and our own then finds nothing and waits for no money", async (t) => {
  const s = await setUp(t);
  const one = await s.address();
  await s.chain.mine(pay(one, ETH));
  await s.chain.mine();
  await s.run();
  await deliver(s, '0xstranger', [{ from: one.text, units: ETH }]);
  await s.bury();
  await s.run();
  assert.equal(await s.balance('hot', 'ETH'), -ETH);
  assert.equal(await s.balance('unswept', 'ETH'), 0n);
  await s.run();
  assert.deepEqual(await calls(s.db), []);
});

test('delivered to cold after a failover: in the books too', async (t) => {
  const s = await setUp(t);
  const one = await s.address();
  await s.chain.mine(pay(one, ETH));
  await s.bury();
  await deliver(s, '0xcold', [{ from: one.text, units: ETH, to: COLD }]);
  await s.bury();
  await s.run();
  assert.equal(await s.balance('cold', 'ETH'), -ETH);
  assert.equal(await s.balance('hot', 'ETH'), 0n);
});

test('delivered to an address that nobody configured: the network halts and nothing is booked', async (t) => {
  const s = await setUp(t);
  const one = await s.address();
  await s.chain.mine(pay(one, ETH));
  await s.bury();
  await deliver(s, '0x1', [{ from: one.text, units: ETH, to: '0x0000000000000000000000000000000000000999' }]);
  await s.bury();
  await s.run();
  const halt = await s.db.selectFrom('halt').selectAll().executeTakeFirst();
  assert.equal(halt?.code, 'SWEEP_DESTINATION_UNKNOWN');
  assert.equal(await s.balance('unswept', 'ETH'), -ETH);
});

test('an evacuation and refills of vault and relayer move between hot, gas and cold in the books, once', async (t) => {
  const s = await setUp(t);
  const vault = await watch(s.db, { network: NETWORK, address: VAULT, purpose: 'vault' });
  const cold = await watch(s.db, { network: NETWORK, address: COLD, purpose: 'cold' });
  const moved = { position: 'call:0', contract: '' };
  await s.chain.mine({ ...moved, txId: '0xout', watchedId: cold, units: 9n, sender: VAULT });
  await s.chain.mine({ ...moved, txId: '0xback', watchedId: vault, units: 4n, sender: COLD });
  const address = '0x00000000000000000000000000000000000000Ee';
  const relayer = await watch(s.db, { network: NETWORK, address, purpose: 'relayer' });
  await s.chain.mine({ ...moved, txId: '0xgas', watchedId: relayer, units: 2n, sender: COLD });
  await s.bury();
  await s.run();
  await s.run();
  assert.equal(await s.balance('cold', 'ETH'), -3n);
  assert.equal(await s.balance('hot', 'ETH'), 5n);
  assert.equal(await s.balance('gas', 'ETH'), -2n);
});

test('a token that takes a fee: what arrived is hot, the rest a cost, nothing is left unswept', async (t) => {
  const s = await setUp(t);
  const one = await s.address();
  await s.chain.mine(pay(one, 10_000_000n, TOKEN));
  await s.bury();
  await deliver(s, '0x1', [{ from: one.text, units: 9_990_000n, contract: TOKEN }]);
  await s.bury();
  await s.run();
  assert.equal(await s.balance('hot', 'USDT'), -9_990_000n);
  assert.equal(await s.balance('network-costs', 'USDT'), -10_000n);
  assert.equal(await s.balance('unswept', 'USDT'), 0n);
});

test('ether that no receipt explains is booked to suspense and told', async (t) => {
  const s = await setUp(t);
  const one = await s.address();
  await s.chain.mine(pay(one, ETH));
  await s.bury();
  await deliver(s, '0x1', [{ from: one.text, units: ETH + 5n }]);
  await s.bury();
  await s.run();
  assert.equal(await s.balance('unswept', 'ETH'), 0n);
  assert.equal(await accountBalance(executorOf(s.db), { kind: 'suspense', asset: 'ETH' }), 5n);
  const told = await s.db.selectFrom('event').selectAll().where('type', '=', 'sweep.unexplained').execute();
  assert.equal(told.length, 1);
});

test('ether that is worth less than its gas stays where it is', async (t) => {
  let feePerGas = 2000n * GWEI;
  const s = await setUp(t, { feePerGasWei: async () => feePerGas });
  const one = await s.address();
  await s.chain.mine(pay(one, ETH / 10n));
  await s.bury();
  await s.run();
  assert.deepEqual(await calls(s.db), []);
  feePerGas = GWEI;
  await s.run();
  assert.equal((await calls(s.db)).length, 1);
});

test('what was there before anybody watched is the house’s, once, less what is booked as a receipt', async (t) => {
  let asked = 0;
  const relayer = '0xR';
  const s = await setUp(t, {
    openingBalances: async (network) => {
      asked += 1;
      return network.id === NETWORK
        ? [
            { place: 'gas', address: relayer, contract: '', units: 5n * ETH },
            { place: 'hot', address: VAULT, contract: TOKEN, units: 7_000_000n },
          ]
        : [];
    },
  });
  const watchedId = await watch(s.db, { network: NETWORK, address: relayer, purpose: 'relayer' });
  await watch(s.db, { network: NETWORK, address: VAULT, purpose: 'vault' });
  await s.chain.mine(pay({ watchedId }, 2n * ETH));
  await s.run();
  await s.run();
  assert.equal(asked, 1);
  assert.equal(await s.balance('gas', 'ETH'), -3n * ETH);
  await s.bury();
  await s.run();
  assert.equal(await s.balance('gas', 'ETH'), -5n * ETH);
  assert.equal(await s.balance('hot', 'USDT'), -7_000_000n);
});

test('two steps at once plan one call', async (t) => {
  const s = await setUp(t);
  for (let i = 0; i < 5; i += 1) {
    const one = await s.address();
    await s.chain.mine(pay(one, ETH));
  }
  await s.bury();
  await runDeposits({ db: s.db, config, now: s.clock.now });
  const step = () => runTreasury({ db: s.db, config, now: s.clock.now });
  await Promise.all([step(), step(), step()]);
  const [call, ...others] = await calls(s.db);
  assert.equal(others.length, 0);
  assert.equal(call!.salts.length, 5);
});
