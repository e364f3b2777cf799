import type { Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import { SaidError } from '../connection.ts';
import type { OpenSession } from '../main.ts';
import { details, limitOption, state, table } from '../output.ts';
import { customerId } from './customers.ts';

/** What an operator looks at and decides: strays, halts, the books. */
export function operationCommands(program: Command, open: OpenSession): void {
  strayCommands(program, open);
  haltCommands(program, open);
  program
    .command('books')
    .description('the trial balance of each asset; credits less debits, so what is held is negative')
    .option('--audit', 'compute everything from the journal again')
    .action(async (options: { audit?: boolean }, command: Command) => {
      const { operations: client, output } = open(command);
      const audit = options.audit === true ? ('true' as const) : ('false' as const);
      const books = dataOf(await client.GET('/v1/books', { params: { query: { audit } } }));
      output.show(books, () =>
        table(
          ['asset', 'account', 'network', 'balance'],
          books.data.flatMap((asset) =>
            asset.lines.map((line) => [asset.asset, line.account, line.network, line.balance]),
          ),
          'Nothing is booked yet.',
        ),
      );
      for (const finding of books.audit ?? []) output.line(`✗ ${finding.code}: ${finding.detail}`);
      if (books.audit?.length === 0)
        output.line('✓ computed again from the journal: every balance is the same');
      output.line(books.balanced ? '✓ every asset adds up to zero' : '✗ the books do not balance');
      if (!books.balanced) throw new SaidError('The books do not balance: stop and look.');
    });
}

function strayCommands(program: Command, open: OpenSession): void {
  const strays = program
    .command('strays')
    .description('money that arrived in a way that is no deposit, and what can be done about it');
  strays
    .command('list')
    .description('strays, newest first')
    .option('--limit <n>', 'at most so many', limitOption, 50)
    .action(async (options: { limit: number }, command: Command) => {
      const { operations: client, output } = open(command);
      const query = { limit: options.limit };
      const page = dataOf(await client.GET('/v1/strays', { params: { query } }));
      output.show(page, () =>
        table(
          ['id', 'network', 'asset', 'base units', 'reason', 'status', 'what to do'],
          page.data.map((line) => [
            line.id,
            line.network,
            line.asset ?? line.contract,
            line.amount_base,
            line.reason_code,
            line.status,
            line.remedy,
          ]),
          'Nothing went astray.',
        ),
      );
    });
  strays
    .command('resolve <stray> <to>')
    .description('decide whose it is: "house", or a customer by id or external id')
    .action(async (id: string, to: string, _options: object, command: Command) => {
      const { operations: client, output } = open(command);
      const whom = to === 'house' ? to : await customerId(client, to);
      const resolved = dataOf(
        await client.POST('/v1/strays/{id}/resolve', { params: { path: { id } }, body: { to: whom } }),
      );
      output.show(resolved, () =>
        details([
          ['id', resolved.id],
          ['status', state(resolved.status)],
          ['customer', resolved.customer_id],
        ]),
      );
    });
}

function haltCommands(program: Command, open: OpenSession): void {
  const halts = program
    .command('halts')
    .description('networks that are not followed further until a person has looked');
  halts
    .command('list')
    .description('which, why and since when')
    .action(async (_options: object, command: Command) => {
      const { operations: client, output } = open(command);
      const { data } = dataOf(await client.GET('/v1/halts'));
      output.show(data, () =>
        table(
          ['network', 'code', 'detail', 'since'],
          data.map((line) => [line.network, line.code, line.detail, line.since]),
          'No network is halted.',
        ),
      );
    });
  halts
    .command('clear <network>')
    .description('you have looked: follow the network again')
    .action(async (network: string, _options: object, command: Command) => {
      const { operations: client, output } = open(command);
      const answer = dataOf(
        await client.POST('/v1/halts/{network}/clear', { params: { path: { network } } }),
      );
      output.show(answer, () =>
        answer.cleared ? `${answer.network} is followed again.` : `${answer.network} was not halted.`,
      );
    });
}
