// Proves against a real EVM node that one reading of a balance that is too low freezes nothing, that a second one does,
// and that a balance which really dropped is found with the second look.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { zeroAddress } from 'viem';
import { testAnvil } from '../world/testing.ts';
import { VAULT, makeQuorum } from '../signer/test/quorum.ts';
import type { Finding } from './checks/finding.ts';
import { openEvm } from './sources/evm.ts';
import { openJournals } from './sources/journals.ts';
import { openRpc, type Rpc } from './sources/rpc.ts';
import { watchEvm } from './watch-evm.ts';

const node = await testAnvil({ after }, { mining: 'manual' });
const quorum = makeQuorum();
after(quorum.close);
const { manifest } = quorum;
const [listed] = manifest.evm;
assert.ok(listed);
const native = listed.tokens.filter(({ token }) => token === zeroAddress);
const entry = { ...listed, network: `eip155:${node.chainId}`, chainId: BigInt(node.chainId), tokens: native };

let lies = 0;
const real = openRpc(node.url);
const rpc: Rpc = async <Result>(method: string, ...params: readonly unknown[]): Promise<Result> => {
  if (method !== 'eth_getBalance' || lies === 0) return real<Result>(method, ...params);
  lies -= 1;
  return '0x1' as Result;
};
const sleep = async (): Promise<void> => undefined;
const watch = watchEvm({
  entry,
  manifest,
  contracts: [],
  source: openEvm({ rpc, entry, fromBlock: 0, contracts: [] }),
  journals: openJournals([], { shown: {}, threshold: 2, sleep }),
  open: [],
  nowMs: () => Date.now(),
});
const findings: Finding[] = [];
const look = async (): Promise<string> => {
  try {
    await watch.look(async (finding) => void findings.push(finding));
    return 'looked';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
const codes = (): string[] => findings.splice(0).map(({ code }) => code);
const holds = async (wei: string): Promise<void> => {
  await node.rpc('anvil_setBalance', VAULT, wei);
  await node.mine(1);
};

await holds('0xde0b6b3a7640000');
assert.equal(await look(), 'looked');

test('one reading that is too low is doubted, and the next one is believed again', async () => {
  await node.mine(1);
  lies = 1;
  assert.match(await look(), /read again/);
  assert.equal(await look(), 'looked');
  assert.deepEqual(codes(), []);
});

test('less in two readings is a finding; so is what really left, block by block or not', async () => {
  await node.mine(1);
  lies = 2;
  assert.match(await look(), /read again/);
  await node.mine(1);
  assert.equal(await look(), 'looked');
  assert.deepEqual(codes(), ['BALANCE_DROPPED']);
  await node.mine(1);
  assert.equal(await look(), 'looked');
  await holds('0xde0b6b3a763ffff');
  assert.match(await look(), /read again/);
  assert.equal(await look(), 'looked');
  assert.deepEqual(codes(), ['BALANCE_DROPPED']);
});
