import { newId, type Id } from '../../lib/ids/ids.ts';
import type { SignAnswer, SignRequest } from '../../signer/protocol/messages.ts';
import type { OrderAssertionJson } from '../../signer/protocol/signatures.ts';
import type { OrderJson } from '../../signer/protocol/order.ts';
import type { BitcoinRpc, Broadcast } from '../chain/bitcoin/bitcoin.ts';
import type { EvmRpc } from '../chain/evm/evm.ts';
import type { BitcoinNetwork, Config, EvmNetwork, Listing } from '../config/config.ts';
import { haltsOf } from '../controls/controls.ts';
import type { Commit, Database, DatabaseTransaction } from '../db/db.ts';
import type { SignerClient } from '../signing/signing.ts';
import { advanceBitcoinSpend } from './advance-bitcoin.ts';
import { advanceEvmSpend } from './advance-evm.ts';
import { prepareBitcoinSpend } from './plan-bitcoin.ts';
import { prepareEvmSpend } from './plan-evm.ts';
import { openSpends, putOff, type SpendRow } from './spend-rows.ts';

export {
  dropPlannedSpend,
  endedSpends,
  type EndedSpend,
  type OrderOutcome,
  type SpendRow,
} from './spend-rows.ts';
export { progressOf, type ProgressOf, type SpendProgress } from './progress.ts';

/** What one order wants of a spend. */
export interface SpendOrder {
  readonly orderNumber: bigint;
  readonly document: OrderJson;
  /** The customer's, over the order's digest; none where the order rests on our word. */
  readonly assertion?: OrderAssertionJson | undefined;
  readonly destination: string;
  readonly units: bigint;
}

/** Everything with an effect outside the process, or that lasts. Made once in `processes/`. */
export interface SpendEffects {
  readonly commit: Commit;
  readonly sign: (signer: SignerClient, request: SignRequest) => Promise<SignAnswer>;
  readonly broadcast: (rpc: BitcoinRpc, raw: Buffer, parent?: Buffer) => Promise<Broadcast>;
}

export interface SpendDeps {
  readonly db: Database;
  readonly config: Config;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly signers: readonly SignerClient[];
  readonly bitcoinRpc: (network: BitcoinNetwork) => BitcoinRpc;
  readonly evmRpc: (network: EvmNetwork) => EvmRpc;
  readonly effects: SpendEffects;
}

/** Why orders cannot be paid at this moment. */
export type PrepareRefusal =
  /** The hot wallet does not have it at irreversible depth, beside what is on its way already. */
  | 'LIQUIDITY_SHORT'
  /** The vault's cap for 24 hours does not allow it now. */
  | 'CAP_REACHED'
  | 'VAULT_PAUSED'
  /** The token moves nothing from the vault now: it is paused, or blocks the vault. */
  | 'TOKEN_REFUSES'
  /** Miners' fees are above the operator's cap. */
  | 'FEE_ABOVE_CAP'
  /** More inputs or bytes than one transaction may have: the wallet needs consolidating. */
  | 'TRANSACTION_TOO_LARGE'
  /** The network was not followed yet. */
  | 'NO_TIP';

export type Prepared =
  | { readonly ok: true; readonly record: (trx: DatabaseTransaction) => Promise<Id<'spend'>> }
  | { readonly ok: false; readonly reason: PrepareRefusal };

/**
 * Builds one chain transaction for these orders and changes nothing but a sequence; it asks nodes, so it runs
 * outside of transactions. `record` then writes spend, orders, coins and the first attempt in the caller's
 * transaction, before any signer is asked. It throws a unique violation when a coin or an order was taken
 * meanwhile: nothing stands then, and the next step plans anew.
 */
export async function prepareSpend(
  deps: SpendDeps,
  listing: Listing,
  orders: readonly SpendOrder[],
): Promise<Prepared> {
  const id = newId('spend', { nowMs: () => deps.now().getTime(), randomBytes: deps.randomBytes });
  const sorted = orders.toSorted((a, b) => (a.orderNumber < b.orderNumber ? -1 : 1));
  return listing.network.kind === 'bitcoin'
    ? prepareBitcoinSpend(deps, { id, network: listing.network, listing, orders: sorted })
    : prepareEvmSpend(deps, { id, network: listing.network, listing, orders: sorted });
}

/**
 * One step for every spend that is not at its end, halted networks apart. Answers how many moved. A spend that
 * fails is put off and does not keep the others waiting.
 */
export async function advanceSpends(
  deps: SpendDeps,
  onFault: (spend: SpendRow, error: unknown) => void,
): Promise<number> {
  const halted = new Set((await haltsOf(deps.db)).map((halt) => halt.network));
  let moved = 0;
  for (const spend of await openSpends(deps.db)) {
    const network = deps.config.networks.find((candidate) => candidate.id === spend.network);
    if (!network || halted.has(network.id)) continue;
    try {
      const advanced =
        network.kind === 'bitcoin'
          ? await advanceBitcoinSpend(deps, network, spend)
          : await advanceEvmSpend(deps, network, spend);
      if (advanced) moved += 1;
    } catch (error) {
      onFault(spend, error);
      await putOff(deps, spend, codeOf(error));
    }
  }
  return moved;
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : 'FAULT';
}
