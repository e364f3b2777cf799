/**
 * `npm run bench`: every benchmark, each beside its peer and its limit in the same run. `-- NAME` runs one,
 * `-- --short` smaller sizes, `-- --json` ends with one JSON object, `-- --out FILE` writes it too.
 */
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const folder = fileURLToPath(new URL('.', import.meta.url));
const NAMES = ['ledger', 'derive', 'scan', 'sign', 'pay'].filter((name) =>
  readdirSync(folder).includes(`${name}.ts`),
);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});

const unknown = positionals.find((name) => !NAMES.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`No benchmark ${unknown}: there are ${NAMES.join(', ')}\n`);
  process.exit(2);
}
process.exitCode = await main(positionals.length > 0 ? positionals : NAMES);

/** Each in a process of its own, so that one's heap and workers do not weigh on the next. */
async function main(names: readonly string[]): Promise<number> {
  const results: Record<string, unknown> = {
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  };
  let failed = 0;
  for (const name of names) {
    const args = [`${folder}${name}.ts`, '--json', ...(values.short ? ['--short'] : [])];
    const run = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 1 << 26,
    });
    const lines = run.stdout.trimEnd().split('\n');
    const last = lines.pop() ?? '';
    process.stdout.write(`\n== ${name}\n${lines.join('\n')}\n`);
    if (run.status !== 0) failed += 1;
    results[name] = run.status === 0 ? (JSON.parse(last) as unknown) : { failed: true };
  }
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(results, null, 2)}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  return failed === 0 ? 0 : 1;
}
