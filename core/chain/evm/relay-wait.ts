import type { Commit } from '../../db/db.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';
import type { Lane } from './relay-store.ts';

/** Why calls wait. */
export type RelayWait =
  /** The network asks for more than feePerGasMaxGwei, or a replacement would. */
  | 'FEE_ABOVE_MAX'
  /** The relayer's balance does not cover the gas of the next call. */
  | 'FUNDS_LOW';

/** A lane that sends nothing, and since when. */
export interface RelayWaiting extends Lane {
  readonly reason: RelayWait;
  readonly since: Date;
}

/** The lanes that wait, by network. */
export async function relayWaits(db: Database | DatabaseTransaction): Promise<RelayWaiting[]> {
  return executorOf(db).query<RelayWaiting>(
    'select network, relayer, reason, since from relay_wait order by network',
    [],
  );
}

/** Writes down that a lane waits, for another reason, or no more; `since` stays while nothing changes. */
export async function noteRelayWait(
  deps: {
    readonly db: Database;
    readonly now: () => Date;
    readonly effects: { readonly commit: Commit };
  },
  { network, relayer }: Lane,
  wait: RelayWait | undefined,
): Promise<void> {
  const before = (await relayWaits(deps.db)).find((row) => row.network === network);
  if (before?.reason === wait && (wait === undefined || before?.relayer === relayer)) return;
  await deps.effects.commit('relay.wait', async (trx) => {
    const sql = executorOf(trx);
    await sql.query('delete from relay_wait where network = $1', [network]);
    if (wait === undefined) return;
    await sql.query('insert into relay_wait (network, relayer, reason, since) values ($1, $2, $3, $4)', [
      network,
      relayer,
      wait,
      deps.now(),
    ]);
  });
}
