/**
 * Honest traffic alone: customers with passkeys, Bitcoin and EVM, while blocks are given up, fees are raised, signers
 * and the sentinel are killed, and the sentinel's node falls behind. Nothing of it may freeze anything.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { haltsOf } from '../core/controls/controls.ts';
import type { Pipeline } from '../core/processes/pipeline-steps.ts';
import {
  BTC,
  ETH,
  fundBitcoin,
  fundEther,
  outsideAddress,
  startStack,
  type Stack,
} from '../core/withdrawals/test/stack.ts';
import type { Id } from '../lib/ids/ids.ts';
import { freezesAt, watching } from '../sentinel/test/rig.ts';
import type { SentinelStatus } from '../sentinel/sentinel.ts';
import type { Bitcoind } from '../world/parts/bitcoind.ts';
import { openAuthenticator, type Authenticator } from '../world/people/authenticator.ts';
import type { LocalSentinel } from '../world/sentinel.ts';
import { testBitcoind, type TestScope } from '../world/testing.ts';
import { askSigned, enrolPasskey } from './passkey.ts';
import { dice } from './scene.ts';

interface HonestResult {
  readonly orders: number;
  readonly paid: number;
  /** Of the sentinel, and that stand at a signer. */
  readonly freezes: number;
  /** What the sentinel froze for, or only told. */
  readonly findings: readonly string[];
  /** How often each happened while orders were under way. */
  readonly disturbances: Readonly<Record<string, number>>;
  readonly replaced: number;
  readonly seconds: number;
}

/** As many as two batches take. */
const ROUND_ORDERS = 200;
const ROUND_WITHIN_MS = 900_000;
const CUSTOMERS = 3;

interface Customer {
  readonly id: Id<'customer'>;
  readonly passkey: Authenticator;
  readonly network: 'bitcoin' | 'ethereum';
}

interface Field {
  readonly stack: Stack;
  readonly core: Pipeline;
  /** Raises the fee of whatever is not mined yet. */
  readonly hasty: Pipeline;
  readonly sentinel: LocalSentinel;
  /** The sentinel’s own node. */
  readonly own: Bitcoind;
  readonly customers: readonly Customer[];
  readonly roll: (sides: number) => number;
  readonly counts: Map<string, number>;
}

/** Pays so many orders; what was seen is for the caller to judge. */
async function honest(orders: number, seed: number, tell: (line: string) => void): Promise<HonestResult> {
  const hooks: (() => Promise<void>)[] = [];
  const scope = { after: (hook: () => Promise<void>) => void hooks.unshift(hook) };
  try {
    const field = await lay(scope, dice(seed));
    const since = performance.now();
    let paid = 0;
    while (paid < orders) {
      const asked = Math.min(ROUND_ORDERS, orders - paid);
      const done = await round(field, asked);
      paid += done;
      const seconds = Math.round((performance.now() - since) / 1000);
      tell(`${paid} of ${orders} paid, ${await freezesIn(field)} freezes, ${seconds} s`);
      if (done < asked || (await freezesIn(field)) > 0) break;
    }
    const seconds = Math.round((performance.now() - since) / 1000);
    return { orders, paid, seconds, ...(await seen(field)) };
  } finally {
    for (const hook of hooks) await hook();
  }
}

async function lay(scope: TestScope, roll: Field['roll']): Promise<Field> {
  const stack = await startStack(scope, { evm: true, attestationSeconds: 120 });
  const own = await testBitcoind(scope, { blocks: 0 });
  await own.connect(stack.node);
  await own.sync(stack.node);
  await stack.pool.query(`alter role portcullis_sentinel login password 'of-this-drill'`);
  const url = new URL(stack.databaseUrl);
  url.username = 'portcullis_sentinel';
  url.password = 'of-this-drill';
  const asset = stack.config.networks.map(({ caip2 }) => caip2);
  const sentinel = await watching(
    scope,
    { ...stack, node: own },
    {
      attest: { everySeconds: 2, validSeconds: 120 },
      stopsVault: true,
      books: {
        url: url.href,
        agreeSeconds: 60,
        networks: [
          { network: asset[0] ?? '', id: 'bitcoin', assets: { [`${asset[0]}/slip44:1`]: 'BTC' } },
          { network: asset[1] ?? '', id: 'ethereum', assets: { [`${asset[1]}/slip44:60`]: 'ETH' } },
        ],
      },
    },
  );
  const networks = stack.config.networks.map((network) => ({ ...network, stuckAfterMs: 0 }));
  const [core, hasty] = await Promise.all([
    stack.pipeline(),
    stack.pipeline({ config: { ...stack.config, networks } }),
  ]);
  const customers = await fund(stack, core);
  return { stack, core, hasty, sentinel, own, customers, roll, counts: new Map() };
}

async function fund(stack: Stack, core: Pipeline): Promise<Customer[]> {
  const customers: Customer[] = [];
  for (let i = 0; i < CUSTOMERS; i += 1) {
    const coins = Array.from({ length: 6 }, () => BTC);
    const funded = [
      [await fundBitcoin(stack, core, `bitcoin-${i}`, coins), 'bitcoin'],
      [await fundEther(stack, core, `ether-${i}`, 20n * ETH), 'ethereum'],
    ] as const;
    for (const [id, network] of funded) {
      const passkey = openAuthenticator(randomBytes(32));
      const { hasTaken } = await enrolPasskey(stack, id, passkey);
      await within('a passkey', hasTaken, async () => void (await core.step()));
      customers.push({ id, passkey, network });
    }
  }
  return customers;
}

/** All of them asked for at once, and paid in spite of what happens; answers how many. */
async function round(field: Field, orders: number): Promise<number> {
  const { stack, core, roll } = field;
  const ids: string[] = [];
  for (let i = 0; i < orders; i += 1) ids.push(await askOne(field, i));
  if (roll(2) === 0) await raiseFees(field);
  const disturb = disturbances(field);
  let rejoin = async (): Promise<void> => {};
  const unpaid = async (): Promise<number> => {
    const rows = await stack.db
      .selectFrom('withdrawal')
      .select((all) => all.fn.countAll<bigint>().as('count'))
      .where('id', 'in', ids)
      .where('state', '<>', 'settled')
      .executeTakeFirst();
    return Number(rows?.count ?? 0);
  };
  await within(
    'a round',
    async () => (await unpaid()) === 0 || (await isStopped(field)),
    async () => {
      await core.step();
      const next = disturb[roll(20)];
      if (next !== undefined) {
        const back = await next();
        if (back !== undefined) {
          await rejoin();
          rejoin = back;
        }
      }
      if (roll(4) === 0) await stack.mine(1);
      await sleep(10);
    },
  );
  await rejoin();
  return orders - (await unpaid());
}

/** Before any block: what was broadcast is stuck, and replaced. */
async function raiseFees({ stack, hasty }: Field): Promise<void> {
  const before = await replacements(stack);
  const isReplaced = async (): Promise<boolean> => (await replacements(stack)) > before;
  await within('a replacement', isReplaced, async () => void (await hasty.step()));
}

async function askOne({ stack, customers, roll }: Field, i: number): Promise<string> {
  const customer = customers[i % customers.length];
  assert.ok(customer);
  const { id, passkey, network } = customer;
  const isBitcoin = network === 'bitcoin';
  const destination = isBitcoin ? await outsideAddress(stack) : `0x${randomBytes(20).toString('hex')}`;
  const amount = isBitcoin ? `0.000${2 + roll(8)}` : `0.00${2 + roll(8)}`;
  const asset = isBitcoin ? 'BTC' : 'ETH';
  return askSigned(stack, passkey, { customer: id, asset, network, destination, amount });
}

type Disturb = () => Promise<(() => Promise<void>) | void>;

/** One of them at a time; what has to end again answers how. */
function disturbances({ stack, own, sentinel, roll, counts }: Field): Disturb[] {
  const { node, anvil, signers } = stack;
  const counted =
    (name: string, act: Disturb): Disturb =>
    async () => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return act();
    };
  return [
    counted('Bitcoin blocks given up', async () => {
      const depth = 1 + roll(2);
      await node.reorg({ depth, blocks: depth + 1, empty: roll(2) === 0 });
      await stack.caughtUp();
    }),
    counted('EVM blocks given up', async () => {
      const resume = stopped(sentinel);
      await anvil?.reorg(1 + roll(2)).finally(resume);
      await stack.mine(1);
    }),
    counted('signer killed', async () => signers.all[roll(signers.all.length)]?.process.kill()),
    counted('sentinel killed', async () => sentinel.process.kill()),
    counted('sentinel’s node behind', async () => {
      const isConnected = (await own.rpc<unknown[]>('getpeerinfo')).length > 0;
      if (isConnected) await own.disconnect(node);
      return async () => {
        await own.connect(node);
        await own.sync(node);
      };
    }),
  ];
}

/**
 * While anvil gives blocks up it answers with balances of the old ones at the height of those that stay, which no
 * reader can tell from a loss: the sentinel sees what was before and what is after, also in one look.
 */
function stopped(sentinel: LocalSentinel): () => void {
  const pid = sentinel.process.pid();
  if (pid === undefined) return () => {};
  process.kill(pid, 'SIGSTOP');
  return () => void process.kill(pid, 'SIGCONT');
}

/** Nothing goes on by itself any more. */
const isStopped = async ({ stack }: Field): Promise<boolean> =>
  (await haltsOf(stack.db)).length > 0 || (await standing(stack)) > 0;

/** Freezes at signers; one that starts again has them in its journal. */
async function standing(stack: Stack): Promise<number> {
  const all = await freezesAt(stack).catch(() => []);
  return all.reduce((sum, { length }) => sum + length, 0);
}

async function freezesIn({ stack, sentinel }: Field): Promise<number> {
  return (await statusOf(sentinel)).freezes.length + (await standing(stack));
}

/** Once the sentinel has seen the newest block. */
async function seen({ stack, sentinel, counts }: Field) {
  const best = await stack.node.rpc<string>('getbestblockhash');
  const isSeen = async (): Promise<boolean> =>
    (await statusOf(sentinel)).networks.some(({ books }) => books?.hash === best);
  await within('the sentinel at the newest block', isSeen, async () => sleep(100));
  await within(
    'all signers open',
    async () => (await freezesAt(stack).catch(() => [])).length > 0,
    async () => sleep(100),
  );
  const { findings: all, freezes } = await statusOf(sentinel);
  const findings = all.map(({ level, code, detail }) => `${level} ${code}: ${detail}`);
  return {
    freezes: freezes.length + (await standing(stack)),
    findings,
    disturbances: Object.fromEntries(counts),
    replaced: await replacements(stack),
  };
}

/** Attempts at what an earlier one has not got mined. */
async function replacements({ db }: Stack): Promise<number> {
  return (await db.selectFrom('spend_attempt').select('id').where('n', '>', 1).execute()).length;
}

/** It may be starting again. */
async function statusOf(sentinel: LocalSentinel): Promise<SentinelStatus> {
  let status: SentinelStatus | undefined;
  await within(
    'the sentinel’s status',
    async () => {
      status = await sentinel.status().catch(() => undefined);
      return status !== undefined;
    },
    async () => sleep(100),
  );
  assert.ok(status);
  return status;
}

async function within(what: string, holds: () => Promise<boolean>, act: () => Promise<void>): Promise<void> {
  const end = performance.now() + ROUND_WITHIN_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await act();
  }
}

const result = await honest(Number(process.argv[2]), 1, (line) => void process.stderr.write(`${line}\n`));
process.stdout.write(`${JSON.stringify(result)}\n`);
