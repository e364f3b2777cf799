/**
 * Amounts as people read them. The decimals of a chain's own coin are known here; of a token they are core's word, so
 * its base units always stand beside.
 */
import { dataOf } from '../../client/client.ts';
import { formatAmount } from '../../lib/money/money.ts';
import type { Units } from '../../signer/ceremony/policy-diff.ts';
import type { Command } from 'commander';
import type { OpenSession } from '../main.ts';

const BITCOIN_DECIMALS = 8;
const EVM_DECIMALS = 18;

/** A token as core lists it. */
interface Listed {
  readonly ticker: string;
  readonly decimals: number;
}

/** Works with core down; tokens are then said in base units alone. */
export async function unitsBy(open: OpenSession, command: Command): Promise<Units> {
  const listed = await listedBy(open, command);
  return {
    amount: (asset, units) => {
      const own = ownDecimals(asset);
      if (own !== undefined) return `${short(formatAmount(units, own))} ${ownTicker(asset)}`;
      const known = listed.get(asset);
      return known === undefined
        ? `${units} base units`
        : `${units} base units (${short(formatAmount(units, known.decimals))} ${known.ticker} by core’s word)`;
    },
    fee: (network, satoshi) =>
      `${short(formatAmount(satoshi, BITCOIN_DECIMALS))} ${ownTicker(`${network}/`)}`,
  };
}

const ownDecimals = (asset: string): number | undefined => {
  if (asset.startsWith('bip122:')) return BITCOIN_DECIMALS;
  return asset.startsWith('eip155:') && asset.includes('/slip44:') ? EVM_DECIMALS : undefined;
};

const ownTicker = (asset: string): string => {
  if (asset.startsWith('bip122:')) return 'BTC';
  return asset.endsWith('/slip44:60') ? 'ETH' : 'coins';
};

/** Without zeros that say nothing. */
const short = (amount: string): string => (amount.includes('.') ? amount.replace(/\.?0+$/, '') : amount);

async function listedBy(open: OpenSession, command: Command): Promise<ReadonlyMap<string, Listed>> {
  try {
    const assets = dataOf(await open(command).operations.GET('/v1/assets'));
    return new Map(
      assets.data.flatMap(({ id, decimals, networks }) =>
        networks.map(({ asset_id: asset }) => [asset, { ticker: id, decimals }] as const),
      ),
    );
  } catch {
    // Core is down, or nobody said where it is: nothing here depends on it.
    return new Map();
  }
}
