import { sql } from 'kysely';
import type { Database, DatabaseTransaction } from '../db/db.ts';

/** One thing that happened. `type` is dotted and in lower case, `subject` the id of what it happened to. */
export interface NewEvent {
  readonly at: Date;
  readonly type: string;
  readonly subject: string;
  readonly data: object;
}

export interface RecordedEvent extends Omit<NewEvent, 'data'> {
  readonly seq: bigint;
  readonly data: Record<string, unknown>;
}

/** Who holds it draws the next sequence: what is visible then has nothing invisible below it. */
const SEQUENCE_LOCK = 7_306_020;

/**
 * Adds an event to the one order that outside consumers follow. Take all other locks of the transaction first:
 * this one makes every other writer of events wait until the commit.
 */
export async function recordEvent(trx: DatabaseTransaction, event: NewEvent): Promise<void> {
  await recordEvents(trx, [event]);
}

/** As recordEvent, for many in their order: a transaction that has many should not make others wait for each. */
export async function recordEvents(trx: DatabaseTransaction, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await sql`select pg_advisory_xact_lock(${SEQUENCE_LOCK})`.execute(trx);
  await trx
    .insertInto('event')
    .values(events.map(({ at, type, subject, data }) => ({ at, type, subject, data: jsonText(data) })))
    .execute();
  const types = [...new Set(events.map((event) => event.type))];
  await sql`select pg_notify('portcullis_event', type) from unnest(${types}::text[]) as t(type)`.execute(trx);
}

/** Events with a higher sequence, oldest first. */
export async function eventsAfter(
  db: Database | DatabaseTransaction,
  seq: bigint,
  limit: number,
): Promise<RecordedEvent[]> {
  const rows = await db
    .selectFrom('event')
    .selectAll()
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, data: row.data as Record<string, unknown> }));
}

/** Base units are decimal strings in JSON. */
function jsonText(data: object): string {
  return JSON.stringify(data, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
}
