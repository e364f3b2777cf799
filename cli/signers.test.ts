// Proves that one operator freezes every signer from a terminal within a second, with core down and without its
// database, and lists what is frozen and where; that a wrong passphrase, scope or kit changes nothing; and that a quorum's unfreeze lifts it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromHex } from '../signer/protocol/canonical.ts';
import { unfreezeDocument } from '../signer/protocol/freeze.ts';
import type { Status } from '../signer/protocol/messages.ts';
import { identityIn } from '../world/certificates.ts';
import { walletManifest } from '../world/configuration.ts';
import { takeFolder } from '../world/folder.ts';
import { installManifest, makeOperators, publicOperators } from '../world/operators.ts';
import { startPeople } from '../world/people/people.ts';
import { startSigners } from '../world/signers.ts';

const REGTEST = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const path = mkdtempSync(join(tmpdir(), 'portcullis-operators-'));
after(() => rmSync(path, { recursive: true }));
const folder = takeFolder(path, true);
const people = await startPeople(folder.at('people.json'));
after(people.stop);
const operators = await makeOperators(folder);
const signers = await startSigners({
  folder,
  client: await identityIn(folder.at('secrets'), 'core'),
  operators: operators.map(({ client }) => client),
});
after(signers.stop);
const manifest = walletManifest(signers.all, publicOperators(operators, await people.introduce()), {
  bitcoinCaip2: REGTEST,
  coldBitcoin: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk',
  evm: [],
});
await installManifest({ manifest, manifestFile: folder.at('manifest.json'), people, operators, signers });
const [alice, bob] = operators;
assert.ok(alice && bob);

async function portcullis(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const program = fileURLToPath(new URL('portcullis.js', import.meta.url));
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, ...args],
      { cwd: path, env: { PATH: process.env['PATH'] } },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

const asAlice = ['--as', alice.folder, '--passphrase-file', alice.passphraseFile];

interface Listed {
  readonly freezes: readonly {
    readonly id: string;
    readonly scope: string;
    at: string[];
    missing: string[];
  }[];
  readonly silent: readonly { readonly signer: string }[];
}

async function listed(): Promise<Listed & { code: number }> {
  const { code, out } = await portcullis('--json', 'freezes', 'list', '--as', bob!.folder);
  return { code, ...(JSON.parse(out) as Listed) };
}

async function freezes(): Promise<Status['freezes'][]> {
  const { code, out } = await portcullis('--json', 'signers', '--as', bob!.folder);
  assert.equal(code, 0, out);
  const { signers: all } = JSON.parse(out) as { signers: { answer: Status }[] };
  return all.map(({ answer }) => answer.freezes);
}

interface Shown {
  readonly coreAnswers: boolean;
  readonly silent: readonly object[];
  readonly captures: readonly {
    readonly captured: string;
    readonly costs: readonly {
      readonly asset: string;
      readonly amount_base: string | null;
      readonly basis: string;
    }[];
  }[];
}

/** What capturing core could cost of bitcoin, in satoshi, by the signers' journals alone: there is no core here. */
async function costOfCore(): Promise<bigint> {
  const { code, out } = await portcullis('--json', 'blast-radius', '--as', alice!.folder);
  assert.equal(code, 0, out);
  const { coreAnswers, silent, captures } = JSON.parse(out) as Shown;
  assert.deepEqual([coreAnswers, silent], [false, []]);
  const keys = captures.find(({ captured }) => captured === '2 signer keys')?.costs[0];
  assert.deepEqual([keys?.amount_base, keys?.basis], [null, 'unknown']);
  const cost = captures.find(({ captured }) => captured === 'core')?.costs[0];
  assert.equal(cost?.basis, 'journals');
  return BigInt(cost.amount_base ?? -1);
}

test('one operator freezes every signer within a second; two lift it', async () => {
  assert.ok((await costOfCore()) > 0n, 'windows are open');
  const { code, out } = await portcullis('--json', 'freeze', 'everything', ...asAlice, '--reason', 'a théft');
  assert.equal(code, 0);
  const { id, signers: answers } = JSON.parse(out) as { id: string; signers: { ok: boolean; ms: number }[] };
  assert.equal(answers.length, 3);
  for (const { ok, ms } of answers) assert.ok(ok && ms < 1000, `${ms} ms`);
  const standing = { id, scope: 'everything', by: 'alice', reason: 'a théft' };
  assert.deepEqual(await freezes(), [[standing], [standing], [standing]]);
  const everyone = signers.all.map(({ id: signer }) => signer);
  assert.deepEqual(await listed(), {
    code: 0,
    freezes: [{ ...standing, at: everyone, missing: [] }],
    silent: [],
  });
  assert.equal(await costOfCore(), 0n, 'frozen');
  const unfreeze = {
    epoch: 1,
    freezes: [fromHex(id)],
    suspend: [],
    restore: [],
    reason: '',
    expiry: BigInt(Math.floor(Date.now() / 1000) + 600),
  };
  const digest = unfreezeDocument.digest(unfreeze, (bytes) => createHash('sha256').update(bytes).digest());
  const body = { document: unfreezeDocument.toJson(unfreeze), signatures: await people.approve(digest) };
  for (const [i, { ask }] of signers.all.entries()) {
    if (i > 0) {
      const { code: partly, freezes: still } = await listed();
      assert.deepEqual(
        [partly, still[0]?.at, still[0]?.missing],
        [1, everyone.slice(i), everyone.slice(0, i)],
      );
    }
    assert.equal((await ask('POST', '/v1/unfreeze', body))['ok'], true);
  }
  assert.deepEqual(await listed(), { code: 0, freezes: [], silent: [] });
  assert.deepEqual(await freezes(), [[], [], []]);
});

test('a signer that is down is named, and the others are frozen', async (t) => {
  const last = signers.all.at(-1);
  assert.ok(last);
  const pid = last.process.pid();
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGSTOP');
  t.after(() => process.kill(pid, 'SIGCONT'));
  const { code, out, err } = await portcullis('freeze', REGTEST, ...asAlice);
  assert.equal(code, 1);
  assert.match(err, new RegExp(`Not frozen at ${last.id}`));
  assert.equal(out.split('frozen').length - 1, 2);
  const { code: unsure, freezes: standing, silent } = await listed();
  assert.deepEqual([unsure, silent.map(({ signer }) => signer)], [1, [last.id]]);
  assert.equal(standing.length, 1);
  assert.deepEqual([standing[0]?.scope, standing[0]?.at.length, standing[0]?.missing], [REGTEST, 2, []]);
});

test('a wrong passphrase, scope or kit is wrong usage, and says what to do', async () => {
  const wrong = join(path, 'wrong');
  writeFileSync(wrong, randomBytes(12).toString('hex'));
  const cases: [string[], RegExp][] = [
    [['everything', '--as', alice.folder, '--passphrase-file', wrong], /does not open the command key/],
    [['everything', '--as', alice.folder], /use --passphrase-file/],
    [['everything', '--as', path, '--passphrase-file', wrong], /No operator's kit in/],
    [['all', ...asAlice], /No such scope: all. There is\n +everything\n +bip122:/],
    [['everything'], /--as/],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await portcullis('freeze', ...args);
    assert.deepEqual([code, out], [2, ''], args.join(' '));
    assert.match(err, message);
  }
});
