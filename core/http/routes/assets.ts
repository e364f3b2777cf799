import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import type { Listing } from '../../config/config.ts';
import { gatesOf, type GateState } from '../../controls/controls.ts';
import type { HttpDeps } from '../deps.ts';
import type { Server } from '../server.ts';

const gate = z.object({ state: z.string(), reason: z.string(), since: z.string().nullable() });

const assetOnNetwork = z.object({
  network: z.string(),
  network_name: z.string(),
  network_id: z.string().describe('CAIP-2'),
  asset_id: z.string().describe('CAIP-19'),
  contract: z.string().nullable(),
  deposit_minimum: z.string(),
  withdrawal_minimum: z.string(),
  withdrawal_fee: z.string(),
  confirmations: z.array(
    z.object({
      from: z.string().describe('For amounts from here on'),
      safe: z.int().describe('Credited: usable inside the exchange'),
      irreversible: z.int().describe('Final: may leave'),
    }),
  ),
  deposits: gate,
  withdrawals: gate,
});

const assetSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    decimals: z.int(),
    networks: z.array(assetOnNetwork),
  })
  .meta({ id: 'Asset' });

/** GET /v1/assets: what is listed where, at which price, how deep, and whether its gates are open. */
export function assetRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/assets',
    {
      config: { scope: 'assets:read' },
      schema: {
        operationId: 'listAssets',
        tags: ['assets'],
        summary: 'Assets, their networks, minimums, fees, confirmation depths and gates',
        response: { 200: z.object({ data: z.array(assetSchema) }) },
      },
    },
    async () => {
      const gates = await gatesOf(deps.db);
      return {
        data: deps.config.assets.map((asset) => ({
          id: asset.id,
          name: asset.name,
          decimals: asset.decimals,
          networks: deps.listings
            .filter((listing) => listing.asset.id === asset.id)
            .map((listing) => describe(listing, gates)),
        })),
      };
    },
  );
}

function describe(listing: Listing, gates: readonly GateState[]) {
  const { asset, network } = listing;
  const text = (units: bigint): string => formatAmount(units, asset.decimals);
  const stateOf = (direction: GateState['direction']) => {
    const found = gates.find(
      (entry) => entry.asset === asset.id && entry.network === network.id && entry.direction === direction,
    );
    return {
      state: found?.state ?? 'open',
      reason: found?.reason ?? '',
      since: found ? found.since.toISOString() : null,
    };
  };
  return {
    network: network.id,
    network_name: network.name,
    network_id: network.caip2,
    asset_id: listing.assetId,
    contract: listing.contract === '' ? null : listing.contract,
    deposit_minimum: text(listing.depositMinUnits),
    withdrawal_minimum: text(listing.withdrawalMinUnits),
    withdrawal_fee: text(listing.withdrawalFeeUnits),
    confirmations: listing.depths.map((tier) => ({
      from: text(tier.fromUnits),
      safe: tier.safe,
      irreversible: tier.irreversible,
    })),
    deposits: stateOf('deposits'),
    withdrawals: stateOf('withdrawals'),
  };
}
