// Proves with a real browser and its virtual authenticators, and with three real signers: that operators make passkeys on
// the page, which go into their cards; that those passkeys sign the manifest, which every signer pins, and then the first
// policy, which every signer takes; and that a key of another kind, without the person's PIN, or made for another page is
// refused and leaves nothing behind.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { manifestDocument } from '../signer/protocol/manifest.ts';
import { policyDocument } from '../signer/protocol/policy.ts';
import { walletManifest, walletPolicy } from '../world/configuration.ts';
import type { Tab } from '../world/parts/chromium.ts';
import { startBare } from './test/operators.ts';

const PORT = 7396;
const ORIGIN = `http://localhost:${PORT}`;
const local = await startBare();
after(local.stop);
const { done, fails, run, path } = local;
const tabs = new Map<string, Tab>();
const folderOf = (id: string): string => join(path, id);

const press = (tab: Tab, id: string): Promise<unknown> =>
  tab.evaluate(`document.getElementById('${id}').click()`);
const says = (text: string): string =>
  `document.getElementById('said').textContent.includes(${JSON.stringify(text)})`;

/** A tab with an authenticator of its own for each person. */
async function tabOf(id: string): Promise<Tab> {
  const known = tabs.get(id);
  if (known !== undefined) return known;
  const tab = await local.chromium.newTab();
  await tab.addAuthenticator();
  tabs.set(id, tab);
  return tab;
}

async function onPage(
  id: string,
  args: readonly string[],
  steps: readonly (readonly [button: string, said: string])[],
): Promise<Record<string, unknown>> {
  const running = run(...args);
  const tab = await tabOf(id);
  await tab.open(await running.url);
  for (const [button, said] of steps) {
    await tab.until(`!document.getElementById('${button}').disabled`);
    await press(tab, button);
    await tab.until(says(said));
  }
  const { code, out, err } = await running.ended;
  assert.equal(code, 0, out + err);
  return JSON.parse(out) as Record<string, unknown>;
}

const ENROL = [
  ['make', 'Made.'],
  ['use', 'It signs.'],
] as const;
const SIGN = [['sign', 'Signed.']] as const;

async function enrol(id: string): Promise<string> {
  const args = ['operator', 'passkey', '--as', folderOf(id), '--id', id, '--origin', ORIGIN];
  const made = await onPage(id, args, ENROL);
  assert.deepEqual([made['id'], made['inForce']], [id, false]);
  return String(made['publicKey']);
}

/** Certificates and the like, as whoever runs the signers hands them out. */
async function writeKit(id: string): Promise<void> {
  const { client } = local.operators.find((one) => one.id === id)!;
  const signers = local.signers.all.flatMap((one) => [
    '--signer',
    [one.id, one.url, one.certificateFile].join(','),
  ]);
  const files = ['--certificate', client.certificateFile, '--key', client.keyFile];
  const manifest = ['--manifest', join(path, 'signed.json')];
  await done('ceremony', 'kit', id, '--kit', folderOf(id), ...files, ...manifest, ...signers);
}

test('passkeys made on the page go into cards, sign the manifest, and then the first policy', async () => {
  const passphraseFile = join(path, 'passphrase');
  writeFileSync(passphraseFile, 'correct horse battery');
  const roster = [];
  for (const [i, id] of ['alice', 'bob'].entries()) {
    const passkey = await enrol(id);
    const guardian = `0x${'0'.repeat(39)}${i + 1}`;
    const kit = ['--kit', folderOf(id), '--guardian', guardian, '--passphrase-file', passphraseFile];
    await done('ceremony', 'operator', id, ...kit);
    const card = JSON.parse(readFileSync(join(folderOf(id), 'operator-card.json'), 'utf8')) as {
      document: { passkey: string; commandKey: string };
    };
    assert.equal(card.document.passkey, passkey);
    roster.push({ id, passkey, commandKey: card.document.commandKey, guardian });
    await writeKit(id);
    const other = await fails('ceremony', 'operator', id, ...kit, '--passkey', `02${'11'.repeat(32)}`);
    assert.match(String(other.detail), /is another/);
  }
  const manifest = {
    ...walletManifest(local.signers.all, roster, local.system),
    operatorOrigin: ORIGIN,
  };
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(path, name), JSON.stringify(value));
  write('unsigned.json', manifestDocument.toJson(manifest));
  for (const id of ['alice', 'bob'])
    await onPage(
      id,
      ['ceremony', 'sign', 'unsigned.json', '--as', folderOf(id), '--out', `by-${id}.json`],
      SIGN,
    );
  await done('ceremony', 'assemble', 'unsigned.json', 'by-alice.json', 'by-bob.json', '--out', 'signed.json');
  await done('ceremony', 'pin', 'signed.json', '--as', folderOf('alice'));
  await done('manifest', 'verify', '--as', folderOf('bob'));
  write('first.json', policyDocument.toJson(walletPolicy(manifest, 'alice')));
  await done('policy', 'propose', 'first.json', 'next.json', '--as', folderOf('alice'));
  for (const id of ['alice', 'bob'])
    await onPage(id, ['policy', 'approve', 'next.json', '--as', folderOf(id)], SIGN);
  const shown = await done('policy', 'show', '--as', folderOf('alice'));
  assert.deepEqual(
    (shown['signers'] as { version: number }[]).map(({ version }) => version),
    [1, 1, 1],
  );
  const again = await fails('operator', 'passkey', '--as', folderOf('alice'));
  assert.equal(again.code, 'FILE_EXISTS');
});

test('what is no ES256 key of a verified person, or was made for another page, is refused', async () => {
  const folder = folderOf('mallory');
  const running = run('operator', 'passkey', '--as', folder, '--id', 'mallory', '--origin', ORIGIN);
  const url = await running.url;
  const tab = await tabOf('mallory');
  await tab.open(url);
  const made = (options: string): Promise<unknown> =>
    tab.evaluate(`(async () => {
      const shown = JSON.parse(document.getElementById('shown').textContent);
      const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
      const hex = (bytes) => [...new Uint8Array(bytes)].map((one) => one.toString(16).padStart(2, '0')).join('');
      const options = { challenge: unhex(shown.makes), bend: ['', ''], userVerification: 'required', ...${options} };
      const { response } = await navigator.credentials.create({ publicKey: {
        challenge: options.challenge, rp: { id: 'localhost', name: 'x' },
        user: { id: unhex(shown.user), name: 'x', displayName: 'x' },
        pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
        authenticatorSelection: { residentKey: 'preferred', userVerification: options.userVerification },
      } });
      const body = { step: 'made', authenticatorData: hex(response.getAuthenticatorData()).replace(...options.bend), clientData: hex(response.clientDataJSON) };
      const answer = await fetch(location.pathname, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
      return (answer.ok ? 'ok ' : '') + (await answer.text());
    })()`);
  assert.match(String(await made('{ challenge: new Uint8Array(32) }')), /for another page/);
  assert.match(String(await made("{ bend: ['010203262001', '010203272001'] }")), /not of ES256/);
  assert.match(String(await made('{}')), /^ok made/, 'the same with nothing wrong');
  const unverified = "{ bend: [/^(.{64})45/, (_, hash) => hash + '41'] }";
  assert.match(String(await made(unverified)), /not verified the person/);
  await press(tab, 'cancel');
  await tab.until(says('Cancelled'));
  const { code, out } = await running.ended;
  assert.equal(code, 1);
  assert.match(out, /PASSKEY_CANCELLED/);
  assert.equal(existsSync(join(folder, 'passkey.json')), false);
});
