// Proves that the database refuses what would make or lose money, and that the audit finds what gets past it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testDatabase } from '../../world/testing.ts';
import { executorOfClient, openPool } from '../db/db.ts';
import {
  applyPostings,
  auditLedger,
  creditDeposit,
  finalizeDeposit,
  holdWithdrawal,
  recordStray,
  reverseDeposit,
  transfer,
} from './ledger.ts';

const database = await testDatabase({ after });
const pool = openPool(database.url, 2);
after(() => pool.end());

/** cus_a: 60 final (5 held) and 100 of dep_2; cus_b: 40 final; cus_c owes 30 and cus_d has its lot; suspense 7; ETH beside. */
const coin = { incarnation: 1, asset: 'BTC', network: 'bitcoin', into: 'hot' } as const;
const client = await pool.connect();
await client.query('begin');
const outcomes = await applyPostings(executorOfClient(client), [
  creditDeposit({ ...coin, deposit: 'dep_1', customer: 'cus_a', units: 100n }),
  finalizeDeposit({ deposit: 'dep_1', incarnation: 1 }),
  transfer({ transfer: 't', movements: [{ from: 'cus_a', to: 'cus_b', asset: 'BTC', units: 40n }] }),
  creditDeposit({ ...coin, deposit: 'dep_2', customer: 'cus_a', units: 100n }),
  holdWithdrawal({ withdrawal: 'wdr_1', customer: 'cus_a', asset: 'BTC', units: 5n }),
  creditDeposit({ ...coin, deposit: 'dep_3', customer: 'cus_c', units: 30n }),
  transfer({ transfer: 'u', movements: [{ from: 'cus_c', to: 'cus_d', asset: 'BTC', units: 30n }] }),
  reverseDeposit({ deposit: 'dep_3', incarnation: 1 }),
  recordStray({ key: 's', asset: 'BTC', network: 'bitcoin', units: 7n, into: 'hot' }),
  recordStray({ key: 'e', asset: 'ETH', network: 'ethereum', units: 9n, into: 'hot' }),
]);
await client.query('commit');
client.release();
assert.ok(outcomes.every((outcome) => outcome.status === 'applied'));

const id = (kind: string, customer = '') =>
  `(select id from account where kind = '${kind}' and asset = 'BTC' and coalesce(customer, '') = '${customer}')`;
const leg = (debit: string, credit: string, units: number, asset = 'BTC') =>
  `insert into leg (posting_id, n, asset, debit, credit, units)
   values ((select min(id) from posting), 9, '${asset}', ${debit}, ${credit}, ${units})`;
const shift = (to: string, from: string, units: number) =>
  `update account set final = final + case when id = ${to} then ${units} else -${units} end where id in (${to}, ${from})`;

/** What is attempted, and the constraint or the words that stop it. */
const attacks: Record<string, [sql: string, refusedBy: RegExp]> = {
  'money out of nothing': [
    `update account set final = final + 1 where id = ${id('customer', 'cus_b')}`,
    /add up to zero/,
  ],
  'provisional value out of nothing': [
    `update account set provisional = provisional + 1 where id = ${id('customer', 'cus_b')}`,
    /add up to zero/,
  ],
  'one asset made up for by another': [
    `update account set final = final + case asset when 'BTC' then 1 else -1 end
      where (kind = 'suspense' and asset = 'ETH') or id = ${id('customer', 'cus_b')}`,
    /add up to zero/,
  ],
  'a customer below zero': [
    shift(id('house'), id('customer', 'cus_b'), 41),
    /add up to zero|account_covered|account_not_negative/,
  ],
  'a customer below zero, balanced': [
    shift(id('suspense'), id('customer', 'cus_b'), 41),
    /account_covered|account_not_negative/,
  ],
  'held value spent': [shift(id('suspense'), id('customer', 'cus_a'), 56), /account_covered/],
  'more held than there is': [
    `update account set held = 61 where id = ${id('customer', 'cus_a')}`,
    /account_covered/,
  ],
  'less than nothing held': [
    `update account set held = -1 where id = ${id('customer', 'cus_a')}`,
    /account_held/,
  ],
  'a hold on what is no customer’s': [
    `update account set held = 1 where id = ${id('suspense')}`,
    /account_held/,
  ],
  'lots below zero': [
    `update account set provisional = provisional - 101, final = final + 101 where id = ${id('customer', 'cus_a')}`,
    /account_provisional/,
  ],
  'a provisional wallet': [
    `update account set provisional = provisional + 1, final = final - 1 where id = ${id('hot')}`,
    /account_provisional/,
  ],
  'an exposure that gives': [
    shift(id('exposure', 'cus_c'), id('customer', 'cus_b'), 31),
    /account_not_positive/,
  ],
  'suspense below zero': [shift(id('customer', 'cus_b'), id('suspense'), 8), /account_not_negative/],
  'an account that begins with money': [
    `insert into account (kind, asset, customer, final) values ('customer', 'BTC', 'cus_new', 5)`,
    /insert of account is forbidden/,
  ],
  'an account twice': [`insert into account (kind, asset) values ('suspense', 'BTC')`, /account_identity/],
  'a customer account without customer': [
    `insert into account (kind, asset) values ('customer', 'BTC')`,
    /account_customer_known/,
  ],
  'a wallet without network': [
    `insert into account (kind, asset) values ('hot', 'BTC')`,
    /account_network_known/,
  ],
  'an unknown kind': [`insert into account (kind, asset) values ('pocket', 'BTC')`, /account_kind_check/],
  'an account that changes hands': [
    `update account set customer = 'cus_thief' where id = ${id('customer', 'cus_b')}`,
    /update of account is forbidden/,
  ],
  'an account that changes its asset': [
    `update account set asset = 'ETH' where id = ${id('customer', 'cus_b')}`,
    /update of account is forbidden/,
  ],
  'an account deleted': [
    `delete from account where id = ${id('customer', 'cus_b')}`,
    /delete of account is forbidden/,
  ],
  'accounts emptied': [`truncate account cascade`, /truncate of \w+ is forbidden/],
  'a posting edited': [`update posting set key = 'x' || key`, /update of posting is forbidden/],
  'a posting deleted': [`delete from posting`, /delete of posting is forbidden/],
  'a leg edited': [`update leg set units = units + 1`, /update of leg is forbidden/],
  'a leg deleted': [`delete from leg`, /delete of leg is forbidden/],
  'an entry edited': [`update entry set amount = amount + 1`, /update of entry is forbidden/],
  'an entry deleted': [`delete from entry`, /delete of entry is forbidden/],
  'entries truncated': [`truncate entry`, /truncate of entry is forbidden/],
  'a leg between assets': [
    leg(id('hot'), `(select id from account where kind = 'suspense' and asset = 'ETH')`, 1),
    /not between two accounts of its asset/,
  ],
  'a leg of another asset': [
    leg(id('hot'), id('suspense'), 1, 'ETH'),
    /not between two accounts of its asset/,
  ],
  'a leg from nowhere': [leg('0', id('hot'), 1), /not between two accounts of its asset/],
  'a leg to nowhere': [leg(id('hot'), '0', 1), /not between two accounts of its asset/],
  'a leg of no posting': [
    `insert into leg (posting_id, n, asset, debit, credit, units) values (0, 1, 'BTC', ${id('hot')}, ${id('suspense')}, 1)`,
    /of no posting/,
  ],
  'a good leg and a bad one in one statement': [
    `insert into leg (posting_id, n, asset, debit, credit, units)
     select (select min(id) from posting), n, 'BTC', ${id('hot')}, credit, 1
       from (values (7, ${id('suspense')}), (8, 0)) r(n, credit)`,
    /not between two accounts of its asset/,
  ],
  'a leg to itself': [leg(id('hot'), id('hot'), 1), /leg_check/],
  'a leg of nothing': [leg(id('hot'), id('suspense'), 0), /leg_units_check/],
  'a leg of less than nothing': [leg(id('hot'), id('suspense'), -1), /leg_units_check/],
  'a key twice': [
    `insert into posting (id, key, kind, payload_hash) select nextval('posting_id'), key, kind, payload_hash from posting`,
    /posting_key_key/,
  ],
  'a version of an account twice': [
    `insert into entry select account_id, version, posting_id, 1, 0, null, 1 from entry`,
    /entry_pkey/,
  ],
  'an entry whose lot is unknown': [
    `insert into entry values (${id('hot')}, 999, 1, 1, 1, null, 1)`,
    /entry_lot/,
  ],
  'a lot of nothing': [
    `insert into lot values ('dep_9', ${id('customer', 'cus_b')}, 0, 1)`,
    /lot_units_check/,
  ],
  'a hold of nothing': [
    `insert into hold values ('wdr_9', ${id('customer', 'cus_b')}, 0, 'pending')`,
    /hold_units_check/,
  ],
};

for (const [name, [sql, refusedBy]] of Object.entries(attacks)) {
  test(`SQL refuses: ${name}`, async () => {
    await assert.rejects(pool.query(sql), refusedBy);
  });
}

/** Done past all guards, as a superuser can. What the audit says. */
const tampered: Record<string, [sql: string, codes: string[]]> = {
  'money out of nothing': [
    `update account set final = final + 1 where id = ${id('customer', 'cus_b')}`,
    ['ACCOUNT_NOT_ITS_ENTRIES', 'ASSET_UNBALANCED'],
  ],
  'balances moved without a posting': [
    shift(id('customer', 'cus_b'), id('customer', 'cus_a'), 1),
    ['ACCOUNT_NOT_ITS_ENTRIES'],
  ],
  'provisional value called final': [
    `update account set final = final + 1, provisional = provisional - 1 where id = ${id('customer', 'cus_a')}`,
    ['ACCOUNT_NOT_ITS_ENTRIES', 'LOTS_NOT_PROVISIONAL'],
  ],
  'a hold forgotten': [`update hold set state = 'voided'`, ['HOLDS_NOT_HELD']],
  'held without a hold': [
    `update account set held = held + 1 where id = ${id('customer', 'cus_b')}`,
    ['HOLDS_NOT_HELD'],
  ],
  'a lot that shrank': [
    `update lot set units = units - 1 where deposit = 'dep_2'`,
    ['LOTS_NOT_PROVISIONAL', 'LOT_NOT_ITS_ENTRIES'],
  ],
  'a lot that changed its deposit': [
    `update lot set deposit = 'dep_9' where deposit = 'dep_2'`,
    ['LOT_NOT_ITS_ENTRIES'],
  ],
  'a final deposit with lots': [
    `update credited_deposit set state = 'final' where deposit = 'dep_2'`,
    ['DEPOSIT_HAS_LOTS'],
  ],
  'an entry removed': [
    `delete from entry where account_id = ${id('customer', 'cus_a')} and version = 1`,
    [
      'ACCOUNT_NOT_ITS_ENTRIES',
      'ENTRIES_NOT_THEIR_LEGS',
      'HISTORY_HAS_GAP',
      'HISTORY_WRONG_BALANCE',
      'LOT_NOT_ITS_ENTRIES',
    ],
  ],
  'a balance in history rewritten': [
    `update entry set balance_after = balance_after + 1 where account_id = ${id('customer', 'cus_a')} and version = 1`,
    ['HISTORY_WRONG_BALANCE'],
  ],
  'a leg changed': [`update leg set units = units + 1 where units = 40`, ['ENTRIES_NOT_THEIR_LEGS']],
  'a leg without its posting': [`delete from posting where key = 'transfer:t'`, ['LEG_WITHOUT_POSTING']],
  'entries of no account': [
    `delete from account where id = ${id('customer', 'cus_b')}`,
    ['ASSET_UNBALANCED', 'ENTRY_WITHOUT_ACCOUNT'],
  ],
};

test('the audit finds nothing in whole books', async () => {
  assert.deepEqual(
    await auditLedger({ query: async (text) => (await pool.query(text)).rows as never[] }),
    [],
  );
});

for (const [name, [sql, codes]] of Object.entries(tampered)) {
  test(`the audit finds: ${name}`, async () => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query(`set local session_replication_role = replica`);
      await client.query(sql);
      const found = await auditLedger(executorOfClient(client));
      assert.deepEqual([...new Set(found.map((problem) => problem.code))].toSorted(), codes);
    } finally {
      await client.query('rollback');
      client.release();
    }
  });
}
