import { createHash } from 'node:crypto';
import { parseConfig, type Config } from '../../config/config.ts';
import { executorOf, openDatabase, openPool, type Database, type DatabaseTransaction } from '../../db/db.ts';
import { createCustomer } from '../../customers/customers.ts';
import { newId, type Id } from '../../../lib/ids/ids.ts';
import { testDatabase, type TestScope } from '../../../world/testing.ts';

/** A clock that a test moves. */
export interface TestClock {
  ms: number;
  readonly now: () => Date;
}

export function testClock(): TestClock {
  const clock = { ms: Date.UTC(2026, 0, 1), now: () => new Date(clock.ms) };
  return clock;
}

export async function openTestDatabase(scope: TestScope): Promise<Database> {
  const { url } = await testDatabase(scope);
  const pool = openPool(url);
  scope.after(() => pool.end());
  return openDatabase(pool);
}

export const TOKEN = '0x00000000000000000000000000000000000000aa';
export const VAULT = '0x0000000000000000000000000000000000000100';
export const COLD = '0x0000000000000000000000000000000000000200';

const evm = (id: string, chainId: number): string => `
[[networks]]
id = "${id}"
name = "${id}"
kind = "evm"
caip2 = "eip155:${chainId}"
chainId = ${chainId}
nodes = ["http://127.0.0.1:1"]
reorgDepthMax = 20
registry = "0x0000000000000000000000000000000000000300"
factory = "0x0000000000000000000000000000000000000400"
vault = "${VAULT}"
cold = "${COLD}"
depositInitCodeHash = "0x${'11'.repeat(32)}"
relayerKeyFile = "none"
feePerGasMaxGwei = 100
[[networks.listings]]
asset = "ETH"
depths = [{ from = "0", safe = 2, irreversible = 4 }, { from = "10", safe = 3, irreversible = 6 }]
depositMin = "0.01"
withdrawalMin = "0.01"
withdrawalFee = "0.001"
sweepMin = "0.05"
[[networks.listings]]
asset = "USDT"
contract = "${TOKEN}"
depths = [{ from = "0", safe = 2, irreversible = 4 }]
depositMin = "1"
withdrawalMin = "1"
withdrawalFee = "1"
sweepMin = "5"
`;

/** Bitcoin and two EVM networks; depths small enough to write down. `manifest` is read only to derive addresses. */
export function testConfig(manifest = 'none'): Config {
  return parseConfig(`
epoch = 1
walletManifestFile = "${manifest}"
assets = [
  { id = "BTC", name = "Bitcoin", decimals = 8 },
  { id = "ETH", name = "Ether", decimals = 18 },
  { id = "USDT", name = "Tether", decimals = 6 },
]
signers = [{ id = "a", url = "https://127.0.0.1:1", certificateFile = "none" }]
signerClient = { certificateFile = "none", keyFile = "none" }
http = { host = "127.0.0.1", port = 0 }
[[networks]]
id = "bitcoin"
name = "Bitcoin"
kind = "bitcoin"
caip2 = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"
chain = "regtest"
nodes = ["http://127.0.0.1:1"]
reorgDepthMax = 20
feeRateMaxSatPerVb = 100
[[networks.listings]]
asset = "BTC"
depths = [{ from = "0", safe = 1, irreversible = 3 }, { from = "0.1", safe = 2, irreversible = 5 }]
depositMin = "0.0001"
withdrawalMin = "0.0002"
withdrawalFee = "0.00005"
${evm('ethereum', 1)}
${evm('polygon', 137)}
`);
}

export async function testCustomer(db: Database, externalId: string): Promise<Id<'customer'>> {
  const digest = createHash('sha256').update(externalId).digest();
  const id = newId('customer', { nowMs: () => 0, randomBytes: (length) => digest.subarray(0, length) });
  await db.transaction().execute((trx) => createCustomer(trx, { id, externalId, at: new Date(0) }));
  return id;
}

/** An address with any text, bound to a customer: what this chain pays need not be derived. */
export async function bindAddress(
  db: Database,
  input: { network: string; address: string; customer: string; position: bigint; derivation?: string },
): Promise<bigint> {
  const watchedId = await watch(db, { ...input, purpose: 'deposit' });
  await db
    .insertInto('deposit_address')
    .values({
      id: `addr_${input.network}_${input.address}`,
      customer_id: input.customer,
      network: input.network,
      address: input.address,
      watched_id: watchedId,
      epoch: 1,
      position: input.position,
      status: 'active',
      valid_from: new Date(0),
      retired_at: null,
      replaced_by: null,
    })
    .execute();
  return watchedId;
}

export async function watch(
  db: Database,
  input: { network: string; address: string; purpose: string; derivation?: string },
): Promise<bigint> {
  const { network, address, purpose, derivation = '' } = input;
  const row = await db
    .insertInto('watched')
    .values({ network, address, purpose, derivation, script: null })
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}

export interface WrittenPayment {
  readonly txId: string;
  readonly position: string;
  readonly watchedId: bigint;
  readonly contract: string;
  readonly units: bigint;
  readonly sender?: string;
}

interface WrittenBlock {
  readonly hash: string;
  readonly height: number;
  readonly payments: readonly WrittenPayment[];
}

/**
 * A chain written down in the tables exactly as a watcher writes it: one transaction for each block, receipts
 * that change state and get a new `change`, rows of orphaned blocks that stay.
 */
export interface WrittenChain {
  readonly blocks: readonly WrittenBlock[];
  readonly mine: (...payments: WrittenPayment[]) => Promise<WrittenBlock>;
  /** Takes the newest blocks away, and answers what was in them. */
  readonly reorg: (depth: number) => Promise<WrittenPayment[]>;
  readonly announce: (payment: WrittenPayment) => Promise<void>;
  readonly replace: (payment: WrittenPayment) => Promise<void>;
}

export function writtenChain(db: Database, network: string, clock: TestClock): WrittenChain {
  const blocks: WrittenBlock[] = [];
  let made = 0;
  const mine = async (...payments: WrittenPayment[]): Promise<WrittenBlock> => {
    made += 1;
    const height = (blocks.at(-1)?.height ?? -1) + 1;
    const block = { hash: `${network}-${height}-${made}`, height, payments };
    const parent = blocks.at(-1)?.hash ?? 'none';
    blocks.push(block);
    await db.transaction().execute(async (trx) => {
      const { hash } = block;
      await trx
        .insertInto('chain_block')
        .values({ network, height, hash, parent, mined_at: clock.now(), canonical: true })
        .execute();
      for (const payment of payments) {
        const pending = { ...payment, network, blockHash: hash, height };
        if (!(await mineReceipt(trx, pending))) await insertReceipt(trx, pending, 'mined', clock);
      }
      await writeTip(trx, network, { tip: blocks.at(-1), clock });
    });
    return block;
  };
  const reorg = async (depth: number): Promise<WrittenPayment[]> => {
    const gone = blocks.splice(Math.max(0, blocks.length - depth));
    await db.transaction().execute(async (trx) => {
      for (const { hash } of gone) {
        await trx
          .updateTable('chain_block')
          .set({ canonical: false })
          .where('network', '=', network)
          .where('hash', '=', hash)
          .execute();
        await executorOf(trx).query(
          `update receipt set state = 'orphaned', change = nextval('receipt_change')
            where network = $1 and block_hash = $2`,
          [network, hash],
        );
      }
      await writeTip(trx, network, { tip: blocks.at(-1), clock });
    });
    return gone.flatMap((block) => block.payments);
  };
  const announce = async (payment: WrittenPayment): Promise<void> => {
    await db.transaction().execute(async (trx) => {
      const back = await executorOf(trx).query(
        `update receipt set state = 'mempool', change = nextval('receipt_change')
          where network = $1 and tx_id = $2 and position = $3 and state = 'replaced' returning id`,
        [network, payment.txId, payment.position],
      );
      const pending = { ...payment, network, blockHash: null, height: null };
      if (back.length === 0) await insertReceipt(trx, pending, 'mempool', clock);
    });
  };
  const replace = async (payment: WrittenPayment): Promise<void> => {
    await executorOf(db).query(
      `update receipt set state = 'replaced', change = nextval('receipt_change')
        where network = $1 and tx_id = $2 and position = $3 and state = 'mempool'`,
      [network, payment.txId, payment.position],
    );
  };
  return { blocks, mine, reorg, announce, replace };
}

async function writeTip(
  trx: DatabaseTransaction,
  network: string,
  { tip, clock }: { readonly tip: WrittenBlock | undefined; readonly clock: TestClock },
): Promise<void> {
  const row = { height: tip?.height ?? -1, hash: tip?.hash ?? 'none', at: clock.now() };
  await trx
    .insertInto('chain_tip')
    .values({ network, ...row })
    .onConflict((conflict) => conflict.column('network').doUpdateSet(row))
    .execute();
}

type Pending = WrittenPayment & {
  readonly network: string;
  readonly blockHash: string | null;
  readonly height: number | null;
};

/** A receipt of the mempool becomes one of a block. */
async function mineReceipt(trx: DatabaseTransaction, payment: Pending): Promise<boolean> {
  const rows = await executorOf(trx).query(
    `update receipt set state = 'mined', block_hash = $4, height = $5, change = nextval('receipt_change')
      where network = $1 and tx_id = $2 and position = $3 and state in ('mempool', 'replaced') returning id`,
    [payment.network, payment.txId, payment.position, payment.blockHash, payment.height],
  );
  return rows.length > 0;
}

async function insertReceipt(
  trx: DatabaseTransaction,
  payment: Pending,
  state: 'mined' | 'mempool',
  clock: TestClock,
): Promise<void> {
  await executorOf(trx).query(
    `insert into receipt (network, tx_id, position, watched_id, contract, units, sender, block_hash, height,
       state, seen_at, change)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, nextval('receipt_change'))`,
    [
      payment.network,
      payment.txId,
      payment.position,
      payment.watchedId,
      payment.contract,
      payment.units,
      payment.sender ?? null,
      payment.blockHash,
      payment.height,
      state,
      clock.now(),
    ],
  );
}
