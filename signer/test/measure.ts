/**
 * Prints what a decision costs: `node signer/test/measure.ts`. One vault in this process, journal flushed with
 * O_SYNC as in production; figures are medians over the runs, in milliseconds.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SignRequest } from '../protocol/messages.ts';
import { bitcoinRequest, call, coin, evmRequest, makeQuorum, orderJson, signed } from './quorum.ts';

const RUNS = 20;
const quorum = makeQuorum();
const [vault] = quorum.vaults;
const [folder] = quorum.folders;
assert.ok(vault !== undefined && folder !== undefined);

const many = (inputs: number, orders: number, firstIndex: number): SignRequest =>
  bitcoinRequest(quorum.manifest, {
    coins: Array.from({ length: inputs }, (_, i) =>
      coin(quorum.manifest, 20_000n * BigInt(orders), 0, firstIndex + i),
    ),
    orders: Array.from({ length: orders }, () => orderJson({ amount: '15000' })),
    change: { index: 5, value: 20_000n * BigInt(orders * inputs) - 15_000n * BigInt(orders) - 3_000n },
  });

const rows: [what: string, ms: string][] = [];
function measure(what: string, make: (run: number) => SignRequest, repeat = false): void {
  assert.ok(vault !== undefined);
  const requests = Array.from({ length: RUNS }, (_, run) => make(run));
  const times = requests.map((request) => {
    if (repeat) signed(vault, request);
    const line = JSON.stringify({ id: 1, call: 'sign', body: request });
    const started = performance.now();
    const answer = vault.handle(line);
    const took = performance.now() - started;
    if (!answer.includes('"ok":true')) assert.fail(answer);
    return took;
  });
  const sorted = times.toSorted((a, b) => a - b);
  rows.push([what, `${sorted[RUNS / 2]?.toFixed(1)} (worst ${sorted.at(-1)?.toFixed(1)})`]);
}

measure('Bitcoin, 10 inputs, 10 orders, keys never used before', (run) => many(10, 10, 1000 + 10 * run));
measure('Bitcoin, 10 inputs, 10 orders, keys warm', () => many(10, 10, 1000));
measure('Bitcoin, 1 input, 1 order, keys warm', () => many(1, 1, 1000));
measure('Bitcoin, 10 inputs, 100 orders, keys warm', () => many(10, 100, 1000));
measure('Bitcoin, the exact request again, 10 inputs', () => many(10, 10, 1000), true);
measure('EVM, 1 order', () => evmRequest());
measure('EVM, 150 orders', () =>
  evmRequest({ orders: Array.from({ length: 150 }, () => evmRequest().orders).flat() }),
);
const unsealed = performance.now();
call(vault, 'unseal', { passphrase: 'correct horse battery staple' });
rows.push(['unseal (scrypt, N = 2^17)', (performance.now() - unsealed).toFixed(0)]);
const entries = readFileSync(join(folder, 'journal.jsonl'), 'utf8').split('\n').length - 1;
const opened = performance.now();
quorum.reopen(0).close();
rows.push([`start: verify and replay ${entries} entries`, (performance.now() - opened).toFixed(0)]);
for (const [what, ms] of rows) process.stdout.write(`${what.padEnd(60)} ${ms} ms\n`);
quorum.close();
