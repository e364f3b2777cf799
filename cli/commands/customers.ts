import type { Command } from 'commander';
import { renderUnicodeCompact } from 'uqr';
import { dataOf, type Client } from '../../client/client.ts';
import { UsageError } from '../connection.ts';
import type { OpenSession } from '../main.ts';
import { details, state, table } from '../output.ts';

/** A customer is named by our id or by the exchange's own. */
export async function customerId(client: Client, name: string): Promise<string> {
  if (/^cus_[0-9a-f]{32}$/.test(name)) return name;
  const { data } = dataOf(await client.GET('/v1/customers', { params: { query: { external_id: name } } }));
  const [found] = data;
  if (!found) throw new UsageError(`No customer ${name}. Create one: portcullis customers create ${name}`);
  return found.id;
}

export function customerCommands(program: Command, open: OpenSession): void {
  const customers = program.command('customers').description('customers and their balances');
  customers
    .command('create <external-id>')
    .description('create a customer; the same external id again answers the same customer')
    .action(async (externalId: string, _options: object, command: Command) => {
      const { client, output } = open(command);
      const made = dataOf(await client.POST('/v1/customers', { body: { external_id: externalId } }));
      output.show(made, () =>
        details([
          ['id', made.id],
          ['external id', made.external_id],
          ['created', made.created_at],
        ]),
      );
    });
  customers
    .command('show <customer>')
    .description('one customer, named by id or external id')
    .action(async (name: string, _options: object, command: Command) => {
      const { client, output } = open(command);
      const id = await customerId(client, name);
      const found = dataOf(await client.GET('/v1/customers/{id}', { params: { path: { id } } }));
      output.show(found, () =>
        details([
          ['id', found.id],
          ['external id', found.external_id],
          ['created', found.created_at],
        ]),
      );
    });
  customers
    .command('balances <customer>')
    .description('balances of a customer, named by id or external id')
    .action(async (name: string, _options: object, command: Command) => {
      const { client, output } = open(command);
      const id = await customerId(client, name);
      const { data } = dataOf(await client.GET('/v1/customers/{id}/balances', { params: { path: { id } } }));
      output.show(data, () =>
        table(
          ['asset', 'total', 'withdrawable', 'provisional', 'held'],
          data.map((line) => [line.asset, line.total, line.withdrawable, line.provisional, line.held]),
          'No assets are configured.',
        ),
      );
    });
  addressCommands(program, open);
}

function addressCommands(program: Command, open: OpenSession): void {
  const addresses = program.command('addresses').description('deposit addresses');
  addresses
    .command('new <customer> <asset> <network>')
    .description('the active deposit address; --renew retires it and gives a new one')
    .option('--renew', 'retire the active address; it stays watched for ever')
    .action(
      async (
        name: string,
        asset: string,
        network: string,
        options: { renew?: boolean },
        command: Command,
      ) => {
        const { client, output } = open(command);
        const id = await customerId(client, name);
        const made = dataOf(
          await client.POST('/v1/customers/{id}/deposit-addresses', {
            params: { path: { id } },
            body: { asset, network, renew: options.renew ?? false },
          }),
        );
        output.show(
          made,
          () =>
            `${details([
              ['address', made.address],
              ['network', made.network],
              ['assets', made.assets.join(', ')],
              ['status', state(made.status)],
            ])}\n\n${renderUnicodeCompact(made.address)}`,
        );
      },
    );
  addresses
    .command('list <customer>')
    .description('all addresses of a customer, retired ones too')
    .action(async (name: string, _options: object, command: Command) => {
      const { client, output } = open(command);
      const id = await customerId(client, name);
      const { data } = dataOf(
        await client.GET('/v1/customers/{id}/deposit-addresses', { params: { path: { id } } }),
      );
      output.show(data, () =>
        table(
          ['address', 'network', 'assets', 'status', 'since'],
          data.map((line) => [
            line.address,
            line.network,
            line.assets.join(', '),
            state(line.status),
            line.valid_from,
          ]),
          `No address yet. Give one out: portcullis addresses new ${name} BTC bitcoin`,
        ),
      );
    });
}
