import { z } from 'zod';

/** Shapes of the API. One source for validation, the OpenAPI description and the types of the client. */
/** Printable ASCII: what PostgreSQL, a log and a URL all carry unchanged. */
const printable = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\x21-\x7e]+$/, 'only printable ASCII characters without blanks');

export const externalId = printable(128).describe('Your own id, unique for ever');

/** An id of ours; what is none is simply not found. */
export const idField = printable(80);

export const idPath = z.object({ id: idField });

export const assetField = printable(200).describe(
  'Ticker such as "BTC", or the CAIP-19 id of the asset on its network',
);

export const networkField = printable(64).describe('Network id such as "bitcoin", or its CAIP-2 id');

/** Any text that is Unicode: half of a surrogate pair has no bytes, so no digest either. */
const unicode = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => text.isWellFormed(), 'not well-formed Unicode');

export const amountField = unicode(160).describe('Decimal string in units of the asset, such as "0.015"');

export const destinationField = unicode(200).describe('An address of the network; its checksum is verified');

/** Text that is stored as it is and never read by this API. */
export const opaqueText = (max: number) =>
  z
    .string()
    .regex(/^[\x20-\x7e]*$/)
    .max(max);

export const moneyFields = {
  amount: z.string().describe('Decimal string in units of the asset'),
  amount_base: z.string().describe('The same in base units (satoshi, wei …)'),
};

export const pageQuery = {
  cursor: printable(200).optional().describe('page.next_cursor of the page before'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
};

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    data: z.array(item),
    page: z.object({ next_cursor: z.string().nullable(), has_more: z.boolean() }),
  });
}

export const timeline = z.array(
  z.object({
    at: z.iso.datetime(),
    from: z.string().nullable(),
    to: z.string(),
    actor: z.string(),
    reason_code: z.string(),
    evidence: z.record(z.string(), z.unknown()),
  }),
);

export const customer = z
  .object({ id: z.string(), external_id: z.string(), created_at: z.iso.datetime() })
  .meta({ id: 'Customer' });

export const credential = z
  .object({
    customer_id: z.string(),
    key: z.string().describe('Compressed point on P-256, hex'),
    usable_at: z.iso
      .datetime()
      .nullable()
      .describe('Since when all signers take it; null until all have answered'),
    ended_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    signers: z.array(
      z.object({
        signer: z.string(),
        usable_at: z.iso.datetime().nullable(),
        refused: z.string().nullable().describe('The code for which this signer does not take it'),
      }),
    ),
  })
  .meta({ id: 'Credential' });

export const depositAddress = z
  .object({
    id: z.string(),
    customer_id: z.string(),
    network: z.string(),
    network_id: z.string().describe('CAIP-2'),
    address: z.string(),
    account_id: z.string().describe('CAIP-10'),
    assets: z.array(z.string()).describe('What this address can receive'),
    asset_ids: z.array(z.string()).describe('The same as CAIP-19'),
    status: z.enum(['active', 'retired', 'compromised']),
    valid_from: z.iso.datetime(),
    replaced_by: z.string().nullable(),
  })
  .meta({ id: 'DepositAddress' });

export const balance = z
  .object({
    asset: z.string(),
    total: z.string(),
    final: z.string().describe('Irreversible: may leave'),
    provisional: z.string().describe('Usable inside, not yet irreversible'),
    held: z.string().describe('Set aside for withdrawals'),
    available: z.string().describe('May be transferred: total less held'),
    withdrawable: z.string().describe('May leave: final less held'),
  })
  .meta({ id: 'Balance' });

export const deposit = z
  .object({
    id: z.string(),
    customer_id: z.string(),
    asset: z.string(),
    asset_id: z.string().describe('CAIP-19'),
    network: z.string(),
    network_id: z.string().describe('CAIP-2'),
    ...moneyFields,
    address: z.string(),
    tx_id: z.string(),
    position: z.string().describe('Output or log or call within the transaction'),
    status: z.string().describe('seen, safe (credited), irreversible (may leave), orphaned'),
    confirmations: z.int(),
    confirmations_safe: z.int(),
    confirmations_irreversible: z.int(),
    late: z.boolean().describe('Paid to an address that had been retired'),
    written_off: z.boolean().describe('Orphaned for good: the house paid for it'),
    seen_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    timeline: timeline.optional(),
  })
  .meta({ id: 'Deposit' });

export const stray = z
  .object({
    id: z.string(),
    network: z.string(),
    network_id: z.string().describe('CAIP-2'),
    tx_id: z.string(),
    address: z.string(),
    contract: z.string().nullable(),
    amount_base: z.string(),
    asset: z.string().nullable(),
    reason_code: z.string(),
    status: z.string(),
    customer_id: z.string().nullable(),
    resolved_to: z.string().nullable().describe('"house" or a customer'),
    remedy: z.string().describe('What can be done about it'),
    seen_at: z.iso.datetime(),
  })
  .meta({ id: 'Stray' });

export const order = z
  .record(z.string(), z.string().or(z.number()))
  .describe('The canonical order: what signers check');

export const withdrawal = z
  .object({
    id: z.string(),
    order_number: z.string().describe('The payout id, unique for ever'),
    customer_id: z.string(),
    external_id: z.string(),
    asset: z.string(),
    asset_id: z.string().describe('CAIP-19'),
    network: z.string(),
    network_id: z.string().describe('CAIP-2'),
    destination: z.string(),
    ...moneyFields,
    fee: z.string().describe('Debited on top of the amount'),
    fee_base: z.string(),
    status: z.string(),
    reason_code: z.string(),
    tx_id: z.string().nullable(),
    confirmations: z.int().nullable(),
    order,
    digest: z.string().describe('SHA-256 of the canonical order, hex'),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    timeline: timeline.optional(),
  })
  .meta({ id: 'Withdrawal' });

export const event = z
  .object({
    sequence: z.string(),
    at: z.iso.datetime(),
    type: z.string(),
    subject: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' });
