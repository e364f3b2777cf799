// Proves that a backup gives the key back from enough operators' shares and from nothing less, that every wrong share
// is named, that addresses are re-derived from backups alone, and that a repeated step changes nothing.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { toHex } from '../protocol/canonical.ts';
import { operatorCardDocument, type OperatorCard } from '../protocol/operator-card.ts';
import { PASSPHRASE, REGTEST, makeQuorum, signedManifest, walletPayment } from '../test/quorum.ts';
import { signedBy, type Person } from '../test/people.ts';
import { parseKeyFile } from '../vault/key-file.ts';
import { formatSealedKey, makeKey, unsealEntropy } from '../vault/key.ts';
import { makeIdentity, readIdentity, recipientOf } from './age-identity.ts';
import { encryptShare, openShare, shareFilesIn, writeBackup } from './backup.ts';
import { cardsOf, readCard } from './cards.ts';
import { CeremonyError } from './files.ts';
import { manifestHash, pinnedIn } from './pinned.ts';
import { parseIssued, rehearse, restoreEntropy, type IssuedAddress } from './restore.ts';
import { joinShares } from './shares.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'portcullis-ceremony-'));
const quorum = makeQuorum();
const { manifest } = quorum;
const identities: string[] = [];
const cardFiles: string[] = [];
const cards: OperatorCard[] = [];
const backups: string[] = [];
/** Of the private key 1. */
const PUBLIC_KEY =
  '0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8';
const inRoot = (name: string): string => join(root, name);
const keyFile = (i: number): string => join(quorum.folders[i]!, 'key.json');
const expected = (i: number) => {
  const { id, xpub, evmAddress } = manifest.signers[i]!;
  return { signer: id, epoch: 1, xpub, evmAddress };
};
const coded =
  (code: string, words: RegExp = /^/) =>
  (error: unknown): boolean =>
    error instanceof CeremonyError && error.code === code && words.test(error.message);

after(() => {
  quorum.close();
  rmSync(root, { recursive: true, force: true });
});

before(async () => {
  for (const person of quorum.operators) {
    const identity = await readIdentity(await makeIdentity(PASSPHRASE), 'fresh', PASSPHRASE);
    identities.push(identity);
    const card = cardOf(person, await recipientOf(identity));
    const path = inRoot(`${person.id}.card.json`);
    writeFileSync(path, JSON.stringify(signedBy(operatorCardDocument, card, [person.byKey])));
    cardFiles.push(path);
    cards.push(readCard(path));
  }
  for (const i of [0, 1, 2]) {
    const folder = inRoot(`backup-${i}`);
    assert.ok((await writeBackup(backupOf(i, folder))).isNew);
    backups.push(folder);
  }
});

const cardOf = ({ entry }: Person, recipient: string): OperatorCard => ({ ...entry, recipient });
const backupOf = (i: number, folder: string) => ({
  keyFile: keyFile(i),
  passphrase: PASSPHRASE,
  cards: cardsOf(manifest, cards),
  threshold: 2,
  folder,
});

test('any two of three operators give the key back; one alone, or one twice, does not', async () => {
  const secret = unsealEntropy(parseKeyFile(readFileSync(keyFile(0), 'utf8'))!, PASSPHRASE)!;
  const files = shareFilesIn(backups[0]!);
  for (const pair of [
    [0, 1],
    [0, 2],
    [1, 2],
  ]) {
    const own = pair.map((at) => identities[at]!);
    const restored = await restoreEntropy({ files, identities: own, expected: expected(0) });
    assert.equal(toHex(restored.entropy), toHex(secret));
  }
  const alone = { files, identities: identities.slice(0, 1), expected: expected(0) };
  await assert.rejects(restoreEntropy(alone), coded('SHARES_TOO_FEW', /1 of the 2/));
  const twice = { files: [files[0]!, files[0]!], identities, expected: expected(0) };
  await assert.rejects(restoreEntropy(twice), coded('SHARE_TWICE', /alice/));
  await assert.rejects(restoreEntropy({ ...alone, identities: [] }), coded('SHARES_TOO_FEW'));
});

test('the key and the shares are nowhere in the clear', () => {
  const secret = unsealEntropy(parseKeyFile(readFileSync(keyFile(0), 'utf8'))!, PASSPHRASE)!;
  for (const name of readdirSync(backups[0]!)) {
    const text = readFileSync(join(backups[0]!, name), 'utf8');
    assert.ok(!text.includes(toHex(secret)) && !text.includes('"share"'), name);
    assert.ok(name === 'backup.json' || text.startsWith('-----BEGIN AGE ENCRYPTED FILE-----'), name);
  }
});

test('a share of another signer, cut short, with a flipped letter, or to a stranger is named', async () => {
  const folder = inRoot('bent');
  mkdirSync(folder);
  const good = readFileSync(shareFilesIn(backups[0]!)[0]!, 'utf8');
  const [, body = ''] = good.split('\n');
  const flipped = body.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A'));
  const stranger = await readIdentity(await makeIdentity(PASSPHRASE), 'stranger', PASSPHRASE);
  const bent: Record<string, [code: string, text: string]> = {
    'another-signer': ['SHARE_OF_ANOTHER_KEY', readFileSync(shareFilesIn(backups[1]!)[0]!, 'utf8')],
    short: ['SHARES_TOO_FEW', good.slice(0, -90)],
    flipped: ['SHARES_TOO_FEW', good.replace(body, flipped)],
    empty: ['SHARES_TOO_FEW', ''],
    stranger: ['SHARES_TOO_FEW', await encryptShare(await shareAt(0, 0), await recipientOf(stranger))],
  };
  for (const [name, [code, text]] of Object.entries(bent)) {
    const file = join(folder, `${name}.age`);
    writeFileSync(file, text);
    const files = [file, shareFilesIn(backups[0]!)[1]!];
    await assert.rejects(
      restoreEntropy({ files, identities, expected: expected(0) }),
      coded(code, new RegExp(name === 'another-signer' ? 'signer-b' : name)),
    );
  }
});

test('every single flipped bit of a share is noticed before anything is combined', async () => {
  const [one, two] = [await shareAt(0, 0), await shareAt(0, 1)];
  assert.ok((await joinShares([one, two])).ok);
  for (let bit = 0; bit < one.share.length * 8; bit++) {
    const share = one.share.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
    const joined = await joinShares([two, { ...one, share }]);
    assert.ok(!joined.ok && joined.code === 'SHARE_WRONG' && joined.detail.startsWith('alice'), `bit ${bit}`);
  }
});

test('a holder who lies about commitments too is caught by the key itself or by the other share', async () => {
  const [one, two] = [await shareAt(0, 0), await shareAt(0, 1)];
  const foreign = await shareAt(1, 0);
  const claims = { ...foreign, backup: one.backup };
  const joined = await joinShares([claims, two], expected(0));
  assert.ok(!joined.ok && joined.code === 'SHARE_WRONG');
  const elsewhere = await joinShares([await shareAt(1, 0), await shareAt(1, 1)], expected(0));
  assert.ok(!elsewhere.ok && elsewhere.code === 'SHARE_OF_ANOTHER_KEY');
});

test('cards: only the manifest’s operators, each with what the manifest says, signed by their own key', async () => {
  const [alice, bob, carol] = quorum.operators as [Person, Person, Person];
  const write = (card: OperatorCard, by: Person): string => {
    const path = inRoot('bent.card.json');
    writeFileSync(path, JSON.stringify(signedBy(operatorCardDocument, card, [by.byKey])));
    return path;
  };
  const thief = await recipientOf(await readIdentity(await makeIdentity(PASSPHRASE), 'thief', PASSPHRASE));
  assert.throws(() => readCard(write(cardOf(alice, thief), bob)), coded('CARD_REFUSED'));
  const signed = JSON.parse(readFileSync(cardFiles[0]!, 'utf8')) as { document: { recipient: string } };
  signed.document.recipient = thief;
  writeFileSync(inRoot('bent.card.json'), JSON.stringify(signed));
  assert.throws(() => readCard(inRoot('bent.card.json')), coded('CARD_REFUSED', /altered/));
  writeFileSync(inRoot('bent.card.json'), readFileSync(cardFiles[0]!, 'utf8').slice(0, -20));
  assert.throws(() => readCard(inRoot('bent.card.json')), coded('FILE_BROKEN'));
  assert.throws(() => cardsOf(manifest, cards.slice(1)), coded('CARD_REFUSED', /alice is missing/));
  assert.throws(() => cardsOf(manifest, [...cards, cards[0]!]), coded('CARD_REFUSED', /two cards/));
  const impostor = { ...cards[0]!, commandKey: carol.entry.commandKey };
  assert.throws(() => cardsOf(manifest, [impostor, ...cards.slice(1)]), coded('CARD_REFUSED', /alice/));
  assert.throws(() => cardsOf(manifest, [{ ...cards[0]!, id: 'dave' }]), coded('CARD_REFUSED', /dave/));
});

test('the step again: whole, nothing is written; damaged or another’s, it says so; half done, it is done anew', async () => {
  const names = readdirSync(backups[0]!).map((name) => readFileSync(join(backups[0]!, name), 'utf8'));
  assert.equal((await writeBackup(backupOf(0, backups[0]!))).isNew, false);
  assert.deepEqual(
    readdirSync(backups[0]!).map((name) => readFileSync(join(backups[0]!, name), 'utf8')),
    names,
  );
  await assert.rejects(writeBackup(backupOf(1, backups[0]!)), coded('FILE_EXISTS'));
  await assert.rejects(writeBackup({ ...backupOf(0, backups[0]!), threshold: 3 }), coded('FILE_EXISTS'));
  const damaged = inRoot('damaged');
  cpSync(backups[0]!, damaged, { recursive: true });
  writeFileSync(join(damaged, 'alice.age'), readFileSync(join(damaged, 'alice.age'), 'utf8').slice(0, -1));
  await assert.rejects(writeBackup(backupOf(0, damaged)), coded('FILE_BROKEN', /alice/));
  rmSync(join(damaged, 'alice.age'));
  await assert.rejects(writeBackup(backupOf(0, damaged)), coded('FILE_MISSING'));
  const fresh = inRoot('fresh');
  mkdirSync(`${fresh}.partial`);
  writeFileSync(join(`${fresh}.partial`, 'alice.age'), 'half');
  assert.ok((await writeBackup(backupOf(0, fresh))).isNew);
  assert.ok(!existsSync(`${fresh}.partial`));
  assert.deepEqual(readdirSync(fresh).toSorted(), ['alice.age', 'backup.json', 'bob.age', 'carol.age']);
  const refusedFolder = inRoot('refused');
  await assert.rejects(
    writeBackup({ ...backupOf(0, refusedFolder), passphrase: `${PASSPHRASE}!` }),
    coded('WRONG_PASSPHRASE'),
  );
  for (const threshold of [0, 1, 4])
    await assert.rejects(writeBackup({ ...backupOf(0, refusedFolder), threshold }), coded('BACKUP_REFUSED'));
  assert.ok(!existsSync(refusedFolder));
});

test('every issued address follows from the backups; the first that differs is named', async () => {
  const entropies = await Promise.all(
    backups.map(async (folder, i) => ({
      signer: manifest.signers[i]!.id,
      ...(await restoreEntropy({
        files: shareFilesIn(folder),
        identities: identities.slice(1),
        expected: expected(i),
      })),
    })),
  );
  const issued = Array.from({ length: 60 }, (_, i): IssuedAddress => {
    const [branch, index] = [i % 2 === 0 ? 0 : 1, i < 50 ? i : i * 1000] as const;
    return { network: REGTEST, branch, index, address: walletPayment(manifest, branch, index).address };
  });
  const rehearsed = rehearse(manifest, entropies, issued);
  assert.deepEqual(rehearsed.addresses, { [REGTEST]: 60 });
  assert.deepEqual(
    rehearsed.signers.map(({ xpub }) => xpub),
    manifest.signers.map(({ xpub }) => xpub),
  );
  const wrong = issued.map((one, i) => (i === 7 || i === 9 ? { ...one, address: issued[0]!.address } : one));
  assert.throws(() => rehearse(manifest, entropies, wrong), coded('ADDRESS_DIFFERS', / at 1\/7 /));
  const far = [{ ...issued[0]!, index: 100_001 }];
  assert.throws(() => rehearse(manifest, entropies, far), coded('ADDRESS_DIFFERS', /beyond/));
  const elsewhere = [{ ...issued[0]!, network: 'eip155:31337' }];
  assert.throws(() => rehearse(manifest, entropies, elsewhere), coded('ADDRESS_DIFFERS', /no such/));
  assert.throws(() => rehearse(manifest, entropies.slice(1), issued), coded('SHARES_TOO_FEW', /signer-a/));
  const swapped = entropies.map((one, i) => ({ ...one, entropy: entropies[(i + 1) % 3]!.entropy }));
  assert.throws(() => rehearse(manifest, swapped, issued), coded('ADDRESS_DIFFERS', /signer-a/));
  for (const derivation of ['2/0', '0/01', '0/', '0/-1', '0/4/4'])
    assert.ok(!parseIssued({ network: REGTEST, address: issued[0]!.address, derivation }).ok, derivation);
});

test('the pinned manifest is read from the journal, whose chain is checked', () => {
  assert.equal(toHex(manifestHash(pinnedIn(quorum.folders[0]!)!)), toHex(manifestHash(manifest)));
  const copy = inRoot('journal-copy');
  mkdirSync(copy);
  assert.equal(pinnedIn(copy), undefined);
  const text = readFileSync(join(quorum.folders[0]!, 'journal.jsonl'), 'utf8');
  writeFileSync(join(copy, 'journal.jsonl'), text.split('\n').slice(1).join('\n'));
  assert.throws(() => pinnedIn(copy), coded('FILE_BROKEN'));
  writeFileSync(join(copy, 'journal.jsonl'), text.replaceAll('"threshold\\":2', '"threshold\\":1'));
  assert.throws(() => pinnedIn(copy), coded('FILE_BROKEN'));
});

test('the programs: hash, backup, restore; each says what is next, and refuses with a code and changes nothing', () => {
  const run = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  const data = quorum.folders[2]!;
  const passphrase = inRoot('passphrase');
  writeFileSync(passphrase, `${PASSPHRASE}\n`);
  const hash = run('hash', '--data', data);
  assert.equal(hash.status, 0, hash.stderr);
  assert.match(hash.stdout.replaceAll(/\s/g, ''), new RegExp(toHex(manifestHash(manifest))));
  const out = inRoot('by-program');
  const backup = [
    'backup',
    '--data',
    data,
    '--passphrase-file',
    passphrase,
    '--threshold',
    '2',
    '--out',
    out,
  ];
  assert.equal(run(...backup, ...cardFiles).status, 0);
  assert.match(run(...backup, ...cardFiles).stdout, /made before and is whole/);
  const signed = inRoot('manifest.json');
  writeFileSync(signed, JSON.stringify(signedManifest(manifest)));
  const keys = identities.slice(0, 2).flatMap((identity, i) => {
    writeFileSync(inRoot(`identity-${i}`), identity);
    return ['--identity', inRoot(`identity-${i}`)];
  });
  const restored = inRoot('restored');
  const restore = [
    'restore',
    '--manifest',
    signed,
    '--signer',
    'signer-c',
    '--shares',
    out,
    '--passphrase-file',
    passphrase,
  ];
  const made = run(...restore, '--data', restored, ...keys);
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /signs nothing/);
  assert.deepEqual(readdirSync(restored), ['key.restored.json']);
  const again = run(...restore, '--data', restored, ...keys);
  assert.equal(again.status, 1);
  assert.match(again.stderr, /FILE_EXISTS/);
  const few = run(...restore, '--data', inRoot('few'), ...keys.slice(0, 2));
  assert.equal(few.status, 1);
  assert.match(few.stderr, /SHARES_TOO_FEW/);
  assert.ok(!existsSync(inRoot('few')));
  assert.equal(run('hash').status, 2);
  assert.equal(run('dance').status, 2);
  assert.equal(run('hash', '--data', root).status, 1);
});

test('killed at any moment, a backup is not there or is whole, and the next try makes it', async () => {
  const passphrase = inRoot('kill.passphrase');
  writeFileSync(passphrase, PASSPHRASE);
  const step = (out: string): string[] => [
    MAIN,
    'backup',
    '--data',
    quorum.folders[1]!,
    '--passphrase-file',
    passphrase,
    '--threshold',
    '2',
    '--out',
    out,
    ...cardFiles,
  ];
  const begun = performance.now();
  assert.equal(spawnSync(process.execPath, step(inRoot('unkilled'))).status, 0);
  const wholeMs = performance.now() - begun;
  for (let i = 1; i <= 8; i++) {
    const out = inRoot(`killed-${i}`);
    // Dense towards the end, where the files are written.
    const child = spawn(process.execPath, step(out), { stdio: 'ignore' });
    const gone = once(child, 'exit');
    await Promise.race([sleep(wholeMs * (0.8 + i * 0.03)), gone]);
    child.kill('SIGKILL');
    await gone;
    const wasWhole = existsSync(out);
    assert.equal((await writeBackup(backupOf(1, out))).isNew, !wasWhole);
    const restored = { files: shareFilesIn(out), identities, expected: expected(1) };
    assert.equal((await restoreEntropy(restored)).entropy.length, 32);
  }
});

async function shareAt(signer: number, operator: number) {
  const file = shareFilesIn(backups[signer]!)[operator]!;
  const opened = await openShare(readFileSync(file, 'utf8'), { name: file, identities });
  assert.ok(opened.ok);
  return opened.share;
}

test('a key that is in a token in part has no backup, and it is said so before a passphrase is asked for', async () => {
  const token = { label: 'signer-a', serial: '1', keyId: '11'.repeat(16), publicKey: PUBLIC_KEY };
  const options = { signer: 'signer-a', epoch: 1, chain: 'test', passphrase: PASSPHRASE } as const;
  const randomBytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);
  const { sealed } = makeKey({ ...options, randomBytes, token });
  const path = inRoot('in-token.json');
  writeFileSync(path, formatSealedKey(sealed));
  const folder = inRoot('no-backup');
  await assert.rejects(
    writeBackup({ keyFile: path, passphrase: 'another one', cards, threshold: 2, folder }),
    coded('BACKUP_REFUSED', /in a token/),
  );
  assert.ok(!existsSync(folder));
});
