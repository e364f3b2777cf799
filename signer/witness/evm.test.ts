// Proves against a real EVM node that a signer's own node stands in the way of a payment when vault or token have other
// code than is pinned, when a proxy runs another contract, and when the node is away, stale or of another chain.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { testAnvil } from '../../world/testing.ts';
import { EVM, EVM2, NATIVE, USDT, VAULT, evmRequest } from '../test/quorum.ts';
import { openWitness, type EvmWitness } from './witness.ts';

const node = await testAnvil({ after });
const CODE = '0x60016002';
const OTHER = '0x60016003';
/** EIP-1967. */
const SLOT = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc';
const RUNS = `0x${'ab'.repeat(20)}`;
const sha256 = (hex: string): string =>
  createHash('sha256')
    .update(Buffer.from(hex.slice(2), 'hex'))
    .digest('hex');
const word = (address: string): string => `0x${address.slice(2).padStart(64, '0')}`;

const own = (fields: Partial<EvmWitness> = {}): EvmWitness => ({
  network: EVM,
  url: node.url,
  login: undefined,
  tipAgeMaxMinutes: undefined,
  contracts: [
    { address: VAULT, codeSha256: sha256(CODE), proxy: undefined },
    { address: USDT, codeSha256: sha256(CODE), proxy: { slot: SLOT, implementation: RUNS } },
  ],
  ...fields,
});
const codeOf = async (
  request: unknown,
  fields: Partial<EvmWitness> = {},
  nowMs = Date.now(),
): Promise<string | undefined> =>
  (await openWitness({ nodes: [own(fields)], nowMs: () => nowMs }).check(request))?.code;

const ether = evmRequest({ token: NATIVE });
const tokens = evmRequest({ token: USDT });
for (const address of [VAULT, USDT]) await node.rpc('anvil_setCode', address, CODE);
await node.rpc('anvil_setStorageAt', USDT, SLOT, word(RUNS));

test('vault and token as they were pinned: nothing stands against it', async () => {
  assert.equal(await codeOf(ether), undefined);
  assert.equal(await codeOf(tokens), undefined);
});

test('other code of the vault stops all of it, of a token that token, none at all too; so does what nobody pinned', async () => {
  await node.rpc('anvil_setCode', USDT, OTHER);
  assert.deepEqual([await codeOf(tokens), await codeOf(ether)], ['CODE_CHANGED', undefined]);
  await node.rpc('anvil_setCode', USDT, '0x');
  assert.equal(await codeOf(tokens), 'CODE_CHANGED');
  await node.rpc('anvil_setCode', USDT, CODE);
  await node.rpc('anvil_setCode', VAULT, OTHER);
  assert.deepEqual([await codeOf(tokens), await codeOf(ether)], ['CODE_CHANGED', 'CODE_CHANGED']);
  await node.rpc('anvil_setCode', VAULT, CODE);
  const contracts = own().contracts.slice(0, 1);
  assert.deepEqual(
    [await codeOf(tokens, { contracts }), await codeOf(ether, { contracts })],
    ['CODE_CHANGED', undefined],
  );
  assert.equal(await codeOf(tokens), undefined);
});

test('a proxy that runs another contract stops its token, with its own code as it was', async () => {
  await node.rpc('anvil_setStorageAt', USDT, SLOT, word(`0x${'cd'.repeat(20)}`));
  assert.deepEqual([await codeOf(tokens), await codeOf(ether)], ['PROXY_CHANGED', undefined]);
  await node.rpc('anvil_setStorageAt', USDT, SLOT, word(RUNS));
  assert.equal(await codeOf(tokens), undefined);
});

test('a node that is away, stale, or of another chain lets nothing through', async () => {
  assert.equal(await codeOf(ether, { url: 'http://127.0.0.1:1' }), 'NODE_UNREACHABLE');
  assert.equal(await codeOf({ ...ether, network: EVM2 }, { network: EVM2 }), 'CHAIN_MISMATCH');
  const { timestamp } = await node.rpc<{ timestamp: string }>('eth_getBlockByNumber', 'latest', false);
  const tipMs = Number(timestamp) * 1000;
  assert.equal(await codeOf(ether, { tipAgeMaxMinutes: 10 }, tipMs + 10 * 60_000), undefined);
  assert.equal(await codeOf(ether, { tipAgeMaxMinutes: 10 }, tipMs + 11 * 60_000), 'NODE_BEHIND');
});
