/**
 * Writes `core/http/openapi.json` from the routes and `client/api-types.ts` from that. `--check` fails when one
 * is stale. openapi-typescript lives in a folder of its own with the TypeScript that it can parse through.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { openDatabase, openPool } from '../core/db/db.ts';
import { buildApi } from '../core/http/http.ts';
import type { Config } from '../core/config/config.ts';

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const description = 'core/http/openapi.json';
const types = 'client/api-types.ts';

await main(process.argv.includes('--check'));

async function main(check: boolean): Promise<void> {
  await settle(description, `${JSON.stringify(await describeApi(), null, 2)}\n`, check);
  await settle(types, typesOf(at(description)), check);
}

async function settle(path: string, text: string, check: boolean): Promise<void> {
  if ((await readFile(at(path), 'utf8').catch(() => '')) === text) return;
  if (!check) return writeFile(at(path), text);
  process.stderr.write(`${path} is stale: run node tools/openapi.ts\n`);
  process.exitCode = 1;
}

/** Builds the API without listening; no route runs, so nothing behind it is ever asked. */
async function describeApi(): Promise<object> {
  const pool = openPool('postgres://127.0.0.1:1/none');
  const app = await buildApi({
    config: { assets: [], networks: [] } as unknown as Config,
    listings: [],
    db: openDatabase(pool),
    lane: { submit: () => Promise.reject(new Error('only described')), stop: () => Promise.resolve() },
    log: pino({ level: 'silent' }),
    now: () => new Date(0),
    randomBytes: (length) => new Uint8Array(length),
    eventNotices: { count: () => 0, above: () => Promise.resolve() },
  });
  const text = app.swagger();
  await app.close();
  await pool.end();
  return text;
}

function typesOf(descriptionPath: string): string {
  const folder = at('tools/openapi-types');
  if (!existsSync(`${folder}/node_modules`))
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder);
  const text = run('node', ['node_modules/openapi-typescript/bin/cli.js', descriptionPath], folder);
  return `// Written by tools/openapi.ts from core/http/openapi.json. Do not edit.\n/* oxlint-disable */\n${text}`;
}

function run(command: string, args: string[], cwd: string): string {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${result.stderr}${result.error?.message ?? ''}`);
  return result.stdout;
}
