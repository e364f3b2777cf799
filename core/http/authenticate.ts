import { createHash } from 'node:crypto';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import { Problem } from './problems.ts';

/** What stands in the table instead of the key. A key has 256 random bits, so a plain hash cannot be searched. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Records a key's hash. The key itself is made by the caller and shown once. */
export async function addApiKey(
  db: Database | DatabaseTransaction,
  entry: { id: string; label: string; key: string; at: Date },
): Promise<void> {
  await db
    .insertInto('api_key')
    .values({
      id: entry.id,
      label: entry.label,
      key_hash: hashApiKey(entry.key),
      created_at: entry.at,
      revoked_at: null,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

/** The id of the key in `Authorization: Bearer …`. Throws UNAUTHENTICATED. */
export async function authenticate(db: Database, header: string | undefined): Promise<string> {
  const key = /^Bearer ([\x21-\x7e]{16,256})$/.exec(header ?? '')?.[1];
  if (key === undefined) throw new Problem('UNAUTHENTICATED');
  const row = await db
    .selectFrom('api_key')
    .select('id')
    .where('key_hash', '=', hashApiKey(key))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  if (!row) throw new Problem('UNAUTHENTICATED');
  return row.id;
}
