import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from 'viem';
import { formatAmount, parseAmount } from '../../lib/money/money.ts';
import { dataOf, type Client, type paths } from '../../client/client.ts';
import type { Outside } from '../outside.ts';
import { openAuthenticator, type Authenticator } from '../people/authenticator.ts';
import { authorizationBy, enrolmentBy } from '../people/customer.ts';
import type { WorldFile } from '../world-file.ts';

type Deposit = paths['/v1/deposits/{id}']['get']['responses']['200']['content']['application/json'];
type Withdrawal = paths['/v1/withdrawals/{id}']['get']['responses']['200']['content']['application/json'];

/** One asset's part in the play; amounts are decimal strings in units of the asset. */
interface Part {
  readonly asset: string;
  readonly network: string;
  readonly decimals: number;
  /** Each customer pays in so much. */
  readonly deposits: readonly string[];
  /** Orders that share a transaction, by customer. */
  readonly withdrawals: readonly string[];
}

export interface AssetResult {
  readonly asset: string;
  readonly network: string;
  readonly deposited: string;
  readonly credited: string;
  readonly withdrawn: string;
  readonly fees: string;
  readonly deposit_tx_ids: readonly string[];
  readonly withdrawal_tx_ids: readonly string[];
  readonly orders: number;
  readonly chain_transactions: number;
  readonly confirmations: { readonly safe: number; readonly irreversible: number };
  readonly seconds: {
    readonly seen: number;
    readonly credited: number;
    readonly irreversible: number;
    readonly withdrawn: number;
  };
}

export interface Stage {
  readonly client: Client;
  readonly outside: Outside;
  readonly world: WorldFile;
  readonly say: (line: string) => void;
  /** Distinguishes this run's external ids from every other's. */
  readonly run: string;
}

interface Cast {
  readonly name: string;
  readonly id: string;
  /** In software: what a phone or a security key is to a person. */
  readonly passkey: Authenticator;
}

const POLL_MS = 200;
const STAGE_WITHIN_MS = 240_000;
/** Blocks come by themselves; the play adds its own so that nobody has to wait for them. */
const MINE_EVERY_POLLS = 4;
const ENDED_WRONG = ['refused', 'failed', 'cancelled', 'orphaned'];

/** The main job, from the first address to the last confirmation. Throws when a step does not happen. */
export async function play(stage: Stage): Promise<AssetResult[]> {
  const parts = partsOf(stage.world);
  stage.say('Two customers');
  const customers = await Promise.all(['alice', 'bob'].map((name) => makeCustomer(stage, name)));
  const deposits = await payIn(stage, parts, customers);
  await trade(stage, customers);
  const withdrawals = await payOut(stage, parts, customers);
  return parts.map((part) => resultOf(part, deposits, withdrawals));
}

function partsOf(world: WorldFile): Part[] {
  const evm = world.evm.map(({ id }) => id);
  const tokens = (asset: string, network: string): Part => ({
    asset,
    network,
    decimals: 6,
    deposits: ['2500', '1500'],
    withdrawals: ['120.5', '75', '60.25', '10'],
  });
  return [
    {
      asset: 'BTC',
      network: 'bitcoin',
      decimals: 8,
      deposits: ['0.6', '0.4'],
      withdrawals: ['0.05', '0.031', '0.02', '0.0107'],
    },
    ...evm.flatMap((network): Part[] => [
      {
        asset: 'ETH',
        network,
        decimals: 18,
        deposits: ['4', '3'],
        withdrawals: ['0.5', '0.25', '0.4', '0.1'],
      },
      tokens('USDT', network),
      tokens('USDC', network),
    ]),
  ];
}

async function makeCustomer(stage: Stage, name: string): Promise<Cast> {
  const made = dataOf(
    await stage.client.POST('/v1/customers', { body: { external_id: `${name}-${stage.run}` } }),
  );
  const passkey = openAuthenticator(randomBytes(32));
  await enrol(stage, made.id, passkey);
  stage.say(`  ${name} is ${made.id}, with a passkey`);
  return { name, id: made.id, passkey };
}

/** Until every signer has recorded the passkey and its hold is over. */
async function enrol(stage: Stage, id: string, passkey: Authenticator): Promise<void> {
  const path = { path: { id } };
  const body = { enrolment: enrolmentBy(passkey, id) };
  dataOf(await stage.client.POST('/v1/customers/{id}/credentials', { params: path, body }));
  await until(stage, 'the passkey taken by all signers', async () => {
    const { data } = dataOf(await stage.client.GET('/v1/customers/{id}/credentials', { params: path }));
    return data.every(({ usable_at: from }) => from !== null && Date.parse(from) <= Date.now());
  });
}

interface PaidIn {
  readonly part: Part;
  readonly txId: string;
  readonly units: bigint;
  readonly seconds: { seen: number; credited: number; irreversible: number };
  readonly deposit: Deposit;
}

async function payIn(stage: Stage, parts: readonly Part[], customers: readonly Cast[]): Promise<PaidIn[]> {
  stage.say('Addresses, and payments from outside wallets');
  const sent: { part: Part; customer: Cast; txId: string; units: bigint; sentAt: number }[] = [];
  for (const part of parts) {
    for (const [i, customer] of customers.entries()) {
      const address = await addressFor(stage, customer, part);
      const units = unitsOf(part, part.deposits[i] ?? '0');
      const txId = await sendIn(stage, part, address, units);
      stage.say(`  ${customer.name}: ${part.deposits[i]} ${part.asset} to ${address}`);
      sent.push({ part, customer, txId, units, sentAt: performance.now() });
    }
  }
  stage.say('Crediting in two stages: safe (usable inside), then irreversible (may leave)');
  return Promise.all(sent.map((payment) => followDeposit(stage, payment)));
}

async function addressFor(stage: Stage, customer: Cast, part: Part): Promise<string> {
  const made = await stage.client.POST('/v1/customers/{id}/deposit-addresses', {
    params: { path: { id: customer.id } },
    body: { asset: part.asset, network: part.network, renew: false },
  });
  return dataOf(made).address;
}

function sendIn(stage: Stage, part: Part, address: string, units: bigint): Promise<string> {
  const { outside, world } = stage;
  if (part.asset === 'BTC') return outside.payBitcoin(address, units);
  if (part.asset === 'ETH') return outside.payEther(part.network, address as Address, units);
  const tokens = world.evm.find(({ id }) => id === part.network)?.contracts.tokens;
  const token = part.asset === 'USDT' ? tokens?.USDT : tokens?.USDC;
  if (!token) throw new Error(`No ${part.asset} on ${part.network}`);
  return outside.payToken(part.network, token, address as Address, units);
}

async function followDeposit(
  stage: Stage,
  payment: { part: Part; customer: Cast; txId: string; units: bigint; sentAt: number },
): Promise<PaidIn> {
  const since = (): number => Math.round((performance.now() - payment.sentAt) / 100) / 10;
  const query = { customer_id: payment.customer.id, tx_id: payment.txId, limit: 10 };
  const read = async (): Promise<Deposit | undefined> => {
    const page = dataOf(await stage.client.GET('/v1/deposits', { params: { query } }));
    return page.data.find((entry) => entry.amount_base === payment.units.toString());
  };
  const seconds = { seen: 0, credited: 0, irreversible: 0 };
  await until(stage, `${payment.part.asset} deposit seen`, async () => (await read()) !== undefined);
  seconds.seen = since();
  await until(stage, `${payment.part.asset} deposit credited`, async () =>
    ['safe', 'irreversible'].includes((await read())?.status ?? ''),
  );
  seconds.credited = since();
  await until(
    stage,
    `${payment.part.asset} deposit irreversible`,
    async () => (await read())?.status === 'irreversible',
  );
  seconds.irreversible = since();
  const deposit = await read();
  if (!deposit) throw new Error(`The deposit ${payment.txId} is gone`);
  stage.say(
    `  ${payment.customer.name}: ${deposit.amount} ${deposit.asset} seen after ${seconds.seen} s, credited ${seconds.credited} s, irreversible ${seconds.irreversible} s`,
  );
  return { part: payment.part, txId: payment.txId, units: payment.units, seconds, deposit };
}

/** A trade: both sides move, or neither does. */
async function trade(stage: Stage, customers: readonly Cast[]): Promise<void> {
  const [alice, bob] = customers;
  if (!alice || !bob) throw new Error('A trade takes two');
  stage.say('A trade inside: alice sells 0.1 BTC to bob for 500 USDC, in one posting');
  const externalId = `trade-${stage.run}`;
  const { data } = dataOf(
    await stage.client.POST('/v1/transfers', {
      params: { header: { 'idempotency-key': externalId } },
      body: {
        transfers: [
          {
            external_id: externalId,
            movements: [
              { from_customer_id: alice.id, to_customer_id: bob.id, asset: 'BTC', amount: '0.1' },
              { from_customer_id: bob.id, to_customer_id: alice.id, asset: 'USDC', amount: '500' },
            ],
          },
        ],
      },
    }),
  );
  if (data[0]?.status !== 'applied')
    throw new Error(`The trade was not booked: ${data[0]?.code ?? 'no answer'}`);
}

interface PaidOut {
  readonly part: Part;
  readonly withdrawal: Withdrawal;
  readonly seconds: number;
}

async function payOut(stage: Stage, parts: readonly Part[], customers: readonly Cast[]): Promise<PaidOut[]> {
  stage.say(
    'Withdrawals, each authorised by its customer’s passkey, signed by two of three signers, many in one transaction',
  );
  const asked: { part: Part; id: string; askedAt: number }[] = [];
  for (const part of parts) {
    for (const [i, amount] of part.withdrawals.entries()) {
      const customer = customers[i % customers.length];
      if (!customer) throw new Error('Nobody to pay');
      asked.push({
        part,
        id: await askWithdrawal(stage, part, customer, amount, i),
        askedAt: performance.now(),
      });
    }
  }
  return Promise.all(
    asked.map(async ({ part, id, askedAt }) => {
      let found: Withdrawal | undefined;
      await until(stage, `${part.asset} withdrawal settled`, async () => {
        found = dataOf(await stage.client.GET('/v1/withdrawals/{id}', { params: { path: { id } } }));
        if (ENDED_WRONG.includes(found.status))
          throw new Error(`Withdrawal ${id} ${found.status}: ${found.reason_code}`);
        return found.status === 'settled';
      });
      if (!found) throw new Error(`Withdrawal ${id} is gone`);
      const seconds = Math.round((performance.now() - askedAt) / 100) / 10;
      stage.say(`  ${found.amount} ${found.asset} paid in ${found.tx_id} after ${seconds} s`);
      return { part, withdrawal: found, seconds };
    }),
  );
}

async function askWithdrawal(
  stage: Stage,
  part: Part,
  customer: Cast,
  amount: string,
  i: number,
): Promise<string> {
  const destination =
    part.asset === 'BTC'
      ? await stage.outside.bitcoinAddress()
      : outsideAddress(stage.world, part.network, i);
  const externalId = `${part.asset}-${part.network}-${i}-${stage.run}`;
  const ask = { customer_id: customer.id, asset: part.asset, network: part.network, destination, amount };
  const quote = dataOf(await stage.client.POST('/v1/withdrawals/quote', { body: ask }));
  const made = dataOf(
    await stage.client.POST('/v1/withdrawals', {
      params: { header: { 'idempotency-key': externalId } },
      body: {
        ...ask,
        external_id: externalId,
        quote_id: quote.id,
        authorization: authorizationBy(customer.passkey, quote.digest),
      },
    }),
  );
  return made.id;
}

function outsideAddress(world: WorldFile, network: string, i: number): string {
  const accounts = world.evm.find(({ id }) => id === network)?.outside ?? [];
  const account = accounts[1 + (i % Math.max(1, accounts.length - 1))];
  if (!account) throw new Error(`Nobody outside on ${network}`);
  return account.address;
}

/** Looks until it is so, and lets the chains go on meanwhile. */
async function until(stage: Stage, what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + STAGE_WITHIN_MS;
  for (let polls = 1; ; polls += 1) {
    if (await holds()) return;
    if (performance.now() > deadline) throw new Error(`Not within ${STAGE_WITHIN_MS / 1000} s: ${what}`);
    if (polls % MINE_EVERY_POLLS === 0) await mineTogether(stage.outside);
    await sleep(POLL_MS);
  }
}

let mining: Promise<void> | undefined;

/** However many wait, one block at a time. */
function mineTogether(outside: Outside): Promise<void> {
  mining ??= outside.mine(1).finally(() => {
    mining = undefined;
  });
  return mining;
}

function resultOf(part: Part, deposits: readonly PaidIn[], withdrawals: readonly PaidOut[]): AssetResult {
  const paidIn = deposits.filter((entry) => entry.part === part);
  const paidOut = withdrawals.filter((entry) => entry.part === part);
  const total = (units: readonly bigint[]): string =>
    formatAmount(
      units.reduce((sum, each) => sum + each, 0n),
      part.decimals,
    );
  const txIds = [...new Set(paidOut.map(({ withdrawal }) => withdrawal.tx_id ?? ''))];
  const [first] = paidIn;
  return {
    asset: part.asset,
    network: part.network,
    deposited: total(paidIn.map(({ units }) => units)),
    credited: total(paidIn.map(({ deposit }) => BigInt(deposit.amount_base))),
    withdrawn: total(paidOut.map(({ withdrawal }) => BigInt(withdrawal.amount_base))),
    fees: total(paidOut.map(({ withdrawal }) => BigInt(withdrawal.fee_base))),
    deposit_tx_ids: paidIn.map(({ txId }) => txId),
    withdrawal_tx_ids: txIds,
    orders: paidOut.length,
    chain_transactions: txIds.length,
    confirmations: {
      safe: first?.deposit.confirmations_safe ?? 0,
      irreversible: first?.deposit.confirmations_irreversible ?? 0,
    },
    seconds: {
      seen: Math.max(...paidIn.map(({ seconds }) => seconds.seen)),
      credited: Math.max(...paidIn.map(({ seconds }) => seconds.credited)),
      irreversible: Math.max(...paidIn.map(({ seconds }) => seconds.irreversible)),
      withdrawn: Math.max(...paidOut.map(({ seconds }) => seconds)),
    },
  };
}

function unitsOf(part: Part, amount: string): bigint {
  const parsed = parseAmount(amount, part.decimals);
  if (!parsed.ok) throw new Error(`${amount} ${part.asset}: ${parsed.reason}`);
  return parsed.units;
}
