import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { TestContext } from 'node:test';
import { encodeDeployData, encodeFunctionData, erc20Abi, type Abi, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { testContractWalletBytecode } from '../../../../contracts/abi/test-contract-wallet.ts';
import { deployEvmSystem, type EvmSystem } from '../../../../contracts/deploy.ts';
import { connectEvm, transact, type EvmCall, type EvmClient } from '../../../../contracts/rpc.ts';
import { startAnvil, type Anvil, type AnvilOptions } from '../../../../world/parts/anvil.ts';
import { testDatabase } from '../../../../world/testing.ts';
import { openDatabase, openPool, type Database } from '../../../db/db.ts';
import {
  ChainError,
  followStep,
  receiptsAfter,
  watchAddresses,
  type FollowStep,
  type ReceiptRow,
} from '../../chain.ts';
import { depositSalt, deriveDepositAddress } from '../derive.ts';
import { openEvmFollower, type EvmFollowerDeps } from '../follow-evm.ts';
import { evmRpc, type EvmRpc } from '../rpc.ts';
import { evmSource } from '../source.ts';

export const ETHER = 10n ** 18n;
export const REORG_DEPTH_MAX = 8;
const key = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
/** Keys of the vault's three signers. */
export const signerKeys = [key(11), key(12), key(13)];
const people = [...signerKeys, key(14)].map((secret) => privateKeyToAccount(secret).address);

/** A node with the real contracts on it. */
export interface Deployed {
  readonly id: string;
  readonly node: Anvil;
  readonly client: EvmClient;
  readonly system: EvmSystem;
  readonly wallet: Address;
  /** Signed by the deployer, who owns the test tokens; a block for each. */
  readonly send: (call: EvmCall) => Promise<string>;
}

export async function deployed(id: string, chainId: number, options: AnvilOptions = {}): Promise<Deployed> {
  const node = await startAnvil({ ...options, chainId });
  const safe = { owners: people.slice(0, 3), threshold: 2 };
  const system = await deployEvmSystem({
    rpcUrl: node.url,
    chainId,
    deployerKey: keyOf(node, 0),
    initializerKey: keyOf(node, 1),
    safes: { cold: safe, operators: safe, owner: safe },
    signers: people.slice(0, 3),
    threshold: 2,
    guardians: people.slice(3),
    capUnits: { ETH: 1000n * ETHER, USDT: 10n ** 12n, USDC: 10n ** 12n },
    timelockDelaySeconds: 60,
    tokens: 'deploy-test-tokens',
  });
  const client = await connectEvm(node.url, chainId);
  const payer = privateKeyToAccount(keyOf(node, 0));
  const { contractAddress } = await transact(client, payer, { data: testContractWalletBytecode });
  assert.ok(contractAddress);
  const send = async (call: EvmCall): Promise<string> =>
    (await transact(client, payer, { gasMax: 3_000_000n, ...call })).transactionHash;
  return { id, node, client, system, wallet: contractAddress, send };
}

/** Key of one of the node's own accounts. */
export function keyOf(node: Anvil, index: number): Hex {
  const account = node.accounts[index];
  assert.ok(account);
  return account.privateKey;
}

export interface Followed {
  readonly db: Database;
  readonly network: EvmFollowerDeps['network'] & { readonly chainId: number; readonly reorgDepthMax: number };
  readonly step: () => Promise<FollowStep>;
  /** Until ours is the node's tip, or no step can be taken. */
  readonly follow: () => Promise<FollowStep>;
  readonly receipts: () => Promise<ReceiptRow[]>;
  readonly receiptsOf: (txId: string) => Promise<ReceiptRow[]>;
  /** A fresh deposit address, watched. */
  readonly address: () => Promise<{ address: Address; salt: Hex; id: bigint }>;
}

export async function testDb(t: TestContext): Promise<Database> {
  const { url } = await testDatabase({ after: (fn) => t.after(fn) });
  const pool = openPool(url, 4);
  t.after(() => pool.end());
  return openDatabase(pool);
}

let customers = 0;

/** Follows a network, by default from its tip. */
export async function followed(
  db: Database,
  { id, node, system }: Deployed,
  options: { readonly rpc?: EvmRpc; readonly startHeight?: number } = {},
): Promise<Followed> {
  const network = {
    id,
    chainId: system.chainId,
    reorgDepthMax: REORG_DEPTH_MAX,
    vault: system.vault,
    factory: system.factory,
    listings: [
      { asset: 'ETH' },
      { asset: 'USDT', contract: system.tokens.USDT },
      { asset: 'USDC', contract: system.tokens.USDC },
    ],
  };
  const now = (): Date => new Date();
  const follower = await openEvmFollower({ db, network, now });
  const rpc = options.rpc ?? evmRpc({ urls: [node.url], timeoutMs: 10_000 });
  const source = evmSource(rpc, network);
  const startHeight = options.startHeight ?? Number(await node.rpc<string>('eth_blockNumber'));
  const step = () => followStep({ db, network, source, handler: follower.handler, now, startHeight });
  const receipts = () => receiptsAfter(db, id, 0n, 10_000);
  return {
    db,
    network,
    step,
    receipts,
    async follow() {
      for (;;) {
        const done = await step();
        if (done.kind !== 'block' && done.kind !== 'reorg') return done;
      }
    },
    receiptsOf: async (txId) => (await receipts()).filter((row) => row.tx_id === txId),
    async address() {
      customers += 1;
      const salt = depositSalt(new Uint8Array(16).fill(customers), 0);
      const { factory, initCodeHash } = system;
      const address = deriveDepositAddress({ factory, initCodeHash, salt });
      const ids = await db
        .transaction()
        .execute((trx) =>
          watchAddresses(trx, [{ network: id, address, script: null, purpose: 'deposit', derivation: salt }]),
        );
      const watchedId = ids.get(address);
      assert.ok(watchedId !== undefined);
      return { address, salt, id: watchedId };
    },
  };
}

export const transferOf = (to: Address, units: bigint): Hex =>
  encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, units] });

export const callOf = (abi: Abi, functionName: string, args: readonly unknown[]): Hex =>
  encodeFunctionData({ abi, functionName, args: [...args] });

export const deployOf = (abi: Abi, bytecode: Hex, args: readonly unknown[] = []): Hex =>
  encodeDeployData({ abi, bytecode, args: [...args] });

/**
 * Runtime code by hand, for what the compiler would not write: init code that returns it.
 * PUSH2 length, DUP1, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 0, RETURN.
 */
export function initCodeOf(runtime: string): Hex {
  const length = (runtime.length / 2).toString(16).padStart(4, '0');
  return `0x61${length}80600c6000396000f3${runtime}`;
}

interface Asked {
  readonly id: number;
  readonly method: string;
  readonly params: unknown[];
}

/** What a lying proxy answers: a result, an error, nothing (the connection breaks), or text that is no answer. */
export type Lie =
  | { readonly result: unknown }
  | { readonly error: object }
  | { readonly text: string }
  | 'BREAK';

/** What a node says that has no such call. */
export const NO_SUCH_CALL = { error: { code: -32601, message: 'the method does not exist' } };

/** The node without the calls of these names. */
export function without(node: Anvil, ...names: string[]): EvmRpc {
  const rpc = evmRpc({ urls: [node.url], timeoutMs: 10_000 });
  const absent = (method: string) => new ChainError('NODE_ERROR', `no ${method}`, { nodeCode: -32601 });
  return {
    call: async (method, params) => {
      if (names.includes(method)) throw absent(method);
      return rpc.call(method, params);
    },
    batch: rpc.batch,
  };
}

/**
 * A proxy that passes a node's answers on. `bend` sees each with its question and may answer otherwise; what it
 * answers undefined to stays as it is.
 */
export async function lyingProxy(
  t: TestContext,
  node: Anvil,
  bend: (asked: Asked, answer: { result?: unknown; error?: unknown }) => Lie | undefined,
): Promise<string> {
  const answerTo = async (body: string): Promise<string | undefined> => {
    const response = await fetch(node.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const asked = [JSON.parse(body)].flat() as Asked[];
    const answers = [await response.json()].flat() as { id: number; result?: unknown; error?: unknown }[];
    for (const question of asked) {
      const answer = answers.find(({ id }) => id === question.id);
      assert.ok(answer);
      const lie = bend(question, answer);
      if (lie === 'BREAK') return undefined;
      if (lie && 'text' in lie) return lie.text;
      if (!lie) continue;
      delete answer.error;
      delete answer.result;
      Object.assign(answer, lie);
    }
    return JSON.stringify(body.startsWith('[') ? answers : answers[0]);
  };
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = await answerTo(Buffer.concat(chunks).toString('utf8'));
      if (text === undefined) response.destroy();
      else response.end(text);
    })().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}`;
}
