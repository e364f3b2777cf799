// Proves on real parts that where the policy demands attestations a sentinel that is dead stops payments with a code,
// and that they go on by themselves once it runs again; and that a signer that lost its memory is told anew.
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
import { BITCOIN, freezesAt, watching } from './test/rig.ts';

const MAX_SECONDS = 8;
const stack = await startStack({ after }, { attestationSeconds: MAX_SECONDS });
const sentinel = await watching({ after }, stack, { attest: { everySeconds: 1, validSeconds: 60 } });
const pipeline = await stack.pipeline();
const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC, BTC]);

async function request(): Promise<string> {
  const order = { customer: alice, asset: 'BTC', network: 'bitcoin', amount: '0.1' };
  return ask(stack, { ...order, destination: await outsideAddress(stack) });
}

const isBroadcast = async (id: string): Promise<boolean> => (await stateOf(stack, id)) === 'broadcast';

async function refusalsOf(id: string): Promise<string[]> {
  const answers = await stack.db
    .selectFrom('signer_answer')
    .innerJoin('spend_attempt', 'spend_attempt.id', 'signer_answer.attempt_id')
    .innerJoin('withdrawal', 'withdrawal.spend_id', 'spend_attempt.spend_id')
    .select('signer_answer.code')
    .where('withdrawal.id', '=', id)
    .execute();
  return answers.map(({ code }) => code);
}

test('attested, a payment is signed; every signer has taken it, and it names the block', async () => {
  const id = await request();
  await until('the broadcast', async () => isBroadcast(id), pipeline.step);
  const [report] = (await sentinel.status()).networks;
  assert.equal(report?.network, BITCOIN);
  assert.deepEqual(report.attestation?.clauses, [
    { clause: 'outflows-explained', basis: 'chain' },
    { clause: 'journals-agree', basis: 'chain' },
  ]);
  assert.deepEqual(Object.values(report.attestation?.answers ?? {}), ['taken', 'taken', 'taken']);
  assert.match(report.attestation?.hash ?? '', /^[0-9a-f]{64}$/);
});

test('the sentinel is dead: a payment waits with the code; it runs again: the payment goes on', async () => {
  const pid = sentinel.process.pid();
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  const stopped = Date.now();
  await until('what it attested last is stale', async () => Date.now() > stopped + MAX_SECONDS * 1000);
  const id = await request();
  const isRefused = async (): Promise<boolean> => (await refusalsOf(id)).length === 3;
  await until('the refusals', isRefused, pipeline.step);
  assert.deepEqual(
    await refusalsOf(id),
    Array.from({ length: 3 }, () => 'ATTESTATION_STALE'),
  );
  assert.equal(await isBroadcast(id), false);
  process.kill(pid, 'SIGKILL');
  await until('the broadcast', async () => isBroadcast(id), pipeline.step);
  assert.deepEqual(await freezesAt(stack), [[], [], []]);
});

test('signers that were started again sign once they are told anew, and not before', async () => {
  const [first, second] = stack.signers.all;
  assert.ok(first && second);
  for (const { process } of [first, second]) process.kill();
  const id = await request();
  await until('the broadcast', async () => isBroadcast(id), pipeline.step);
});
