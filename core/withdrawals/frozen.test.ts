// Proves that a frozen withdrawal waits with its reason, is not paid meanwhile, and is paid once a quorum lifts the
// freeze, on a real node with three real signers.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { readKit } from '../../cli/operator-kit.ts';
import { freezeDocument } from '../../signer/protocol/freeze.ts';
import { signaturesToJson } from '../../signer/protocol/signatures.ts';
import { liftFreezes } from '../../world/operators.ts';
import {
  ask,
  BTC,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  settleDown,
  startStack,
  stateOf,
  until,
} from './test/stack.ts';
import { withdrawalById } from './withdrawals.ts';

const stack = await startStack({ after });
const pipeline = await stack.pipeline();
const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC]);

/** Bob, who is on watch, freezes at every signer. */
async function freezeEverywhere(): Promise<void> {
  const [, bob] = stack.operators;
  assert.ok(bob);
  const freeze = {
    epoch: 1,
    id: randomBytes(16),
    scope: 'everything',
    reason: 'a transfer nobody knows',
    by: bob.id,
    issuedAt: BigInt(Math.floor(Date.now() / 1000)),
  };
  const digest = freezeDocument.digest(freeze, (bytes) => createHash('sha256').update(bytes).digest());
  const key = readKit(bob.folder).openKey(readFileSync(bob.passphraseFile, 'utf8'));
  const signature = { kind: 'key' as const, by: bob.id, signature: key.sign(digest) };
  const body = { document: freezeDocument.toJson(freeze), signatures: signaturesToJson([signature]) };
  for (const signer of stack.signers.all)
    assert.equal((await signer.ask('POST', '/v1/freeze', body))['ok'], true);
}

test('a frozen withdrawal waits, says why, and is paid once after the freeze', async () => {
  await freezeEverywhere();
  const destination = await outsideAddress(stack);
  const order = { customer: alice, asset: 'BTC', network: 'bitcoin', destination, amount: '0.3' };
  const id = await ask(stack, order);
  const reason = async () => (await withdrawalById(stack.db, id))?.row.reason ?? '';
  await until('the reason', async () => (await reason()).includes('FROZEN'), pipeline.step);
  assert.match(await reason(), /^SIGNERS_WAITED_FOR/, 'nothing that is refused for good');
  const answers = await stack.db.selectFrom('signer_answer').select('detail').execute();
  assert.match(answers[0]?.detail ?? '', /everything, by bob .*a transfer nobody knows/);
  for (let i = 0; i < 3; i += 1) await pipeline.step();
  assert.equal((await stack.node.rpc<string[]>('getrawmempool')).length, 0);
  assert.equal(await liftFreezes(stack.people, stack.signers.all), 1);
  await until(
    'settled',
    async () => (await stateOf(stack, id)) === 'settled',
    async () => {
      await settleDown(pipeline);
      await stack.mine(1);
    },
  );
  assert.equal(await receivedBitcoin(stack, destination), (3n * BTC) / 10n);
  await stack.whole();
});
