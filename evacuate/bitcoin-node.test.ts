// Proves that a node which hangs is given up in time and a scan of all coins is not, that a login reaches it, and that what
// is no answer of a bitcoind has a code.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { NodeError, openNode } from './bitcoin-node.ts';

const HANGS_MS = 600;
const logins: (string | undefined)[] = [];
const server = createServer((request: IncomingMessage, response) => {
  const answer = async (): Promise<void> => {
    const { method } = (await json(request)) as { method: string };
    logins.push(request.headers.authorization);
    if (method !== 'quick') await wait(HANGS_MS);
    response.end(method === 'page' ? '<html>' : JSON.stringify({ result: method, error: null }));
  };
  void answer();
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close());
const { port } = server.address() as AddressInfo;
const node = openNode(`http://user:pass%20word@127.0.0.1:${port}`, HANGS_MS / 3);

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => assert.fail('it answered'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof NodeError);
  return error.code;
};

test('what hangs is given up, a scan is waited for, and a login arrives', async () => {
  assert.equal(await node('quick'), 'quick');
  assert.equal(await codeOf(node('getblockcount')), 'NODE_UNREACHABLE');
  assert.equal(await codeOf(node('scantxoutset', 'status')), 'NODE_UNREACHABLE');
  assert.equal(await node('scantxoutset', 'start', []), 'scantxoutset');
  const login = `Basic ${Buffer.from('user:pass word').toString('base64')}`;
  assert.deepEqual([...new Set(logins)], [login]);
});

test('a page, and nobody at all, are no node', async () => {
  const patient = openNode(`http://127.0.0.1:${port}`);
  assert.equal(await codeOf(patient('page')), 'NODE_UNREACHABLE');
  assert.equal(await codeOf(openNode('http://127.0.0.1:1')('quick')), 'NODE_UNREACHABLE');
});
