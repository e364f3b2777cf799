/** What an evacuation would do and has done, as tables. */
import { formatGwei } from 'viem';
import type { BitcoinPlan, BitcoinResult, LeftCoin } from '../../evacuate/bitcoin.ts';
import { isBitcoinEvacuated } from '../../evacuate/bitcoin.ts';
import { isEvacuated, type EvmPlan, type EvmResult, type Holding } from '../../evacuate/evm.ts';
import { formatAmount } from '../../lib/money/money.ts';
import { table } from '../output.ts';

export interface Outcome<T> {
  readonly network: string;
  readonly value?: T;
  readonly error?: string;
}

const amounts = (holdings: readonly Holding[]): string =>
  holdings.map(({ asset, amount }) => `${amount ?? '?'} ${asset}`).join('\n');

export const planTable = (plans: readonly Outcome<EvmPlan>[]): string =>
  table(
    ['network', 'would move, base units', 'to', 'fee at most, gwei', 'guardian has, gwei'],
    plans.map(({ network, value, error }) =>
      value === undefined
        ? [network, `✗ ${error}`]
        : [
            network,
            amounts(value.holdings),
            value.cold,
            formatGwei(value.feeMaxWei),
            formatGwei(value.guardianWei),
          ],
    ),
    '',
  );

export const resultTable = (results: readonly Outcome<EvmResult>[]): string =>
  table(
    ['network', '', 'moved, base units', 'left', 'paused'],
    results.map(({ network, value, error }) =>
      value === undefined
        ? [network, '✗', error]
        : [
            network,
            isEvacuated(value) ? '✓' : '✗',
            amounts(value.moved),
            amounts(value.left),
            value.paused ? 'yes' : 'no',
          ],
    ),
    '',
  );

const btc = (satoshi: bigint): string => `${formatAmount(satoshi, 8)} BTC`;

/** Coins of one reason on one line: there may be thousands of dust. */
const leftText = (left: readonly LeftCoin[]): string =>
  [...new Set(left.map(({ reason }) => reason))]
    .map((reason) => {
      const those = left.filter((one) => one.reason === reason);
      const sum = those.reduce((total, { satoshi }) => total + satoshi, 0n);
      return `${reason}: ${those.length} coins, ${btc(sum)} (${those[0]?.detail ?? ''})`;
    })
    .join('\n');

export const bitcoinPlanTable = (plans: readonly Outcome<BitcoinPlan>[]): string =>
  table(
    ['network', 'would move', 'coins', 'transactions', 'to', 'fee', 'left'],
    plans.map(({ network, value, error }) =>
      value === undefined
        ? [network, `✗ ${error}`]
        : [
            network,
            btc(value.satoshi),
            value.coins,
            value.transactions,
            value.cold,
            btc(value.feeSatoshi),
            leftText(value.left),
          ],
    ),
    '',
  );

export const bitcoinResultTable = (results: readonly Outcome<BitcoinResult>[]): string =>
  table(
    ['network', '', 'at COLD', 'coins', 'transactions', 'fee', 'left'],
    results.map(({ network, value, error }) =>
      value === undefined
        ? [network, '✗', error]
        : [
            network,
            isBitcoinEvacuated(value) ? '✓' : '✗',
            btc(value.satoshi),
            value.coins,
            value.transactions.length,
            btc(value.feeSatoshi),
            leftText(value.left),
          ],
    ),
    '',
  );
