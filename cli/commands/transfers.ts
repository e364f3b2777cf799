import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import { SaidError } from '../connection.ts';
import type { OpenSession } from '../main.ts';
import { table } from '../output.ts';
import { customerId } from './customers.ts';

export function transferCommands(program: Command, open: OpenSession): void {
  program
    .command('transfer <from> <to> <asset> <amount>')
    .description('move a balance from one customer to another')
    .option('--external-id <id>', 'your own id for it (else a new one)')
    .action(
      async (
        from: string,
        to: string,
        asset: string,
        amount: string,
        options: { externalId?: string },
        command: Command,
      ) => {
        const { client, output } = open(command);
        const externalId = options.externalId ?? randomUUID();
        const movement = {
          from_customer_id: await customerId(client, from),
          to_customer_id: await customerId(client, to),
          asset,
          amount,
        };
        const { data } = dataOf(
          await client.POST('/v1/transfers', {
            params: { header: { 'idempotency-key': `cli-${externalId}` } },
            body: { transfers: [{ external_id: externalId, movements: [movement] }] },
          }),
        );
        output.show(data, () =>
          table(
            ['external id', 'status', 'code', 'detail'],
            data.map((line) => [line.external_id, line.status, line.code, line.detail]),
            '',
          ),
        );
        if (data.some((line) => line.status === 'refused'))
          throw new SaidError('The transfer was refused; nothing moved.');
      },
    );
}
