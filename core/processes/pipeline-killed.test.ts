// Proves that deposits, sweeps and withdrawals on both kinds of chain survive SIGKILL before and after every kind of
// effect, and the death of PostgreSQL, a node or a signer there, a node that lags or talks nonsense, and a lost answer:
// by the chains' own word nothing is paid twice and nothing is lost. Real parts, real processes.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { OTHERS } from './test/kill-points.ts';
import { killRun, missedBy } from './test/kill-run.ts';

/** Every effect of the whole job: a name that nothing dies at was never reached. */
const MUST_DIE: Record<string, readonly string[]> = {
  'watcher bitcoin': ['chain.block', 'chain.mempool', 'chain.reorg'],
  'watcher ethereum': ['chain.watch', 'chain.block'],
  pipeline: [
    'deposits.follow',
    'deposits.advance',
    'treasury.watch',
    'treasury.open',
    'treasury.notice',
    'treasury.deliveries',
    'treasury.settle',
    'treasury.plan',
    'withdrawal.decide',
    'withdrawal.batch',
    'withdrawal.follow',
    'withdrawal.settle',
    'spend.signing',
    'signing.answers',
    'spend.signed',
    'spend.broadcast',
    'spend.queued',
    'spend.settled',
    'relay.sign',
    'relay.end',
    'broadcast',
    'sign',
    'send',
  ],
};

test('killed round every effect: each order is paid once, the books are whole and are the chain', async () => {
  const options = { seed: 1, every: 20, others: 1, timeoutMs: 600_000, mustDie: MUST_DIE };
  const { fate } = await killRun({ after }, options);
  assert.deepEqual(missedBy(fate, options), []);
  const struck = new Set([...fate.tally.values()].flatMap((strokes) => [...strokes.keys()]));
  assert.deepEqual([...struck].toSorted(), ['process', ...OTHERS].toSorted());
});
