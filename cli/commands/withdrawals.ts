import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { ApiError, dataOf, type components, type operations } from '../../client/client.ts';
import { SaidError } from '../connection.ts';
import type { OpenSession, Session } from '../main.ts';
import { details, limitOption, state, table } from '../output.ts';
import { customerId } from './customers.ts';

type Withdrawal = components['schemas']['Withdrawal'];

const ENDED = ['settled', 'refused', 'cancelled', 'failed'];
const WATCH_EVERY_MS = 500;

export function withdrawalCommands(program: Command, open: OpenSession): void {
  const withdrawals = program
    .command('withdrawals')
    .description('quote, ask for, follow and cancel withdrawals');
  createCommands(withdrawals, open);
  withdrawals
    .command('list')
    .description('withdrawals, newest first')
    .option('--customer <customer>', 'only of this customer')
    .option('--limit <n>', 'at most so many', limitOption, 20)
    .action(async (options: { customer?: string; limit: number }, command: Command) => {
      const { client, output } = open(command);
      const customer =
        options.customer === undefined ? {} : { customer_id: await customerId(client, options.customer) };
      const page = dataOf(
        await client.GET('/v1/withdrawals', {
          params: { query: { limit: options.limit, ...customer } },
        }),
      );
      output.show(page, () =>
        table(
          ['id', 'asset', 'network', 'amount', 'fee', 'status', 'tx'],
          page.data.map((line) => [
            line.id,
            line.asset,
            line.network,
            line.amount,
            line.fee,
            state(line.status),
            line.tx_id,
          ]),
          'No withdrawals yet.',
        ),
      );
    });
  withdrawals
    .command('show <id>')
    .description('one withdrawal with its timeline')
    .option('--watch', 'follow it until it ends')
    .action(async (id: string, options: { watch?: boolean }, command: Command) => {
      const session = open(command);
      const found = options.watch === true ? await watch(session, id) : await read(session, id);
      session.output.show(found, () => describe(found));
    });
  withdrawals
    .command('watch <id>')
    .description('follow one until it ends; exits 1 unless it is settled')
    .action(async (id: string, _options: object, command: Command) => {
      const session = open(command);
      const found = await watch(session, id);
      session.output.show(found, () => describe(found));
      if (found.status !== 'settled') throw new SaidError(`It is ${found.status}: ${found.reason_code}.`);
    });
  withdrawals
    .command('cancel <id>')
    .description('cancel; works until the signers are first asked')
    .action(async (id: string, _options: object, command: Command) => {
      const { client, output } = open(command);
      const found = dataOf(await client.POST('/v1/withdrawals/{id}/cancel', { params: { path: { id } } }));
      output.show(found, () => describe(found));
    });
}

function createCommands(withdrawals: Command, open: OpenSession): void {
  withdrawals
    .command('quote <customer> <asset> <network> <destination> <amount>')
    .description('what it would debit, and the order that signers would check')
    .action(
      async (
        name: string,
        asset: string,
        network: string,
        destination: string,
        amount: string,
        _o: object,
        command: Command,
      ) => {
        const { client, output } = open(command);
        const body = { customer_id: await customerId(client, name), asset, network, destination, amount };
        const quote = dataOf(await client.POST('/v1/withdrawals/quote', { body }));
        output.show(quote, () =>
          details([
            ['quote', quote.id],
            ['recipient gets', `${quote.amount} ${asset}`],
            ['fee', quote.fee],
            ['debited', quote.total_debit],
            ['digest', quote.digest],
            ['expires', quote.expires_at],
          ]),
        );
      },
    );
  withdrawals
    .command('create <customer> <asset> <network> <destination> <amount>')
    .description('ask for a withdrawal; the same --external-id again never pays twice')
    .option('--external-id <id>', 'your own id for it (else a new one)')
    .option('--watch', 'follow it until it ends')
    .action(
      async (
        name: string,
        asset: string,
        network: string,
        destination: string,
        amount: string,
        options: { externalId?: string; watch?: boolean },
        command: Command,
      ) => {
        const session = open(command);
        const externalId = options.externalId ?? randomUUID();
        const customer_id = await customerId(session.client, name);
        const body = { customer_id, asset, network, destination, amount, external_id: externalId };
        const made = await create(session, body);
        const found = options.watch === true ? await watch(session, made.id) : made;
        session.output.show(found, () => describe(found));
      },
    );
}

type CreateBody = operations['requestWithdrawal']['requestBody']['content']['application/json'];

/** Without an answer nobody knows whether it was taken: the same external id again asks without paying twice. */
async function create(session: Session, body: CreateBody): Promise<Withdrawal> {
  try {
    const header = { 'idempotency-key': `cli-${body.external_id}` };
    return dataOf(await session.client.POST('/v1/withdrawals', { params: { header }, body }));
  } catch (error) {
    if (error instanceof ApiError && !error.problem.retryable) throw error;
    if (!session.output.json)
      process.stderr.write(`To ask again without paying twice: --external-id ${body.external_id}\n`);
    throw error;
  }
}

async function read(session: Session, id: string): Promise<Withdrawal> {
  return dataOf(await session.client.GET('/v1/withdrawals/{id}', { params: { path: { id } } }));
}

/** States of a payment on its way, in order: how far it is. */
const WAY = ['requested', 'approved', 'batched', 'signing', 'broadcast', 'confirming', 'settled'];

/** Says each step as it happens; on a terminal with a bar that shows how far it is. */
async function watch(session: Session, id: string): Promise<Withdrawal> {
  const { output } = session;
  const bar = output.progress(WAY.length - 1);
  let said = 0;
  try {
    for (;;) {
      const found = await read(session, id);
      const steps = found.timeline ?? [];
      for (const step of steps.slice(said)) output.line(`${step.at}  ${state(step.to)}  ${step.reason_code}`);
      said = steps.length;
      bar.at(Math.max(0, WAY.indexOf(found.status)), found.status);
      if (ENDED.includes(found.status)) return found;
      await sleep(WATCH_EVERY_MS);
    }
  } finally {
    bar.stop();
  }
}

function describe(found: Withdrawal): string {
  return [
    details([
      ['id', found.id],
      ['order', found.order_number],
      ['amount', `${found.amount} ${found.asset}`],
      ['fee', found.fee],
      ['destination', found.destination],
      ['status', state(found.status)],
      ['reason', found.reason_code === '' ? null : found.reason_code],
      ['transaction', found.tx_id],
      ['confirmations', found.confirmations],
    ]),
    table(
      ['at', 'to', 'by', 'reason'],
      (found.timeline ?? []).map((step) => [step.at, state(step.to), step.actor, step.reason_code]),
      '',
    ),
  ].join('\n\n');
}
