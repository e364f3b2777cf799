// Proves on a real EVM node with three real signers that an order which they refuse by its number holds up no other:
// the rest of its batch is paid at once, it waits with its reason, and is paid once when they sign it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { openAuthenticator } from '../../world/people/authenticator.ts';
import { authorizationBy } from '../../world/people/customer.ts';
import { evmKit } from './test/evm-kit.ts';
import { ask, ETH, fundEther, startStack, until } from './test/stack.ts';

const stack = await startStack({ after }, { evm: true });
const kit = evmKit(stack);
const pipeline = await stack.pipeline();
const alice = await fundEther(stack, pipeline, 'alice', 20n * ETH);

test('one of five is signed with a passkey that no signer knows: four are paid, the fifth when it may be', async () => {
  const to = Array.from({ length: 5 }, kit.recipient);
  const ids: Awaited<ReturnType<typeof ask>>[] = [];
  for (const destination of to) {
    const order = { customer: alice, asset: 'ETH', network: 'ethereum', destination, amount: '1' };
    ids.push(await ask(stack, order));
  }
  const [refused] = ids;
  const unknown = authorizationBy(openAuthenticator(randomBytes(32)), randomBytes(32).toString('hex'));
  await stack.db
    .updateTable('withdrawal')
    .set({ authorization_document: JSON.stringify(unknown) })
    .where('id', '=', refused!)
    .execute();
  const paid = async () => (await Promise.all(to.map(kit.balanceOf))).filter((wei) => wei === ETH).length;
  await until(
    'four are paid',
    async () => (await paid()) === 4,
    async () => {
      await pipeline.step();
      await stack.mine(1);
    },
  );
  assert.equal(await kit.balanceOf(to[0]!), 0n);
  const isTold = async () => /CREDENTIAL_UNKNOWN/.test((await kit.row(refused!)).reason);
  await until('the fifth says why', isTold, async () => {
    await pipeline.step();
    await stack.mine(1);
  });
  const spend = await kit.spendOf(refused!);
  for (const id of ids) assert.equal((await kit.row(id)).spend_id, spend.id, 'one batch');
  // Asked about anew, it waits longer each time: no attempt is made for that.
  const attempts = (await kit.attemptsOf(refused!)).length;
  for (let i = 0; i < 10; i += 1) await pipeline.step();
  assert.equal((await kit.attemptsOf(refused!)).length, attempts);
  await stack.db
    .updateTable('spend_order')
    .set({ assertion: null })
    .where('order_number', '=', (await kit.row(refused!)).order_number)
    .execute();
  await kit.ended(pipeline, ids, 'settled');
  assert.deepEqual(
    await Promise.all(to.map(kit.balanceOf)),
    to.map(() => ETH),
  );
  await kit.booksAreTheChain(pipeline);
});
