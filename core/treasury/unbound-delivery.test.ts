// Proves that what the factory delivered from an address that nobody had yet is booked once, also when the address
// becomes a customer's before the delivery is irreversible: addresses can be computed before they are given out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getAddress } from 'viem';
import { runDeposits } from '../deposits/deposits.ts';
import {
  bindAddress,
  openTestDatabase,
  testClock,
  testConfig,
  testCustomer,
  VAULT,
  watch,
  writtenChain,
} from '../deposits/test/written-chain.ts';
import { executorOf } from '../db/db.ts';
import { accountBalance, auditLedger } from '../ledger/ledger.ts';
import { runTreasury } from './treasury.ts';

const network = 'ethereum';
const ETH = 10n ** 18n;
const address = getAddress(`0x${'b'.repeat(40)}`);

test('delivered from an address that is bound afterwards: booked once', async (t) => {
  const db = await openTestDatabase({ after: (fn) => t.after(fn) });
  const [clock, config] = [testClock(), testConfig()];
  const chain = writtenChain(db, network, clock);
  const run = async (): Promise<void> => {
    clock.ms += 1000;
    await runDeposits({ db, config, now: clock.now });
    await runTreasury({ db, config, now: clock.now });
    assert.deepEqual(await auditLedger(executorOf(db)), []);
  };
  const vault = await watch(db, { network, address: VAULT, purpose: 'vault' });
  const seen = { txId: '0xflush', position: 'call:0.1', watchedId: vault, contract: '', units: ETH };
  const block = await chain.mine({ ...seen, sender: address });
  const named = { network, tx_id: seen.txId, position: 'log:0', deposit: address, contract: '' };
  const at = { block_hash: block.hash, height: block.height, canonical: true };
  await db
    .insertInto('evm_delivery')
    .values({ ...named, ...at, destination: VAULT, units: ETH })
    .execute();
  await run();
  const customer = await testCustomer(db, 'mallory');
  await bindAddress(db, { network, address, customer, position: 0n, derivation: `0x${'1'.repeat(64)}` });
  for (let i = 0; i < 8; i += 1) await chain.mine();
  await run();
  await run();
  const balance = (kind: 'hot' | 'unswept') =>
    accountBalance(executorOf(db), { kind, asset: 'ETH', network });
  assert.equal(await balance('hot'), -ETH, 'the vault got it once');
  assert.equal(await balance('unswept'), 0n);
  assert.equal(await accountBalance(executorOf(db), { kind: 'suspense', asset: 'ETH' }), ETH);
});
