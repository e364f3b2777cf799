// Proves on real parts that coins which leave without the signers' journals stop every signer at once, also when no
// sentinel ran meanwhile and while a signer hangs, and that honest payments stop nothing.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  BTC,
  ask,
  fundBitcoin,
  outsideAddress,
  startStack,
  stateOf,
  until,
} from '../core/withdrawals/test/stack.ts';
import { liftFreezes } from '../world/operators.ts';
import { BITCOIN, freezesAt, watching } from './test/rig.ts';
import { thiefWallet } from './test/thief.ts';

const stack = await startStack({ after });
const pipeline = await stack.pipeline();
const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC]);
const order = { customer: alice, asset: 'BTC', network: 'bitcoin' };
const sentinel = await watching({ after }, stack);
const steal = await thiefWallet(stack);

async function pay(): Promise<string> {
  const id = await ask(stack, { ...order, destination: await outsideAddress(stack), amount: '0.1' });
  await until('the broadcast', async () => (await stateOf(stack, id)) === 'broadcast', pipeline.step);
  return id;
}

async function caughtUp(): Promise<void> {
  const best = await stack.node.rpc<string>('getbestblockhash');
  await until('the sentinel', async () =>
    (await sentinel.status()).networks.some(({ hash }) => hash === best),
  );
}

test('a payment from its mempool to its settlement is explained, deposits and blocks too: nothing is frozen', async () => {
  await caughtUp();
  const id = await pay();
  await until(
    'the payment is settled',
    async () => (await stateOf(stack, id)) === 'settled',
    async () => {
      await stack.mine();
      await pipeline.step();
    },
  );
  await caughtUp();
  const { freezes, networks } = await sentinel.status();
  assert.deepEqual(freezes, []);
  assert.deepEqual(await freezesAt(stack), [[], [], []]);
  // What the node's own scan of its coins says of the same wallet.
  assert.equal(networks[0]?.behind, false);
});

test('two stolen keys used outside our software: every signer is frozen from the mempool on', async (t) => {
  const began = Date.now();
  const txid = await steal(await outsideAddress(stack), BTC / 2n);
  const sent = Date.now();
  await until('the freeze', async () => (await freezesAt(stack)).every((freezes) => freezes.length === 1));
  t.diagnostic(`sent after ${sent - began} ms, frozen at all signers ${Date.now() - sent} ms later`);
  for (const [freeze] of await freezesAt(stack)) {
    assert.equal(freeze?.scope, BITCOIN);
    assert.equal(freeze.by, stack.sentinel.id);
    assert.match(freeze.reason, new RegExp(`^UNEXPLAINED_SPEND: ${txid} spends [0-9]+ sat of ours`));
  }
  const { freezes } = await sentinel.status();
  assert.equal(freezes.length, 1);
  t.diagnostic(`found and brought in ${freezes[0]?.tookMs} ms`);
  await stack.mine(2);
  await caughtUp();
  assert.equal((await sentinel.status()).freezes.length, 1, 'the same theft, mined, freezes once');
});

test('a freeze that people lifted stays lifted; a theft while no sentinel ran is found by the next one', async () => {
  assert.equal(await liftFreezes(stack.people, stack.signers.all), 1);
  sentinel.process.kill();
  await until('it runs again', async () => (await sentinel.status().catch(() => undefined)) !== undefined);
  await caughtUp();
  assert.deepEqual(await freezesAt(stack), [[], [], []]);
  const pid = sentinel.process.pid();
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  const txid = await steal(await outsideAddress(stack), BTC / 4n);
  await stack.node.mine(3);
  process.kill(pid, 'SIGKILL');
  await until('the freeze', async () => (await freezesAt(stack)).every((freezes) => freezes.length === 1));
  const [[freeze] = []] = await freezesAt(stack);
  assert.match(freeze?.reason ?? '', new RegExp(txid));
});

test('a signer that hangs holds up nothing: the others are frozen at once, by an id of its own, and it is when it wakes', async (t) => {
  const lifted = (await freezesAt(stack)).flat().map(({ id }) => id);
  assert.ok((await liftFreezes(stack.people, stack.signers.all)) > 0);
  await until('the sentinel reads that it is lifted', async () =>
    (await sentinel.status()).journals.every(({ fault }) => fault === undefined),
  );
  await caughtUp();
  const hanging = stack.signers.all[2];
  const pid = hanging?.process.pid();
  assert.ok(hanging && pid);
  process.kill(pid, 'SIGSTOP');
  try {
    const txid = await steal(await outsideAddress(stack), BTC / 8n);
    const sent = Date.now();
    await until('the two that answer are frozen', async () =>
      (await freezesAt(stack, 2)).every((one) => one.length === 1),
    );
    t.diagnostic(`frozen at two signers ${Date.now() - sent} ms later`);
    const [[freeze] = []] = await freezesAt(stack, 2);
    assert.match(freeze?.reason ?? '', new RegExp(`${txid}.*1 are silent`));
    assert.ok(freeze && !lifted.includes(freeze.id));
    const record = (await sentinel.status()).freezes.find(({ id }) => id === freeze.id);
    assert.notEqual(record?.answers[hanging.id], 'frozen');
    assert.equal(record?.tookMs, undefined);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until('the third is frozen', async () => (await freezesAt(stack)).every((one) => one.length === 1));
});
