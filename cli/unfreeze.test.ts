// Proves that two operators lift a freeze with their passkeys in a real browser, on the page that the command line
// serves, and that real signers take it; that a stranger's passkey, another origin, another host and a changed file
// are refused and change nothing; and that cancelling signs nothing.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Tab } from '../world/parts/chromium.ts';
import { OPERATOR_ORIGIN } from '../world/people/people.ts';
import { startOperators } from './test/operators.ts';

const { host } = new URL(OPERATOR_ORIGIN);
const { path, operators, run, done, tabOf, signAs, stop } = await startOperators(
  Number(new URL(OPERATOR_ORIGIN).port),
);
after(stop);
const [alice, bob] = operators;
assert.ok(alice && bob);

const press = (tab: Tab, id: string): Promise<unknown> =>
  tab.evaluate(`document.getElementById('${id}').click()`);
const says = (text: string): string =>
  `document.getElementById('said').textContent.includes(${JSON.stringify(text)})`;
const standing = async (): Promise<unknown[]> =>
  (await done('freezes', 'list', '--as', bob.folder))['freezes'] as unknown[];

const approveAs = async ({ id, folder }: typeof alice, file: string): Promise<Record<string, unknown>> =>
  signAs(id, 'unfreeze', 'approve', file, '--as', folder);

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
  const running = run('unfreeze', 'approve', 'restore.json', '--as', alice.folder);
  const url = await running.url;
  const cancel = '{"cancelled":true}';
  assert.equal(await answered(url, { host: 'evil.example:7391' }), 403);
  assert.equal(await answered(url, { host: '127.0.0.1:7391' }), 403);
  assert.equal(await answered(`${OPERATOR_ORIGIN}/`, { host }), 404);
  assert.equal(await answered(url, { host, origin: 'http://localhost:7392' }, cancel), 403);
  assert.equal(await answered(url, { host }, cancel), 403);
  const busy = await run('unfreeze', 'approve', 'restore.json', '--as', bob.folder).ended;
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
  const { code, out } = await run('unfreeze', 'approve', 'changed.json', '--as', alice.folder).ended;
  assert.equal(code, 1);
  assert.match(out, /ASSERTION_REFUSED.*over something else/);
});
