// Proves of any journal and any page of it: what goes on is taken, what is shorter is behind and freezes nothing, and
// a journal that has another entry where it showed one is forked, whatever it says of its end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { sha256 } from '../../signer/test/plain-encoding.ts';
import { writeJournal, type Written } from '../test/journal.ts';
import { extendChain } from './journal-chain.ts';

const write = (bodies: readonly unknown[]): Written =>
  writeJournal(
    'a',
    bodies.map((body) => ({ kind: 'note', body })),
  );

const bodies = fc.array(
  fc.integer().map((n): object => ({ n })),
  { minLength: 1, maxLength: 12 },
);

/** What a signer with this journal answers when asked for what follows, as a sentinel sees it that read so far. */
function read(
  now: Written,
  before: Written,
  { end, shown }: { readonly end: number; readonly shown: number },
) {
  const head = now.ends.at(-1)!;
  const page = {
    ok: true,
    signer: 'a',
    journal: { sequence: head.sequence.toString(), hash: head.hash },
    lines: now.lines.slice(end),
  } as const;
  return extendChain(page, {
    signer: 'a',
    end: before.ends[end]!,
    shown: before.ends[shown]!,
    hashAt: (sequence) => (sequence <= BigInt(end) ? before.ends[Number(sequence)]?.hash : undefined),
    sha256,
  });
}

test('what goes on is taken to its end, from wherever it was read to', () => {
  fc.assert(
    fc.property(bodies, fc.nat(12), fc.nat(12), (all, a, b) => {
      const journal = write(all);
      const shown = Math.min(a, all.length);
      const end = Math.min(b, shown);
      const extended = read(journal, journal, { end, shown });
      assert.ok(extended.ok && extended.behind === undefined);
      assert.deepEqual(extended.end, journal.ends.at(-1));
      assert.equal(extended.entries.length, all.length - end);
    }),
  );
});

test('a journal that lost its tail is behind, and forked nothing', () => {
  fc.assert(
    fc.property(bodies, fc.nat(12), fc.nat(12), (all, a, b) => {
      const journal = write(all);
      const end = Math.min(a, all.length);
      const lost = write(all.slice(0, Math.min(b, all.length - 1)));
      const extended = read(lost, journal, { end, shown: all.length });
      assert.ok(extended.ok && extended.behind !== undefined);
    }),
  );
});

test('another entry where one was shown is a fork, be the journal shorter, as long or longer', () => {
  fc.assert(
    fc.property(bodies, bodies, fc.nat(12), fc.nat(12), (all, other, a, b) => {
      const journal = write(all);
      const at = Math.min(a, all.length - 1);
      const forked = write([...all.slice(0, at), { another: true }, ...other]);
      const end = Math.min(b, all.length);
      // What was shown and is not known any more cannot be compared before it is reached again.
      fc.pre(forked.lines.length >= all.length || end > at);
      assert.equal(read(forked, journal, { end, shown: all.length }).ok, false);
    }),
  );
});
