import { eventsAfter } from '../audit/audit.ts';
import { lockCursor, moveCursor } from './cursor.ts';
import type { TreasuryWork } from './treasury.ts';

/** Events in one transaction. */
const EVENTS_MAX = 500;

/** The events after which something irreversible stands at an address that the books did not count before. */
const CHANGES = new Set(['deposit.irreversible', 'stray.recorded', 'stray.resolved']);

/** Reads the event log on from where it stopped, and counts anew what stands at the addresses it names. */
export async function noticeChanges(work: TreasuryWork): Promise<number> {
  const { trx, network } = work;
  const name = `events:${network.id}`;
  const cursor = await lockCursor(trx, name, 0n);
  const events = await eventsAfter(trx, cursor, EVENTS_MAX);
  const last = events.at(-1);
  if (!last) return 0;
  const subjects = events.filter((event) => CHANGES.has(event.type)).map((event) => event.subject);
  if (subjects.length > 0) await recount(work, await addressesOf(work, subjects));
  await moveCursor(trx, name, last.seq);
  return subjects.length;
}

async function addressesOf({ trx, network }: TreasuryWork, subjects: readonly string[]): Promise<string[]> {
  const deposits = await trx
    .selectFrom('deposit')
    .innerJoin('deposit_address', 'deposit_address.id', 'deposit.address_id')
    .select('deposit_address.address')
    .where('deposit.network', '=', network.id)
    .where('deposit.id', 'in', subjects)
    .execute();
  const strays = await trx
    .selectFrom('stray')
    .select('address')
    .where('network', '=', network.id)
    .where('customer_id', 'is not', null)
    .where('id', 'in', subjects)
    .execute();
  return [...deposits, ...strays].map((row) => row.address);
}

/**
 * What irreversibly reached these addresses less what left them. Never below zero: a delivery may take along what
 * is not irreversible yet.
 */
export async function recount(work: TreasuryWork, changed: readonly string[]): Promise<void> {
  const addresses = [...new Set(changed)];
  if (addresses.length === 0) return;
  const found = new Map<string, { address: string; contract: string; units: bigint }>();
  const add = (address: string, contract: string, units: bigint): void => {
    const key = `${address} ${contract}`;
    const before = found.get(key)?.units ?? 0n;
    found.set(key, { address, contract, units: before + units });
  };
  for (const row of await depositedAt(work, addresses)) add(row.address, row.contract, row.units);
  for (const row of await straysAt(work, addresses)) add(row.address, row.contract, row.units);
  for (const row of await removedFrom(work, addresses)) add(row.address, row.contract, -row.units);
  const rows = [...found.values()].map((row) => ({
    network: work.network.id,
    address: row.address,
    contract: row.contract,
    units: row.units > 0n ? row.units : 0n,
  }));
  if (rows.length === 0) return;
  await work.trx
    .insertInto('unswept')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(['network', 'address', 'contract'])
        .doUpdateSet((eb) => ({ units: eb.ref('excluded.units') })),
    )
    .execute();
}

async function depositedAt({ trx, network, listings }: TreasuryWork, addresses: readonly string[]) {
  const rows = await trx
    .selectFrom('deposit')
    .innerJoin('deposit_address', 'deposit_address.id', 'deposit.address_id')
    .select((eb) => [
      'deposit_address.address',
      'deposit.asset',
      eb.fn.sum<bigint>('deposit.units').as('units'),
    ])
    .where('deposit.network', '=', network.id)
    .where('deposit.final', '=', true)
    .where('deposit.state', '=', 'irreversible')
    .where('deposit_address.network', '=', network.id)
    .where('deposit_address.address', 'in', addresses)
    .groupBy(['deposit_address.address', 'deposit.asset'])
    .execute();
  return rows.flatMap((row) => {
    const listing = listings.find((candidate) => candidate.asset.id === row.asset);
    return listing ? [{ ...row, contract: listing.contract }] : [];
  });
}

async function straysAt({ trx, network }: TreasuryWork, addresses: readonly string[]) {
  return trx
    .selectFrom('stray')
    .select((eb) => ['address', 'contract', eb.fn.sum<bigint>('units').as('units')])
    .where('network', '=', network.id)
    .where('booked', '=', true)
    .where('address', 'in', addresses)
    .groupBy(['address', 'contract'])
    .execute();
}

async function removedFrom({ trx, network }: TreasuryWork, addresses: readonly string[]) {
  return trx
    .selectFrom('booked_delivery')
    .select((eb) => ['address', 'contract', eb.fn.sum<bigint>('removed').as('units')])
    .where('network', '=', network.id)
    .where('address', 'in', addresses)
    .groupBy(['address', 'contract'])
    .execute();
}
