/** `npm run demo`: the main job on a real system. `-- --json` ends with one JSON object; `--out FILE` writes it too. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import colors from 'picocolors';
import type { Hex } from 'viem';
import { makeClient } from '../client/client.ts';
import { openDatabase, openPool } from '../core/db/db.ts';
import { compareBooks, type BooksAccount } from './demo/books.ts';
import { play, type AssetResult } from './demo/play.ts';
import { runningOwner } from './folder.ts';
import { outsideWallets } from './outside.ts';
import { startSystem } from './system.ts';
import type { WorldFile } from './world-file.ts';

const HELP = `npm run demo -- [options]

  --json         end with one JSON object on the last line
  --out FILE     write that object to a file too
  --folder PATH  play on the system that runs there (default .portcullis); starts one of its own if none does
`;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
    folder: { type: 'string', default: '.portcullis' },
    help: { type: 'boolean', default: false },
  },
});

interface Report {
  readonly ok: boolean;
  readonly own_system: boolean;
  readonly seconds: number;
  readonly assets: readonly AssetResult[];
  readonly orders: number;
  readonly chain_transactions: number;
  readonly books_balanced: boolean;
  readonly books: object;
}

/** Sweeps and settlements that the play set off come to rest within this. */
const QUIET_WITHIN_MS = 120_000;
const LOOK_AGAIN_MS = 1000;

if (values.help) process.stdout.write(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const began = performance.now();
  const say = (line: string): void => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
    process.stdout.write(`${colors.dim(`${seconds} s`)}  ${line}\n`);
  };
  const running = runningWorld(values.folder);
  let own: Awaited<ReturnType<typeof ownSystem>> | undefined;
  try {
    if (running === undefined) own = await ownSystem(say);
    const world = running ?? own?.world;
    if (!world) throw new Error('No system to play on');
    const report = await perform(world, own !== undefined, say, () => (performance.now() - began) / 1000);
    if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${summary(report)}\n`);
    return report.ok ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${colors.red('✗')} ${reasonOf(error)}\n`);
    return 1;
  } finally {
    await own?.stop();
  }
}

/** A fault with the faults behind it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  ${reasonOf(error.cause)}`;
}

async function perform(
  world: WorldFile,
  ownSystem: boolean,
  say: (line: string) => void,
  elapsedSeconds: () => number,
): Promise<Report> {
  const client = makeClient({ url: world.api.url, apiKey: world.api.key });
  const outside = outsideWallets(world);
  const assets = await play({ client, outside, world, say, run: randomBytes(4).toString('hex') });
  say('Books: asking the nodes themselves');
  const books = await settledBooks(world, outside.mine);
  for (const line of books.lines) {
    const mark = line.chain === line.ledger ? colors.green('=') : colors.red('≠');
    say(`  ${line.network} ${line.asset} ${line.where}: chain ${line.chain} ${mark} ledger ${line.ledger}`);
  }
  const orders = assets.reduce((sum, asset) => sum + asset.orders, 0);
  const transactions = assets.reduce((sum, asset) => sum + asset.chain_transactions, 0);
  const credited = assets.every((asset) => asset.deposited === asset.credited);
  return {
    ok: books.balanced && credited && transactions < orders,
    own_system: ownSystem,
    seconds: Math.round(elapsedSeconds() * 10) / 10,
    assets,
    orders,
    chain_transactions: transactions,
    books_balanced: books.balanced,
    books: {
      heights: books.heights,
      lines: books.lines.map((line) => ({
        ...line,
        chain: line.chain.toString(),
        ledger: line.ledger.toString(),
      })),
      unbalanced_assets: books.unbalancedAssets,
    },
  };
}

/** Compares until the last sweep is booked; books that never agree are reported as they are. */
async function settledBooks(
  world: WorldFile,
  mine: (blocks: number) => Promise<void>,
): Promise<BooksAccount> {
  const pool = openPool(world.postgres.url, 2);
  const relayerKey = readFileSync(world.relayer_key_file, 'utf8').trim() as Hex;
  try {
    const deadline = performance.now() + QUIET_WITHIN_MS;
    for (;;) {
      const books = await compareBooks(world, openDatabase(pool), relayerKey);
      if (books.balanced || performance.now() > deadline) return books;
      await mine(1);
      await sleep(LOOK_AGAIN_MS);
    }
  } finally {
    await pool.end();
  }
}

function runningWorld(folder: string): WorldFile | undefined {
  const path = join(folder, 'world.json');
  if (runningOwner(join(folder, 'pid')) === undefined || !existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, 'utf8')) as WorldFile;
}

/** A system for this play alone, gone afterwards. */
async function ownSystem(
  say: (line: string) => void,
): Promise<{ world: WorldFile; stop: () => Promise<void> }> {
  say('No system runs: starting one for this play');
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-demo-'));
  const system = await startSystem({ folder, log: (line) => say(colors.dim(`  ${line}`)) }).catch(
    (error: unknown) => {
      throw new Error(`The system did not start; its logs are in ${join(folder, 'log')}`, { cause: error });
    },
  );
  return {
    world: system.world,
    stop: async () => {
      await system.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function summary(report: Report): string {
  const table = new Table({
    head: [
      'asset',
      'network',
      'deposited',
      'withdrawn',
      'fees',
      'orders / tx',
      'credited',
      'irreversible',
      'paid',
    ],
    style: { head: [], border: ['dim'] },
  });
  for (const asset of report.assets) {
    table.push([
      asset.asset,
      asset.network,
      asset.deposited,
      asset.withdrawn,
      asset.fees,
      `${asset.orders} / ${asset.chain_transactions}`,
      `${asset.seconds.credited} s`,
      `${asset.seconds.irreversible} s`,
      `${asset.seconds.withdrawn} s`,
    ]);
  }
  const verdict = report.ok
    ? colors.green('✓ all of it happened, and the books agree with the nodes')
    : colors.red('✗ not all of it happened: see above');
  return `\n${table.toString()}\n${verdict} (${report.seconds} s)`;
}
