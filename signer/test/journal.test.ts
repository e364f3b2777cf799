// Proves that a signer remembers through restarts and crashes, and starts on no journal but its own whole one.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  encodeJournalEntry,
  formatJournalLine,
  parseJournalLine,
  type JournalEntry,
} from '../protocol/journal-entry.ts';
import { VaultFault } from '../vault/fault.ts';
import { openVault, type Vault } from '../vault/vault.ts';
import {
  PASSPHRASE,
  bitcoinRequest,
  call,
  coin,
  evmRequest,
  makeQuorum,
  orderJson,
  payment,
  refused,
  signed,
} from './quorum.ts';
import { sha256 } from './plain-encoding.ts';

const quorum = makeQuorum({ signers: 1, threshold: 1 });
const { manifest, clock } = quorum;
const [vault] = quorum.vaults;
const [folder] = quorum.folders;
assert.ok(vault && folder);
const scratch = mkdtempSync(join(tmpdir(), 'portcullis-journal-'));
after(() => {
  quorum.close();
  rmSync(scratch, { recursive: true });
});

const order = orderJson();
const attempt = (coins: ReturnType<typeof coin>[], value: bigint) =>
  bitcoinRequest(manifest, { coins, orders: [order], change: { index: 1, value } });
const [a, b] = [coin(manifest, 200_000n), coin(manifest, 200_000n)];
const original = attempt([a], 45_000n);
const answer = signed(vault, original);
const evm = evmRequest();
signed(vault, evm);
refused(vault, { ...evm, epoch: 9 }, 'WRONG_EPOCH');

let copies = 0;
/** A copy of the folder with another journal; opened as after a restart. */
function bent(change: (lines: string[]) => string[] | string): { folder: string; open: () => Vault } {
  const copy = join(scratch, String(copies++));
  mkdirSync(copy);
  for (const name of ['journal.jsonl', 'journal.head', 'key.json'])
    copyFileSync(join(folder!, name), join(copy, name));
  const lines = readFileSync(join(copy, 'journal.jsonl'), 'utf8').split('\n').slice(0, -1);
  const changed = change(lines);
  writeFileSync(
    join(copy, 'journal.jsonl'),
    typeof changed === 'string' ? changed : changed.map((line) => `${line}\n`).join(''),
  );
  return { folder: copy, open: () => openAt(copy) };
}
const openAt = (at: string, signer = 'signer-a'): Vault =>
  openVault({
    signer,
    folder: at,
    nowMs: () => clock.nowMs,
    randomBytes: (length) => new Uint8Array(length),
  });
const fault = (code: string) => (error: unknown) => error instanceof VaultFault && error.code === code;

test('after a restart the same request gives the same signature, and a rival attempt is refused', () => {
  const { folder: at, open } = bent((lines) => lines);
  const again = open();
  refused(again, original, 'SEALED');
  assert.ok(!call(again, 'unseal', { passphrase: 'another passphrase' }).ok);
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
  const before = readFileSync(join(at, 'journal.jsonl'), 'utf8');
  assert.equal(signed(again, original).psbt, answer.psbt);
  assert.equal(readFileSync(join(at, 'journal.jsonl'), 'utf8'), before);
  refused(again, attempt([b], 45_000n), 'NOT_A_REPLACEMENT');
  refused(again, { ...evm, orders: [{ ...evm.orders[0]!, amount: '5' }] }, 'ORDER_CHANGED');
  signed(again, attempt([a], 44_000n));
  again.close();
});

const tampered: Record<string, (lines: string[]) => string[] | string> = {
  'the first line removed': (lines) => lines.slice(1),
  'a line in the middle removed': (lines) => lines.filter((_, i) => i !== 2),
  'two lines swapped': ([x, y, ...rest]) => [y!, x!, ...rest],
  'a line doubled': (lines) => [...lines, lines.at(-1)!],
  'a digit edited': (lines) =>
    lines.map((line, i) => (i === 2 ? line.replace(/[1-8](?=[0-9a-f]*:)/, '9') : line)),
  'the clock edited': (lines) =>
    lines.map((line, i) => (i === 2 ? line.replace(/"at":"1/, '"at":"2') : line)),
  'the last entry cut off whole': (lines) => lines.slice(0, -1),
  'all entries cut off': () => [],
  'bytes that are no text': (lines) => `${lines.join('\n')}\n\u0000\n`,
  'a foreign start of a line at the end': (lines) => `${lines.join('\n')}\n{"entry":{"signer":"signer-b"`,
  'words at the end': (lines) => `${lines.join('\n')}\nhello`,
  'an empty line': (lines) => [...lines, ''],
};
/** An entry written anew, with a hash that is right for it: only what links it to its neighbours is wrong. */
function forged(line: string, change: Partial<JournalEntry>): string {
  const parsed = parseJournalLine(line, sha256);
  assert.ok(parsed.ok && parsed.value.type === 'entry');
  const entry = { ...parsed.value.entry, ...change };
  return formatJournalLine({ ...parsed.value, entry, hash: sha256(encodeJournalEntry(entry)) });
}
tampered['an entry in the middle forged with its own hash'] = (lines) =>
  lines.map((line, i) => (i === 2 ? forged(line, { at: 1n }) : line));
tampered['the last entry forged with its own hash'] = (lines) => [
  ...lines.slice(0, -1),
  forged(lines.at(-1)!, { at: 1n }),
];
tampered['an entry that skips a number'] = (lines) => [
  ...lines.slice(0, -1),
  forged(lines.at(-1)!, { sequence: 9n }),
];
tampered['an entry of an unknown kind'] = (lines) => {
  const last = parseJournalLine(lines.at(-1)!, sha256);
  assert.ok(last.ok && last.value.type === 'entry');
  const next = { sequence: last.value.entry.sequence + 1n, previous: last.value.hash, kind: 'amnesty' };
  return [...lines, forged(lines.at(-1)!, next)];
};

for (const [name, change] of Object.entries(tampered)) {
  test(`does not start: ${name}`, () => assert.throws(bent(change).open, fault('JOURNAL_BROKEN')));
}

test('does not start: the journal gone and the key there, or the key of another journal', () => {
  const { folder: at } = bent((lines) => lines);
  rmSync(join(at, 'journal.jsonl'));
  assert.throws(() => openAt(at), fault('JOURNAL_BROKEN'));
  rmSync(join(at, 'journal.head'));
  assert.throws(() => openAt(at), fault('KEY_FILE_BROKEN'));
  const other = bent((lines) => lines);
  rmSync(join(other.folder, 'key.json'));
  writeFileSync(
    join(other.folder, 'key.json'),
    readFileSync(join(folder, 'key.json'), 'utf8').replace('"epoch": 1', '"epoch": 2'),
  );
  assert.throws(other.open, fault('KEY_FILE_BROKEN'));
  assert.throws(() => openAt(bent((lines) => lines).folder, 'signer-b'), fault('JOURNAL_BROKEN'));
});

test('a lost key file is refused, never replaced by a new key', () => {
  const { folder: at, open } = bent((lines) => lines);
  rmSync(join(at, 'key.json'));
  const lost = open();
  assert.equal(
    call(lost, 'make-key', { passphrase: PASSPHRASE, epoch: 1, chain: 'test' })['code'],
    'KEY_LOST',
  );
  refused(lost, original, 'KEY_LOST');
  assert.equal(
    call(vault, 'make-key', { passphrase: PASSPHRASE, epoch: 1, chain: 'test' })['code'],
    'KEY_EXISTS',
  );
  lost.close();
});

test('a line that a crash left half-written is dropped, with a note; what came before is remembered', () => {
  const whole = readFileSync(join(folder, 'journal.jsonl'));
  const { folder: at } = bent((lines) => lines);
  // The next entry, as this vault itself writes it, cut at every kind of place.
  const writer = openAt(at);
  refused(writer, original, 'SEALED');
  writer.close();
  const longer = readFileSync(join(at, 'journal.jsonl'));
  assert.ok(longer.length > whole.length);
  for (const cut of [1, 2, 10, 40, 150, longer.length - whole.length - 1]) {
    const { folder: torn, open } = bent(() => longer.subarray(0, whole.length + cut).toString());
    const opened = open();
    const lines = readFileSync(join(torn, 'journal.jsonl'), 'utf8').split('\n');
    assert.match(lines.at(-2)!, /half-written entry dropped/);
    assert.equal(lines.length, whole.toString().split('\n').length + 1);
    assert.ok(call(opened, 'status', {}).ok);
    opened.close();
    openAt(torn).close();
  }
});

test('two vaults on one folder: the second to write stops before it signs', () => {
  const { folder: at, open } = bent((lines) => lines);
  const [one, two] = [open(), openAt(at)];
  refused(one, original, 'SEALED');
  assert.throws(() => call(two, 'sign', original), fault('JOURNAL_WRITTEN_BY_ANOTHER'));
  one.close();
});

test('a journal that cannot be written stops the signer before it signs', () => {
  const { folder: at, open } = bent((lines) => lines);
  const opened = open();
  truncateSync(join(at, 'journal.jsonl'), 10);
  assert.throws(() => call(opened, 'sign', original), fault('JOURNAL_WRITTEN_BY_ANOTHER'));
});

test('a clock that runs backwards is refused', () => {
  const before = clock.nowMs;
  clock.nowMs -= 61_000;
  refused(vault, bitcoinRequest(manifest, payment(manifest)), 'CLOCK_BACKWARDS');
  clock.nowMs = before;
});

test('countersignatures of peers may stand in the file', () => {
  const status = call(vault, 'status', {}) as unknown as { journal: { sequence: string; hash: string } };
  const { folder: at } = bent((lines) => lines);
  const line = JSON.stringify({
    countersignature: { ...status.journal, signer: 'signer-b', signature: 'ab' },
  });
  appendFileSync(join(at, 'journal.jsonl'), `${line}\n`);
  const opened = openAt(at);
  assert.deepEqual(call(opened, 'status', {})['journal'], status.journal);
  refused(opened, original, 'SEALED');
  opened.close();
});

test('refusals cannot fill the disk: a hundred at once, then ten a minute, and the rest are counted', () => {
  const { folder: at, open } = bent((lines) => lines);
  const opened = open();
  const count = (): number =>
    readFileSync(join(at, 'journal.jsonl'), 'utf8').split('"kind":"refusal"').length;
  const before = count();
  for (let i = 0; i < 500; i++) refused(opened, original, 'SEALED');
  assert.equal(count() - before, 100);
  clock.nowMs += 60_000;
  for (let i = 0; i < 500; i++) refused(opened, original, 'SEALED');
  assert.equal(count() - before, 110);
  assert.match(readFileSync(join(at, 'journal.jsonl'), 'utf8'), /leftOut\\":400/);
  opened.close();
});

test('a reader gets every entry, in pages of at most a thousand, whatever was cut off before', () => {
  const { open } = bent((lines) => `${lines.join('\n')}\n{"entry":{"signer":"signer-a"`);
  const again = open();
  for (let i = 0; i < 1100; i++) {
    clock.nowMs += 6_000; // ten refusals a minute are written
    call(again, 'make-key', { passphrase: PASSPHRASE, epoch: i, chain: 'main' });
  }
  const read = (after: string): string[] => call(again, 'journal', { after })['lines'] as string[];
  assert.equal(read('0').length, 1000);
  let [sequence, hash] = [0n, new Uint8Array(32)];
  for (let page = read('0'); page.length > 0; page = read(sequence.toString())) {
    assert.ok(page.length <= 1000);
    for (const line of page) {
      const parsed = parseJournalLine(line, sha256);
      assert.ok(parsed.ok && parsed.value.type === 'entry');
      assert.deepEqual(parsed.value.entry.previous, hash);
      assert.equal(parsed.value.entry.sequence, sequence + 1n);
      [sequence, hash] = [parsed.value.entry.sequence, new Uint8Array(parsed.value.hash)];
    }
  }
  const { journal } = call(again, 'status', {}) as unknown as { journal: { sequence: string; hash: string } };
  assert.deepEqual(journal, { sequence: sequence.toString(), hash: Buffer.from(hash).toString('hex') });
  assert.deepEqual(read('99999999999'), []);
  assert.equal(call(again, 'journal', { after: 1 })['code'], 'MALFORMED');
  again.close();
});
