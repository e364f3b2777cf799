import type { Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import type { OpenSession } from '../main.ts';
import { state, table } from '../output.ts';

export function assetCommands(program: Command, open: OpenSession): void {
  program
    .command('assets')
    .description('what is listed on which network: minimums, fees, confirmations, gates')
    .action(async (_options: object, command: Command) => {
      const { client, output } = open(command);
      const { data } = dataOf(await client.GET('/v1/assets'));
      output.show(data, () =>
        table(
          [
            'asset',
            'network',
            'min. deposit',
            'min. withdrawal',
            'fee',
            'safe / irreversible',
            'deposits',
            'withdrawals',
          ],
          data.flatMap((asset) =>
            asset.networks.map((entry) => [
              asset.id,
              entry.network,
              entry.deposit_minimum,
              entry.withdrawal_minimum,
              entry.withdrawal_fee,
              entry.confirmations.map((tier) => `${tier.safe} / ${tier.irreversible}`).join(', '),
              state(entry.deposits.state),
              state(entry.withdrawals.state),
            ]),
          ),
          'Nothing is listed. Add assets and networks to the configuration.',
        ),
      );
    });
}
