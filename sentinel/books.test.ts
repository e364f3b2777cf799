// Proves on real parts that books beside the chain agree while payments, deposits and forks go on; that they are part
// of the attestation then; and that one unit which the books have and the chain has not freezes its asset.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { executorOf } from '../core/db/db.ts';
import { applyPostings, recordHouseFunding } from '../core/ledger/ledger.ts';
import {
  BTC,
  ask,
  fundBitcoin,
  outsideAddress,
  startStack,
  stateOf,
  until,
} from '../core/withdrawals/test/stack.ts';
import { BITCOIN, freezesAt, watching } from './test/rig.ts';

const ASSET = `${BITCOIN}/slip44:1`;
const stack = await startStack({ after });
const pipeline = await stack.pipeline();
const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC]);
const admin = new URL(stack.databaseUrl);
await stack.pool.query(`alter role portcullis_sentinel login password 'of-this-test'`);
const own = new URL(admin);
own.username = 'portcullis_sentinel';
own.password = 'of-this-test';
const sentinel = await watching({ after }, stack, {
  attest: { everySeconds: 1, validSeconds: 60 },
  books: {
    url: own.href,
    // Core takes back what a given-up block held within this, also on a machine that does much else.
    agreeSeconds: 20,
    networks: [{ network: BITCOIN, id: 'bitcoin', assets: { [ASSET]: 'BTC' } }],
  },
});

async function compared() {
  const [report] = (await sentinel.status()).networks;
  return report;
}

/** Books and chain were compared at the newest block, and nothing is missing. */
async function covered(): Promise<void> {
  const best = await stack.node.rpc<string>('getbestblockhash');
  await until(
    'books and chain at the newest block',
    async () => {
      const books = (await compared())?.books;
      return books?.hash === best && books.isCovered;
    },
    pipeline.step,
  );
}

test('a payment from the mempool to its settlement, and a deposit in a block that is given up: covered throughout', async () => {
  await covered();
  const order = { customer: alice, asset: 'BTC', network: 'bitcoin', amount: '0.25' };
  const id = await ask(stack, { ...order, destination: await outsideAddress(stack) });
  await until('the broadcast', async () => (await stateOf(stack, id)) === 'broadcast', pipeline.step);
  await covered();
  await stack.node.send(await stack.address(alice, 'bitcoin'), BTC / 10n);
  // Mined, with the deposit credited, and not settled yet: the books say more than the chain, and what is under way.
  await stack.mine(1);
  await covered();
  const held = (await compared())?.books?.held[ASSET];
  assert.ok(held && BigInt(held.underWay) > 0n, JSON.stringify(held));
  assert.ok(BigInt(held.books) > BigInt(held.chain), JSON.stringify(held));
  const best = await stack.node.rpc<string>('getbestblockhash');
  await stack.node.rpc('invalidateblock', best);
  await stack.node.mine(2);
  await stack.caughtUp();
  await covered();
  await until(
    'the settlement',
    async () => (await stateOf(stack, id)) === 'settled',
    async () => {
      await stack.mine();
      await pipeline.step();
    },
  );
  await covered();
  await until(
    'books and chain alike to the satoshi',
    async () => {
      const last = (await compared())?.books?.held[ASSET];
      return last?.underWay === '0' && last.books === last.chain;
    },
    pipeline.step,
  );
  assert.deepEqual(await freezesAt(stack), [[], [], []]);
});

test('it is part of what is attested, and marked as resting on the books', async () => {
  await until('the clause', async () =>
    ((await compared())?.attestation?.clauses ?? []).some(
      ({ clause, basis }) => clause === 'books-covered' && basis === 'books',
    ),
  );
});

test('one satoshi that is in the books alone: frozen, though a new block comes every second', async () => {
  await stack.db
    .transaction()
    .execute((trx) =>
      applyPostings(executorOf(trx), [
        recordHouseFunding({ key: 'planted', network: 'bitcoin', asset: 'BTC', units: 1n, into: 'hot' }),
      ]),
    );
  await until(
    'the freeze',
    async () => (await freezesAt(stack)).every((freezes) => freezes.length === 1),
    async () => {
      await stack.mine(1);
      await sleep(1000);
    },
  );
  const [[freeze] = []] = await freezesAt(stack);
  assert.equal(freeze?.scope, ASSET);
  assert.match(
    freeze.reason,
    /^CHAIN_SHORT: at [0-9a-f]{64} the chain holds [0-9]+, the books say [0-9]+, of which 0 /,
  );
});
