import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Database } from '../db/db.ts';
import { Problem } from './problems.ts';

/**
 * A first request that has not answered after this long died with its process. Every effect below is idempotent
 * by keys of its own (external_id, posting key), so the next request with the key may run it again.
 */
const ABANDONED_AFTER_MS = 60_000;

export interface KeyedRequest {
  readonly apiKeyId: string;
  readonly key: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly now: Date;
}

export interface KeyedResponse {
  readonly status: number;
  readonly body: unknown;
  readonly replayed: boolean;
}

/** The key of an Idempotency-Key header: a structured-field string or the bare characters. Throws when missing. */
export function idempotencyKeyOf(header: string | string[] | undefined): string {
  const text = typeof header === 'string' ? header.replace(/^"(.*)"$/, '$1') : '';
  if (!/^[\x21-\x7e]{1,128}$/.test(text)) throw new Problem('IDEMPOTENCY_KEY_MISSING');
  return text;
}

/**
 * Runs `work` once for the key and answers every repetition with the stored response. Another body under the key
 * is IDEMPOTENCY_KEY_REUSED (422), a first request still running IDEMPOTENCY_KEY_IN_FLIGHT (409). An answer of
 * 500 and above, or a throw, is not kept: the key stays usable.
 */
export async function once(
  db: Database,
  request: KeyedRequest,
  work: () => Promise<{ status: number; body: unknown }>,
): Promise<KeyedResponse> {
  const fingerprint = fingerprintOf(request);
  const stored = await claim(db, request, fingerprint);
  if (stored) return stored;
  try {
    const response = await work();
    await finish(db, request, response);
    return { ...response, replayed: false };
  } catch (error) {
    await release(db, request);
    throw error;
  }
}

async function claim(
  db: Database,
  request: KeyedRequest,
  fingerprint: Buffer,
): Promise<KeyedResponse | undefined> {
  const inserted = await db
    .insertInto('idempotency_key')
    .values({
      api_key_id: request.apiKeyId,
      key: request.key,
      fingerprint,
      status: null,
      response: null,
      created_at: request.now,
    })
    .onConflict((conflict) => conflict.columns(['api_key_id', 'key']).doNothing())
    .executeTakeFirst();
  if (inserted.numInsertedOrUpdatedRows === 1n) return undefined;
  const row = await rowOf(db, request);
  if (!row) throw new Problem('IDEMPOTENCY_KEY_IN_FLIGHT');
  if (!row.fingerprint.equals(fingerprint)) throw new Problem('IDEMPOTENCY_KEY_REUSED');
  if (row.status !== null) return { status: row.status, body: row.response, replayed: true };
  await takeOver(db, request, row.created_at);
  return undefined;
}

function rowOf(db: Database, request: KeyedRequest) {
  return db
    .selectFrom('idempotency_key')
    .select(['fingerprint', 'status', 'response', 'created_at'])
    .where('api_key_id', '=', request.apiKeyId)
    .where('key', '=', request.key)
    .executeTakeFirst();
}

/** Takes an abandoned key for this request; whoever moves created_at first has it. */
async function takeOver(db: Database, request: KeyedRequest, startedAt: Date): Promise<void> {
  if (request.now.getTime() - startedAt.getTime() < ABANDONED_AFTER_MS)
    throw new Problem('IDEMPOTENCY_KEY_IN_FLIGHT');
  const taken = await db
    .updateTable('idempotency_key')
    .set({ created_at: request.now })
    .where('api_key_id', '=', request.apiKeyId)
    .where('key', '=', request.key)
    .where('created_at', '=', startedAt)
    .where('status', 'is', null)
    .executeTakeFirst();
  if (taken.numUpdatedRows !== 1n) throw new Problem('IDEMPOTENCY_KEY_IN_FLIGHT');
}

async function finish(
  db: Database,
  request: KeyedRequest,
  response: { status: number; body: unknown },
): Promise<void> {
  if (response.status >= 500) return release(db, request);
  await db
    .updateTable('idempotency_key')
    .set({ status: response.status, response: JSON.stringify(response.body) })
    .where('api_key_id', '=', request.apiKeyId)
    .where('key', '=', request.key)
    .where('status', 'is', null)
    .execute();
}

/** Only what this request claimed: whoever took an abandoned key over has another created_at. */
async function release(db: Database, request: KeyedRequest): Promise<void> {
  await db
    .deleteFrom('idempotency_key')
    .where('api_key_id', '=', request.apiKeyId)
    .where('key', '=', request.key)
    .where('created_at', '=', request.now)
    .where('status', 'is', null)
    .execute();
}

function fingerprintOf(request: KeyedRequest): Buffer {
  const text = `${request.method} ${request.path}\n${canonicalize(request.body) ?? ''}`;
  return createHash('sha256').update(text).digest();
}
