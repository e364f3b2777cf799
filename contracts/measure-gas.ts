// Measures what payments and sweeps cost, as whole transactions on a fresh node.

import assert from 'node:assert/strict';
import type { Address, Hex } from 'viem';
import {
  encodeFunctionData,
  getContractAddress,
  numberToHex,
  pad,
  parseEther,
  parseEventLogs,
  zeroAddress,
} from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { privateKeyToAccount } from 'viem/accounts';
import { depositFactoryAbi } from './abi/deposit-factory.ts';
import { hotVaultAbi } from './abi/hot-vault.ts';
import { testUSDCAbi } from './abi/test-usdc.ts';
import { testUSDTAbi } from './abi/test-usdt.ts';
import type { EvmSystem } from './deploy.ts';
import { deployEvmSystem } from './deploy.ts';
import { signedPayCall } from './payments.ts';
import type { EvmClient } from './rpc.ts';
import { connectEvm, transact } from './rpc.ts';

interface Bench {
  readonly client: EvmClient;
  readonly system: EvmSystem;
  readonly payer: PrivateKeyAccount;
  readonly signers: readonly PrivateKeyAccount[];
  nextId: bigint;
}

/** Gas of one transaction by what it does, for example `pay 10 USDT`. */
export type GasTable = Readonly<Record<string, number>>;

/** EIP-7825: what one transaction may use, so what no measured batch may exceed. */
export const TRANSACTION_GAS_MAX = 2n ** 24n;

/** Deploys a system to a fresh local node, whose `payerKey` has ether, and measures there. */
export async function measureGas(rpcUrl: string, chainId: number, payerKey: Hex): Promise<GasTable> {
  const bench = await prepare(rpcUrl, chainId, payerKey);
  const { ETH, USDT, USDC } = { ETH: zeroAddress, ...bench.system.tokens };
  const table: Record<string, number> = {};
  for (const [name, token] of Object.entries({ ETH, USDT, USDC })) {
    table[`pay 100 ${name}, new recipients`] = await pay(bench, token, recipients(100));
    for (const count of [1, 10, 100]) {
      table[`pay ${count} ${name}`] = await pay(bench, token, recipients(count));
    }
  }
  await pay(bench, ETH, deposits(bench, 0, 101));
  table['flush 1 ETH'] = await flush(bench, 0, 1, []);
  table['flush 100 ETH'] = await flush(bench, 1, 100, []);
  await pay(bench, USDT, deposits(bench, 0, 101));
  table['flush 1 USDT'] = await flush(bench, 0, 1, [USDT]);
  table['flush 100 USDT'] = await flush(bench, 1, 100, [USDT]);
  for (const token of [ETH, USDT, USDC]) await pay(bench, token, deposits(bench, 0, 100));
  table['flush 100 ETH, USDT and USDC'] = await flush(bench, 0, 100, [USDT, USDC]);
  return table;
}

async function prepare(rpcUrl: string, chainId: number, payerKey: Hex): Promise<Bench> {
  const client = await connectEvm(rpcUrl, chainId);
  const payer = privateKeyToAccount(payerKey);
  const signers = [1n, 2n, 3n].map((key) => privateKeyToAccount(numberToHex(key, { size: 32 })));
  const owners = { owners: signers.map(({ address }) => address), threshold: 2 };
  const cap = 10n ** 24n;
  const system = await deployEvmSystem({
    rpcUrl,
    chainId,
    deployerKey: payerKey,
    initializerKey: numberToHex(4n, { size: 32 }),
    safes: { cold: owners, operators: owners, owner: owners },
    signers: owners.owners,
    threshold: 2,
    guardians: [],
    capUnits: { ETH: cap, USDT: cap, USDC: cap },
    timelockDelaySeconds: 60,
    tokens: 'deploy-test-tokens',
  });
  const { vault, tokens } = system;
  const funds = 10n ** 12n;
  await transact(client, payer, { to: vault, valueWei: parseEther('1') });
  const issue = { abi: testUSDTAbi, functionName: 'issue', args: [funds] } as const;
  await transact(client, payer, { to: tokens.USDT, data: encodeFunctionData(issue) });
  const move = { abi: testUSDTAbi, functionName: 'transfer', args: [vault, funds] } as const;
  await transact(client, payer, { to: tokens.USDT, data: encodeFunctionData(move) });
  const mint = { abi: testUSDCAbi, functionName: 'mint', args: [vault, funds] } as const;
  await transact(client, payer, { to: tokens.USDC, data: encodeFunctionData(mint) });
  return { client, system, payer, signers: signers.slice(0, 2), nextId: 1n };
}

async function pay(bench: Bench, token: Address, to: readonly Address[]): Promise<number> {
  const { client, system, payer } = bench;
  const payments = to.map((address, i) => ({
    id: bench.nextId + BigInt(i),
    to: address,
    amountUnits: 1000n,
  }));
  bench.nextId += BigInt(to.length);
  const { timestamp } = await client.getBlock();
  const data = await signedPayCall(
    {
      chainId: system.chainId,
      vault: system.vault,
      token,
      deadline: timestamp + 3600n,
      generation: 1n,
      payments,
    },
    bench.signers,
  );
  const call = { to: system.vault, data, gasMax: TRANSACTION_GAS_MAX };
  const { gasUsed, logs } = await transact(client, payer, call);
  const paid = parseEventLogs({ abi: hotVaultAbi, eventName: 'Paid', logs });
  assert.equal(paid.length, to.length, 'a payment that fails is no measurement');
  return Number(gasUsed);
}

async function flush(
  bench: Bench,
  first: number,
  count: number,
  tokens: readonly Address[],
): Promise<number> {
  const data = encodeFunctionData({
    abi: depositFactoryAbi,
    functionName: 'flush',
    args: [salts(first, count), [...tokens]],
  });
  const call = { to: bench.system.factory, data, gasMax: TRANSACTION_GAS_MAX };
  const { gasUsed, logs } = await transact(bench.client, bench.payer, call);
  const swept = parseEventLogs({ abi: depositFactoryAbi, eventName: 'Swept', logs });
  const assets = new Set(swept.map(({ args }) => args.token)).size;
  assert.equal(swept.length, count * assets, 'a sweep that fails is no measurement');
  assert.ok(tokens.every((token) => swept.some(({ args }) => args.token === token)));
  return Number(gasUsed);
}

function salts(first: number, count: number): Hex[] {
  return Array.from({ length: count }, (_, i) => numberToHex(first + i + 1, { size: 32 }));
}

function deposits(bench: Bench, first: number, count: number): Address[] {
  const { factory, initCodeHash } = bench.system;
  return salts(first, count).map((salt) =>
    getContractAddress({ opcode: 'CREATE2', from: factory, salt, bytecodeHash: initCodeHash }),
  );
}

/** The same each time, so that a second payment goes to an account that has the asset. */
function recipients(count: number): Address[] {
  return Array.from({ length: count }, (_, i) => pad(numberToHex(0xaaaa_0000 + i), { size: 20 }));
}
