import type { Executor } from '../db/db.ts';
import type { AccountKind, AccountRef } from './books.ts';

/** A customer's balance in one asset, base units. Network does not matter to it. */
export interface CustomerBalance {
  readonly asset: string;
  /** Irreversible value, what is held included. */
  readonly final: bigint;
  /** Usable inside the exchange, not yet free to leave. */
  readonly provisional: bigint;
  /** Set aside for withdrawals. */
  readonly held: bigint;
  /** total less held. */
  readonly available: bigint;
  /** final + provisional. */
  readonly total: bigint;
}

export interface TrialBalanceLine {
  readonly asset: string;
  readonly kind: AccountKind;
  readonly network: string | null;
  /** Credits less debits, over all accounts of this line; all lines of an asset add up to zero. */
  readonly balance: bigint;
}

/** A customer's balances, by asset; none for an asset that he never had. */
export async function balancesOf(executor: Executor, customer: string): Promise<CustomerBalance[]> {
  const rows = await executor.query<Pick<CustomerBalance, 'asset' | 'final' | 'provisional' | 'held'>>(
    `select asset, final, provisional, held from account
      where customer = $1 and kind = 'customer' order by asset`,
    [customer],
  );
  return rows.map(({ asset, final, provisional, held }) => {
    const total = final + provisional;
    return { asset, final, provisional, held, available: total - held, total };
  });
}

/** An account's balance, credits less debits; zero when nothing was ever posted to it. */
export async function accountBalance(executor: Executor, ref: AccountRef): Promise<bigint> {
  const [row] = await executor.query<{ balance: bigint }>(
    `select final + provisional as balance from account
      where kind = $1 and asset = $2 and coalesce(network, '') = $3 and coalesce(customer, '') = $4`,
    [ref.kind, ref.asset, ref.network ?? '', ref.customer ?? ''],
  );
  return row?.balance ?? 0n;
}

/** What the books add up to, by asset, kind and network. */
export async function trialBalance(executor: Executor): Promise<TrialBalanceLine[]> {
  return executor.query<TrialBalanceLine>(
    `select asset, kind, network, sum(final + provisional)::numeric(78,0) as balance from account
      group by asset, kind, network order by asset, kind, network`,
    [],
  );
}
