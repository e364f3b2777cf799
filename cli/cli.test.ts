// Proves the command line as an operator runs it: the real program against a running API, for people and for
// scripts, with its exit codes, on the machine's own Node too.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { KEY, testApi } from '../core/http/test/api.ts';

const api = await testApi({ after });
const folder = await mkdtemp(join(tmpdir(), 'portcullis-cli-'));
after(() => rm(folder, { recursive: true }));
const program = fileURLToPath(new URL('portcullis.js', import.meta.url));
const EVM = '0x52908400098527886E0F7030069857D2E4169EE7';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const connected = { PORTCULLIS_URL: api.url, PORTCULLIS_API_KEY: KEY };

function run(args: string[], env: NodeJS.ProcessEnv = connected, node = process.execPath): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { PATH: process.env['PATH'], ...env } };
    execFile(node, [program, ...args], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

/** What a script gets: one JSON document on stdout. */
async function json(...args: string[]) {
  const { code, out, err } = await run(['--json', ...args]);
  assert.equal(err, '', args.join(' '));
  return { code, value: JSON.parse(out) };
}

test('help names every command and every exit code', async () => {
  const { code, out } = await run(['--help'], {});
  assert.equal(code, 0);
  for (const name of [
    'status',
    'assets',
    'customers',
    'addresses',
    'deposits',
    'strays',
    'withdrawals',
    'transfer',
    'events',
    'halts',
    'books',
    'config',
    'Exit codes',
  ])
    assert.match(out, new RegExp(`^ *${name}`, 'm'));
  const old = await run(['--help'], {}, await machineNode());
  assert.deepEqual([old.code, old.out], [0, out], "the machine's own Node hands over to the pinned one");
});

test('every command says what it does, with an example that names it', async () => {
  let leaves = 0;
  const look = async (path: string[]): Promise<void> => {
    const { code, out } = await run([...path, '--help'], {});
    assert.equal(code, 0, path.join(' '));
    const inner = [...(/Commands:\n([\s\S]*?)(\n\n|$)/.exec(out)?.[1] ?? '').matchAll(/^ {2}([a-z-]+)/gm)];
    const names = inner.map((match) => String(match[1])).filter((name) => name !== 'help');
    if (names.length > 0) return void (await Promise.all(names.map((name) => look([...path, name]))));
    leaves += 1;
    assert.match(
      out,
      new RegExp(`Example:\\n  portcullis (--json )?${path.join(' ')}( |\n)`),
      path.join(' '),
    );
  };
  await look([]);
  assert.ok(leaves >= 25, `${leaves} commands`);
});

test('a customer, an address with its QR code, balances, a transfer and a withdrawal', async () => {
  const { value: alice } = await json('customers', 'create', 'alice');
  await json('customers', 'create', 'bob');
  assert.deepEqual((await json('customers', 'show', 'alice')).value, alice);
  await api.fund(alice.id, 'ETH', 10n ** 18n);
  const address = await run(['addresses', 'new', 'alice', 'ETH', 'ethereum']);
  assert.match(address.out, /address +0x[0-9a-fA-F]{40}/);
  assert.match(address.out, /[█▀▄]{5}/);
  assert.ok(!address.out.includes('\u001b'), 'no colours where stdout is no terminal');
  const listed = (await json('addresses', 'list', 'alice')).value;
  assert.deepEqual(
    listed.map((line: { network: string }) => line.network).toSorted(),
    ['ethereum', 'polygon'],
    'one address, on every EVM network',
  );
  const moved = await json('transfer', 'alice', 'bob', 'ETH', '0.25', '--external-id', 't1');
  assert.deepEqual([moved.code, moved.value[0].status], [0, 'applied']);
  const [bob] = (await json('customers', 'balances', 'bob')).value.filter(
    (line: { asset: string }) => line.asset === 'ETH',
  );
  assert.equal(bob.total, '0.250000000000000000');
  const refused = await json('transfer', 'alice', 'bob', 'ETH', '7');
  assert.deepEqual([refused.code, refused.value[0].code], [1, 'INSUFFICIENT_FUNDS']);
  const quote = await run(['withdrawals', 'quote', 'alice', 'ETH', 'ethereum', EVM, '0.1']);
  assert.match(quote.out, /debited +0\.101/);
  const create = ['withdrawals', 'create', 'alice', 'ETH', 'ethereum', EVM, '0.1', '--external-id', 'w1'];
  const { value: made } = await json(...create);
  assert.equal((await json(...create)).value.id, made.id, 'asked twice, made once');
  assert.equal((await json('withdrawals', 'list', '--customer', 'alice')).value.data.length, 1);
  const watching = run(['withdrawals', 'watch', made.id]);
  assert.equal((await json('withdrawals', 'cancel', made.id)).value.status, 'cancelled');
  const watched = await watching;
  assert.equal(watched.code, 1, 'it did not settle');
  assert.match(watched.out, /✗ cancelled/);
  assert.match((await run(['withdrawals', 'show', made.id])).out, /requested[\s\S]*cancelled/);
  await api.books();
});

test('status, assets, deposits, strays, halts, books and events, for people and for scripts', async () => {
  for (const args of [['assets'], ['status'], ['events'], ['books'], ['customers', 'balances', 'alice']])
    for (const env of [{}, { NO_COLOR: '1' }])
      assert.ok(!(await run(args, { ...connected, ...env })).out.includes('\u001b'), 'no colours in a file');
  const status = await json('status');
  assert.deepEqual([status.code, status.value.ready], [1, false], 'no chain was followed yet');
  assert.match((await run(['assets'])).out, /BTC[\s\S]*bitcoin[\s\S]*✓ open/);
  assert.match((await run(['deposits', 'list'])).out, /No deposits yet/);
  assert.match((await run(['strays', 'list'])).out, /Nothing went astray/);
  assert.equal((await json('strays', 'resolve', 'str_x', 'house')).value.code, 'NOT_FOUND');
  await api.pool.query(`insert into halt values ('bitcoin', 'REORG_TOO_DEEP', 'by 30', now())`);
  assert.match((await run(['halts', 'list'])).out, /REORG_TOO_DEEP/);
  assert.match((await run(['halts', 'clear', 'bitcoin'])).out, /followed again/);
  const books = await run(['books', '--audit']);
  assert.deepEqual([books.code, /every asset adds up to zero/.test(books.out)], [0, true]);
  assert.match(books.out, /computed again from the journal/);
  assert.doesNotMatch((await run(['books'])).out, /computed again/);
  assert.equal((await json('books', '--audit')).value.balanced, true);
  const { value: events } = await json('events', '--limit', '3');
  assert.equal(events.data.length, 3);
  assert.match((await run(['events'])).out, /customer\.created/);
});

test('events are followed one JSON document a line, and a reader that leaves is no error', async () => {
  const child = spawn(process.execPath, [program, '--json', 'events', '--follow'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...connected },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  assert.equal(JSON.parse(text.split('\n')[0] ?? '').sequence, '1');
  child.stdout.destroy();
  await api.customer('one-more');
  assert.equal(await ended, 0);
});

test('each kind of trouble has its exit code and says what to do', async () => {
  const wrong = await run(['nothing']);
  assert.deepEqual([wrong.code, /--help/.test(wrong.err)], [2, true]);
  assert.equal((await run(['customers', 'create'])).code, 2);
  const limit = await run(['deposits', 'list', '--limit', 'many']);
  assert.deepEqual([limit.code, /whole number from 1 to 200/.test(limit.err)], [2, true]);
  for (const args of [['nothing'], ['customers', 'create'], ['deposits', 'list', '--limit', '0']]) {
    const { code, value } = await json(...args);
    assert.deepEqual([code, value.code], [2, 'USAGE'], args.join(' '));
  }
  const nowhere = await run(['status'], {});
  assert.deepEqual([nowhere.code, /npm start/.test(nowhere.err)], [2, true]);
  const silent = await run(['assets'], { ...connected, PORTCULLIS_URL: 'http://127.0.0.1:1' });
  assert.deepEqual([silent.code, /does not answer/.test(silent.err)], [1, true]);
  const refused = await run(['assets'], { ...connected, PORTCULLIS_API_KEY: 'x'.repeat(20) });
  assert.deepEqual([refused.code, /UNAUTHENTICATED/.test(refused.err)], [1, true]);
  const nobody = await run(['customers', 'balances', 'nobody']);
  assert.deepEqual([nobody.code, /customers create nobody/.test(nobody.err)], [2, true]);
  const problem = await run(['--json', 'withdrawals', 'show', 'wdr_x']);
  assert.deepEqual([problem.code, JSON.parse(problem.out).code], [1, 'NOT_FOUND']);
  const gone = { ...connected, PORTCULLIS_URL: 'http://127.0.0.1:1' };
  assert.equal(JSON.parse((await run(['--json', 'assets'], gone)).out).code, 'UNREACHABLE');
  const keyFile = join(folder, 'key');
  await writeFile(keyFile, `${KEY}\n`);
  assert.equal((await run(['--url', api.url, '--key-file', keyFile, 'assets'], {})).code, 0);
  assert.equal((await run(['--url', api.url, '--key-file', `${keyFile}x`, 'assets'], {})).code, 2);
});

test('a name is never a command of the shell, nor part of a URL', async () => {
  for (const name of ['$(touch x)', '; rm -rf .', '../../livez', 'a b', '%00', '"']) {
    const { code, value } = await json('customers', 'show', name);
    assert.ok(code === 1 || code === 2, name);
    assert.ok(['REQUEST_INVALID', 'USAGE'].includes(value.code), `${name}: ${value.code}`);
  }
  assert.equal((await json('withdrawals', 'show', '../assets')).value.code, 'NOT_FOUND');
});

test('a configuration is checked before anything starts with it', async () => {
  const file = join(folder, 'portcullis.toml');
  await writeFile(file, 'epoch = 0\n');
  const bad = await run(['config', 'check', file], {});
  assert.deepEqual([bad.code, /epoch/.test(bad.err)], [1, true]);
  assert.equal((await run(['config', 'check', `${file}x`], {})).code, 2);
  await writeFile(file, GOOD);
  const good = await run(['--json', 'config', 'check', file], {});
  assert.deepEqual(JSON.parse(good.out).listings, [
    { asset: 'BTC', network: 'bitcoin', asset_id: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328/slip44:1' },
  ]);
  assert.equal((await run(['config', 'check', file], {})).code, 0);
});

const GOOD = `
epoch = 1
walletManifestFile = "none"
assets = [{ id = "BTC", name = "Bitcoin", decimals = 8 }]
signers = [{ id = "a", url = "https://127.0.0.1:1", certificateFile = "none" }]
signerClient = { certificateFile = "none", keyFile = "none" }
http = { host = "127.0.0.1", port = 0 }
[[networks]]
id = "bitcoin"
name = "Bitcoin"
kind = "bitcoin"
caip2 = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"
chain = "regtest"
nodes = ["http://127.0.0.1:1"]
reorgDepthMax = 20
feeRateMaxSatPerVb = 100
[[networks.listings]]
asset = "BTC"
depths = [{ from = "0", safe = 1, irreversible = 3 }]
depositMin = "0.0001"
withdrawalMin = "0.0002"
withdrawalFee = "0.00005"
`;

/** The Node that the machine has outside of this project; the pinned one where there is no other. */
async function machineNode(): Promise<string> {
  const outside = (process.env['PATH'] ?? '')
    .split(':')
    .filter((entry) => !entry.includes('node_modules'))
    .map((entry) => join(entry, 'node'));
  for (const candidate of outside) {
    const found = await new Promise<boolean>((resolve) => {
      execFile(candidate, ['--version'], (error) => resolve(error === null));
    });
    if (found) return candidate;
  }
  return process.execPath;
}
