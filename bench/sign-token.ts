/**
 * Measures what an EVM payment takes in the vault's process when its EVM key is in the sealed file and when it is in a
 * PKCS#11 token, from request to answer over the pipes of production, in turn; and one signature of the token beside.
 *
 * `node bench/sign-token.ts [PAYMENTS]`
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { startVaultProcess, type VaultProcess } from '../signer/gate/vault-process.ts';
import { openToken } from '../signer/hsm/token.ts';
import type { Call, Identity } from '../signer/protocol/messages.ts';
import {
  PASSPHRASE,
  evmRequest,
  manifestOf,
  policyOf,
  signedManifest,
  signedPolicy,
} from '../signer/test/quorum.ts';
import { TOKEN_LABEL, makeToken } from '../signer/test/softhsm.ts';

const PIN = 'a pin of a measurement';
const PAYMENTS = 200;
/** Before the first that counts. */
const WARM_UP = 20;
const TIMEOUT_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-token-'));
try {
  await main(Number(process.argv[2] ?? PAYMENTS));
} finally {
  rmSync(folder, { recursive: true });
}

async function main(payments: number): Promise<void> {
  const softhsm = await makeToken(folder, PIN);
  const sealed = await startSigner('sealed');
  const inToken = await startSigner('token', { ...softhsm, label: TOKEN_LABEL });
  const times = { sealed: [] as number[], token: [] as number[] };
  for (let i = 0; i < payments + WARM_UP; i += 1) {
    times.sealed.push(await timed(async () => pay(sealed)));
    times.token.push(await timed(async () => pay(inToken)));
  }
  await sealed.stop();
  await inToken.stop();
  print('EVM payment, key in the sealed file', times.sealed.slice(WARM_UP));
  print('EVM payment, key in SoftHSM2', times.token.slice(WARM_UP));
  print('  of it one signature of SoftHSM2, without a pipe', await signatures(softhsm.module, payments));
}

/** Alone in its manifest, so that what is measured is one signature and one entry. */
async function startSigner(
  name: string,
  token?: { readonly module: string; readonly label: string; readonly env: Readonly<Record<string, string>> },
): Promise<VaultProcess> {
  const data = join(folder, name);
  mkdirSync(data);
  const onDeath = (why: string): void => assert.fail(why);
  const options = { signer: 'signer-a', data, timeoutMs: TIMEOUT_MS, onDeath };
  const vault = await startVaultProcess({ ...options, ...(token === undefined ? {} : { token }) });
  const key = {
    passphrase: PASSPHRASE,
    epoch: 1,
    chain: 'test',
    ...(token === undefined ? {} : { pin: PIN }),
  };
  const manifest = manifestOf([(await done(vault, 'make-key', key)) as Identity], 1);
  await done(vault, 'manifest', signedManifest(manifest));
  await done(vault, 'policy', signedPolicy(policyOf(manifest)));
  return vault;
}

async function pay(vault: VaultProcess): Promise<void> {
  const seconds = Math.floor(Date.now() / 1000);
  const request = evmRequest();
  const orders = request.orders.map((order) => ({ ...order, expiry: String(seconds + 3600) }));
  await done(vault, 'sign', { ...request, deadline: String(seconds + 600), orders });
}

async function done(vault: VaultProcess, call: Call, body: unknown): Promise<unknown> {
  const answer = (await vault.ask(call, body)) as { readonly ok: boolean };
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer;
}

async function timed(run: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

async function signatures(module: string, count: number): Promise<number[]> {
  const token = openToken(module);
  const keyId = randomBytes(16);
  assert.ok(token.answer({ call: 'open', label: TOKEN_LABEL, pin: PIN }).ok);
  assert.ok(token.answer({ call: 'generate', keyId }).ok);
  const times: number[] = [];
  for (let i = 0; i < count + WARM_UP; i += 1) {
    const digest = randomBytes(32);
    times.push(await timed(async () => assert.ok(token.answer({ call: 'sign', keyId, digest }).ok)));
  }
  token.close();
  return times.slice(WARM_UP);
}

function print(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(2).padStart(7);
  process.stdout.write(`${what.padEnd(50)} median ${at(0.5)} ms   p99 ${at(0.99)}   worst ${at(1)}\n`);
}
