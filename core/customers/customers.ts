import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { sql, type Selectable } from 'kysely';
import { newId, type Id } from '../../lib/ids/ids.ts';
import { recordEvent } from '../audit/audit.ts';
import { watchAddresses } from '../chain/chain.ts';
import type { Config, Network } from '../config/config.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import type { Customer, DepositAddress } from '../db/tables.ts';
import { deriveAddress } from './derive-address.ts';

export { AddressIndexError } from '../chain/bitcoin/bitcoin.ts';
export { isAssertion, type Assertion } from './assertion.ts';
export {
  credentialSetOf,
  credentialsOf,
  enrolCredential,
  recordTaken,
  signingCredentials,
  untakenEnrolments,
  type CredentialRow,
  type EnrolmentRefusal,
} from './credentials.ts';
export { isOwnAddress, ownAmong, ownerOf } from './whose-address.ts';

export type CustomerRow = Selectable<Customer>;
export type DepositAddressRow = Selectable<DepositAddress>;

export interface AddressDeps {
  readonly db: Database;
  readonly config: Config;
  readonly now: () => Date;
}

/** A customer of the exchange by its own name for him. The same `externalId` answers the same customer. */
export async function createCustomer(
  trx: DatabaseTransaction,
  input: { readonly id: Id<'customer'>; readonly externalId: string; readonly at: Date },
): Promise<{ readonly row: CustomerRow; readonly created: boolean }> {
  const inserted = await trx
    .insertInto('customer')
    .values({ id: input.id, external_id: input.externalId, created_at: input.at })
    .onConflict((conflict) => conflict.column('external_id').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!inserted) return { row: await rowByExternalId(trx, input.externalId), created: false };
  const data = { external_id: input.externalId };
  await recordEvent(trx, { at: input.at, type: 'customer.created', subject: input.id, data });
  return { row: inserted, created: true };
}

async function rowByExternalId(trx: DatabaseTransaction, externalId: string): Promise<CustomerRow> {
  return trx
    .selectFrom('customer')
    .selectAll()
    .where('external_id', '=', externalId)
    .executeTakeFirstOrThrow();
}

export async function findCustomer(db: Database, id: string): Promise<CustomerRow | undefined> {
  return db.selectFrom('customer').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function customerByExternalId(
  db: Database,
  externalId: string,
): Promise<CustomerRow | undefined> {
  return db.selectFrom('customer').selectAll().where('external_id', '=', externalId).executeTakeFirst();
}

/** All deposit addresses of a customer, newest first. */
export async function addressesOf(db: Database, customer: string): Promise<DepositAddressRow[]> {
  return db
    .selectFrom('deposit_address')
    .selectAll()
    .where('customer_id', '=', customer)
    .orderBy('valid_from', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** The deposit address with this canonical text. */
export async function addressByText(
  db: Database,
  network: string,
  address: string,
): Promise<DepositAddressRow | undefined> {
  return db
    .selectFrom('deposit_address')
    .selectAll()
    .where('network', '=', network)
    .where('address', '=', address)
    .executeTakeFirst();
}

/**
 * The customer's active deposit address on a network: the same again and again, unless `renew`, which retires it
 * (watched for ever, credited late) for a new one. An EVM address is the same on all EVM networks, so it is
 * issued and retired on all of them at once, and a payment on another one than asked for is seen too.
 * Two callers at once get the same answer. Throws when the customer does not exist, and
 * AddressIndexError, with nothing issued and nothing retired, when signers would refuse to spend from the next one.
 */
export async function issueAddress(
  deps: AddressDeps,
  input: { readonly customer: string; readonly network: Network; readonly renew?: boolean },
): Promise<DepositAddressRow> {
  const customer = input.customer as Id<'customer'>;
  const family = familyOf(deps.config, input.network);
  return deps.db.transaction().execute(async (trx) => {
    // One at a time for each customer.
    const locked = trx.selectFrom('customer').select('id').where('id', '=', customer).forUpdate();
    await locked.executeTakeFirstOrThrow();
    const issue: Issue = { trx, config: deps.config, at: deps.now(), customer, family };
    const known = await addressRows(issue);
    if (input.renew === true || !known.some((row) => row.status === 'active')) await renew(issue, known);
    await complete(issue, await addressRows(issue));
    const rows = await addressRows(issue);
    const active = rows.find((row) => row.status === 'active' && row.network === input.network.id);
    assert.ok(active, `an active address on ${input.network.id}`);
    return active;
  });
}

/**
 * Registers every customer's EVM addresses, retired ones too, on EVM networks that were configured after they
 * were issued, at most `limit` customers at a time. Answers how many customers it completed; 0: all are.
 */
export async function completeAddresses(deps: AddressDeps, limit = 200): Promise<number> {
  const evm = deps.config.networks.filter((network) => network.kind === 'evm');
  const [first] = evm;
  if (!first || evm.length === 1) return 0;
  const ids = evm.map((network) => network.id);
  const behind = await deps.db
    .selectFrom('deposit_address')
    .select('customer_id')
    .where('network', 'in', ids)
    .groupBy(['customer_id', 'position'])
    .having((eb) => eb(eb.fn.countAll<bigint>(), '<', BigInt(ids.length)))
    .limit(limit)
    .execute();
  const customers = new Set(behind.map((row) => row.customer_id));
  for (const customer of customers) await issueAddress(deps, { customer, network: first });
  return customers.size;
}

/** Networks on which an address is one and the same. */
function familyOf(config: Config, network: Network): readonly Network[] {
  return network.kind === 'evm' ? config.networks.filter((candidate) => candidate.kind === 'evm') : [network];
}

interface Issue {
  readonly trx: DatabaseTransaction;
  readonly config: Config;
  readonly at: Date;
  readonly customer: Id<'customer'>;
  readonly family: readonly Network[];
}

async function addressRows({ trx, customer, family }: Issue): Promise<DepositAddressRow[]> {
  const ids = family.map((network) => network.id);
  return trx
    .selectFrom('deposit_address')
    .selectAll()
    .where('customer_id', '=', customer)
    .where('network', 'in', ids)
    .orderBy('position')
    .orderBy('network')
    .execute();
}

/** A new address on the whole family; what was active is retired in its favour. */
async function renew(issue: Issue, known: readonly DepositAddressRow[]): Promise<void> {
  const { trx, at, family } = issue;
  const old = known.filter((row) => row.status === 'active');
  for (const { id } of old) {
    const retired = { status: 'retired', retired_at: at };
    await trx.updateTable('deposit_address').set(retired).where('id', '=', id).execute();
  }
  const position = await nextPosition(issue, known);
  const made = await insertAddresses(
    issue,
    family.map((network) => ({ network, position, status: 'active', retiredAt: null })),
  );
  for (const { id, network } of old) {
    const replacement = made.find((row) => row.network === network)?.id ?? null;
    await trx.updateTable('deposit_address').set({ replaced_by: replacement }).where('id', '=', id).execute();
  }
  for (const row of made) {
    const data = { network: row.network, address: row.address, address_id: row.id, renewed: old.length > 0 };
    await recordEvent(trx, { at, type: 'address.issued', subject: issue.customer, data });
  }
}

/** Bitcoin: the next index of the wallet's descriptor. EVM: the customer's own next counter. */
async function nextPosition({ trx, family }: Issue, known: readonly DepositAddressRow[]): Promise<bigint> {
  if (family[0]?.kind === 'evm') return known.reduce((next, row) => max(next, row.position + 1n), 0n);
  const { rows } = await sql<{ index: bigint }>`select nextval('descriptor_index') as index`.execute(trx);
  const index = rows[0]?.index;
  assert.ok(index !== undefined, 'a sequence answers');
  return index;
}

/** What stands on one network of the family stands on all of them. */
async function complete(issue: Issue, known: readonly DepositAddressRow[]): Promise<void> {
  const missing: Planned[] = [];
  for (const position of new Set(known.map((row) => row.position))) {
    const here = known.filter((row) => row.position === position);
    const [sibling] = here;
    if (!sibling) continue;
    for (const network of issue.family) {
      if (here.some((row) => row.network === network.id)) continue;
      const { status, retired_at: retiredAt } = sibling;
      missing.push({ network, position, status, retiredAt });
    }
  }
  if (missing.length > 0) await insertAddresses(issue, missing);
}

interface Planned {
  readonly network: Network;
  readonly position: bigint;
  readonly status: string;
  readonly retiredAt: Date | null;
}

/** Watched and bound to the customer in one transaction, so that no address is given out that nobody watches. */
async function insertAddresses(issue: Issue, planned: readonly Planned[]): Promise<DepositAddressRow[]> {
  const { trx, config, at, customer } = issue;
  const rows: DepositAddressRow[] = [];
  for (const { network, position, status, retiredAt } of planned) {
    const { address, script, derivation } = deriveAddress(config, network, { customer, position });
    const purpose = 'deposit' as const;
    const ids = await watchAddresses(trx, [{ network: network.id, address, script, purpose, derivation }]);
    const watchedId = ids.get(address);
    assert.ok(watchedId !== undefined, `${address} is watched`);
    rows.push({
      id: addressId(customer, network, position, at),
      customer_id: customer,
      network: network.id,
      address,
      watched_id: watchedId,
      epoch: config.epoch,
      position,
      status,
      valid_from: at,
      retired_at: retiredAt,
      replaced_by: null,
    });
  }
  await trx.insertInto('deposit_address').values(rows).execute();
  return rows;
}

/** Made of what it names and not of chance: the same address never gets two ids. */
function addressId(customer: string, network: Network, position: bigint, at: Date): Id<'address'> {
  const digest = createHash('sha256').update(`${customer} ${network.id} ${position}`).digest();
  return newId('address', {
    nowMs: () => at.getTime(),
    randomBytes: (length) => digest.subarray(0, length),
  });
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
