// Proves the whole ceremony on three real signer processes with four operators: keys from dice, proofs, cards, one
// manifest that everybody compares, backups, a rehearsed restore of every address, and a restored signer that signs
// nothing; each step killed and repeated, each kind of bent input refused by its code.
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSigner } from '../client/signer.ts';
import { manifestDocument, type Manifest } from '../signer/protocol/manifest.ts';
import { signaturesToJson } from '../signer/protocol/signatures.ts';
import { ORIGIN, sha256 } from '../signer/test/people.ts';
import { REGTEST, evmRequest, walletPayment } from '../signer/test/quorum.ts';
import { identityIn, type Identity } from '../world/certificates.ts';
import { openAuthenticator } from '../world/people/authenticator.ts';

const OPERATORS = ['alice', 'bob', 'carol', 'dave'];
const SIGNERS = ['signer-a', 'signer-b', 'signer-c'];
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'portcullis-ceremony-'));
const at = (...names: string[]): string => join(root, ...names);
const processes: ChildProcess[] = [];
after(async () => {
  for (const child of processes) await stopped(child);
  rmSync(root, { recursive: true });
});

const write = (name: string, text: string): string => {
  writeFileSync(at(name), text);
  return at(name);
};
const secret = (name: string): string => write(`${name}.passphrase`, randomBytes(24).toString('hex'));
const dice = (): string => [...randomBytes(120)].map((byte) => 1 + (byte % 6)).join('');
const passkeys = OPERATORS.map(() => openAuthenticator(randomBytes(32)));
const guardian = (i: number): string => `0x${'0'.repeat(39)}${i + 1}`;
const cards = OPERATORS.map((id) => at(id, 'operator-card.json'));
const passphrases = OPERATORS.map(secret);
const certificates: Identity[] = [];
for (const id of OPERATORS) certificates.push(await identityIn(at(`${id}-tls`), `operator-${id}`));
const core = await identityIn(at('core-tls'), 'core');
const gates = await Promise.all(SIGNERS.map((id) => startGate(id, at(id))));

test('operators: key, backup identity and card; the same again changes nothing, another answer is refused', () => {
  for (const [i, id] of OPERATORS.entries()) {
    const made = operator(i);
    assert.equal(made.status, 0, made.stderr);
    const text = readFileSync(cards[i]!, 'utf8');
    // As after a kill before the card was written: the keys are there, the card is made of them.
    if (i === 0) rmSync(cards[i]!);
    assert.equal(operator(i).status, 0);
    assert.equal(readFileSync(cards[i]!, 'utf8'), text, id);
  }
  const other = operator(0, '--guardian', guardian(8));
  assert.equal(other.status, 1);
  assert.match(other.stderr, /FILE_EXISTS/);
  assert.equal(operator(0, '--passphrase-file', passphrases[1]!).status, 2);
  for (const [i, id] of OPERATORS.entries()) {
    const { certificateFile, keyFile } = certificates[i]!;
    const to = gates.flatMap((gate) => ['--signer', `${gate.id},${gate.url},${gate.certificateFile}`]);
    const files = ['--certificate', certificateFile, '--key', keyFile, '--manifest', at('manifest.json')];
    assert.equal(ceremony('kit', id, '--kit', at(id), ...files, ...to).status, 0);
  }
});

test('keys: bad throws are refused before a signer is asked; a key is made once, and the step may be repeated', () => {
  for (const [i, id] of SIGNERS.entries()) {
    const key = [
      'make-key',
      id,
      '--as',
      at('alice'),
      '--epoch',
      '1',
      '--chain',
      'test',
      '--passphrase-file',
      secret(id),
    ];
    for (const [name, throws] of [
      ['few', '1'.repeat(99)],
      ['many', '1'.repeat(1001)],
      ['seven', `7${dice()}`],
    ] as const)
      assert.equal(ceremony(...key, '--dice-file', write(name, throws)).status, 2, name);
    const throwsFile = write('throws', dice().replaceAll(/.{20}/g, '$&\n'));
    const made = ceremony(...key, '--dice-file', throwsFile);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /has made its key inside itself/);
    const again = ceremony(...key, '--dice-file', throwsFile);
    assert.match(again.stdout, /Nothing new was made/);
    assert.equal(again.stdout.match(/tpub\w+/)?.[0], made.stdout.match(/tpub\w+/)?.[0]);
    if (i === 0) {
      const otherEpoch = key.map((word) => (word === '1' ? '2' : word));
      assert.match(ceremony(...otherEpoch, '--dice-file', throwsFile).stderr, /SIGNER_REFUSED/);
    }
  }
});

test('manifest: composed of proofs and cards, verified by each operator alone, signed, pinned and compared', async () => {
  assert.equal(ceremony('prove', '--as', at('alice'), '--out', at('proofs.json')).status, 0);
  write('plan.json', JSON.stringify(plan()));
  const compose = [
    'compose',
    '--plan',
    at('plan.json'),
    '--proofs',
    at('proofs.json'),
    '--out',
    at('unsigned.json'),
  ];
  const composed = ceremony(...compose, ...cards);
  assert.equal(composed.status, 0, composed.stderr);
  assert.equal(ceremony(...compose, ...cards).status, 0);
  const hash = hashIn(composed.stdout);
  for (const id of OPERATORS) {
    const verified = ceremony('verify', at('unsigned.json'), ...cards, '--as', at(id));
    assert.equal(verified.status, 0, verified.stderr);
    assert.equal(hashIn(verified.stdout), hash);
  }
  bentProofs();
  differs();
  const signed = [0, 1, 3].map((i) => signedBy(i, at('unsigned.json')));
  const assemble = (out: string, ...parts: string[]) =>
    ceremony('assemble', at('unsigned.json'), '--out', at(out), ...parts);
  assert.match(assemble('few.json', ...signed.slice(1)).stderr, /QUORUM_MISSING/);
  assert.match(assemble('twice.json', signed[0]!, signed[0]!, signed[1]!).stderr, /QUORUM_MISSING/);
  assert.ok(!existsSync(at('few.json')) && !existsSync(at('twice.json')));
  assert.equal(assemble('manifest.json', ...signed).status, 0);
  // Killed after the first signer had pinned it.
  const manifest = JSON.parse(readFileSync(at('manifest.json'), 'utf8')) as object;
  assert.equal((await gates[0]!.ask('POST', '/v1/manifest', manifest))['ok'], true);
  const early = ceremony('compare', at('manifest.json'), '--as', at('bob'));
  assert.match(early.stderr, /MANIFEST_DIFFERS: signer-b has pinned none/);
  for (let time = 0; time < 2; time++) {
    const pinned = ceremony('pin', at('manifest.json'), '--as', at('bob'));
    assert.equal(pinned.status, 0, pinned.stderr);
    assert.equal(hashIn(pinned.stdout), hash);
  }
  for (const id of SIGNERS) assert.equal(hashIn(onHost('hash', '--data', at(id, 'data')).stdout), hash);
  const said = ran(
    here('portcullis.js'),
    '--json',
    'ceremony',
    'compare',
    at('other.json'),
    '--as',
    at('bob'),
  );
  assert.equal((JSON.parse(said.stdout) as { code: string }).code, 'MANIFEST_DIFFERS');
  const other = ceremony('compare', at('other.json'), '--as', at('bob'));
  assert.match(other.stderr, /MANIFEST_DIFFERS: signer-a has pinned/);
});

test('backups and rehearsal: every key and address again from three operators; bent shares are named', () => {
  for (const id of SIGNERS) {
    const backup = backupOf(id);
    // As a kill leaves it.
    mkdirSync(at(`${id}-backup.partial`));
    writeFileSync(at(`${id}-backup.partial`, 'alice.age'), 'half');
    const made = onHost(...backup);
    assert.equal(made.status, 0, made.stderr);
    assert.match(onHost(...backup).stdout, /made before and is whole/);
  }
  const manifest = signedManifest();
  const lines = Array.from({ length: 40 }, (_, i) => {
    const branch = i % 4 === 3 ? 1 : 0;
    const { address } = walletPayment(manifest, branch, i);
    return { network: REGTEST, address, derivation: `${branch}/${i}` };
  });
  const list = (name: string, rows: readonly object[]): string =>
    write(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const good = list('issued.jsonl', lines);
  const rehearsed = rehearse(good, [0, 2, 3]);
  assert.equal(rehearsed.status, 0, rehearsed.stderr);
  assert.match(rehearsed.stdout, /✓ 40 addresses/);
  assert.match(rehearse(good, [0, 2]).stderr, /SHARES_TOO_FEW: signer-a: 2 of the 3/);
  const wrong = list(
    'wrong.jsonl',
    lines.map((row, i) => (i === 11 ? { ...row, address: lines[0]!.address } : row)),
  );
  assert.match(rehearse(wrong, [0, 1, 2]).stderr, /ADDRESS_DIFFERS: .* at 1\/11 /);
  assert.match(rehearse(write('none.jsonl', ''), [0, 1, 2]).stderr, /FILE_BROKEN/);
  const swapped = at('swapped');
  cpSync(at('signer-a-backup'), swapped, { recursive: true });
  cpSync(at('signer-b-backup', 'carol.age'), join(swapped, 'carol.age'));
  assert.match(rehearse(good, [0, 1, 2, 3], swapped).stderr, /SHARE_OF_ANOTHER_KEY: .*carol/);
  const share = readFileSync(at('signer-a-backup', 'carol.age'), 'utf8');
  writeFileSync(join(swapped, 'carol.age'), share.slice(0, share.length / 2));
  assert.equal(rehearse(good, [0, 1, 3], swapped).status, 0);
  assert.match(rehearse(good, [0, 1, 2], swapped).stderr, /SHARES_TOO_FEW[^]*carol\.age/);
  const wrongWord = rehearse(good, [0, 1, 2], at('signer-a-backup'), at('signer-a.passphrase'));
  assert.match(wrongWord.stderr, /WRONG_PASSPHRASE/);
});

test('a signer restored on a new host proves that it is the one, and signs nothing', async () => {
  const folder = at('restored');
  const identities = [0, 1, 2].flatMap((i) => [
    '--identity',
    at(OPERATORS[i]!, 'backup-identity.age'),
    '--identity-passphrase-file',
    passphrases[i]!,
  ]);
  const fresh = secret('restored-key');
  mkdirSync(folder);
  const restored = onHost(
    'restore',
    '--manifest',
    at('manifest.json'),
    '--signer',
    'signer-b',
    '--shares',
    at('signer-b-backup'),
    '--data',
    join(folder, 'data'),
    '--passphrase-file',
    fresh,
    ...identities,
  );
  assert.equal(restored.status, 0, restored.stderr);
  const gate = await startGate('signer-b', folder);
  const passphrase = readFileSync(fresh, 'utf8');
  const identity = await gate.ask('POST', '/v1/unseal', { passphrase });
  const { xpub, evmAddress } = signedManifest().signers[1]!;
  assert.deepEqual([identity['xpub'], identity['evmAddress']], [xpub, evmAddress]);
  assert.equal((await gate.askAsCore('POST', '/v1/sign', evmRequest()))['code'], 'NOT_READMITTED');
  const manifest = JSON.parse(readFileSync(at('manifest.json'), 'utf8')) as object;
  assert.equal((await gate.ask('POST', '/v1/manifest', manifest))['code'], 'NOT_READMITTED');
});

function operator(i: number, ...other: string[]) {
  const own: Record<string, string> = {
    '--kit': at(OPERATORS[i]!),
    '--passkey': passkeys[i]!.publicKey.toString('hex'),
    '--guardian': guardian(i),
    '--passphrase-file': passphrases[i]!,
  };
  const [name, value] = other;
  if (name !== undefined && value !== undefined) own[name] = value;
  return ceremony('operator', OPERATORS[i]!, ...Object.entries(own).flat());
}

/** A proof of somebody else's, an old one, and one with a flipped bit give no manifest. */
function bentProofs(): void {
  const text = readFileSync(at('proofs.json'), 'utf8');
  const proofs = JSON.parse(text) as { challenge: string; proof: { evm: string; document: object } }[];
  const [first, second] = proofs;
  assert.ok(first && second);
  const bent = [
    [{ ...first, challenge: second.challenge }, ...proofs.slice(1)],
    [{ ...first, proof: { ...first.proof, evm: second.proof.evm } }, ...proofs.slice(1)],
    [{ ...first, proof: { ...first.proof, document: second.proof.document } }, ...proofs.slice(1)],
  ];
  for (const one of bent) {
    const file = write('bent-proofs.json', JSON.stringify(one));
    const refused = ceremony(
      'compose',
      '--plan',
      at('plan.json'),
      '--proofs',
      file,
      '--out',
      at('bent.json'),
      ...cards,
    );
    assert.match(refused.stderr, /PROOF_REFUSED/);
  }
  const few = write('few-proofs.json', JSON.stringify(proofs.slice(1)));
  const composed = ceremony(
    'compose',
    '--plan',
    at('plan.json'),
    '--proofs',
    few,
    '--out',
    at('two.json'),
    ...cards,
  );
  assert.equal(composed.status, 0, composed.stderr);
  const verified = ceremony('verify', at('two.json'), ...cards, '--as', at('bob'));
  assert.match(verified.stderr, /MANIFEST_DIFFERS: signer-a proved a key and is not in the manifest/);
  assert.ok(!existsSync(at('bent.json')));
}

/** One operator was handed another manifest: a hash of its own, a refusal by name, and no place beside the others. */
function differs(): void {
  write('other-plan.json', JSON.stringify({ ...plan(), threshold: 1 }));
  const other = [
    'compose',
    '--plan',
    at('other-plan.json'),
    '--proofs',
    at('proofs.json'),
    '--out',
    at('other.json'),
  ];
  const composed = ceremony(...other, ...cards);
  assert.equal(composed.status, 0);
  assert.notEqual(
    hashIn(composed.stdout),
    hashIn(ceremony('verify', at('unsigned.json'), ...cards, '--as', at('bob')).stdout),
  );
  const mixed = [
    signedBy(0, at('unsigned.json')),
    signedBy(1, at('unsigned.json')),
    signedBy(2, at('other.json')),
  ];
  const refused = ceremony('assemble', at('unsigned.json'), '--out', at('mixed.json'), ...mixed);
  assert.match(refused.stderr, /MANIFEST_DIFFERS: .*by-carol/);
  const foreign = ceremony('verify', at('unsigned.json'), ...cards.slice(1), '--as', at('bob'));
  assert.match(foreign.stderr, /CARD_REFUSED: the card of alice is missing/);
}

/** What the page of the passkey makes: the document with one assertion. */
function signedBy(i: number, file: string): string {
  const document = JSON.parse(readFileSync(file, 'utf8')) as object;
  const parsed = manifestDocument.parse(document);
  assert.ok(parsed.ok);
  const assertion = passkeys[i]!.assert(manifestDocument.digest(parsed.value, sha256), ORIGIN);
  const by = OPERATORS[i]!;
  const signatures = signaturesToJson([{ kind: 'passkey', by, ...assertion }]);
  return write(`by-${by}.json`, JSON.stringify({ document, signatures }));
}

const backupOf = (id: string): string[] => [
  'backup',
  '--data',
  at(id, 'data'),
  '--passphrase-file',
  at(`${id}.passphrase`),
  '--threshold',
  '3',
  '--out',
  at(`${id}-backup`),
  ...cards,
];

function rehearse(
  addresses: string,
  who: readonly number[],
  first = at('signer-a-backup'),
  passphrase?: string,
) {
  const backups = [first, at('signer-b-backup'), at('signer-c-backup')];
  return ceremony(
    'rehearse-restore',
    ...backups,
    '--manifest',
    at('manifest.json'),
    '--addresses',
    addresses,
    '--identity',
    ...who.map((i) => at(OPERATORS[i]!, 'backup-identity.age')),
    '--identity-passphrase-file',
    ...who.map((i) => passphrase ?? passphrases[i]!),
  );
}

function signedManifest(): Manifest {
  const { document } = JSON.parse(readFileSync(at('manifest.json'), 'utf8')) as { document: object };
  const parsed = manifestDocument.parse(document);
  assert.ok(parsed.ok);
  return parsed.value;
}

const plan = () => ({
  epoch: 1,
  previous: '00'.repeat(32),
  threshold: 2,
  operatorQuorum: 3,
  operatorOrigin: ORIGIN,
  customerOrigin: 'http://localhost:7392',
  journalCopies: 2,
  sentinels: [],
  bitcoin: [
    {
      network: REGTEST,
      chain: 'regtest',
      asset: `${REGTEST}/slip44:1`,
      feeRateMaxSatPerVb: 500,
      feeMaxSat: '5000000',
      indexMax: 100_000,
      cold: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk',
    },
  ],
  evm: [],
});

/** The sixteen groups that people read aloud, as one word. */
function hashIn(text: string): string {
  const groups = text.match(/^ *([0-9a-f]{4} ){3}[0-9a-f]{4}$/gm);
  assert.equal(groups?.length, 4, text);
  return groups.join('').replaceAll(/\s/g, '');
}

function ceremony(...args: string[]) {
  return ran(here('portcullis.js'), 'ceremony', ...args);
}

function onHost(...args: string[]) {
  return ran(here('../signer/ceremony/main.ts'), ...args);
}

function ran(...args: string[]) {
  return spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  });
}

/** A gate with its vault; its clients are core and the operators. */
async function startGate(id: string, folder: string) {
  mkdirSync(join(folder, 'data'), { recursive: true });
  const server = await identityIn(join(folder, 'tls'), id);
  const all = [core, ...certificates];
  const clientCa = join(folder, 'clients.pem');
  writeFileSync(clientCa, all.map(({ certificateFile }) => readFileSync(certificateFile, 'utf8')).join('\n'));
  const config = join(folder, 'gate.json');
  writeFileSync(
    config,
    JSON.stringify({
      signer: id,
      listen: { host: '127.0.0.1', port: 0 },
      tls: { key: server.keyFile, cert: server.certificateFile, clientCa },
      clients: all.map(({ fingerprint }, i) => ({ fingerprint, role: i === 0 ? 'core' : 'operator' })),
      data: 'data',
    }),
  );
  const child = spawn(process.execPath, [here('../signer/gate/main.ts'), config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  processes.push(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`${id} did not start`)));
    createInterface(child.stdout).once('line', (line) =>
      resolve((JSON.parse(line) as { listening: { port: number } }).listening.port),
    );
  });
  const url = `https://127.0.0.1:${port}`;
  const as = ({ certificateFile, keyFile }: Identity) =>
    openSigner({
      url,
      certificate: readFileSync(server.certificateFile, 'utf8'),
      client: { certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') },
    });
  return { id, url, certificateFile: server.certificateFile, ask: as(certificates[0]!), askAsCore: as(core) };
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  await gone;
}
