import { parse } from 'smol-toml';
import { z } from 'zod';
import { parseAmount } from '../../lib/money/money.ts';

/**
 * Networks and assets are configuration: another token or another EVM network is an entry in this file and in
 * each signer's own allow-list. Unknown keys are refused, so a typing error never means a silent default.
 */
const amountText = z.string().regex(/^[0-9]+(\.[0-9]+)?$/);
const evmAddress = z.string().regex(/^0x[0-9a-fA-F]{40}$/);

/** Confirmations wanted from a value on (in units of the asset). `safe` credits, `irreversible` lets it leave. */
const depthTier = z.strictObject({
  from: amountText,
  safe: z.int().min(1),
  irreversible: z.int().min(1),
});

const listing = z.strictObject({
  asset: z.string(),
  /** Token contract; absent for the network's own coin. */
  contract: evmAddress.optional(),
  depths: z.array(depthTier).min(1),
  depositMin: amountText,
  withdrawalMin: amountText,
  withdrawalFee: amountText,
  /** EVM: an address is swept only when it holds at least this much. */
  sweepMin: amountText.optional(),
});

const networkBase = {
  id: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  name: z.string(),
  caip2: z.string().regex(/^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/),
  nodes: z.array(z.url()).min(1),
  pollMs: z.int().min(20).default(1000),
  /** A reorg deeper than this is not followed: the network halts with a code and a person decides. */
  reorgDepthMax: z.int().min(1),
  /** A queued order waits at most this long for others to share its transaction. */
  batchWaitMs: z.int().min(0).default(2000),
  batchOrdersMax: z.int().min(1).max(150).default(100),
  /** Unconfirmed this long: replaced at a higher fee. */
  stuckAfterMs: z.int().min(1000).default(1_200_000),
  listings: z.array(listing).min(1),
};

const bitcoinNetwork = z.strictObject({
  ...networkBase,
  kind: z.literal('bitcoin'),
  chain: z.enum(['main', 'test', 'regtest']),
  feeTargetBlocks: z.int().min(1).default(3),
  feeRateMinSatPerVb: z.number().positive().default(1),
  feeRateMaxSatPerVb: z.number().positive(),
  /** The cold wallet: wsh(sortedmulti(…/<0;1>/*)), public keys only. What it receives and pays is seen and booked. */
  coldDescriptor: z
    .string()
    .regex(/^wsh\(sortedmulti\(\d{1,2},[^()]+\)\)(#[a-z0-9]{8})?$/)
    .optional(),
});

const evmNetwork = z.strictObject({
  ...networkBase,
  kind: z.literal('evm'),
  chainId: z.int().positive(),
  registry: evmAddress,
  factory: evmAddress,
  vault: evmAddress,
  cold: evmAddress,
  /** keccak256 of the factory's constant init code: all that an address needs beside factory and salt. */
  depositInitCodeHash: z.string().regex(/^0x[0-9a-f]{64}$/),
  relayerKeyFile: z.string(),
  feePerGasMaxGwei: z.number().positive(),
  payDeadlineSeconds: z.int().positive().default(3600),
  /**
   * Each block's receipts must be those that its header names, unless this is false: only for a chain that puts receipts of its own
   * beside them (Polygon's state sync, deposits of the OP stack): whose node is believed then.
   */
  receiptsInHeader: z.boolean().optional(),
});

const configSchema = z.strictObject({
  epoch: z.int().min(1),
  assets: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[A-Z0-9]{2,12}$/),
        name: z.string(),
        decimals: z.int().min(0).max(36),
      }),
    )
    .min(1),
  networks: z.array(z.discriminatedUnion('kind', [bitcoinNetwork, evmNetwork])).min(1),
  signers: z.array(z.strictObject({ id: z.string(), url: z.url(), certificateFile: z.string() })).min(1),
  /** Core's own certificate for the signers' gates. */
  signerClient: z.strictObject({ certificateFile: z.string(), keyFile: z.string() }),
  /** Public keys and addresses of this epoch: what the signers pinned. */
  walletManifestFile: z.string(),
  http: z.strictObject({
    host: z.string(),
    port: z.int().min(0).max(65535),
    /** An Idempotency-Key answers its repetition at least this long, then it is forgotten. */
    idempotencyKeyHours: z.int().min(1).max(8760).default(72),
  }),
  /** Where a sentinel tells what it sees; core only passes it on. */
  sentinel: z.strictObject({ url: z.url() }).optional(),
  orderExpirySeconds: z.int().positive().default(604_800),
});

export type Config = z.infer<typeof configSchema>;
export type Network = Config['networks'][number];
export type BitcoinNetwork = Extract<Network, { kind: 'bitcoin' }>;
export type EvmNetwork = Extract<Network, { kind: 'evm' }>;
export type Asset = Config['assets'][number];

/** One asset on one network with its amounts in base units. */
export interface Listing {
  readonly asset: Asset;
  readonly network: Network;
  /** Lower-case token contract, or '' for the network's own coin: as it stands in `receipt.contract`. */
  readonly contract: string;
  /** CAIP-19: names the chain and the token. */
  readonly assetId: string;
  readonly depths: readonly {
    readonly fromUnits: bigint;
    readonly safe: number;
    readonly irreversible: number;
  }[];
  readonly depositMinUnits: bigint;
  readonly withdrawalMinUnits: bigint;
  readonly withdrawalFeeUnits: bigint;
  readonly sweepMinUnits: bigint;
}

export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  override readonly name = 'ConfigError';
}

/** Reads the TOML text of a configuration. Throws ConfigError naming the key and what is wrong with it. */
export function parseConfig(text: string): Config {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (cause) {
    throw new ConfigError(`Not TOML: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const result = configSchema.safeParse(raw);
  if (!result.success) throw new ConfigError(z.prettifyError(result.error));
  requireDistinct(
    'asset',
    result.data.assets.map((asset) => asset.id),
  );
  requireDistinct(
    'network',
    result.data.networks.map((network) => network.id),
  );
  requireDistinct(
    'network caip2',
    result.data.networks.map((network) => network.caip2),
  );
  listingsOf(result.data);
  return result.data;
}

/** Every asset on every network. */
export function listingsOf(config: Config): Listing[] {
  return config.networks.flatMap((network) =>
    network.listings.map((entry) => {
      const asset = config.assets.find((candidate) => candidate.id === entry.asset);
      if (!asset) throw new ConfigError(`Network ${network.id} lists ${entry.asset}, which is no asset here`);
      if (entry.contract !== undefined && network.kind === 'bitcoin') {
        throw new ConfigError(`Network ${network.id} has no token contracts`);
      }
      const contract = (entry.contract ?? '').toLowerCase();
      return {
        asset,
        network,
        contract,
        assetId: assetIdOf(network, contract),
        depths: entry.depths
          .map((tier) => ({
            fromUnits: units(tier.from, asset),
            safe: tier.safe,
            irreversible: tier.irreversible,
          }))
          .toSorted((a, b) => (a.fromUnits < b.fromUnits ? -1 : 1)),
        depositMinUnits: units(entry.depositMin, asset),
        withdrawalMinUnits: units(entry.withdrawalMin, asset),
        withdrawalFeeUnits: units(entry.withdrawalFee, asset),
        sweepMinUnits: units(entry.sweepMin ?? entry.depositMin, asset),
      };
    }),
  );
}

/** Confirmations that this value needs. Below the first tier the first tier holds. */
export function depthFor(listing: Listing, amountUnits: bigint): { safe: number; irreversible: number } {
  const tier =
    listing.depths.findLast((candidate) => candidate.fromUnits <= amountUnits) ?? listing.depths[0];
  if (!tier) throw new ConfigError(`No depth for ${listing.assetId}`);
  return tier;
}

/** CAIP-19. SLIP-44 coin types: 0 Bitcoin, 1 every test network, 60 Ether. */
function assetIdOf(network: Network, contract: string): string {
  if (contract !== '') return `${network.caip2}/erc20:${contract}`;
  if (network.kind === 'evm') return `${network.caip2}/slip44:60`;
  return `${network.caip2}/slip44:${network.chain === 'main' ? 0 : 1}`;
}

function units(text: string, asset: Asset): bigint {
  if (/^0+(\.0+)?$/.test(text)) return 0n;
  const parsed = parseAmount(text, asset.decimals);
  if (!parsed.ok) throw new ConfigError(`${text} ${asset.id}: ${parsed.reason}`);
  return parsed.units;
}

function requireDistinct(what: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new ConfigError(`Two entries for ${what} ${twice}`);
}
