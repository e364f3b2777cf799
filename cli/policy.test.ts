// Proves against three real signers, with core down: that one command key tightens at once and never loosens; that a
// quorum loosens with passkeys in a real browser, which waits, and which one command key stops; that stale, unchanged and
// conflicting proposals are refused before anybody signs; that a signer that was away is told; and that a manifest is
// verified by its signatures and by what every signer has pinned.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bitcoinRequest, coin, orderJson } from '../signer/test/quorum.ts';
import { startOperators } from './test/operators.ts';

const local = await startOperators(7395);
after(local.stop);
const { done, fails, signAs, path } = local;
const [alice, bob, carol] = local.operators;
assert.ok(alice && bob && carol);
const asAlice = ['--as', alice.folder];
const byKey = [...asAlice, '--passphrase-file', alice.passphraseFile];

interface Shown {
  policy: { version: number; assets: { orderMax: string }[]; loosenDelaySeconds: number };
  waiting: { version: number } | null;
  signers: { version: number; waiting: { version: number; from: string } | null }[];
}

const show = async (): Promise<Shown> => (await done('policy', 'show', ...asAlice)) as unknown as Shown;

/** `show --json > file`, with this edit. */
async function edited(file: string, edit: (policy: Shown['policy']) => void): Promise<string> {
  const shown = await show();
  edit(shown.policy);
  writeFileSync(join(path, file), JSON.stringify(shown));
  return file;
}

const orderMax =
  (satoshi: string) =>
  (policy: Shown['policy']): void => {
    policy.assets[0]!.orderMax = satoshi;
  };

test('one command key tightens at every signer at once, and never loosens', async () => {
  await edited('tight.json', (policy) => {
    orderMax('500000000')(policy);
    // However slow the machine is, no loosening comes into force while it is looked at.
    policy.loosenDelaySeconds = 86_400;
  });
  const diff = await done('policy', 'diff', 'tight.json', ...asAlice);
  assert.deepEqual([diff['isTighter'], diff['waitSeconds']], [true, 0]);
  assert.match(JSON.stringify(diff['changes']), /one order at most 10000 BTC.*one order at most 5 BTC/);
  assert.equal((await fails('policy', 'propose', 'tight.json', 'p.json', ...asAlice)).code, 'POLICY_TIGHTER');
  const sent = await done('policy', 'tighten', 'tight.json', ...byKey);
  assert.deepEqual([sent['version'], sent['file']], [2, 'policy-2.json']);
  const { signers, policy } = await show();
  assert.deepEqual(
    signers.map(({ version, waiting }) => [version, waiting]),
    [2, 2, 2].map((version) => [version, null]),
  );
  assert.equal(policy.assets[0]!.orderMax, '500000000');
  const again = await fails('policy', 'tighten', 'tight.json', ...byKey);
  assert.equal(again.code, 'POLICY_STALE', 'the file was written from version 1');
  await edited('same.json', () => {});
  assert.equal((await fails('policy', 'tighten', 'same.json', ...byKey)).code, 'POLICY_UNCHANGED');
  await edited('loose.json', orderMax('700000000'));
  const loose = await fails('policy', 'tighten', 'loose.json', ...byKey);
  assert.equal(loose.code, 'POLICY_LOOSER');
  assert.match(String(loose.detail), /LOOSER: what is paid, bip122.*5 BTC.*7 BTC/);
});

test('a quorum loosens with passkeys on the page; it waits at every signer; one command key stops it', async () => {
  await edited('loose.json', orderMax('700000000'));
  const proposed = await done('policy', 'propose', 'loose.json', 'next.json', ...asAlice);
  assert.deepEqual([proposed['isTighter'], proposed['waitSeconds'], proposed['version']], [false, 86_400, 3]);
  const first = await signAs('alice', 'policy', 'approve', 'next.json', ...asAlice);
  assert.deepEqual([first['by'], first['missing']], [['alice'], 1]);
  assert.equal((await show()).waiting, null);
  const second = await signAs('bob', 'policy', 'approve', 'next.json', '--as', bob.folder);
  assert.deepEqual([second['by'], second['missing']], [['alice', 'bob'], 0]);
  const { signers, policy } = await show();
  assert.equal(policy.version, 2);
  for (const { version, waiting } of signers) {
    assert.deepEqual([version, waiting?.version], [2, 3]);
    assert.ok(Date.parse(waiting!.from) > Date.now() + 3_600_000);
  }
  const status = await done('signers', ...asAlice);
  assert.match(JSON.stringify(status), /"policy":\{"version":2,"waiting":\{"version":3,"fromMs":\d+\}\}/);
  await edited('other.json', orderMax('900000000'));
  assert.equal((await fails('policy', 'propose', 'other.json', 'o.json', ...asAlice)).code, 'POLICY_WAITS');
  const carolKey = ['--as', carol.folder, '--passphrase-file', carol.passphraseFile];
  await done('policy', 'veto', ...carolKey);
  assert.deepEqual(
    (await show()).signers.map(({ version, waiting }) => [version, waiting]),
    [4, 4, 4].map((version) => [version, null]),
  );
  assert.equal((await fails('policy', 'veto', ...carolKey)).code, 'NOTHING_WAITS');
  await edited('third.json', orderMax('600000000'));
  await done('policy', 'propose', 'third.json', 'stale.json', ...asAlice);
  await edited('tighter.json', orderMax('400000000'));
  await done('policy', 'tighten', 'tighter.json', ...byKey);
  assert.equal((await fails('policy', 'approve', 'stale.json', ...asAlice)).code, 'POLICY_STALE');
});

test('a replay reads every journal and says what a policy would have refused, and what it would have paid', async () => {
  const core = local.asCore(0);
  const pay = (amount: bigint): object => {
    const asset = local.manifest.bitcoin[0]!.asset;
    const order = orderJson({
      asset,
      amount: String(amount),
      expiry: String(Math.floor(Date.now() / 1000) + 3600),
    });
    return bitcoinRequest(local.manifest, {
      coins: [coin(local.manifest, 600_000_000n)],
      orders: [order],
      change: { index: 1, value: 600_000_000n - amount - 5000n },
    });
  };
  const answers = [];
  for (const amount of [50_000n, 90_000n, 550_000_000n])
    answers.push(await core('POST', '/v1/sign', pay(amount)));
  assert.deepEqual(
    answers.map((one) => (one['ok'] === true ? 'signed' : one['code'])),
    ['signed', 'signed', 'ORDER_TOO_LARGE'],
  );
  await edited('replayed.json', orderMax('60000'));
  const narrow = await done('policy', 'replay', 'replayed.json', ...asAlice);
  assert.deepEqual([narrow['orders'], narrow['byCode']], [3, { ORDER_TOO_LARGE: 1 }]);
  assert.equal((narrow['refused'] as { amount: string }[])[0]?.amount, '90000');
  assert.equal((narrow['still'] as { amount: string }[])[0]?.amount, '550000000');
  await edited('replayed.json', orderMax('600000000'));
  const wide = await done('policy', 'replay', 'replayed.json', '--days', '1', ...asAlice);
  assert.deepEqual(
    (wide['passing'] as { amount: string; was: string }[]).map(({ amount, was }) => [amount, was]),
    [['550000000', 'ORDER_TOO_LARGE']],
  );
  assert.deepEqual([wide['refused'], wide['still']], [[], []]);
  const text = await local.runPlain('policy', 'replay', 'replayed.json', ...asAlice);
  assert.match(text, /3 orders in \d+ entries/);
  assert.match(text, /Not replayed:/);
});

test('a signer that was away is told by name, and takes the same file later', async () => {
  const pid = local.signers.all[2]?.process.pid();
  assert.ok(pid !== undefined);
  await edited('away.json', orderMax('300000000'));
  process.kill(pid, 'SIGSTOP');
  const gone = await local.run('policy', 'tighten', 'away.json', ...byKey).ended;
  assert.equal((await local.run('manifest', 'verify', ...asAlice).ended).code, 1);
  process.kill(pid, 'SIGCONT');
  assert.equal(gone.code, 1, gone.out);
  const { signers, file } = JSON.parse(gone.out) as { file: string; signers: { ok: boolean }[] };
  assert.deepEqual(
    signers.map(({ ok }) => ok),
    [true, true, false],
  );
  assert.equal((await local.run('policy', 'show', ...asAlice).ended).code, 1, 'the signers differ');
  assert.equal((await fails('policy', 'diff', 'away.json', ...asAlice)).code, 'POLICIES_DIFFER');
  await done('policy', 'approve', file, '--as', bob.folder);
  const versions = (await show()).signers.map(({ version }) => version);
  assert.deepEqual(versions, [6, 6, 6]);
});

test('a manifest is verified by its quorum and at every signer; a forged one is not', async () => {
  const shown = await done('manifest', 'show', ...asAlice);
  const verified = await done('manifest', 'verify', ...asAlice);
  assert.deepEqual(verified, { epoch: 1, hash: shown['hash'], signers: shown['signers'] });
  assert.deepEqual(
    (shown['signers'] as { same: boolean }[]).map(({ same }) => same),
    [true, true, true],
  );
  const signed = JSON.parse(readFileSync(local.manifestFile, 'utf8')) as {
    document: Record<string, unknown>;
    signatures: unknown[];
  };
  const write = (name: string, value: object): string => {
    writeFileSync(join(path, name), JSON.stringify(value));
    return name;
  };
  const changed = write('changed.json', { ...signed, document: { ...signed.document, threshold: 1 } });
  assert.equal((await fails('manifest', 'verify', changed, ...asAlice)).code, 'ASSERTION_REFUSED');
  const few = write('few.json', { ...signed, signatures: signed.signatures.slice(0, 1) });
  assert.equal((await fails('manifest', 'verify', few, ...asAlice)).code, 'QUORUM_MISSING');
  const another = { ...signed.document, journalCopies: 3 };
  const ours = write('ours.json', { document: another, signatures: await local.sign(another) });
  const differs = await fails('manifest', 'verify', ours, ...asAlice);
  assert.equal(differs.code, 'MANIFEST_DIFFERS', 'well signed, and not what the signers have');
  assert.match(String(differs.detail), /a has pinned [0-9a-f]{64}; b has/);
});
