// Proves that a signer whose EVM key is in a real token pays from the real contract with the others, asks the token
// only for what its journal holds, and refuses with a code, not worse, when token, key or signature are not the ones.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encodeFunctionData, getAddress, zeroAddress, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { hotVaultAbi } from '../../contracts/abi/hot-vault.ts';
import { deployHotVault } from '../../contracts/deploy.ts';
import { connectEvm, transact } from '../../contracts/rpc.ts';
import { testAnvil } from '../../world/testing.ts';
import { openToken } from '../hsm/token.ts';
import type { Identity } from '../protocol/messages.ts';
import { formatTokenAnswer } from '../protocol/token.ts';
import type { TokenPipe } from '../vault/token.ts';
import { TOKEN_LABEL, makeToken, pipeTo } from './softhsm.ts';
import {
  NATIVE,
  PASSPHRASE,
  bitcoinRequest,
  call,
  callThrough,
  evmRequest,
  makeQuorum,
  manifestOf,
  orderJson,
  payment,
  policyOf,
  signed,
  signedManifest,
  signedPolicy,
} from './quorum.ts';

const PIN = 'a pin of a test';
const folder = mkdtempSync(join(tmpdir(), 'portcullis-token-'));
after(() => rmSync(folder, { recursive: true }));
const { module } = await makeToken(folder, PIN);
const token = openToken(module);
after(() => token.close());

/** What happens to the lines between vault and token. */
let between: (answer: string) => string | undefined = (answer) => answer;
let asked = 0;
let onSign = (): void => undefined;
const real = pipeTo(token, () => {
  asked += 1;
  onSign();
});
const pipe: TokenPipe = {
  label: TOKEN_LABEL,
  exchange: (line, isAnswer) => {
    const answer = real.exchange(line, isAnswer);
    return answer === undefined ? undefined : between(answer);
  },
};
const codeOf = (answer: Record<string, unknown>): unknown => answer['code'];

test('a batch is paid by a signature of the token with one of each other signer', async (t) => {
  const quorum = makeQuorum({ pin: false, token: { pipe, pin: PIN } });
  t.after(quorum.close);
  const { vaults, clock } = quorum;
  const identities = vaults.map((vault) => call(vault, 'identity', {}) as unknown as Identity);
  const node = await testAnvil(t, { chainId: 31337 });
  const [account, cold, owner, operators, guardian] = node.accounts;
  assert.ok(account && cold && owner && operators && guardian);
  const client = await connectEvm(node.url, 31337);
  // The contract refuses a COLD without code: it must be a Safe, and this test moves nothing there.
  await node.rpc('anvil_setCode', cold.address, '0x00');
  const payer = privateKeyToAccount(account.privateKey);
  const vault = await deployHotVault(client, payer, {
    signers: identities.map(({ evmAddress }) => getAddress(evmAddress)),
    threshold: 2,
    guardians: [guardian.address],
    cold: cold.address,
    owner: owner.address,
    operators: operators.address,
    caps: [{ token: zeroAddress, capUnits: 10n ** 18n }],
  });
  const manifest = manifestOf(identities, 2, vault);
  for (const one of vaults) {
    assert.ok(call(one, 'manifest', signedManifest(manifest)).ok);
    assert.ok(call(one, 'policy', signedPolicy(policyOf(manifest))).ok);
  }
  await node.rpc('anvil_setBalance', vault, '0xde0b6b3a7640000');
  const { timestamp } = await client.getBlock();
  clock.nowMs = Number(timestamp) * 1000;
  const generation = await client.readContract({
    abi: hotVaultAbi,
    address: vault,
    functionName: 'generation',
  });
  const destination = getAddress(`0x${'7'.repeat(40)}`);
  // Four each, so that a higher s and either recovery bit come up.
  for (let i = 0; i < 8; i += 1) {
    const expiry = String(timestamp + 7200n);
    const order = orderJson({ destination, asset: 'eip155:31337/slip44:60', amount: '1000', expiry });
    const deadline = String(timestamp + 3000n);
    const request = evmRequest({ vault, deadline, generation: String(generation), orders: [order] });
    const signatures = [vaults[0]!, vaults[1 + (i % 2)]!]
      .map((one) => signed(one, request))
      .toSorted((a, b) => (BigInt(a.address!) < BigInt(b.address!) ? -1 : 1))
      .map(({ signature }) => signature!.slice(2));
    const item: Hex = `0x${((1000n << 160n) | BigInt(destination)).toString(16).padStart(64, '0')}`;
    const args = [NATIVE, BigInt(deadline), [BigInt(order.orderNumber)], [item]] as const;
    const data = encodeFunctionData({
      abi: hotVaultAbi,
      functionName: 'pay',
      args: [...args, `0x${signatures.join('')}`],
    });
    await transact(client, payer, { to: vault, data });
    assert.equal(await client.getBalance({ address: destination }), 1000n * BigInt(i + 1));
  }
});

test('the journal holds a payment before the token is asked, and the file names the key without holding it', (t) => {
  const quorum = makeQuorum({ token: { pipe, pin: PIN } });
  t.after(quorum.close);
  const [vault] = quorum.vaults;
  const at = quorum.folders[0]!;
  assert.ok(vault !== undefined);
  const heads: number[] = [];
  const journalLines = (): number =>
    readFileSync(join(at, 'journal.jsonl'), 'utf8').split('"evm-pay"').length - 1;
  onSign = () => heads.push(journalLines());
  t.after(() => (onSign = () => undefined));
  for (const one of quorum.vaults) assert.ok(callThrough(one, 'confirm', {}).ok);
  heads.length = 0;
  signed(vault, evmRequest());
  assert.deepEqual(heads, [1, 1], 'one ask to peers, one payment, both after the entry');
  const file = JSON.parse(readFileSync(join(at, 'key.json'), 'utf8')) as { token: { publicKey: string } };
  assert.match(file.token.publicKey, /^04[0-9a-f]{128}$/);
  // What follows from the sealed entropy at the EVM path is another key, which no manifest names.
  const proof = call(vault, 'prove', { challenge: '11'.repeat(32) });
  assert.ok(proof.ok, JSON.stringify(proof));
});

test('a token that is gone, hung or lies is a refusal; Bitcoin waits with it; after a login all goes on', (t) => {
  const quorum = makeQuorum({ token: { pipe, pin: PIN } });
  t.after(quorum.close);
  t.after(() => (between = (answer) => answer));
  const [vault, other] = quorum.vaults;
  assert.ok(vault !== undefined && other !== undefined);
  const request = evmRequest();
  assert.ok(callThrough(vault, 'sign', evmRequest()).ok);

  between = () => undefined;
  assert.equal(codeOf(callThrough(vault, 'sign', request)), 'TOKEN_GONE');
  assert.equal(codeOf(call(vault, 'prove', { challenge: '11'.repeat(32) })), 'TOKEN_GONE');
  const before = asked;
  between = (answer) => answer;
  assert.equal(codeOf(callThrough(vault, 'sign', request)), 'TOKEN_GONE', 'until somebody logs in');
  assert.equal(asked, before, 'and the token is not asked');
  // The journal's countersignatures are the token's as well.
  const bitcoin = bitcoinRequest(quorum.manifest, payment(quorum.manifest));
  assert.equal(codeOf(callThrough(vault, 'sign', bitcoin)), 'TOKEN_GONE');
  assert.ok(callThrough(other, 'sign', evmRequest(), [quorum.vaults[2]!]).ok, 'the other two go on');

  for (const [pin, code] of [
    ['another pin', 'PIN_REFUSED'],
    [undefined, 'PIN_REFUSED'],
  ] as const) {
    const answer = call(vault, 'unseal', { passphrase: PASSPHRASE, ...(pin === undefined ? {} : { pin }) });
    assert.equal(codeOf(answer), code);
  }
  assert.equal(codeOf(call(vault, 'unseal', { passphrase: `${PASSPHRASE}r`, pin: PIN })), 'WRONG_PASSPHRASE');
  assert.ok(call(vault, 'unseal', { passphrase: PASSPHRASE, pin: PIN }).ok);
  assert.ok(callThrough(vault, 'sign', request).ok);
  assert.ok(callThrough(vault, 'sign', bitcoin).ok);

  between = (answer) => {
    const { id, signature } = JSON.parse(answer) as { id: number; signature?: string };
    return signature === undefined ? answer : formatTokenAnswer(id, { ok: true, signature: randomBytes(64) });
  };
  assert.equal(codeOf(callThrough(vault, 'sign', evmRequest())), 'TOKEN_SIGNATURE_WRONG');
  between = (answer) => {
    const { id, publicKey } = JSON.parse(answer) as { id: number; publicKey?: string };
    const another = Buffer.concat([Buffer.from([4]), randomBytes(64)]);
    return publicKey === undefined ? answer : formatTokenAnswer(id, { ok: true, publicKey: another });
  };
  assert.equal(codeOf(call(vault, 'unseal', { passphrase: PASSPHRASE, pin: PIN })), 'TOKEN_KEY_REFUSED');
});

test('after a restart the same key is found; its file opens for no other token, and for none', (t) => {
  const quorum = makeQuorum({ token: { pipe, pin: PIN } });
  t.after(quorum.close);
  for (const one of quorum.vaults) assert.ok(callThrough(one, 'confirm', {}).ok);
  const again = quorum.reopen(0);
  t.after(() => again.close());
  const identity = call(again, 'unseal', { passphrase: PASSPHRASE, pin: PIN });
  assert.equal(identity['evmAddress'], quorum.manifest.signers[0]!.evmAddress);
  assert.ok(callThrough(again, 'sign', evmRequest()).ok);
  // A signer without a token takes no PIN, so that nobody believes that it has one.
  const [, plain] = quorum.vaults;
  assert.equal(codeOf(call(plain!, 'unseal', { passphrase: PASSPHRASE, pin: PIN })), 'PIN_REFUSED');
  const path = join(quorum.folders[0]!, 'key.json');
  const text = readFileSync(path, 'utf8');
  rmSync(path);
  writeFileSync(path, text.replace(TOKEN_LABEL, 'signer-z'));
  assert.throws(() => quorum.reopen(0), /KEY_FILE_BROKEN/);
});
