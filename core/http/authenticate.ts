import { createHash } from 'node:crypto';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import { Problem } from './problems.ts';
import type { Scope } from './scopes.ts';

/** What stands in the table instead of the key. A key has 256 random bits, so a plain hash cannot be searched. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Records a key's hash. The key itself is made by the caller and shown once. */
export async function addApiKey(
  db: Database | DatabaseTransaction,
  entry: { id: string; label: string; key: string; scopes: readonly Scope[]; at: Date },
): Promise<void> {
  await db
    .insertInto('api_key')
    .values({
      id: entry.id,
      label: entry.label,
      key_hash: hashApiKey(entry.key),
      scopes: [...entry.scopes],
      created_at: entry.at,
      revoked_at: null,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

/** The key in `Authorization: Bearer …` and what it may do. Throws UNAUTHENTICATED. */
export async function authenticate(
  db: Database,
  header: string | undefined,
): Promise<{ readonly id: string; readonly scopes: readonly string[] }> {
  const key = /^Bearer ([\x21-\x7e]{16,256})$/.exec(header ?? '')?.[1];
  if (key === undefined) throw new Problem('UNAUTHENTICATED');
  const row = await db
    .selectFrom('api_key')
    .select(['id', 'scopes'])
    .where('key_hash', '=', hashApiKey(key))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  if (!row) throw new Problem('UNAUTHENTICATED');
  return row;
}
