/**
 * `npm run storm`: a million requests at a real vault, none of which may stop it or be signed that should not be.
 * `--requests N` and `--seed N` choose another storm. Tells how far it is, and at the end what was answered how often.
 */
import { parseArgs } from 'node:util';
import { openStorm } from './storm.ts';

const TELL_EVERY_MS = 5_000;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
  },
});
const requests = Number(values.requests);
const seed = Number(values.seed);
if (!Number.isSafeInteger(requests) || requests < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write('--requests and --seed are whole numbers\n');
  process.exit(2);
}
const storm = openStorm(seed);
const begun = performance.now();
const tally = new Map<string, number>();
let told = begun;
try {
  for (let done = 1; done <= requests; done += 1) {
    const { kind, code } = storm.strike();
    for (const name of [`${kind} requests`, code]) tally.set(name, (tally.get(name) ?? 0) + 1);
    if (performance.now() - told > TELL_EVERY_MS) tell(done);
  }
} finally {
  storm.close();
}
for (const [name, count] of [...tally].toSorted(([, a], [, b]) => b - a))
  process.stdout.write(`${String(count).padStart(9)} ${name}\n`);
const seconds = (performance.now() - begun) / 1000;
process.stdout.write(
  `seed ${seed}: ${requests} requests in ${Math.round(seconds)} s, ${Math.round(requests / seconds)} a second: ` +
    'every answer was a refusal or the honest signature\n',
);

function tell(done: number): void {
  told = performance.now();
  const rate = done / ((told - begun) / 1000);
  const left = Math.round((requests - done) / rate);
  process.stderr.write(`${done} of ${requests}, ${Math.round(rate)} a second, ${left} s left\n`);
}
