import { createHash } from 'node:crypto';
import { sql, type Selectable } from 'kysely';
import { idBytes, type Id } from '../../lib/ids/ids.ts';
import {
  CREDENTIALS_MAX,
  NEW_CREDENTIAL,
  OLD_CREDENTIAL,
  enrolmentDocument,
  type Enrolment,
} from '../../signer/protocol/enrolment.ts';
import { parseSigned, type PasskeyAssertion } from '../../signer/protocol/signatures.ts';
import { credentialSetHash } from '../../signer/protocol/credential-set.ts';
import { recordEvent } from '../audit/audit.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import type { Credential } from '../db/tables.ts';
import { isAssertion } from './assertion.ts';

export type CredentialRow = Selectable<Credential>;

export type EnrolmentRefusal =
  | 'ENROLMENT_MALFORMED'
  | 'ENROLMENT_OF_ANOTHER'
  | 'ENROLMENT_NOT_SIGNED'
  | 'CREDENTIAL_KNOWN'
  | 'CREDENTIALS_TOO_MANY';

export type EnrolmentResult =
  | { readonly ok: true; readonly created: boolean; readonly row: CredentialRow }
  | { readonly ok: false; readonly reason: EnrolmentRefusal };

/**
 * Records a customer's enrolment as they signed it; signers are told later, and decide by themselves since when it
 * counts. The same again answers the same. The customer's row is locked, so that two do not pass each other.
 */
export async function enrolCredential(
  trx: DatabaseTransaction,
  input: {
    readonly customer: Id<'customer'>;
    readonly signed: unknown;
    readonly origin: string;
    readonly at: Date;
  },
): Promise<EnrolmentResult> {
  const { customer, signed, origin, at } = input;
  const read = readEnrolment(signed);
  if (read === undefined) return { ok: false, reason: 'ENROLMENT_MALFORMED' };
  if (!Buffer.from(read.enrolment.customer).equals(idBytes(customer)))
    return { ok: false, reason: 'ENROLMENT_OF_ANOTHER' };
  await trx.selectFrom('customer').select('id').where('id', '=', customer).forUpdate().execute();
  const known = await credentialsOf(trx, customer);
  const key = Buffer.from(read.enrolment.key);
  const same = known.find((row) => row.key.equals(key));
  if (same) {
    return same.ended_at === null
      ? { ok: true, created: false, row: same }
      : { ok: false, reason: 'CREDENTIAL_KNOWN' };
  }
  if (known.length >= CREDENTIALS_MAX) return { ok: false, reason: 'CREDENTIALS_TOO_MANY' };
  if (!isProved(read, { key, origin, known, at })) return { ok: false, reason: 'ENROLMENT_NOT_SIGNED' };
  const row = await trx
    .insertInto('credential')
    .values({
      customer_id: customer,
      key,
      enrolment: JSON.stringify(signed),
      taken: '{}',
      usable_at: null,
      ended_at: null,
      created_at: at,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  const data = { key: key.toString('hex'), vouched: read.old !== undefined };
  await recordEvent(trx, { at, type: 'credential.enrolled', subject: customer, data });
  return { ok: true, created: true, row };
}

/** All that a customer ever enrolled, oldest first. */
export async function credentialsOf(
  db: Database | DatabaseTransaction,
  customer: string,
): Promise<CredentialRow[]> {
  return db
    .selectFrom('credential')
    .selectAll()
    .where('customer_id', '=', customer)
    .orderBy('created_at')
    .orderBy('key')
    .execute();
}

/**
 * Those with which these customers may sign an order now; in its hold only one that stands alone. By customer. What
 * every signer that answered refused is none: they ask for no assertion by it.
 */
export async function signingCredentials(
  db: Database | DatabaseTransaction,
  customers: readonly string[],
  at: Date,
): Promise<ReadonlyMap<string, readonly CredentialRow[]>> {
  if (customers.length === 0) return new Map();
  const rows = await db
    .selectFrom('credential')
    .selectAll()
    .where('customer_id', 'in', [...new Set(customers)])
    .execute();
  const kept = Map.groupBy(
    rows.filter((row) => (row.ended_at === null || row.ended_at > at) && !isRefused(row)),
    (row) => row.customer_id,
  );
  return new Map([...kept].map(([customer, all]) => [customer, usable(all, at)]));
}

function isRefused({ taken }: CredentialRow): boolean {
  const answers = Object.values(taken as Record<string, number | string>);
  return answers.length > 0 && answers.every((answer) => typeof answer === 'string');
}

function usable(rows: readonly CredentialRow[], at: Date): readonly CredentialRow[] {
  const now = rows.filter(({ usable_at: from }) => from !== null && from <= at);
  return now.length > 0 ? now : rows;
}

/** Hash of what the customer has enrolled, for the order; zero for nothing. */
export function credentialSetOf(rows: readonly CredentialRow[]): Uint8Array {
  const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
  return credentialSetHash(
    rows.map(({ key }) => ({ kind: 'passkey-es256', keyHash: new Uint8Array(sha256(key)) })),
    sha256,
  );
}

/** Enrolments of which not every signer has been told, oldest first. */
export async function untakenEnrolments(
  db: Database,
  signers: readonly string[],
  limit: number,
): Promise<CredentialRow[]> {
  return db
    .selectFrom('credential')
    .selectAll()
    .where('usable_at', 'is', null)
    .where(sql<boolean>`not taken ?& ${signers}::text[]`)
    .orderBy('created_at')
    .limit(limit)
    .execute();
}

/**
 * What a signer answered: since when it takes the credential (Unix ms), or why never. Once all have taken it, the
 * latest of their times is when it can be used, and when those that it ends are over.
 */
export async function recordTaken(
  trx: DatabaseTransaction,
  { row, signers }: { readonly row: CredentialRow; readonly signers: readonly string[] },
  answers: Readonly<Record<string, number | string>>,
): Promise<void> {
  const taken = { ...(row.taken as Record<string, number | string>), ...answers };
  const times = signers.map((signer) => taken[signer]).filter((one) => typeof one === 'number');
  const usableAt = times.length === signers.length ? new Date(Math.max(...times)) : null;
  await trx
    .updateTable('credential')
    .set({ taken: JSON.stringify(taken), usable_at: usableAt })
    .where('customer_id', '=', row.customer_id)
    .where('key', '=', row.key)
    .execute();
  const read = readEnrolment(row.enrolment);
  if (usableAt === null || read === undefined || read.enrolment.ends.length === 0) return;
  await trx
    .updateTable('credential')
    .set({ ended_at: usableAt })
    .where('customer_id', '=', row.customer_id)
    .where(
      'key',
      'in',
      read.enrolment.ends.map((key) => Buffer.from(key)),
    )
    .where('ended_at', 'is', null)
    .execute();
}

interface ReadEnrolment {
  readonly enrolment: Enrolment;
  readonly fresh: PasskeyAssertion;
  readonly old: PasskeyAssertion | undefined;
}

function readEnrolment(signed: unknown): ReadEnrolment | undefined {
  const parsed = parseSigned(signed);
  const document = parsed.ok ? enrolmentDocument.parse(parsed.value.document) : parsed;
  if (!parsed.ok || !document.ok) return undefined;
  const by = (name: string): PasskeyAssertion | undefined =>
    parsed.value.signatures.find((one): one is PasskeyAssertion => one.kind === 'passkey' && one.by === name);
  const [fresh, old] = [by(NEW_CREDENTIAL), by(OLD_CREDENTIAL)];
  const count = old === undefined ? 1 : 2;
  return fresh === undefined || parsed.value.signatures.length !== count
    ? undefined
    : { enrolment: document.value, fresh, old };
}

/** The new credential signed, and where one that the customer has is shown, it is one that can be used. */
function isProved(
  { enrolment, fresh, old }: ReadEnrolment,
  rules: {
    readonly key: Buffer;
    readonly origin: string;
    readonly known: readonly CredentialRow[];
    readonly at: Date;
  },
): boolean {
  const { key, origin, known, at } = rules;
  const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
  const digest = Buffer.from(enrolmentDocument.digest(enrolment, sha256));
  const kept = known.filter(({ ended_at: ended }) => ended === null || ended > at);
  const isBy = (assertion: PasskeyAssertion, by: Buffer): boolean =>
    isAssertion(bytesOf(assertion), { key: by, digest, origin });
  if (!enrolment.ends.every((end) => kept.some((row) => row.key.equals(Buffer.from(end))))) return false;
  if (!isBy(fresh, key)) return false;
  const vouching = kept.filter(({ usable_at: from }) => from !== null && from <= at);
  return old === undefined || vouching.some((row) => isBy(old, row.key));
}

const bytesOf = ({ authenticatorData, clientData, signature }: PasskeyAssertion) => ({
  authenticatorData: Buffer.from(authenticatorData),
  clientData: Buffer.from(clientData),
  signature: Buffer.from(signature),
});
