import { createHash } from 'node:crypto';
import { newId } from '../../lib/ids/ids.ts';
import { recordEvent } from '../audit/audit.ts';
import { encodeFlush, enqueueCall, flushGasLimit } from '../chain/evm/evm.ts';
import type { Listing } from '../config/config.ts';
import type { TreasuryWork } from './treasury.ts';

/** The factory's own limits, and that of one transaction (EIP-7825). */
const SALTS_MAX = 200;
const TOKENS_MAX = 16;
const GAS_MAX = 2 ** 24;
/** Fetching the ether of one address alone, measured: 69,621 gas; in company it is less. */
const GAS_OF_ONE = 70_000n;
/** A full batch need not wait for earlier calls to become irreversible; this many may be on their way. */
const IN_FLIGHT_MAX = 8;

/**
 * Plans at most one call: addresses that hold enough of some asset to be worth it, all their assets in one create.
 * One call at a time, so that addresses gather while it settles, unless a call is full.
 */
export async function planSweep(work: TreasuryWork): Promise<number> {
  const inFlight = await sweepsInFlight(work);
  if (inFlight >= IN_FLIGHT_MAX) return 0;
  const chosen = await chooseAddresses(work);
  if (chosen.length === 0 || (inFlight > 0 && chosen.length < SALTS_MAX)) return 0;
  const plan = await fit(work, chosen);
  if (!plan) return 0;
  await send(work, plan);
  return 1;
}

interface Item {
  readonly address: string;
  readonly contract: string;
  readonly units: bigint;
}

interface Plan {
  readonly salts: readonly `0x${string}`[];
  readonly tokens: readonly `0x${string}`[];
  readonly items: readonly Item[];
  readonly gasLimit: number;
}

async function sweepsInFlight({ trx, network }: TreasuryWork): Promise<number> {
  const row = await trx
    .selectFrom('sweep')
    .select((eb) => eb.fn.countAll<bigint>().as('count'))
    .where('network', '=', network.id)
    .where('state', '=', 'sent')
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Addresses at or above the threshold of some listed asset, in no unsettled sweep; the fullest first. */
async function chooseAddresses(work: TreasuryWork): Promise<string[]> {
  const chosen = new Set<string>();
  for (const listing of work.listings) {
    const rows = await work.trx
      .selectFrom('unswept')
      .select('address')
      .where('network', '=', work.network.id)
      .where('contract', '=', listing.contract)
      .where('units', '>', 0n)
      .where('units', '>=', await worthSweeping(work, listing))
      .where((eb) => eb.or([eb('next_sweep_at', 'is', null), eb('next_sweep_at', '<=', work.at)]))
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('sweep_item')
              .select('sweep_id')
              .whereRef('sweep_item.network', '=', 'unswept.network')
              .whereRef('sweep_item.address', '=', 'unswept.address')
              .where('settled', '=', false),
          ),
        ),
      )
      .orderBy('units', 'desc')
      .orderBy('address')
      .limit(SALTS_MAX)
      .execute();
    for (const { address } of rows) chosen.add(address);
  }
  return [...chosen].slice(0, SALTS_MAX);
}

/** The network's own coin is worth more than the gas that fetches it, or it waits. */
async function worthSweeping(work: TreasuryWork, listing: Listing): Promise<bigint> {
  if (listing.contract !== '') return listing.sweepMinUnits;
  const costWei = GAS_OF_ONE * (work.feePerGasWei ?? (await lastFeeOffered(work)));
  return costWei > listing.sweepMinUnits ? costWei : listing.sweepMinUnits;
}

async function lastFeeOffered({ trx, network }: TreasuryWork): Promise<bigint> {
  const row = await trx
    .selectFrom('evm_attempt')
    .innerJoin('evm_call', 'evm_call.id', 'evm_attempt.call_id')
    .select('fee_per_gas_max')
    .where('evm_call.network', '=', network.id)
    .orderBy('made_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.fee_per_gas_max ?? 0n;
}

/** As many of the addresses as one transaction has gas for. */
async function fit(work: TreasuryWork, chosen: readonly string[]): Promise<Plan | undefined> {
  const { trx, network, listings } = work;
  const rows = await trx
    .selectFrom('unswept')
    .innerJoin('watched', (join) =>
      join.onRef('watched.network', '=', 'unswept.network').onRef('watched.address', '=', 'unswept.address'),
    )
    .select(['unswept.address', 'contract', 'units', 'derivation'])
    .where('unswept.network', '=', network.id)
    .where('unswept.address', 'in', chosen)
    .where('units', '>', 0n)
    .where(
      'contract',
      'in',
      listings.map((listing) => listing.contract),
    )
    .execute();
  for (let count = chosen.length; count > 0; count = Math.floor(count * 0.9)) {
    const taken = new Set(chosen.slice(0, count));
    const items = rows.filter((row) => taken.has(row.address));
    const tokens = [...new Set(items.map((item) => item.contract))].filter((contract) => contract !== '');
    const gasLimit = flushGasLimit(count, tokens.length);
    if (gasLimit > GAS_MAX || tokens.length > TOKENS_MAX) continue;
    const salts = new Map(items.map((item) => [item.address, item.derivation as `0x${string}`]));
    return { salts: [...salts.values()], tokens: tokens as `0x${string}`[], items, gasLimit };
  }
  return undefined;
}

/** The call, the sweep and its items are recorded together; the relayer's lane sends what is recorded. */
async function send(work: TreasuryWork, plan: Plan): Promise<void> {
  const { trx, network, at } = work;
  const ids = idsOf(work, plan.items);
  await enqueueCall(
    trx,
    {
      id: ids.call,
      network,
      key: `sweep:${ids.sweep}`,
      target: network.factory,
      data: encodeFlush(plan.salts, plan.tokens),
      value: 0n,
      gasLimit: plan.gasLimit,
    },
    at,
  );
  await trx
    .insertInto('sweep')
    .values({ id: ids.sweep, network: network.id, call_id: ids.call, state: 'sent', created_at: at })
    .execute();
  await trx
    .insertInto('sweep_item')
    .values(
      plan.items.map(({ address, contract, units }) => ({
        sweep_id: ids.sweep,
        network: network.id,
        address,
        contract,
        units,
        delivered: null,
      })),
    )
    .execute();
  const data = { network: network.id, addresses: plan.salts.length, items: plan.items.length };
  await recordEvent(trx, { at, type: 'sweep.sent', subject: ids.sweep, data });
}

/** Made of what is swept and when: time is in the id, so the same items later are another sweep. */
function idsOf({ network, at }: TreasuryWork, items: readonly Item[]) {
  const text = items.map((item) => `${item.address} ${item.contract} ${item.units}`).join('\n');
  const source = (what: string) => {
    const digest = createHash('sha256').update(`${what} ${network.id} ${text}`).digest();
    return { nowMs: () => at.getTime(), randomBytes: (length: number) => digest.subarray(0, length) };
  };
  return { sweep: newId('sweep', source('sweep')), call: newId('call', source('call')) };
}
