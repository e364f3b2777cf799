// Proves on the journals of real vaults that what a sentinel says captures could cost counts each entry once, however
// often it is told, and that a signer who writes nonsense in its own journal is unread there and stops no reading.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { AskSigner } from '../client/signer.ts';
import { freezeDocument, unfreezeDocument } from '../signer/protocol/freeze.ts';
import { signedBy } from '../signer/test/people.ts';
import {
  REGTEST,
  bitcoinRequest,
  call,
  makeQuorum,
  payment,
  signed,
  type Quorum,
} from '../signer/test/quorum.ts';
import type { ChainEntry } from './checks/journal-chain.ts';
import { openExposure, type Exposure } from './exposure.ts';
import type { Sleep } from './patience.ts';
import { openJournals } from './sources/journals.ts';
import { writeJournal } from './test/journal.ts';

const BTC = `${REGTEST}/slip44:1`;
const WINDOW = 10_000_000n;
const FEES = 100_000n;
const policy = {
  assets: [{ asset: BTC, orderMax: WINDOW, windows: [{ seconds: 3600, valueMax: WINDOW, countMax: 100 }] }],
  fees: [{ network: REGTEST, seconds: 3600, feeMax: FEES }],
};
const sleep: Sleep = async (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined);

const askVault =
  ({ vaults }: Quorum, i: number): AskSigner =>
  async (_, path) =>
    call(vaults[i] ?? assert.fail(), 'journal', { after: path.split('=')[1] });

function asNonsense(signer: string): AskSigner {
  const { lines, ends } = writeJournal(signer, [{ kind: 'policy', body: { document: 'none' } }]);
  const journal = { sequence: '1', hash: ends.at(-1)?.hash };
  return async (_, path) => ({ ok: true, signer, journal, lines: lines.slice(Number(path.split('=')[1])) });
}

function freezeAndLift({ vaults, operators, clock }: Quorum): void {
  const [alice, bob] = operators;
  assert.ok(alice && bob);
  const id = new Uint8Array(16).fill(7);
  const seconds = BigInt(Math.floor(clock.nowMs / 1000));
  const freeze = { epoch: 1, id, scope: 'everything', reason: '', by: alice.id, issuedAt: seconds };
  const rest = { epoch: 1, suspend: [], restore: [], reason: '', expiry: seconds + 3600n };
  const unfreeze = unfreezeDocument.normal({ ...rest, freezes: [id] });
  for (const vault of vaults) {
    assert.ok(call(vault, 'freeze', signedBy(freezeDocument, freeze, [alice.byKey])).ok);
    const lifted: unknown = signedBy(unfreezeDocument, unfreeze, [alice.byPasskey, bob.byPasskey]);
    assert.ok(call(vault, 'unfreeze', lifted).ok);
  }
}

async function readBy(exposure: Exposure) {
  const { unread, unasked, captures } = await exposure.read();
  const core = captures.find(({ captured }) => captured === 'core');
  return { unread, unasked, core: core?.costs.find(({ asset }) => asset === BTC) };
}

test('each entry counts once, however often it is told; nonsense in one journal is that signer’s silence', async (t) => {
  const quorum = makeQuorum({ policy });
  t.after(quorum.close);
  const { manifest, vaults, clock } = quorum;
  const request = bitcoinRequest(manifest, payment(manifest));
  for (const vault of vaults.slice(0, 2)) signed(vault, request);
  freezeAndLift(quorum);
  const [a, b, c] = manifest.signers.map(({ id }) => id);
  assert.ok(a && b && c);
  const left = { asset: BTC, units: `${WINDOW + FEES - 150_000n - 5_000n}`, basis: 'journals' };
  let readable: readonly string[] = [];
  const exposure = openExposure({
    manifest,
    nodes: new Map(),
    readable: () => readable,
    holdings: () => new Map(),
    nowMs: () => clock.nowMs,
  });
  assert.deepEqual((await exposure.read()).captures, [], 'of no journal nothing is said');
  const told: [string, ChainEntry][] = [];
  const tell = (signer: string, entry: ChainEntry): void => {
    told.push([signer, entry]);
    exposure.take(signer, entry);
  };
  for (let again = 0; again < 2; again++) {
    const journals = openJournals(
      [
        { id: a, ask: askVault(quorum, 0) },
        { id: b, ask: askVault(quorum, 1) },
        { id: c, ask: asNonsense(c) },
      ],
      { shown: {}, threshold: 2, sleep, told: tell },
    );
    assert.deepEqual(await journals.refresh(), []);
    readable = journals.readable();
    assert.equal(readable.length, 3);
    const { unread, unasked, core } = await readBy(exposure);
    assert.deepEqual(unread, [c]);
    assert.deepEqual(
      Object.keys(unasked),
      manifest.evm.map(({ network }) => network),
    );
    assert.deepEqual(core, left, `told ${again + 1} times`);
  }
  // As when a page is read again that ended in the middle: the freezes without what lifted them.
  const freezes = told.filter(([, { entry }]) => entry.kind === 'freeze');
  assert.ok(freezes.length >= 2);
  for (const [signer, entry] of freezes) exposure.take(signer, entry);
  assert.deepEqual((await readBy(exposure)).core, left, 'what was lifted stays lifted');
});
