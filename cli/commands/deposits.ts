import type { Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import type { OpenSession } from '../main.ts';
import { details, limitOption, state, table } from '../output.ts';
import { customerId } from './customers.ts';

interface ListOptions {
  customer?: string;
  limit: number;
  cursor?: string;
}

export function depositCommands(program: Command, open: OpenSession): void {
  const deposits = program.command('deposits').description('what customers paid in');
  deposits
    .command('list')
    .description('deposits, newest first')
    .option('--customer <customer>', 'only of this customer')
    .option('--limit <n>', 'at most so many', limitOption, 20)
    .option('--cursor <cursor>', 'page.next_cursor of the page before')
    .action(async (options: ListOptions, command: Command) => {
      const { client, output } = open(command);
      const customer =
        options.customer === undefined ? {} : { customer_id: await customerId(client, options.customer) };
      const cursor = options.cursor === undefined ? {} : { cursor: options.cursor };
      const page = dataOf(
        await client.GET('/v1/deposits', {
          params: { query: { limit: options.limit, ...customer, ...cursor } },
        }),
      );
      output.show(page, () =>
        table(
          ['id', 'asset', 'network', 'amount', 'status', 'confirmations', 'tx'],
          page.data.map((line) => [
            line.id,
            line.asset,
            line.network,
            line.amount,
            state(line.status) + (line.late ? ' (late)' : ''),
            `${line.confirmations} of ${line.confirmations_safe} / ${line.confirmations_irreversible}`,
            line.tx_id,
          ]),
          'No deposits yet.',
        ),
      );
    });
  deposits
    .command('show <id>')
    .description('one deposit with its timeline')
    .action(async (id: string, _options: object, command: Command) => {
      const { client, output } = open(command);
      const found = dataOf(await client.GET('/v1/deposits/{id}', { params: { path: { id } } }));
      output.show(found, () =>
        [
          details([
            ['id', found.id],
            ['amount', `${found.amount} ${found.asset}`],
            ['network', found.network],
            ['address', found.address],
            ['transaction', found.tx_id],
            ['status', state(found.status)],
            ...(found.written_off ? [['written off', 'yes, the house paid'] as [string, string]] : []),
          ]),
          table(
            ['at', 'to', 'reason'],
            (found.timeline ?? []).map((step) => [step.at, state(step.to), step.reason_code]),
            '',
          ),
        ].join('\n\n'),
      );
    });
  writeOffCommand(deposits, open);
}

function writeOffCommand(deposits: Command, open: OpenSession): void {
  deposits
    .command('write-off <id>')
    .description('give an orphaned deposit up: the house pays for what reached other hands')
    .requiredOption('--reason <text>', 'why, in your words; stands in the event log')
    .action(async (id: string, options: { reason: string }, command: Command) => {
      const { operations: client, output } = open(command);
      const found = dataOf(
        await client.POST('/v1/deposits/{id}/write-off', {
          params: { path: { id } },
          body: { reason: options.reason },
        }),
      );
      output.show(found, () =>
        details([
          ['id', found.id],
          ['amount', `${found.amount} ${found.asset}`],
          ['status', `${state(found.status)}, written off`],
        ]),
      );
    });
}
