// Proves on a real EVM node, without core and without signers, that one guardian's key pauses the vault and moves
// everything to COLD, also when blocks pass it over; and that what cannot move is named and holds nothing else up.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  encodeFunctionData,
  numberToHex,
  parseEther,
  parseGwei,
  zeroAddress,
  type Address,
  type Hex,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { writeKit } from '../cli/operator-kit.ts';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import { testUSDCAbi } from '../contracts/abi/test-usdc.ts';
import { testUSDTAbi } from '../contracts/abi/test-usdt.ts';
import { deployEvmSystem, type EvmSystem } from '../contracts/deploy.ts';
import { signedPayCall } from '../contracts/payments.ts';
import { connectEvm, transact, type EvmClient } from '../contracts/rpc.ts';
import type { Anvil } from '../world/parts/anvil.ts';
import { testManifestText } from '../world/testing-manifest.ts';
import { testAnvil } from '../world/testing.ts';
import { fromHex } from '../signer/protocol/canonical.ts';
import type { ManifestEvm } from '../signer/protocol/manifest.ts';
import { EvacuationError, evacuateEvm, isEvacuated, planEvm, type EvmRules } from './evm.ts';

const NETWORK = 'eip155:31337';
const TOKENS = 1_000_000_000n;
const key = (number: number): Hex => numberToHex(number, { size: 32 });
const accounts = (...numbers: number[]) => numbers.map((number) => privateKeyToAccount(key(number)));
const signers = accounts(41, 42, 43);
const guardian = privateKeyToAccount(key(51));

interface Rig {
  readonly node: Anvil;
  readonly client: EvmClient;
  readonly system: EvmSystem;
  readonly rules: EvmRules;
  readonly entry: ManifestEvm;
  readonly as: (to: Address, data?: Hex, valueWei?: bigint) => Promise<unknown>;
  readonly tokensOf: (token: Address, holder: Address) => Promise<bigint>;
}

/** Contracts on a chain, 10 ETH and 1,000 of each token in the vault, and no other part of the system. */
async function rig(t: TestContext): Promise<Rig> {
  const node = await testAnvil(t);
  const safe = (...owners: number[]) => ({
    owners: accounts(...owners).map(({ address }) => address),
    threshold: 2,
  });
  const payer = node.accounts[0]!;
  const system = await deployEvmSystem({
    rpcUrl: node.url,
    chainId: node.chainId,
    deployerKey: payer.privateKey,
    initializerKey: key(61),
    safes: { cold: safe(11, 12, 13), operators: safe(21, 22, 23), owner: safe(31, 32, 33) },
    signers: signers.map(({ address }) => address),
    threshold: 2,
    guardians: [guardian.address],
    capUnits: { ETH: parseEther('5'), USDT: 5_000_000_000n, USDC: 5_000_000_000n },
    timelockDelaySeconds: 3600,
    tokens: 'deploy-test-tokens',
  });
  const client = await connectEvm(node.url, node.chainId);
  const sender = privateKeyToAccount(payer.privateKey);
  const as = async (to: Address, data: Hex = '0x', valueWei = 0n) =>
    transact(client, sender, { to, data, valueWei });
  const { vault, tokens } = system;
  await as(guardian.address, '0x', parseEther('1'));
  await as(vault, '0x', parseEther('10'));
  await as(tokens.USDT, encodeFunctionData({ abi: testUSDTAbi, functionName: 'issue', args: [TOKENS] }));
  const transfer = { abi: testUSDTAbi, functionName: 'transfer' } as const;
  await as(tokens.USDT, encodeFunctionData({ ...transfer, args: [vault, TOKENS] }));
  await as(
    tokens.USDC,
    encodeFunctionData({ abi: testUSDCAbi, functionName: 'mint', args: [vault, TOKENS] }),
  );
  const entry: ManifestEvm = {
    network: NETWORK,
    chainId: BigInt(node.chainId),
    vault,
    tokens: [
      { asset: `${NETWORK}/slip44:60`, token: zeroAddress },
      { asset: `${NETWORK}/erc20:${tokens.USDT.toLowerCase()}`, token: tokens.USDT },
      { asset: `${NETWORK}/erc20:${tokens.USDC.toLowerCase()}`, token: tokens.USDC },
    ],
    deadlineMaxSeconds: 7200,
    factory: system.factory,
    depositInitCodeHash: fromHex(system.initCodeHash.slice(2)),
  };
  const rules: EvmRules = {
    entry,
    nodeUrl: node.url,
    account: guardian,
    gasPriceMaxWei: parseGwei('2000'),
    escalateAfterMs: 15_000,
    withinMs: 120_000,
    nowMs: () => performance.now(),
    sleep: async (ms) => sleep(ms),
    tell: (text) => t.diagnostic(text),
  };
  const tokensOf = async (token: Address, holder: Address) =>
    client.readContract({ address: token, abi: testUSDCAbi, functionName: 'balanceOf', args: [holder] });
  return { node, client, system, rules, entry, as, tokensOf };
}

/** What two stolen keys would send. */
const theft = async ({ client, system, node }: Rig, id: bigint): Promise<Hex> => {
  const generation = await client.readContract({
    address: system.vault,
    abi: hotVaultAbi,
    functionName: 'generation',
  });
  const to = node.accounts[7]!.address;
  const payments = [{ id, to, amountUnits: parseEther('1') }];
  const batch = { vault: system.vault, token: zeroAddress, deadline: 2n ** 63n, generation, payments };
  return signedPayCall({ chainId: node.chainId, ...batch }, signers.slice(0, 2));
};

test('one guardian moves all assets to COLD, and two stolen keys then pay nothing', async (t) => {
  const all = await rig(t);
  const { client, system, rules, tokensOf, as } = all;
  const { vault, cold, tokens } = system;
  const plan = await planEvm(rules);
  assert.deepEqual(
    plan.holdings.map(({ amount }) => amount),
    [parseEther('10'), TOKENS, TOKENS],
  );
  assert.ok(plan.feeMaxWei < plan.guardianWei && !plan.paused);
  assert.equal(await client.getBalance({ address: vault }), parseEther('10'), 'a plan moves nothing');
  await as(vault, await theft(all, 1n));
  const begun = performance.now();
  const result = await evacuateEvm(rules);
  t.diagnostic(`evacuated in ${Math.round(performance.now() - begun)} ms`);
  assert.ok(isEvacuated(result));
  assert.deepEqual(result.left, []);
  assert.deepEqual(
    result.moved.map(({ amount }) => amount),
    [parseEther('9'), TOKENS, TOKENS],
  );
  assert.equal(result.cold, cold);
  assert.equal(await client.getBalance({ address: cold }), parseEther('9'));
  assert.deepEqual([await tokensOf(tokens.USDT, cold), await tokensOf(tokens.USDC, cold)], [TOKENS, TOKENS]);
  await as(vault, '0x', parseEther('3'));
  await assert.rejects(as(vault, await theft(all, 2n)), 'paused');
  const again = await evacuateEvm(rules);
  assert.equal(again.moved[0]?.amount, parseEther('3'), 'what came after it goes too');
});

test('while no block takes it, it offers more at the same nonce until one does', async (t) => {
  const { node, client, system, rules } = await rig(t);
  await node.rpc('evm_setAutomine', false);
  const told: string[] = [];
  const running = evacuateEvm({ ...rules, escalateAfterMs: 300, tell: (text) => told.push(text) });
  const limit = Date.now() + 60_000;
  while (told.length < 3 && Date.now() < limit) await sleep(50);
  assert.ok(told.length >= 3, told.join('\n'));
  const nonce = await client.getTransactionCount({ address: guardian.address });
  const pool = await node.rpc<{ pending: Record<string, Record<string, unknown>> }>('txpool_content');
  const waiting = Object.entries(pool.pending).find(
    ([from]) => from.toLowerCase() === guardian.address.toLowerCase(),
  );
  assert.deepEqual(Object.keys(waiting?.[1] ?? {}), [String(nonce)], 'one attempt waits, at one nonce');
  await node.mine(1);
  const result = await running;
  assert.ok(isEvacuated(result), told.join('\n'));
  assert.ok(result.escalations >= 2, `${result.escalations}`);
  assert.equal(result.transactions.length, 1);
  assert.equal(await client.getTransactionCount({ address: guardian.address }), nonce + 1);
  assert.equal(await client.getBalance({ address: system.cold }), parseEther('10'));
});

test('killed while its attempt waits, the next run replaces that one', async (t) => {
  const { node, client, rules } = await rig(t);
  await node.rpc('evm_setAutomine', false);
  const first = await evacuateEvm({ ...rules, withinMs: 500 });
  assert.ok(!isEvacuated(first));
  assert.equal(first.left.length, 3);
  const told: string[] = [];
  const second = evacuateEvm({ ...rules, escalateAfterMs: 300, tell: (text) => told.push(text) });
  const limit = Date.now() + 60_000;
  while (told.length < 2 && Date.now() < limit) await sleep(50);
  assert.ok(told.length >= 2);
  await node.rpc('evm_setAutomine', true);
  await node.mine(1);
  assert.ok(isEvacuated(await second));
  assert.equal(await client.getTransactionCount({ address: guardian.address }), 1);
});

test('a token that does not move is named, and holds nothing else up; when it moves again, so does the rest', async (t) => {
  const { client, system, rules, entry, as } = await rig(t);
  const { USDT } = system.tokens;
  await as(USDT, encodeFunctionData({ abi: testUSDTAbi, functionName: 'pause' }));
  const result = await evacuateEvm(rules);
  assert.ok(!isEvacuated(result) && result.paused);
  assert.deepEqual(result.left, [{ asset: entry.tokens[1]!.asset, token: USDT, amount: TOKENS }]);
  assert.equal(await client.getBalance({ address: system.cold }), parseEther('10'));
  await as(USDT, encodeFunctionData({ abi: testUSDTAbi, functionName: 'unpause' }));
  assert.ok(isEvacuated(await evacuateEvm(rules)));
});

test('a key that the vault does not know, or another chain, is refused before anything is sent', async (t) => {
  const { client, rules, node } = await rig(t);
  const stranger = privateKeyToAccount(node.accounts[5]!.privateKey);
  const codeOf = (code: string) => (error: unknown) =>
    error instanceof EvacuationError && error.code === code;
  await assert.rejects(evacuateEvm({ ...rules, account: stranger }), codeOf('NOT_A_ROLE'));
  const entry = { ...rules.entry, chainId: 1n };
  await assert.rejects(evacuateEvm({ ...rules, entry }), codeOf('WRONG_CHAIN'));
  assert.equal(await client.getTransactionCount({ address: stranger.address }), 0);
});

test('the command plans, evacuates, and exits with 0 only when nothing is left', async (t) => {
  const { system, rules, entry, as, node, client } = await rig(t);
  const folder = mkdtempSync(join(tmpdir(), 'evacuate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const operator = { id: 'alice', passkey: `02${'11'.repeat(32)}`, commandKey: '22'.repeat(32) };
  const text = testManifestText({
    epoch: 1,
    threshold: 2,
    signers: signers.map(({ address }, i) => ({
      id: `signer-${i}`,
      xpub: `tpub${'A'.repeat(104 - i)}`,
      evmAddress: address,
    })),
    operators: [{ ...operator, guardian: guardian.address }],
    bitcoin: [],
    evm: [{ ...entry, chainId: String(entry.chainId), depositInitCodeHash: '1c'.repeat(32) }],
  });
  file('manifest.json', text);
  file('none.pem', '');
  const url = 'https://127.0.0.1:1';
  writeKit(folder, {
    id: 'alice',
    manifest: 'manifest.json',
    certificate: 'none.pem',
    key: 'none.pem',
    signers: [{ id: 'signer-0', url, certificate: 'none.pem' }],
  });
  const run = async (keyFile: string, ...more: string[]): Promise<{ code: number; out: string }> =>
    new Promise((resolve) => {
      const main = join(import.meta.dirname, '..', 'cli', 'main.ts');
      const args = [main, '--json', 'evacuate', 'evm', '--as', folder, '--guardian-key-file', keyFile];
      const child = execFile(
        process.execPath,
        [...args, '--node', `${NETWORK}=${rules.nodeUrl}`, ...more],
        (_, out) => resolve({ code: child.exitCode ?? -1, out }),
      );
    });
  const own = file('guardian', key(51));
  const wrong = await run(file('wrong', key(52)));
  assert.equal(wrong.code, 2, wrong.out);
  assert.match(wrong.out, /the manifest names/);
  const plan = await run(own, '--plan');
  assert.equal(plan.code, 0, plan.out);
  assert.equal(await client.getBalance({ address: system.cold }), 0n);
  await as(system.tokens.USDT, encodeFunctionData({ abi: testUSDTAbi, functionName: 'pause' }));
  const part = await run(own);
  assert.equal(part.code, 1, part.out);
  assert.equal(JSON.parse(part.out).networks[0].left[0].asset, entry.tokens[1]!.asset);
  await as(system.tokens.USDT, encodeFunctionData({ abi: testUSDTAbi, functionName: 'unpause' }));
  const rest = await run(own);
  assert.equal(rest.code, 0, rest.out);
  assert.deepEqual(JSON.parse(rest.out).networks[0].left, []);
  await node.stop();
  assert.equal((await run(own)).code, 1, 'a node that does not answer');
});
