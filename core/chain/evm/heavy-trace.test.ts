// Proves that no stranger stops a network with a transaction whose trace is larger than we read: everybody else's
// payments in its block are seen, of itself the ether that it carried, and it is told by name.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Address, Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { transact } from '../../../contracts/rpc.ts';
import { eventsAfter } from '../../audit/audit.ts';
import { watchAddresses } from '../chain.ts';
import { evmRpc } from './rpc.ts';
import {
  deployed,
  ETHER,
  followed,
  initCodeOf,
  keyOf,
  lyingProxy,
  NO_SUCH_CALL,
  testDb,
  type Deployed,
} from './test/evm-rig.ts';

let a: Deployed;
let heavy: Address;
before(async () => {
  a = await deployed('ethereum', 31337);
  const payer = privateKeyToAccount(keyOf(a.node, 0));
  const { contractAddress } = await transact(a.client, payer, { data: initCodeOf(RUNTIME) });
  assert.ok(contractAddress);
  heavy = contractAddress;
});
after(() => a?.node.stop());

/** A small limit instead of a large trace: what we read by default is passed with 390,000 gas. */
const BYTES_MAX = 1 << 20;
/** Calls 0xdead as often as the first argument says, each time with as many bytes as the second says. */
const RUNTIME = '6000355b8015602257600060006020356000600061dead6000f150600190036003565b00';
const word = (value: number): string => value.toString(16).padStart(64, '0');
const BOMB: Hex = `0x${word(20)}${word(65_536)}`;

/** Both in one block, the stranger's first. */
async function mineTogether(address: Address): Promise<{ bomb: string; honest: string }> {
  const [stranger, payer] = [a.node.accounts[4]?.address, a.node.accounts[5]?.address];
  const send = (call: object): Promise<string> =>
    a.node.rpc<string>('eth_sendTransaction', { gas: '0x100000', ...call });
  await a.node.rpc('evm_setAutomine', false);
  const bomb = await send({ from: stranger, to: heavy, data: BOMB, value: '0x5' });
  const honest = await send({ from: payer, to: address, value: `0x${ETHER.toString(16)}` });
  await a.node.rpc('evm_mine');
  await a.node.rpc('evm_setAutomine', true);
  return { bomb, honest };
}

for (const [node, without] of [
  ['keeps flat traces', ''],
  ['traces anew', 'trace_block'],
] as const) {
  test(`a trace that is larger than we read keeps nobody waiting: the node ${node}`, async (t) => {
    const url = await lyingProxy(t, a.node, ({ method }) => (method === without ? NO_SUCH_CALL : undefined));
    const db = await testDb(t);
    const one = await followed(db, a, { rpc: evmRpc({ urls: [url], answerBytesMax: BYTES_MAX }) });
    const watched = {
      network: 'ethereum',
      address: heavy,
      script: null,
      purpose: 'relayer' as const,
      derivation: '',
    };
    await db.transaction().execute((trx) => watchAddresses(trx, [watched]));
    const { address } = await one.address();
    await one.step();
    const { bomb, honest } = await mineTogether(address);
    assert.equal((await one.follow()).kind, 'caught-up');
    const amounts = async (txId: string): Promise<bigint[]> =>
      (await one.receiptsOf(txId)).map(({ units }) => units);
    assert.deepEqual(await amounts(honest), [ETHER]);
    assert.deepEqual(await amounts(bomb), [5n]);
    const told = (await eventsAfter(db, 0n, 100)).findLast(({ type }) => type === 'network.trace_left_out');
    assert.deepEqual((told?.data as { tx_ids: string[] } | undefined)?.tx_ids, [bomb]);
  });
}
