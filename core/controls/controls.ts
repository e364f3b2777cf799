import { recordEvent } from '../audit/audit.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';

export type Direction = 'deposits' | 'withdrawals';

/** Whether an asset on a network may move in a direction. What has no row is open. */
export interface GateState {
  readonly asset: string;
  readonly network: string;
  readonly direction: Direction;
  readonly state: 'open' | 'closed';
  readonly reason: string;
  readonly since: Date;
}

/** A network that is not followed further until a person has looked. */
export interface Halt {
  readonly network: string;
  readonly code: string;
  readonly detail: string;
  readonly since: Date;
}

type Db = Database | DatabaseTransaction;

export async function gatesOf(db: Db): Promise<GateState[]> {
  const rows = await db.selectFrom('gate').selectAll().execute();
  return rows.map((row) => ({
    ...row,
    direction: row.direction as Direction,
    state: row.state as GateState['state'],
  }));
}

export async function isGateOpen(
  db: Db,
  gate: Pick<GateState, 'asset' | 'network' | 'direction'>,
): Promise<boolean> {
  const row = await db
    .selectFrom('gate')
    .select('state')
    .where('asset', '=', gate.asset)
    .where('network', '=', gate.network)
    .where('direction', '=', gate.direction)
    .executeTakeFirst();
  return row?.state !== 'closed';
}

/** Opens or closes one gate; the same state again changes nothing. */
export async function setGate(trx: DatabaseTransaction, gate: GateState): Promise<void> {
  const changed = await trx
    .insertInto('gate')
    .values(gate)
    .onConflict((conflict) =>
      conflict
        .columns(['asset', 'network', 'direction'])
        .doUpdateSet({ state: gate.state, reason: gate.reason, since: gate.since })
        .where('gate.state', '<>', gate.state),
    )
    .executeTakeFirst();
  if (changed.numInsertedOrUpdatedRows === 0n) return;
  const { asset, network, direction, state, reason } = gate;
  await recordEvent(trx, {
    at: gate.since,
    type: `gate.${state}`,
    subject: `${asset}/${network}/${direction}`,
    data: { reason },
  });
}

export async function haltsOf(db: Db): Promise<Halt[]> {
  return db.selectFrom('halt').selectAll().orderBy('network').execute();
}

export async function haltOf(db: Db, network: string): Promise<Halt | undefined> {
  return db.selectFrom('halt').selectAll().where('network', '=', network).executeTakeFirst();
}

export async function isHalted(db: Db, network: string): Promise<boolean> {
  return (await haltOf(db, network)) !== undefined;
}

/** Stops following a network. The first reason stays: what goes wrong afterwards follows from it. */
export async function haltNetwork(
  trx: DatabaseTransaction,
  network: string,
  code: string,
  detail: string,
  at: Date,
): Promise<void> {
  const inserted = await trx
    .insertInto('halt')
    .values({ network, code, detail, since: at })
    .onConflict((conflict) => conflict.column('network').doNothing())
    .executeTakeFirst();
  if (inserted.numInsertedOrUpdatedRows === 0n) return;
  await recordEvent(trx, { at, type: 'network.halted', subject: network, data: { code, detail } });
}

/** A person has looked; the network is followed again. False when it was not halted. */
export async function clearHalt(trx: DatabaseTransaction, network: string, at: Date): Promise<boolean> {
  const deleted = await trx
    .deleteFrom('halt')
    .where('network', '=', network)
    .returningAll()
    .executeTakeFirst();
  if (!deleted) return false;
  await recordEvent(trx, { at, type: 'network.resumed', subject: network, data: { code: deleted.code } });
  return true;
}
