/** The whole job, from deposits to settled withdrawals on both kinds of chain, and what must be true at its end. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { encodeFunctionData, erc20Abi, type Address, type Hex } from 'viem';
import { privateKeyToAddress } from 'viem/accounts';
import { testUSDTAbi } from '../../../contracts/abi/test-usdt.ts';
import type { Id } from '../../../lib/ids/ids.ts';
import { haltsOf } from '../../controls/controls.ts';
import { executorOf } from '../../db/db.ts';
import { balancesOf, trialBalance } from '../../ledger/ledger.ts';
import {
  BTC,
  ETH,
  outsideAddress,
  receivedBitcoin,
  stateOf,
  type Stack,
} from '../../withdrawals/test/stack.ts';
import { cancelWithdrawal, requestWithdrawal } from '../../withdrawals/withdrawals.ts';
import type { KillParts } from './kill-parts.ts';

const USDT = 10n ** 6n;
const ENDED = ['settled', 'failed', 'cancelled', 'refused'];

interface Payment {
  readonly customer: Id<'customer'>;
  readonly asset: string;
  readonly units: bigint;
}

interface Order extends Payment {
  readonly id: Id<'withdrawal'>;
  readonly feeUnits: bigint;
  /** Where it must end; `open`: our customer cancelled, and either answer is right. */
  readonly wanted: 'settled' | 'failed' | 'cancelled';
  readonly received: () => Promise<bigint>;
}

export interface Job {
  /** Customers get addresses and pay in. */
  readonly begin: () => Promise<void>;
  /** All that was paid in is irreversible, and swept. */
  readonly isFunded: () => Promise<boolean>;
  /** Customers ask for withdrawals, and cancel one. There is money for three times. */
  readonly order: () => Promise<void>;
  readonly isOver: () => Promise<boolean>;
  /** What the books say of every place is what its node says. */
  readonly booksAreTheChain: () => Promise<boolean>;
  /** Each order paid once or not at all, each deposit credited once, nothing halted, whole books. */
  readonly check: () => Promise<void>;
}

export function jobOf(stack: Stack, parts: Pick<KillParts, 'anvil' | 'pay'>): Job {
  const deposits: Payment[] = [];
  const orders: Order[] = [];
  const customers = new Map<string, Id<'customer'>>();
  const evm = evmOutside(stack, parts.anvil);
  return {
    begin: async () => {
      for (const name of ['alice', 'bob', 'carol', 'dave']) customers.set(name, await stack.customer(name));
      await payIn({ stack, parts, evm, customers, deposits });
    },
    isFunded: async () => isFunded(stack, deposits),
    order: async () => {
      await askAll(stack, evm, { customers, orders });
    },
    isOver: async () => {
      const states = await Promise.all(orders.map(({ id }) => stateOf(stack, id)));
      return states.every((state) => ENDED.includes(state ?? ''));
    },
    booksAreTheChain: async () => (await differences(stack, evm)).length === 0,
    check: async () => {
      assert.deepEqual(await haltsOf(stack.db), []);
      for (const order of orders) await checkOrder(stack, order);
      await checkDeposits(stack, deposits);
      await checkBalances(stack, deposits, orders);
      assert.deepEqual(await differences(stack, evm), []);
      await stack.whole();
    },
  };
}

type Evm = ReturnType<typeof evmOutside>;

/** The EVM network as people outside use it. */
function evmOutside({ config }: Stack, anvil: KillParts['anvil']) {
  const [network] = config.networks.filter(({ kind }) => kind === 'evm');
  assert.ok(network?.kind === 'evm');
  const token = network.listings.find(({ asset }) => asset === 'USDT')?.contract as Address;
  const payer = anvil.accounts[3]?.address;
  const issuer = anvil.accounts[0]?.address;
  const send = (transaction: object) => anvil.rpc<Hex>('eth_sendTransaction', transaction);
  return {
    network,
    payEther: async (to: string, wei: bigint) => {
      await send({ from: payer, to, value: `0x${wei.toString(16)}` });
      await anvil.mine(1);
    },
    payToken: async (to: string, units: bigint) => {
      const issue = encodeFunctionData({ abi: testUSDTAbi, functionName: 'issue', args: [units] });
      const args = [to as Address, units] as const;
      const transfer = encodeFunctionData({ abi: testUSDTAbi, functionName: 'transfer', args });
      for (const data of [issue, transfer]) {
        await send({ from: issuer, to: token, data });
        await anvil.mine(1);
      }
    },
    refuseEtherAt: (address: string) => anvil.rpc('anvil_setCode', address, '0x60006000fd'),
    ether: async (address: string) => BigInt(await anvil.rpc<string>('eth_getBalance', address, 'latest')),
    token: async (holder: string) => {
      const data = encodeFunctionData({
        abi: erc20Abi,
        functionName: 'balanceOf',
        args: [holder as Address],
      });
      return BigInt(await anvil.rpc<string>('eth_call', { to: token, data }, 'latest'));
    },
  };
}

async function payIn(all: {
  readonly stack: Stack;
  readonly parts: Pick<KillParts, 'pay'>;
  readonly evm: Evm;
  readonly customers: ReadonlyMap<string, Id<'customer'>>;
  readonly deposits: Payment[];
}): Promise<void> {
  const { stack, parts, evm, customers, deposits } = all;
  const pay = async (name: string, network: string, asset: string, units: bigint): Promise<void> => {
    const customer = customers.get(name);
    assert.ok(customer);
    const address = await stack.address(customer, network);
    deposits.push({ customer, asset, units });
    if (asset === 'BTC') await parts.pay(address, units);
    else if (asset === 'ETH') await evm.payEther(address, units);
    else await evm.payToken(address, units);
  };
  for (const units of [BTC, BTC, 2n * BTC]) await pay('alice', 'bitcoin', 'BTC', units);
  await pay('bob', 'bitcoin', 'BTC', BTC / 2n);
  await pay('carol', 'ethereum', 'ETH', 20n * ETH);
  await pay('carol', 'ethereum', 'USDT', 500n * USDT);
  await pay('dave', 'ethereum', 'ETH', 3n * ETH);
}

async function isFunded(stack: Stack, deposits: readonly Payment[]): Promise<boolean> {
  const trial = await trialBalance(executorOf(stack.db));
  return ['BTC', 'ETH', 'USDT'].every((asset) => {
    const paid = sum(deposits.filter((deposit) => deposit.asset === asset));
    const at = (kind: string) => trial.find((line) => line.asset === asset && line.kind === kind)?.balance;
    const [hot, unswept] = [-(at('hot') ?? 0n), -(at('unswept') ?? 0n)];
    assert.ok(hot + unswept <= paid, `${asset}: the books have ${hot + unswept}, and ${paid} was paid in`);
    return hot === paid && unswept === 0n;
  });
}

/** Adds to `orders`. A request whose answer was lost is made again under its own name, and is the same. */
async function askAll(
  stack: Stack,
  evm: Evm,
  {
    customers,
    orders,
  }: { readonly customers: ReadonlyMap<string, Id<'customer'>>; readonly orders: Order[] },
): Promise<void> {
  const deps = { db: stack.db, config: stack.config, now: () => new Date(), randomBytes };
  const outsider = () => privateKeyToAddress(`0x${(orders.length + 1).toString(16).padStart(64, '5')}`);
  const ask = async (
    name: string,
    to: { readonly asset: string; readonly network: string; readonly destination: string },
    [amount, units]: readonly [string, bigint],
    wanted: Order['wanted'],
    received: Order['received'],
  ): Promise<Id<'withdrawal'>> => {
    const customer = customers.get(name);
    assert.ok(customer);
    const listing = stack.listing(to.asset, to.network);
    const externalId = `order-${orders.length}`;
    const wish = { customer, listing, destination: to.destination, amount, externalId };
    const result = await calmly(() => requestWithdrawal(deps, wish));
    assert.ok(result.ok, result.ok ? '' : result.reason);
    const id = result.withdrawal.id as Id<'withdrawal'>;
    const feeUnits = listing.withdrawalFeeUnits;
    orders.push({ id, customer, asset: to.asset, units, feeUnits, wanted, received });
    return id;
  };
  for (const i of [1, 2, 3]) {
    const destination = await calmly(() => outsideAddress(stack));
    const received = () => receivedBitcoin(stack, destination);
    const to = { asset: 'BTC', network: 'bitcoin', destination };
    await ask('alice', to, [`0.${i}`, (BTC * BigInt(i)) / 10n], 'settled', received);
  }
  for (const [i, asset] of ['ETH', 'ETH', 'USDT'].entries()) {
    const destination = outsider();
    const to = { asset, network: 'ethereum', destination };
    const unit = asset === 'ETH' ? ETH : USDT;
    const received = () => (asset === 'ETH' ? evm.ether(destination) : evm.token(destination));
    await ask('carol', to, [`${i + 2}`, BigInt(i + 2) * unit], 'settled', received);
  }
  const refusing = outsider();
  await calmly(() => evm.refuseEtherAt(refusing));
  const toRefusing = { asset: 'ETH', network: 'ethereum', destination: refusing };
  await ask('dave', toRefusing, ['0.5', ETH / 2n], 'failed', () => evm.ether(refusing));
  const destination = await calmly(() => outsideAddress(stack));
  const cancelled = { asset: 'BTC', network: 'bitcoin', destination };
  const received = () => receivedBitcoin(stack, destination);
  const id = await ask('bob', cancelled, ['0.1', BTC / 10n], 'cancelled', received);
  const answer = await calmly(() => cancelWithdrawal(deps, id, 'customer'));
  const last = orders.pop();
  assert.ok(last);
  orders.push(answer.ok ? last : { ...last, wanted: 'settled' });
}

async function checkOrder(stack: Stack, order: Order): Promise<void> {
  const state = await stateOf(stack, order.id);
  assert.equal(state, order.wanted, order.id);
  assert.equal(await order.received(), state === 'settled' ? order.units : 0n, `${order.id} on its chain`);
}

async function checkDeposits(stack: Stack, deposits: readonly Payment[]): Promise<void> {
  const rows = await stack.db
    .selectFrom('deposit')
    .select(['customer_id', 'asset', 'units', 'state'])
    .execute();
  const spell = (list: readonly string[]): string[] => list.toSorted();
  assert.deepEqual(
    spell(rows.map((row) => `${row.customer_id} ${row.asset} ${row.units} ${row.state}`)),
    spell(deposits.map((one) => `${one.customer} ${one.asset} ${one.units} irreversible`)),
  );
}

/** All that was paid in, less what left: whoever was credited twice, or paid for twice, shows. */
async function checkBalances(
  stack: Stack,
  deposits: readonly Payment[],
  orders: readonly Order[],
): Promise<void> {
  for (const { customer, asset } of deposits) {
    const ofThis = (one: Payment) => one.customer === customer && one.asset === asset;
    const left = orders
      .filter((order) => ofThis(order) && order.wanted === 'settled')
      .reduce((total, order) => total + order.units + order.feeUnits, 0n);
    const lines = await balancesOf(executorOf(stack.db), customer);
    const line = lines.find((candidate) => candidate.asset === asset);
    assert.equal(line?.held, 0n, `${customer} ${asset}: nothing is held any more`);
    assert.equal(line.provisional, 0n);
    assert.equal(line.total, sum(deposits.filter(ofThis)) - left, `${customer} ${asset}`);
  }
}

/** Places where ledger and node differ, each node asked at one block. */
async function differences(stack: Stack, evm: Evm): Promise<string[]> {
  const trial = await trialBalance(executorOf(stack.db));
  const watched = await stack.db.selectFrom('watched').select(['network', 'address', 'purpose']).execute();
  const of = (network: string) => watched.filter((row) => row.network === network);
  const bitcoin = of('bitcoin').map(({ address }) => `addr(${address})`);
  const scan = await stack.node.rpc<{ total_amount: bigint }>('scantxoutset', 'start', bitcoin);
  const total = async (balance: (address: string) => Promise<bigint>): Promise<bigint> => {
    const addresses = of('ethereum').filter(({ purpose }) => purpose === 'deposit');
    const balances = await Promise.all(addresses.map(({ address }) => balance(address)));
    return balances.reduce((all, units) => all + units, 0n);
  };
  const places: [kind: string, asset: string, network: string, units: bigint][] = [
    ['hot', 'BTC', 'bitcoin', scan.total_amount],
    ['hot', 'ETH', 'ethereum', await evm.ether(evm.network.vault)],
    ['hot', 'USDT', 'ethereum', await evm.token(evm.network.vault)],
    ['unswept', 'ETH', 'ethereum', await total(evm.ether)],
    ['unswept', 'USDT', 'ethereum', await total(evm.token)],
    ['gas', 'ETH', 'ethereum', await evm.ether(stack.relayer)],
  ];
  return places.flatMap(([kind, asset, network, units]) => {
    const line = trial.find((one) => one.kind === kind && one.asset === asset && one.network === network);
    const ledger = -(line?.balance ?? 0n);
    return ledger === units ? [] : [`${kind} ${asset}: ledger ${ledger}, chain ${units}`];
  });
}

function sum(payments: readonly { readonly units: bigint }[]): bigint {
  return payments.reduce((total, { units }) => total + units, 0n);
}

const CALM_MS = 60_000;

/** Asks again while the database or a node is away. */
export async function calmly<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (const end = performance.now() + CALM_MS; ;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > end || error instanceof assert.AssertionError) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
