/** A signer’s host in a thief’s hands: his own software at its address, with its certificate and its open key. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { Stack } from '../core/withdrawals/test/stack.ts';
import { stolenKeys } from '../sentinel/test/thief.ts';
import type { BitcoinPayRequest, Signed } from '../signer/protocol/messages.ts';
import { askDocument, countersignDocument } from '../signer/protocol/peers.ts';
import { signBitcoin } from '../signer/vault/bitcoin-pay.ts';
import { decodeTransaction } from '../signer/vault/bitcoin-transaction.ts';
import { openKeys } from '../signer/vault/bitcoin-wallet.ts';
import { evmKeyInMemory } from '../signer/vault/evm-key.ts';
import { signForPeers } from '../signer/vault/peers.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

export interface StolenSigner {
  readonly id: string;
  /** Signs whatever is asked. */
  readonly sign: (request: BitcoinPayRequest) => Signed & { readonly psbt: string };
  readonly stop: () => Promise<void>;
}

/** Ends the signer and takes its place: peers that ask have their journal accepted, whatever stands there. */
export async function takeSigner(stack: Stack, at: number): Promise<StolenSigner> {
  const signer = stack.signers.all[at];
  const stolen = stolenKeys(stack, at + 1)[at];
  assert.ok(signer && stolen);
  const { id } = signer;
  const evm = evmKeyInMemory(stolen.evmPrivateKey);
  const countersigned = (body: string): object => {
    const { ask } = JSON.parse(body) as { ask: unknown };
    const digest = countersignDocument.digest({ ...askDocument.fromJson(ask, 'ask'), by: id }, sha256);
    const signature = signForPeers(digest, evm);
    assert.ok(signature.ok);
    return { ok: true, signer: id, countersignature: signature.value };
  };
  await signer.process.stop();
  const key = readFileSync(stack.folder.at('signers', id, `signer-${id}.key`));
  const server = createServer(
    { key, cert: readFileSync(signer.certificateFile), minVersion: 'TLSv1.3' },
    (request, response) => {
      const answer = async (): Promise<void> => {
        const body = await textOf(request);
        const isAsk = request.url === '/v1/countersign';
        response.writeHead(isAsk ? 200 : 404, { 'content-type': 'application/json' });
        response.end(JSON.stringify(isAsk ? countersigned(body) : { ok: false }));
      };
      answer().catch(() => response.destroy());
    },
  );
  await new Promise<void>((resolve) => server.listen(signer.port, '127.0.0.1', resolve));
  const keys = openKeys(stolen.account);
  return {
    id,
    sign: (request) => {
      const decoded = decodeTransaction(request.psbt);
      assert.ok(decoded.ok);
      const psbt = signBitcoin(request, decoded.value, keys);
      return { ok: true, signer: id, psbt, journal: { sequence: '1', hash: '00'.repeat(32) } };
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += String(part);
  return text;
}
