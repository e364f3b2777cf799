// Proves that a pipeline that is killed before and after every kind of effect loses nothing and pays nothing twice,
// by the chains' own word: real PostgreSQL, bitcoind, anvil, three real signers, SIGKILL.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { privateKeyToAccount } from 'viem/accounts';
import type { Id } from '../../lib/ids/ids.ts';
import { executorOf } from '../db/db.ts';
import { accountBalance } from '../ledger/ledger.ts';
import {
  ask,
  available,
  BTC,
  ETH,
  fundBitcoin,
  fundEther,
  outsideAddress,
  receivedBitcoin,
  settleDown,
  startStack,
  stateOf,
  until,
} from '../withdrawals/test/stack.ts';

const stack = await startStack({ after }, { evm: true });
const folder = mkdtempSync(join(tmpdir(), 'portcullis-deaths-'));
after(async () => rmSync(folder, { recursive: true, force: true }));
const deathsFile = join(folder, 'deaths');
const main = fileURLToPath(new URL('test/killed-pipeline.ts', import.meta.url));
const LIVES_MAX = 120;

/** Every effect on the way of a payment: a name that never dies was never reached. */
const MUST_DIE = [
  'commit withdrawal.decide',
  'commit withdrawal.batch',
  'commit withdrawal.follow',
  'commit withdrawal.settle',
  'commit spend.signing',
  'commit signing.answers',
  'commit spend.signed',
  'commit spend.broadcast',
  'commit spend.queued',
  'commit spend.settled',
  'commit relay.sign',
  'commit relay.end',
  'broadcast',
  'sign',
  'send',
];

interface Payment {
  readonly id: Id<'withdrawal'>;
  readonly received: () => Promise<bigint>;
  readonly units: bigint;
}

function died(): string[] {
  return existsSync(deathsFile) ? readFileSync(deathsFile, 'utf8').trim().split('\n') : [];
}

/** Lives one after the other until all is settled; blocks keep coming. */
async function liveAndDie(settled: () => Promise<boolean>): Promise<number> {
  for (let lives = 1; lives <= LIVES_MAX; lives += 1) {
    const child = spawn(process.execPath, [main, stack.configFile, deathsFile], {
      env: { PATH: process.env['PATH'], PORTCULLIS_DATABASE_URL: stack.databaseUrl },
      stdio: 'ignore',
    });
    const exit = once(child, 'exit');
    const isOver = () => child.exitCode !== null || child.signalCode !== null;
    while (!isOver() && !(await settled())) {
      // No block may take a transaction before the pipeline has died round sending it.
      if (['commit spend.broadcast', 'send'].every((name) => died().includes(`after ${name}`)))
        await stack.mine(1);
      await Promise.race([exit, new Promise((resolve) => setTimeout(resolve, 150))]);
    }
    if (!isOver()) {
      child.kill('SIGTERM');
      await exit;
      assert.equal(child.exitCode, 0, 'SIGTERM ends it cleanly');
      return lives;
    }
    assert.equal(child.signalCode, 'SIGKILL', `it dies by its own hand, not by a fault (${child.exitCode})`);
  }
  assert.fail(`not settled in ${LIVES_MAX} lives`);
}

test('killed round every effect: each order is paid once, the books are whole and are the chain', async () => {
  const pipeline = await stack.pipeline();
  const alice = await fundBitcoin(stack, pipeline, 'alice', [BTC, BTC, BTC]);
  const bob = await fundEther(stack, pipeline, 'bob', 20n * ETH);
  const payments: Payment[] = [];
  for (let i = 1; i <= 3; i += 1) {
    const to = await outsideAddress(stack);
    const bitcoin = { customer: alice, asset: 'BTC', network: 'bitcoin', destination: to, amount: `0.${i}` };
    const units = (BTC * BigInt(i)) / 10n;
    payments.push({ id: await ask(stack, bitcoin), units, received: () => receivedBitcoin(stack, to) });
    const { address } = privateKeyToAccount(`0x${String(i).padStart(64, '6')}`);
    const ether = { customer: bob, asset: 'ETH', network: 'ethereum', destination: address, amount: `${i}` };
    const received = () => etherOf(address);
    payments.push({ id: await ask(stack, ether), units: ETH * BigInt(i), received });
  }
  const settled = async () =>
    (await Promise.all(payments.map(({ id }) => stateOf(stack, id)))).every((s) => s === 'settled');
  const lives = await liveAndDie(settled);
  const deaths = died();
  assert.equal(deaths.length, lives - 1);
  for (const name of MUST_DIE) {
    for (const side of ['before', 'after']) assert.ok(deaths.includes(`${side} ${name}`), `${side} ${name}`);
  }
  for (const { received, units } of payments) assert.equal(await received(), units);
  await settleDown(pipeline);
  await stack.whole();
  assert.equal(await available(stack, alice, 'BTC'), 3n * BTC - (6n * BTC) / 10n - 3n * 5_000n);
  const { rows } = await stack.pool.query<{ units: bigint }>(
    'select sum(units) as units from bitcoin_coin where spent_tx_id is null',
  );
  assert.equal(await held('hot', 'BTC', 'bitcoin'), rows[0]!.units);
  const [vault] = stack.config.networks.flatMap((network) => (network.kind === 'evm' ? [network.vault] : []));
  assert.equal(await held('hot', 'ETH', 'ethereum'), await etherOf(vault!));
  await until(
    'gas',
    async () => (await held('gas', 'ETH', 'ethereum')) === (await etherOf(stack.relayer)),
    pipeline.step,
  );
});

async function etherOf(address: string): Promise<bigint> {
  return BigInt(await stack.anvil!.rpc<string>('eth_getBalance', address, 'latest'));
}

async function held(kind: 'hot' | 'gas', asset: string, network: string): Promise<bigint> {
  return -(await accountBalance(executorOf(stack.db), { kind, asset, network }));
}
