import { z } from 'zod';
import { formatAmount } from '../../../lib/money/money.ts';
import type { HttpDeps } from '../deps.ts';
import { Problem } from '../problems.ts';
import type { Server } from '../server.ts';

/** As a sentinel answers GET /v1/blast-radius. */
const told = z.object({
  at: z.int().min(0),
  unread: z.array(z.string()),
  unasked: z.record(z.string(), z.string()),
  captures: z.array(
    z.object({
      captured: z.string(),
      control: z.string(),
      costs: z.array(
        z.object({
          asset: z.string(),
          units: z
            .string()
            .regex(/^\d{1,78}$/)
            .nullable(),
          basis: z.string(),
        }),
      ),
    }),
  ),
});

const cost = z.object({
  asset_id: z.string().describe('CAIP-19'),
  asset: z.string().nullable().describe('null: not listed here'),
  network: z.string().nullable(),
  amount: z.string().nullable().describe('null: not known'),
  amount_base: z.string().nullable(),
  basis: z
    .string()
    .describe(
      'rule: so by construction; journals of the signers; chain: the vault or the sentinel’s own node',
    ),
});

const blastRadius = z
  .object({
    at: z.iso.datetime().describe('When the sentinel worked it out'),
    unread_signers: z.array(z.string()).describe('Taken to sign whatever the others would'),
    unasked_networks: z
      .array(z.object({ network: z.string(), detail: z.string() }))
      .describe('EVM networks whose vault could not be asked, so that its cap bounds nothing here'),
    captures: z.array(z.object({ captured: z.string(), control: z.string(), costs: z.array(cost) })),
  })
  .meta({ id: 'BlastRadius' });

/** What each capture could cost now, by the sentinel's word: core only passes it on. */
export function blastRadiusRoute(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/ops/blast-radius',
    {
      config: { scope: 'operations:read', problems: ['SENTINEL_UNREACHABLE', 'NOTHING_READ'] },
      schema: {
        operationId: 'readBlastRadius',
        tags: ['operations'],
        summary: 'What each capture could cost at this moment, of each asset, and what bounds it',
        description:
          'Worked out by the sentinel from the signers’ journals and its own nodes. Whoever holds core can change ' +
          'what this route says: `portcullis blast-radius` asks the signers itself.',
        response: { 200: blastRadius },
      },
    },
    async () => {
      const { at, unread, unasked, captures } = await heard(deps);
      if (captures.length === 0) throw new Problem('NOTHING_READ', 'the sentinel could read no signer yet');
      return {
        at: new Date(at).toISOString(),
        unread_signers: unread,
        unasked_networks: Object.entries(unasked).map(([network, detail]) => ({ network, detail })),
        captures: captures.map(({ captured, control, costs }) => ({
          captured,
          control,
          costs: costs.map((one) => described(one, deps)),
        })),
      };
    },
  );
}

async function heard({ sentinel }: HttpDeps): Promise<z.infer<typeof told>> {
  if (sentinel === undefined)
    throw new Problem('SENTINEL_UNREACHABLE', 'the configuration names no sentinel');
  let answer: unknown;
  try {
    answer = await sentinel('/v1/blast-radius');
  } catch (error) {
    throw new Problem('SENTINEL_UNREACHABLE', error instanceof Error ? error.message : String(error));
  }
  const parsed = told.safeParse(answer);
  if (!parsed.success) throw new Problem('SENTINEL_UNREACHABLE', 'it answers something else');
  return parsed.data;
}

function described(
  { asset: assetId, units, basis }: z.infer<typeof told>['captures'][number]['costs'][number],
  { listings }: HttpDeps,
): z.infer<typeof cost> {
  const listing = listings.find((one) => one.assetId === assetId);
  return {
    asset_id: assetId,
    asset: listing?.asset.id ?? null,
    network: listing?.network.id ?? null,
    amount: units === null || !listing ? null : formatAmount(BigInt(units), listing.asset.decimals),
    amount_base: units,
    basis,
  };
}
