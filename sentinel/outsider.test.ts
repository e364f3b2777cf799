// Proves on real nodes and signers that nobody outside stops the exchange: dust, forks of a block and a node that lags
// freeze nothing, and at most one network's attestation waits; and of the signers' hosts, that one that is behind is
// an alarm, and one that wrote another history a freeze.
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  BTC,
  ETH,
  ask,
  fundBitcoin,
  outsideAddress,
  startStack,
  stateOf,
  until,
} from '../core/withdrawals/test/stack.ts';
import type { NetworkStatus } from './sentinel.ts';
import { BITCOIN, freezesAt, watching } from './test/rig.ts';

const EVM = 'eip155:31337';
const LAG_MAX_SECONDS = 20;
const stack = await startStack({ after }, { evm: true });
const pipeline = await stack.pipeline();
const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC]);
const sentinel = await watching({ after }, stack, {
  attest: { everySeconds: 1, validSeconds: 60 },
  lagMaxSeconds: LAG_MAX_SECONDS,
});
const { node, anvil } = stack;
assert.ok(anvil);
const depositAddress = await stack.address(alice, 'bitcoin');
const vault = stack.config.networks.flatMap((network) => (network.kind === 'evm' ? [network.vault] : []))[0];

async function report(network: string): Promise<NetworkStatus | undefined> {
  return (await sentinel.status()).networks.find((one) => one.network === network);
}

/** The sentinel is at the newest block of both chains, and has attested it. */
async function attested(): Promise<void> {
  await until('attestations of the newest blocks', async () => {
    const best = await node.rpc<string>('getbestblockhash');
    const { hash } = await anvil!.rpc<{ hash: string }>('eth_getBlockByNumber', 'latest', false);
    const [bitcoin, evm] = [await report(BITCOIN), await report(EVM)];
    return bitcoin?.attestation?.hash === best && evm?.attestation?.hash === hash;
  });
}

async function nothingFrozen(): Promise<void> {
  assert.deepEqual(await freezesAt(stack), [[], [], []]);
  const { freezes, findings } = await sentinel.status();
  assert.deepEqual([freezes, findings.filter(({ level }) => level === 'freeze')], [[], []]);
}

test('dust to our addresses and to the vault is no reason for anything', async () => {
  for (let i = 0; i < 20; i++) await node.send(depositAddress, 600n);
  const from = anvil.accounts[6]?.address;
  for (let i = 0; i < 20; i++) await anvil.rpc('eth_sendTransaction', { from, to: vault, value: '0x1' });
  await node.mine(1);
  await anvil.mine(1);
  await attested();
  await nothingFrozen();
});

test('a block that is given up, with a deposit in it, is read anew: no freeze, and the new block is attested', async () => {
  await node.send(depositAddress, BTC / 10n);
  const [block] = [await node.mine(1), await node.rpc<string>('getbestblockhash')].slice(1);
  await anvil.rpc('eth_sendTransaction', {
    from: anvil.accounts[6]?.address,
    to: vault,
    value: `0x${ETH.toString(16)}`,
  });
  await anvil.mine(1);
  await attested();
  const before = await report(EVM);
  await node.rpc('invalidateblock', block);
  await node.mine(2);
  await anvil.reorg(1);
  await attested();
  const evm = await report(EVM);
  assert.notEqual(evm?.hash, before?.hash);
  const lost =
    BigInt(before?.holdings[`${EVM}/slip44:60`] ?? 0) - BigInt(evm?.holdings[`${EVM}/slip44:60`] ?? 0);
  assert.equal(lost, ETH, 'what came in the block that was given up is gone again');
  await nothingFrozen();
});

test('a node that lags withholds the attestation of its network, no other, and freezes nothing', async () => {
  const waits = async (): Promise<boolean> =>
    /^the newest block is [0-9]+ s old$/.test((await report(BITCOIN))?.withheld ?? '');
  await until('the withholding', waits, async () => anvil.mine(1));
  assert.equal((await report(EVM))?.withheld, undefined);
  assert.ok(
    (await sentinel.status()).findings.some(({ level, code }) => level === 'alarm' && code === 'CHAIN_LAG'),
  );
  await nothingFrozen();
  await node.mine(1);
  await anvil.mine(1);
  await attested();
  assert.equal((await report(BITCOIN))?.withheld, undefined);
});

test('a signer whose journal came back from a snapshot is an alarm; once it writes another history it is a freeze', async () => {
  const signer = stack.signers.all[2];
  assert.ok(signer);
  const kept = stack.folder.at('kept');
  cpSync(signer.dataFolder, kept, { recursive: true });
  const order = { customer: alice, asset: 'BTC', network: 'bitcoin', amount: '0.1' };
  const id = await ask(stack, { ...order, destination: await outsideAddress(stack) });
  await until('the broadcast', async () => (await stateOf(stack, id)) === 'broadcast', pipeline.step);
  const sequenceAt = async (): Promise<number> =>
    Number((await sentinel.status()).journals.find((one) => one.signer === signer.id)?.sequence);
  const head = async (): Promise<{ sequence: string }> =>
    (await signer.ask('GET', '/v1/status'))['journal'] as { sequence: string };
  await until('its journal is read', async () => (await sequenceAt()) === Number((await head()).sequence));
  const reached = await sequenceAt();

  const pid = signer.process.pid();
  signer.process.kill();
  await until('it is gone', async () => signer.process.pid() !== pid);
  for (const name of ['journal.jsonl', 'journal.head']) {
    rmSync(join(signer.dataFolder, name));
    cpSync(join(kept, name), join(signer.dataFolder, name));
  }
  signer.process.kill();
  await until('the alarm', async () =>
    (await sentinel.status()).findings.some(({ code }) => code === 'JOURNAL_BEHIND'),
  );
  await nothingFrozen();
  assert.ok(Number((await head()).sequence) < reached);
  // Whatever it refuses it writes down: soon it stands where it stood, with other entries.
  await until(
    'the freeze',
    async () => (await freezesAt(stack)).every((freezes) => freezes.length === 1),
    async () => signer.ask('POST', '/v1/freeze', {}).catch(() => undefined),
  );
  const [[freeze] = []] = await freezesAt(stack);
  assert.equal(freeze?.scope, 'everything');
  assert.match(freeze.reason, /^JOURNAL_FORK: the journal of signer c: /);
});
