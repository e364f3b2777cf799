/** `npm start`: the whole local system. `-- --fresh` begins anew; `--block-seconds N` sets the pace of the chains. */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import colors from 'picocolors';
import { table } from '../cli/output.ts';
import { WorldBusy } from './folder.ts';
import { OPERATORS } from './people/people.ts';
import { liftFreezes } from './operators.ts';
import { startSystem, type System } from './system.ts';

const HELP = `npm start -- [options]

  --fresh             forget what was there and begin anew
  --block-seconds N   a block on every chain every N seconds (default 5; 0: none by itself)
  --port N            where the API listens (default: a free port, kept for later starts)
  --folder PATH       where the system lives (default .portcullis)
`;

const { values } = parseArgs({
  options: {
    fresh: { type: 'boolean', default: false },
    'block-seconds': { type: 'string', default: '5' },
    port: { type: 'string' },
    folder: { type: 'string', default: '.portcullis' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const seconds = Number(values['block-seconds']);
  if (!Number.isFinite(seconds) || seconds < 0) {
    process.stderr.write('--block-seconds takes a number, 0 or more\n');
    process.exit(2);
  }
  const began = performance.now();
  const elapsed = (): string => `${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s`;
  try {
    const system = await startSystem({
      folder: values.folder,
      fresh: values.fresh,
      mineEveryMs: seconds * 1000,
      ...(values.port === undefined ? {} : { apiPort: Number(values.port) }),
      log: (line) => process.stdout.write(`${colors.dim(elapsed())}  ${line}\n`),
    });
    process.stdout.write(
      `${colors.dim(elapsed())}  ${colors.green('all of it runs')}\n\n${summary(system)}\n`,
    );
    stopOnSignal(system);
    listenToPeople(system);
  } catch (error) {
    process.stderr.write(`${colors.red('✗')} ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof WorldBusy ? 2 : 1);
  }
}

function summary(system: System): string {
  const { world } = system;
  const rows: [string, string][] = [
    ['API', world.api.url],
    ['its documentation', world.api.docs],
    ['API key', world.api.key],
    ['API key for operations', world.api.operationsKey],
    ['PostgreSQL', world.postgres.url],
    ['bitcoind', world.bitcoin.url],
    ...world.evm.map((network): [string, string] => [`anvil, ${network.id}`, network.url]),
    ...world.signers.map((signer): [string, string] => [`signer ${signer.id}`, signer.url]),
    ['sentinel', `${world.sentinel.url}/v1/status`],
    ['operators', `${system.folder.at('operators')}/{${OPERATORS.join(',')}}`],
    ['all of this', system.folder.at('world.json')],
    ['logs', system.folder.at('log')],
  ];
  return `${table(['what', 'where'], rows, '')}\n\nTry:  npx portcullis status     npm run demo     Ctrl-C stops it; the data stays.\n      "unfreeze" and Enter here has two operators lift every freeze.`;
}

/** In a system that is a rehearsal, whoever sits at this terminal stands for the quorum too. */
function listenToPeople(system: System): void {
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line.trim() === '') return;
    if (line.trim() !== 'unfreeze') {
      process.stdout.write('unfreeze  has two operators lift every freeze; Ctrl-C stops the system\n');
      return;
    }
    liftFreezes(system.people, system.signers).then(
      (count) =>
        process.stdout.write(
          count === 0 ? 'no freeze stands\n' : `freezes lifted by two operators: ${count}\n`,
        ),
      (error: unknown) => process.stderr.write(`${colors.red('✗')} ${String(error)}\n`),
    );
  });
}

function stopOnSignal(system: System): void {
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      process.stdout.write('\nstopping …\n');
      void system.stop().then(() => process.exit(0));
    });
  }
}
