/** `portcullis`: the operator's command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage. */
import { Command, CommanderError } from 'commander';
import colors from 'picocolors';
import { ApiError } from '../client/client.ts';
import { CeremonyError } from '../signer/ceremony/files.ts';
import { assetCommands } from './commands/assets.ts';
import { blastRadiusCommand } from './commands/blast-radius.ts';
import { ceremonyCommands } from './commands/ceremony.ts';
import { configCommands } from './commands/config.ts';
import { customerCommands } from './commands/customers.ts';
import { depositCommands } from './commands/deposits.ts';
import { evacuateCommands } from './commands/evacuate.ts';
import { eventCommands } from './commands/events.ts';
import { freezeListCommands } from './commands/freezes.ts';
import { manifestCommands } from './commands/manifest.ts';
import { operationCommands } from './commands/operations.ts';
import { operatorCommands } from './commands/operator.ts';
import { policyCommands } from './commands/policy.ts';
import { signerCommands } from './commands/signers.ts';
import { statusCommand } from './commands/status.ts';
import { transferCommands } from './commands/transfers.ts';
import { unfreezeCommands } from './commands/unfreeze.ts';
import { withdrawalCommands } from './commands/withdrawals.ts';
import { addExamples } from './examples.ts';
import { connect, SaidError, UsageError, type Connection } from './connection.ts';
import { makeOutput, type Output } from './output.ts';
import { makeWaiting, type Waiting } from './waiting.ts';

/** What every command's action gets beside its own arguments. */
export interface Terminal {
  readonly output: Output;
}

/** What one that speaks to core gets too. */
export interface Session extends Terminal, Connection {}

export type OpenTerminal = (command: Command) => Terminal;
export type OpenSession = (command: Command) => Session;

const HELP = `
Exit codes:
  0  done
  1  refused, failed, or not ready; with --json the problem is the document that is printed
  2  wrong usage, or no system found

Examples:
  portcullis customers create alice
  portcullis addresses new alice BTC bitcoin
  portcullis withdrawals create alice ETH ethereum 0x… 0.5 --external-id order-17 --watch
  portcullis --json events --follow --after 120
`;

// A reader that has seen enough, such as head, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});
process.exitCode = await run(process.argv);

async function run(argv: string[]): Promise<number> {
  const json = argv.includes('--json');
  const waiting = makeWaiting(json ? { write: () => {} } : process.stderr);
  const program = new Command('portcullis')
    .description(
      'Operate a Portcullis system: customers, addresses, deposits, withdrawals, transfers, events',
    )
    .option('--json', 'print one JSON document instead of tables')
    .option('--url <url>', 'where the API is (else PORTCULLIS_URL, else .portcullis/world.json)')
    .option('--key-file <file>', 'file with the API key (else PORTCULLIS_API_KEY_FILE or PORTCULLIS_API_KEY)')
    .option('--no-color', 'plain text (also NO_COLOR)')
    .addHelpText('after', HELP)
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride()
    .configureOutput({ writeErr: (text) => void (json || process.stderr.write(text)) });
  const openTerminal: OpenTerminal = (command) => {
    const { json = false } = command.optsWithGlobals<{ json?: boolean }>();
    return { output: makeOutput(json, (text) => process.stdout.write(text)) };
  };
  const open: OpenSession = (command) => ({
    ...tellingOf(waiting, connect(command.optsWithGlobals(), process.env, process.cwd())),
    ...openTerminal(command),
  });
  for (const add of [
    statusCommand,
    assetCommands,
    customerCommands,
    depositCommands,
    withdrawalCommands,
    transferCommands,
    eventCommands,
    operationCommands,
    configCommands,
  ]) {
    add(program, open);
  }
  signerCommands(program, openTerminal);
  freezeListCommands(program, openTerminal);
  unfreezeCommands(program, openTerminal);
  policyCommands(program, openTerminal, open);
  manifestCommands(program, openTerminal);
  blastRadiusCommand(program, openTerminal, open);
  operatorCommands(program, openTerminal);
  ceremonyCommands(program, openTerminal);
  evacuateCommands(program, openTerminal);
  addExamples(program);
  try {
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    waiting.end();
    return explain(error, json);
  }
}

/** Every call through the connection that takes long is told of. */
function tellingOf(waiting: Waiting, connection: Connection): Connection {
  for (const client of new Set([connection.client, connection.operations])) {
    client.use({
      onRequest: () => waiting.begin(),
      onResponse: () => waiting.end(),
      onError: () => waiting.end(),
    });
  }
  return connection;
}

/** Says what went wrong and what to do; the exit code tells a script which kind it was. */
function explain(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    const detail = error.message.replace(/^error: /, '');
    if (json) process.stdout.write(`${JSON.stringify({ code: 'USAGE', detail }, null, 2)}\n`);
    return 2;
  }
  if (error instanceof ApiError) {
    if (json) process.stdout.write(`${JSON.stringify(error.problem, null, 2)}\n`);
    else
      process.stderr.write(
        `${colors.red('✗')} ${error.problem.detail}\n  ${colors.dim(`${error.problem.code}, request ${error.problem.request_id}`)}\n`,
      );
    return 1;
  }
  const usage = error instanceof UsageError;
  const detail = isUnreachable(error)
    ? 'The API does not answer: is the system running, and is --url right? `npm start` starts a local one.'
    : error instanceof Error
      ? error.message
      : String(error);
  if (json && error instanceof SaidError) return 1;
  if (json) {
    const own = error instanceof CeremonyError ? error.code : 'FAILED';
    const code = usage ? 'USAGE' : isUnreachable(error) ? 'UNREACHABLE' : own;
    process.stdout.write(`${JSON.stringify({ code, detail }, null, 2)}\n`);
  } else process.stderr.write(`${colors.red('✗')} ${detail}\n`);
  return usage ? 2 : 1;
}

function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'fetch failed';
}
