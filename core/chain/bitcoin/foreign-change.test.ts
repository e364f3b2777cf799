// Proves that a stranger's coin at a change address of ours, which anybody can read off the chain, is spent no sooner
// than a deposit of its value: only our own change is sure as soon as its transaction is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase, openPool } from '../../db/db.ts';
import { testDatabase } from '../../../world/testing.ts';
import { spendableCoins } from './wallet-coins.ts';

const network = 'bitcoin';
const BTC = 100_000_000n;
const txId = (digit: string): string => digit.repeat(64);

test('a large coin from outside at a change address waits for the depth of its value', async (t) => {
  const { url } = await testDatabase({ after: (fn) => t.after(fn) });
  const pool = openPool(url, 2);
  t.after(() => pool.end());
  const db = openDatabase(pool);
  const watch = async (purpose: string, derivation: string): Promise<bigint> => {
    const row = { network, address: derivation, script: Buffer.from(derivation), purpose, derivation };
    const added = await db.insertInto('watched').values(row).returning('id').executeTakeFirstOrThrow();
    return added.id;
  };
  const [deposit, change] = [await watch('deposit', '0/0'), await watch('change', '1/0')];
  const coin = (tx: string, watchedId: bigint, units: bigint, spentBy: string | null) => ({
    network,
    tx_id: txId(tx),
    vout: 0,
    watched_id: watchedId,
    units,
    coinbase: false,
    height: 100,
    block_hash: txId('b'),
    spent_tx_id: spentBy,
    spent_height: spentBy === null ? null : 100,
    spent_block_hash: spentBy === null ? null : txId('b'),
  });
  // Our transaction 2 spent coin 1 and made change; nothing of ours is in transaction 3.
  const rows = [
    coin('1', deposit, 60n * BTC, txId('2')),
    coin('2', change, 50n * BTC, null),
    coin('3', change, 40n * BTC, null),
  ];
  await db.insertInto('bitcoin_coin').values(rows).execute();
  const depositDepth = (units: bigint): number => (units >= BTC ? 6 : 2);
  const spendableAt = async (tipHeight: number): Promise<bigint[]> =>
    (await spendableCoins(db, { network, tipHeight, depositDepth, changeDepth: 2 })).map(
      ({ units }) => units,
    );
  assert.deepEqual(await spendableAt(101), [50n * BTC], 'two confirmations');
  assert.deepEqual(await spendableAt(105), [50n * BTC, 40n * BTC], 'six');
});
