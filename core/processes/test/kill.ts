/**
 * The long proof: `npm run kill -- --seeds 3` kills at every point that it reaches, a run for each seed, and prints
 * what was struck how often. `--first 7` begins with that seed, `--every 5` strikes at every fifth point only.
 */
import { parseArgs } from 'node:util';
import { killRun, type KillReport } from './kill-run.ts';

const TIMEOUT_MS = 45 * 60_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    first: { type: 'string', default: '1' },
    every: { type: 'string', default: '1' },
  },
});
const first = Number(values.first);
for (let seed = first; seed < first + Number(values.seeds); seed += 1) {
  const afterwards: (() => Promise<void>)[] = [];
  const scope = { after: (act: () => Promise<void>) => void afterwards.push(act) };
  try {
    const options = { seed, every: Number(values.every), others: 6, timeoutMs: TIMEOUT_MS };
    tell(seed, await killRun(scope, options));
  } finally {
    for (const act of afterwards) await act();
  }
}
process.exit(0);

function tell(seed: number, { fate, lives, blocks, elapsedMs }: KillReport): void {
  const rows = [...fate.tally].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [point, strokes] of rows) {
    const counts = [...strokes].map(([stroke, count]) => `${stroke} ${count}`).join(', ');
    process.stdout.write(`${point.padEnd(44)} ${counts}\n`);
  }
  process.stdout.write(
    `seed ${seed}: ${fate.points()} points, ${fate.strokes()} strokes, ${lives} lives, ${blocks} blocks, ` +
      `${Math.round(elapsedMs / 1000)} s: every order paid once, every deposit credited once, books and chains agree\n`,
  );
}
