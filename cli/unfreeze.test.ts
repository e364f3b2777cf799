// Proves that two operators lift a freeze with their passkeys in a real browser, on the page that the command line
// serves, and that real signers take it; that a stranger's passkey, another origin, another host and a changed file
// are refused and change nothing; and that cancelling signs nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { identityIn } from '../world/certificates.ts';
import { walletManifest } from '../world/configuration.ts';
import { takeFolder } from '../world/folder.ts';
import { installManifest, makeOperators, publicOperators } from '../world/operators.ts';
import { startChromium, type Tab } from '../world/parts/chromium.ts';
import { openAuthenticator } from '../world/people/authenticator.ts';
import { OPERATORS, OPERATOR_ORIGIN, startPeople, type People } from '../world/people/people.ts';
import { startSigners } from '../world/signers.ts';

const REGTEST = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const path = mkdtempSync(join(tmpdir(), 'portcullis-unfreeze-'));
after(() => rmSync(path, { recursive: true }));
const folder = takeFolder(path, true);
const chromium = await startChromium();
after(chromium.stop);
const software = await startPeople(folder.at('people.json'));
after(software.stop);
const secrets = new Map(OPERATORS.map((id) => [id, randomBytes(32).fill(1, 0, 1)]));
const secretOf = (id: string): Buffer => secrets.get(id as 'alice')!;
/** People whose passkeys this test holds, so that the browser's authenticators can hold them too. */
const people: People = {
  ...software,
  introduce: async () => {
    const introduced = await software.introduce();
    const operators = introduced.operators.map((one) => ({
      ...one,
      passkey: openAuthenticator(secretOf(one.id)).publicKey.toString('hex'),
    }));
    return { ...introduced, operators };
  },
  approve: async (digest) =>
    OPERATORS.slice(0, 2).map((by) => {
      const made = openAuthenticator(secretOf(by)).assert(digest, OPERATOR_ORIGIN);
      const hex = Object.entries(made).map(([name, bytes]) => [name, bytes.toString('hex')]);
      return { kind: 'passkey', by, ...Object.fromEntries(hex) };
    }),
};
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

interface Running {
  /** The page's address, once it is served. */
  readonly url: Promise<string>;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
}

function portcullis(...args: string[]): Running {
  const program = fileURLToPath(new URL('portcullis.js', import.meta.url));
  const child = spawn(process.execPath, [program, '--json', ...args], {
    cwd: path,
    env: { PATH: process.env['PATH'] },
  });
  const [url, ended] = [Promise.withResolvers<string>(), Promise.withResolvers<Awaited<Running['ended']>>()];
  url.promise.catch(() => {});
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => {
    err += part.toString();
    const found = /(http:\/\/localhost:7391\/\S+)\n/.exec(err)?.[1];
    if (found !== undefined) url.resolve(found);
  });
  child.once('close', (code) => {
    url.reject(new Error(`it ended with ${code}: ${out}${err}`));
    ended.resolve({ code, out, err });
  });
  return { url: url.promise, ended: ended.promise };
}

async function done(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await portcullis(...args).ended;
  assert.equal(code, 0, out + err);
  return JSON.parse(out) as Record<string, unknown>;
}

async function tabOf(id: string, secret = secretOf(id)): Promise<Tab> {
  const der = Buffer.concat([
    Buffer.from('30310201010420', 'hex'),
    secret,
    Buffer.from('a00a06082a8648ce3d030107', 'hex'),
  ]);
  const pkcs8 = createPrivateKey({ key: der, format: 'der', type: 'sec1' }).export({
    format: 'der',
    type: 'pkcs8',
  });
  const tab = await chromium.newTab();
  await tab.addPasskey({ rpId: 'localhost', user: id, pkcs8 });
  return tab;
}

const press = (tab: Tab, id: string): Promise<unknown> =>
  tab.evaluate(`document.getElementById('${id}').click()`);
const says = (text: string): string =>
  `document.getElementById('said').textContent.includes(${JSON.stringify(text)})`;
const standing = async (): Promise<unknown[]> =>
  (await done('freezes', 'list', '--as', bob.folder))['freezes'] as unknown[];

async function approveAs(
  operator: NonNullable<typeof alice>,
  file: string,
): Promise<Record<string, unknown>> {
  const running = portcullis('unfreeze', 'approve', file, '--as', operator.folder);
  const tab = await tabOf(operator.id);
  await tab.open(await running.url);
  await press(tab, 'sign');
  await tab.until(says('Signed.'));
  const { code, out, err } = await running.ended;
  assert.equal(code, 0, out + err);
  return JSON.parse(out) as Record<string, unknown>;
}

/** What a client that may set any header is answered. */
const answered = (url: string, headers: Record<string, string>, body?: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const at = new URL(url);
    const options = { host: '127.0.0.1', port: at.port, path: at.pathname, headers };
    const outgoing = request({ ...options, method: body === undefined ? 'GET' : 'POST' }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });

test('two passkeys in a browser lift a freeze at every signer, and one does not', async () => {
  const reason = 'a <b>théft</b>';
  await done(
    'freeze',
    'everything',
    '--as',
    alice.folder,
    '--passphrase-file',
    alice.passphraseFile,
    '--reason',
    reason,
  );
  await done('unfreeze', 'propose', 'lift.json', 'everything', '--as', alice.folder, '--suspend', 'carol');
  const first = await approveAs(alice, 'lift.json');
  assert.deepEqual([first['by'], first['missing']], [['alice'], 1]);
  assert.equal((await standing()).length, 1);
  const second = await approveAs(bob, 'lift.json');
  assert.deepEqual([second['by'], second['missing']], [['alice', 'bob'], 0]);
  assert.deepEqual(await standing(), []);
});

test('a page shows its digest and words, and refuses strangers, other hosts and other origins', async () => {
  await done(
    'unfreeze',
    'propose',
    'restore.json',
    '--as',
    alice.folder,
    '--restore',
    'carol',
    '--reason',
    '<i>x</i>',
  );
  const before = readFileSync(join(path, 'restore.json'), 'utf8');
  const running = portcullis('unfreeze', 'approve', 'restore.json', '--as', alice.folder);
  const url = await running.url;
  const host = 'localhost:7391';
  const cancel = '{"cancelled":true}';
  assert.equal(await answered(url, { host: 'evil.example:7391' }), 403);
  assert.equal(await answered(url, { host: '127.0.0.1:7391' }), 403);
  assert.equal(await answered(`${OPERATOR_ORIGIN}/`, { host }), 404);
  assert.equal(await answered(url, { host, origin: 'http://localhost:7392' }, cancel), 403);
  assert.equal(await answered(url, { host }, cancel), 403);
  const busy = await portcullis('unfreeze', 'approve', 'restore.json', '--as', bob.folder).ended;
  assert.equal(busy.code, 1);
  assert.match(busy.out, /PASSKEY_PORT_BUSY/);
  const stranger = await tabOf('alice', randomBytes(32).fill(1, 0, 1));
  await stranger.open(url);
  assert.match(
    String(await stranger.evaluate('document.body.innerText')),
    /carol may freeze and tighten again/,
  );
  assert.match(String(await stranger.evaluate('document.body.innerText')), /<i>x<\/i>/);
  const digest = String(await stranger.evaluate("document.getElementById('digest').textContent"));
  await press(stranger, 'sign');
  await stranger.until(says('ASSERTION_REFUSED'));
  await press(stranger, 'cancel');
  await stranger.until(says('Cancelled'));
  const { code, out, err } = await running.ended;
  assert.equal(code, 1);
  assert.match(out, /PASSKEY_CANCELLED/);
  assert.ok(err.includes(digest), `${digest} in ${err}`);
  assert.equal(readFileSync(join(path, 'restore.json'), 'utf8'), before);
});

test('a file that was changed after somebody signed is refused before a page is served', async () => {
  const lift = JSON.parse(readFileSync(join(path, 'lift.json'), 'utf8')) as { document: object };
  const changed = { ...lift, document: { ...lift.document, suspend: ['bob'] } };
  writeFileSync(join(path, 'changed.json'), JSON.stringify(changed));
  const { code, out } = await portcullis('unfreeze', 'approve', 'changed.json', '--as', alice.folder).ended;
  assert.equal(code, 1);
  assert.match(out, /ASSERTION_REFUSED.*over something else/);
});
