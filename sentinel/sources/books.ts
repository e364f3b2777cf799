/** What core's books say that the hot wallets of a network hold, in one statement and so of one moment. */
import { Client } from 'pg';

export interface BooksReading {
  /** The block up to which core had followed the chain. */
  readonly tip: string | undefined;
  /** Core has stopped following: what it says is of another day. */
  readonly isHalted: boolean;
  /** Base units by core's asset. */
  readonly hot: Readonly<Record<string, bigint>>;
  /** What payments under way may have taken out already, by contract, in lower case; '' is the network's own coin. */
  readonly underWay: Readonly<Record<string, bigint>>;
}

export interface Books {
  /** `id` is core's name of the network. Rejects when the database does not answer. */
  read(id: string): Promise<BooksReading>;
}

const WITHIN_MS = 10_000;

/** A connection for each reading: there is one every few seconds, and a database that was away is no trouble. */
export function openBooks(url: string): Books {
  return {
    read: async (id) => {
      const client = new Client({
        connectionString: url,
        connectionTimeoutMillis: WITHIN_MS,
        statement_timeout: WITHIN_MS,
      });
      // A connection that breaks rejects the query; without a listener it would end the process as well.
      client.on('error', () => undefined);
      await client.connect();
      try {
        const { rows } = await client.query<Row>(QUERY, [id]);
        const [row] = rows;
        return {
          tip: row?.tip ?? undefined,
          isHalted: row?.halted ?? false,
          hot: amounts(row?.hot),
          underWay: amounts(row?.under_way),
        };
      } finally {
        await client.end();
      }
    },
  };
}

interface Row {
  readonly tip: string | null;
  readonly halted: boolean;
  readonly hot: Readonly<Record<string, string>> | null;
  readonly under_way: Readonly<Record<string, string>> | null;
}

/**
 * A spend is at its end before its withdrawals are booked. Miners' fees come out of the wallet with what is paid, of a child too; gas is
 * the relayer's.
 */
const QUERY = `
  with spending as (
    select s.id, lower(s.contract) as contract,
      coalesce((select sum(units) from spend_order o where o.spend_id = s.id), 0) as units,
      coalesce((select max(fee_units) from spend_attempt a where a.spend_id = s.id), 0) as fee
    from spend s where s.network = $1 and (
      s.state in ('planned', 'signing', 'broadcast')
      or exists (
        select from withdrawal w
        where w.spend_id = s.id and w.state not in ('settled', 'refused', 'cancelled', 'failed')))
  )
  select
    (select hash from chain_tip where network = $1) as tip,
    exists (select from halt where network = $1) as halted,
    (select json_object_agg(asset, (-(final + provisional))::text)
       from account where kind = 'hot' and network = $1) as hot,
    (select json_object_agg(contract, units::text)
       from (select contract, sum(units + fee) as units from spending group by contract) by_contract) as under_way`;

const amounts = (values: Readonly<Record<string, string>> | null | undefined): Record<string, bigint> =>
  Object.fromEntries(Object.entries(values ?? {}).map(([name, units]) => [name, BigInt(units)]));
