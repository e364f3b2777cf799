// Proves on a real EVM node with three real signers that an order whose time runs out frees its hold exactly once, and
// only when no signature that may exist can pay it any more; and that nothing is signed or sent that could be too late.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { EvmPayRequest } from '../../signer/protocol/messages.ts';
import type { Config, EvmNetwork } from '../config/config.ts';
import type { Id } from '../../lib/ids/ids.ts';
import { evmKit, withoutSigners } from './test/evm-kit.ts';
import { ask, available, ETH, fundEther, settleDown, startStack, timeline, until } from './test/stack.ts';

const PAY_DEADLINE_SECONDS = 200;
const stack = await startStack({ after }, { evm: true, chainBehindSeconds: 3600 });
const kit = evmKit(stack);
const { anvil } = kit;
const alice = await fundEther(stack, await stack.pipeline(), 'alice', 60n * ETH);
const order = { customer: alice, asset: 'ETH', network: 'ethereum' };
const FEE = stack.listing('ETH', 'ethereum').withdrawalFeeUnits;

/** Orders live for ten minutes, against a week: a pipeline with this one begins with those of both. */
const brief = withNetwork(
  { ...stack.config, orderExpirySeconds: 600 },
  { payDeadlineSeconds: PAY_DEADLINE_SECONDS },
);
/** So far is core's clock ahead of ours. */
let aheadSeconds = 0;
const now = () => new Date(Date.now() + aheadSeconds * 1000);
const running = { config: brief, now };
const pipeline = await stack.pipeline(running);
const unsigned = await stack.pipeline({ ...running, effects: withoutSigners(stack.effects) });
/** Its relayer finds every fee too high. */
const unsent = await stack.pipeline({ ...running, config: withNetwork(brief, { feePerGasMaxGwei: 1e-9 }) });

function withNetwork(config: Config, change: Partial<EvmNetwork>): Config {
  const networks = config.networks.map((one) => (one.kind === 'evm' ? { ...one, ...change } : one));
  return { ...config, networks };
}

/** An order of ten minutes from core's present. */
async function askBriefly(to: string, amount: string): Promise<Id<'withdrawal'>> {
  const config = { ...brief, orderExpirySeconds: brief.orderExpirySeconds + aheadSeconds };
  return ask({ ...stack, config }, { ...order, destination: to, amount });
}

/** Core's clock goes where all orders of ten minutes are over, and the chain's stays where it is. */
function outlive(): void {
  aheadSeconds += 700;
}

/** The chain goes past every deadline that was signed so far, and irreversibly so. */
async function outliveDeadlines(id: string): Promise<void> {
  const deadlines = (await kit.attemptsOf(id)).map(({ request }) =>
    Number((request as EvmPayRequest).deadline),
  );
  const gap = Math.max(...deadlines) - (await kit.chainSeconds());
  await anvil.rpc('evm_increaseTime', Math.max(0, gap) + 1);
  await stack.mine(8);
}

async function holds(id: string, state: string, free: bigint): Promise<void> {
  await settleDown(pipeline);
  await stack.mine(8);
  await settleDown(pipeline);
  assert.deepEqual([(await kit.row(id)).state, (await kit.row(id)).reason], [state, 'ORDER_EXPIRED']);
  assert.equal(await available(stack, alice, 'ETH'), free, 'held until nothing can pay it');
}

test('its time runs out while signers are waited for: held until what one may have signed is past, then free, once', async () => {
  const before = await available(stack, alice, 'ETH');
  const to = kit.recipient();
  const id = await askBriefly(to, '1');
  await until('asked', async () => (await kit.row(id)).state === 'signing', unsigned.step);
  outlive();
  await holds(id, 'signing', before - ETH - FEE);
  await outliveDeadlines(id);
  await kit.ended(pipeline, [id], 'failed');
  assert.equal((await kit.row(id)).reason, 'ORDER_EXPIRED');
  assert.deepEqual((await timeline(stack, id)).at(-1), 'failed');
  assert.equal(await available(stack, alice, 'ETH'), before);
  await settleDown(pipeline);
  assert.equal(await available(stack, alice, 'ETH'), before);
  assert.equal(await kit.balanceOf(to), 0n);
  await kit.booksAreTheChain(pipeline);
});

test('signed and never sent: taken from the relayer, held until its deadline is past, then free, once', async () => {
  const before = await available(stack, alice, 'ETH');
  const id = await askBriefly(kit.recipient(), '1');
  const waits = async () =>
    (await kit.spendOf(id).catch(() => undefined))?.reason === 'RELAYER_FEE_ABOVE_MAX';
  await until('the relayer waits', waits, unsent.step);
  await settleDown(unsent);
  assert.deepEqual((await kit.reasons(id)).at(-1), 'RELAYER_FEE_ABOVE_MAX');
  outlive();
  await holds(id, 'broadcast', before - ETH - FEE);
  await outliveDeadlines(id);
  await kit.ended(pipeline, [id], 'failed');
  assert.equal(await available(stack, alice, 'ETH'), before);
  const { rows } = await stack.pool.query(`select 1 from evm_call where state in ('queued', 'sent')`);
  assert.equal(rows.length, 0);
  await kit.booksAreTheChain(pipeline);
});

test('signed, its time runs out, and a stranger brings it to the vault in time: paid, not freed', async () => {
  const before = await available(stack, alice, 'ETH');
  const to = kit.recipient();
  const id = await askBriefly(to, '1');
  const waits = async () =>
    (await kit.spendOf(id).catch(() => undefined))?.reason === 'RELAYER_FEE_ABOVE_MAX';
  await until('the relayer waits', waits, unsent.step);
  outlive();
  await holds(id, 'broadcast', before - ETH - FEE);
  const [{ raw } = { raw: null }] = await kit.attemptsOf(id);
  await kit.as(anvil.accounts[8]!.address, kit.vault, `0x${raw!.toString('hex')}`);
  await outliveDeadlines(id);
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await kit.balanceOf(to), ETH);
  assert.equal(await available(stack, alice, 'ETH'), before - ETH - FEE);
  await kit.booksAreTheChain(pipeline);
});

test('one order of a batch runs out of time: the others are paid without it, and it is freed', async () => {
  const before = await available(stack, alice, 'ETH');
  const to = [kit.recipient(), kit.recipient()];
  const brief1 = await askBriefly(to[0]!, '1');
  const long = await ask(stack, { ...order, destination: to[1]!, amount: '2' });
  await until('asked', async () => (await kit.row(long)).state === 'signing', unsigned.step);
  assert.equal((await kit.row(brief1)).spend_id, (await kit.row(long)).spend_id, 'one batch');
  outlive();
  const isPaid = async () => (await kit.row(long)).state === 'confirming';
  await until('paid', isPaid, async () => {
    await settleDown(pipeline);
    await stack.mine(1);
  });
  assert.equal((await kit.row(brief1)).state, 'broadcast');
  await outliveDeadlines(long);
  await kit.ended(pipeline, [long], 'settled');
  await kit.ended(pipeline, [brief1], 'failed');
  assert.deepEqual(await Promise.all(to.map(kit.balanceOf)), [0n, 2n * ETH]);
  assert.equal((await kit.row(brief1)).tx_id, null);
  assert.equal(await available(stack, alice, 'ETH'), before - 2n * ETH - FEE);
  await kit.booksAreTheChain(pipeline);
});

test('whatever waits, signers see no deadline that is near, and the vault is sent none', async () => {
  const to = kit.recipient();
  const lefts: number[] = [];
  const watched = await stack.pipeline({
    ...running,
    effects: {
      ...stack.effects,
      sign: (signer, request) => {
        if (request.type === 'evm-pay') lefts.push(Number(request.deadline) - now().getTime() / 1000);
        return signer.sign(request);
      },
    },
  });
  const id = await ask(stack, { ...order, destination: to, amount: '1' });
  await until('asked', async () => (await kit.row(id)).state === 'signing', unsigned.step);
  aheadSeconds += PAY_DEADLINE_SECONDS - 20;
  const isSent = async () => (await kit.attemptsOf(id)).at(-1)!.state === 'broadcast';
  await until('queued', isSent, watched.step);
  await kit.ended(watched, [id], 'settled');
  assert.ok(Math.min(...lefts) >= PAY_DEADLINE_SECONDS / 4 - 1, lefts.join(' '));
  assert.equal((await kit.attemptsOf(id)).length, 2);
  assert.equal(await kit.balanceOf(to), ETH);
  await kit.booksAreTheChain(watched);
});
