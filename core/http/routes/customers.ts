import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import { newId } from '../../../lib/ids/ids.ts';
import {
  addressesOf,
  createCustomer,
  customerByExternalId,
  issueAddress,
} from '../../customers/customers.ts';
import type { CustomerRow, DepositAddressRow } from '../../customers/customers.ts';
import { executorOf } from '../../db/db.ts';
import { balancesOf } from '../../ledger/ledger.ts';
import type { HttpDeps } from '../deps.ts';
import { assetBy, customerIn, listingBy, networkBy } from '../lookups.ts';
import {
  assetField,
  balance,
  customer,
  depositAddress,
  externalId,
  idPath,
  networkField,
} from '../schemas.ts';
import type { Server } from '../server.ts';

const addressList = z.object({ data: z.array(depositAddress) });

/** Customers, their deposit addresses and their balances. */
export function customerRoutes(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/customers',
    {
      config: { scope: 'customers:create', idempotent: 'natural' },
      schema: {
        operationId: 'createCustomer',
        tags: ['customers'],
        summary: 'Create a customer; the same external_id answers the same customer',
        body: z.strictObject({ external_id: externalId }).meta({ examples: [{ external_id: 'alice' }] }),
        response: { 200: customer, 201: customer },
      },
    },
    async (request, reply) => {
      const { row, created } = await deps.db.transaction().execute((trx) =>
        createCustomer(trx, {
          id: newId('customer', { nowMs: () => deps.now().getTime(), randomBytes: deps.randomBytes }),
          externalId: request.body.external_id,
          at: deps.now(),
        }),
      );
      return reply.code(created ? 201 : 200).send(renderCustomer(row));
    },
  );

  app.get(
    '/v1/customers',
    {
      config: { scope: 'customers:read' },
      schema: {
        operationId: 'findCustomer',
        tags: ['customers'],
        summary: 'The customer with your external_id',
        querystring: z.strictObject({ external_id: externalId }),
        response: { 200: z.object({ data: z.array(customer) }) },
      },
    },
    async (request) => {
      const row = await customerByExternalId(deps.db, request.query.external_id);
      return { data: row ? [renderCustomer(row)] : [] };
    },
  );

  app.get(
    '/v1/customers/:id',
    {
      config: { scope: 'customers:read', problems: ['UNKNOWN_CUSTOMER'] },
      schema: {
        operationId: 'readCustomer',
        tags: ['customers'],
        summary: 'One customer',
        params: idPath,
        response: { 200: customer },
      },
    },
    async (request) => renderCustomer(await customerIn(deps, request.params.id)),
  );

  addressRoutes(app, deps);
  balanceRoute(app, deps);
}

function addressRoutes(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/customers/:id/deposit-addresses',
    {
      config: {
        scope: 'customers:create',
        problems: ['UNKNOWN_CUSTOMER', 'UNKNOWN_NETWORK', 'UNKNOWN_ASSET', 'ADDRESS_INDEX_EXHAUSTED'],
      },
      schema: {
        operationId: 'issueDepositAddress',
        tags: ['customers'],
        summary: 'The active deposit address for a network; it serves all assets of that network',
        params: idPath,
        body: z
          .strictObject({
            asset: assetField,
            network: networkField,
            renew: z.boolean().default(false).describe('Retire the active address for a new one'),
          })
          .meta({ examples: [{ asset: 'BTC', network: 'bitcoin' }] }),
        response: { 200: depositAddress },
      },
    },
    async (request) => {
      const row = await customerIn(deps, request.params.id);
      const listing = listingBy(deps, request.body.asset, request.body.network);
      const address = await issueAddress(deps, {
        customer: row.id,
        network: listing.network,
        renew: request.body.renew,
      });
      return renderAddress(deps, address);
    },
  );

  app.get(
    '/v1/customers/:id/deposit-addresses',
    {
      config: { scope: 'customers:read', problems: ['UNKNOWN_CUSTOMER', 'UNKNOWN_NETWORK', 'UNKNOWN_ASSET'] },
      schema: {
        operationId: 'listDepositAddresses',
        tags: ['customers'],
        summary: 'All deposit addresses of a customer, active and retired',
        params: idPath,
        querystring: z.strictObject({ asset: assetField.optional(), network: networkField.optional() }),
        response: { 200: addressList },
      },
    },
    async (request) => {
      const row = await customerIn(deps, request.params.id);
      const { network, asset } = request.query;
      const onNetwork = network === undefined ? undefined : networkBy(deps.config, network).id;
      const ofAsset = asset === undefined ? undefined : assetBy(deps, asset).id;
      const addresses = (await addressesOf(deps.db, row.id)).map((entry) => renderAddress(deps, entry));
      return {
        data: addresses.filter(
          (entry) =>
            (onNetwork === undefined || entry.network === onNetwork) &&
            (ofAsset === undefined || entry.assets.includes(ofAsset)),
        ),
      };
    },
  );
}

function balanceRoute(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/customers/:id/balances',
    {
      config: { scope: 'customers:read', problems: ['UNKNOWN_CUSTOMER'] },
      schema: {
        operationId: 'readBalances',
        tags: ['customers'],
        summary: 'One balance for each asset, whatever the network',
        params: idPath,
        response: { 200: z.object({ data: z.array(balance) }) },
      },
    },
    async (request) => {
      const row = await customerIn(deps, request.params.id);
      const balances = await balancesOf(executorOf(deps.db), row.id);
      return {
        data: deps.config.assets.map((asset) =>
          renderBalance(
            asset,
            balances.find((b) => b.asset === asset.id),
          ),
        ),
      };
    },
  );
}

function renderCustomer(row: CustomerRow) {
  return { id: row.id, external_id: row.external_id, created_at: row.created_at.toISOString() };
}

function renderAddress(deps: HttpDeps, row: DepositAddressRow) {
  const network = networkBy(deps.config, row.network);
  const listings = deps.listings.filter((listing) => listing.network.id === row.network);
  return {
    id: row.id,
    customer_id: row.customer_id,
    network: row.network,
    network_id: network.caip2,
    address: row.address,
    account_id: `${network.caip2}:${row.address}`,
    assets: listings.map((listing) => listing.asset.id),
    asset_ids: listings.map((listing) => listing.assetId),
    status: row.status as 'active' | 'retired' | 'compromised',
    valid_from: row.valid_from.toISOString(),
    replaced_by: row.replaced_by,
  };
}

function renderBalance(
  asset: { id: string; decimals: number },
  found: { final: bigint; provisional: bigint; held: bigint } | undefined,
) {
  const { final, provisional, held } = found ?? { final: 0n, provisional: 0n, held: 0n };
  const text = (units: bigint): string => formatAmount(units, asset.decimals);
  return {
    asset: asset.id,
    total: text(final + provisional),
    final: text(final),
    provisional: text(provisional),
    held: text(held),
    available: text(final + provisional - held),
    withdrawable: text(final - held),
  };
}
