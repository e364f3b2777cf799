/** What tests do to the EVM side of a stack: act as anybody, move money and time, and read what node and books say. */
import assert from 'node:assert/strict';
import { encodeFunctionData, erc20Abi, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { hotVaultAbi } from '../../../contracts/abi/hot-vault.ts';
import { testUSDCAbi } from '../../../contracts/abi/test-usdc.ts';
import { testUSDTAbi } from '../../../contracts/abi/test-usdt.ts';
import type { Id } from '../../../lib/ids/ids.ts';
import type { Anvil } from '../../../world/parts/anvil.ts';
import type { EvmNetwork } from '../../config/config.ts';
import { executorOf } from '../../db/db.ts';
import { accountBalance, trialBalance } from '../../ledger/ledger.ts';
import type { Effects } from '../../processes/effects.ts';
import type { Pipeline } from '../../processes/pipeline-steps.ts';
import { SignerUnreachableError } from '../../signing/signing.ts';
import { withdrawalById, type WithdrawalRow } from '../withdrawals.ts';
import { available, settleDown, stateOf, until, type Stack } from './stack.ts';

export interface EvmKit {
  readonly anvil: Anvil;
  readonly network: EvmNetwork;
  readonly vault: Address;
  /** An address that nobody has. */
  readonly recipient: () => Address;
  readonly balanceOf: (address: string) => Promise<bigint>;
  readonly tokensOf: (asset: string, address: string) => Promise<bigint>;
  /** A transaction from any account, mined unless it is to stay in the pool. */
  readonly as: (from: string, to: string, data: Hex, pool?: { readonly feeGwei: number }) => Promise<void>;
  /** A call of the vault by OPERATORS, or by OWNER. */
  readonly operate: (
    data: Hex,
    options?: { readonly by?: 'operators' | 'owner'; readonly pool?: { readonly feeGwei: number } },
  ) => Promise<void>;
  /** A call of a test token by whoever owns it. */
  readonly ownToken: (asset: 'USDT' | 'USDC', data: Hex) => Promise<void>;
  /** A customer with this much of a token, swept into the vault. */
  readonly fundToken: (
    pipeline: Pipeline,
    asset: 'USDT' | 'USDC',
    name: string,
    units: bigint,
  ) => Promise<Id<'customer'>>;
  readonly chainSeconds: () => Promise<number>;
  /** Steps and blocks until all are in this state; the books are whole then. */
  readonly ended: (pipeline: Pipeline, ids: readonly string[], state: string) => Promise<void>;
  readonly row: (id: string) => Promise<WithdrawalRow>;
  /** Reasons of the timeline, one after the other. */
  readonly reasons: (id: string) => Promise<string[]>;
  readonly spendOf: (id: string) => Promise<{ id: string; state: string; reason: string }>;
  readonly attemptsOf: (id: string) => Promise<{ request: unknown; raw: Buffer | null; state: string }[]>;
  /** What the books say that vault and relayer hold is what the node says. */
  readonly booksAreTheChain: (pipeline: Pipeline) => Promise<void>;
}

/** Effects under which no signer can be reached. */
export function withoutSigners(effects: Effects): Effects {
  return {
    ...effects,
    sign: async (signer) => {
      throw new SignerUnreachableError(`${signer.id}: nobody there`);
    },
  };
}

let recipients = 0;

type ChainSide = Pick<
  EvmKit,
  | 'anvil'
  | 'network'
  | 'vault'
  | 'recipient'
  | 'balanceOf'
  | 'tokensOf'
  | 'as'
  | 'operate'
  | 'ownToken'
  | 'chainSeconds'
>;

export function evmKit(stack: Stack): EvmKit {
  const chain = chainSide(stack);
  return { ...chain, ...bookSide(stack, chain) };
}

function chainSide(stack: Stack): ChainSide {
  const { anvil } = stack;
  const network = stack.config.networks.find((one) => one.kind === 'evm');
  assert.ok(anvil && network);
  const vault = network.vault as Address;
  const contractOf = (asset: string): Address => stack.listing(asset, network.id).contract as Address;
  const balanceOf: EvmKit['balanceOf'] = async (address) =>
    BigInt(await anvil.rpc<string>('eth_getBalance', address, 'latest'));
  const as: EvmKit['as'] = async (from, to, data, pool) => {
    await anvil.rpc('anvil_impersonateAccount', from);
    if ((await balanceOf(from)) < 10n ** 18n) await anvil.rpc('anvil_setBalance', from, '0xde0b6b3a7640000');
    const fee = pool && { maxPriorityFeePerGas: gwei(pool.feeGwei), maxFeePerGas: gwei(pool.feeGwei + 500) };
    const hash = await anvil.rpc<Hex>('eth_sendTransaction', { from, to, data, gas: '0xf4240', ...fee });
    if (pool) return;
    await stack.mine(1);
    const receipt = await anvil.rpc<{ status: string }>('eth_getTransactionReceipt', hash);
    assert.equal(receipt.status, '0x1');
  };
  return {
    anvil,
    network,
    vault,
    recipient: () => {
      recipients += 1;
      return privateKeyToAccount(`0x${recipients.toString(16).padStart(64, '7')}`).address;
    },
    balanceOf,
    tokensOf: async (asset, address) => {
      const args = [address as Address] as const;
      const data = encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args });
      return BigInt(await anvil.rpc<string>('eth_call', { to: contractOf(asset), data }, 'latest'));
    },
    as,
    operate: async (data, { by = 'operators', pool } = {}) => {
      const call = { to: vault, data: encodeFunctionData({ abi: hotVaultAbi, functionName: by }) };
      const word = await anvil.rpc<string>('eth_call', call, 'latest');
      await as(`0x${word.slice(26)}`, vault, data, pool);
    },
    ownToken: (asset, data) => as(anvil.accounts[0]?.address ?? '', contractOf(asset), data),
    chainSeconds: async () => {
      const block = await anvil.rpc<{ timestamp: string }>('eth_getBlockByNumber', 'latest', false);
      return Number(block.timestamp);
    },
  };
}

function bookSide(stack: Stack, chain: ChainSide): Omit<EvmKit, keyof ChainSide> {
  const { db } = stack;
  const row: EvmKit['row'] = async (id) => {
    const found = await withdrawalById(db, id);
    assert.ok(found);
    return found.row;
  };
  const spendIdOf = async (id: string) => (await row(id)).spend_id ?? '';
  const minedUntil = (what: string, holds: () => Promise<boolean>, pipeline: Pipeline) =>
    until(what, holds, async () => {
      await settleDown(pipeline);
      await stack.mine(1);
    });
  return {
    fundToken: (pipeline, asset, name, units) => fundToken(stack, chain, { pipeline, asset, name, units }),
    ended: async (pipeline, ids, state) => {
      const all = async () =>
        (await Promise.all(ids.map((id) => stateOf(stack, id)))).every((found) => found === state);
      await minedUntil(`all ${state}`, all, pipeline);
      await stack.whole();
    },
    row,
    reasons: async (id) => ((await withdrawalById(db, id))?.timeline ?? []).map((step) => step.reason),
    spendOf: async (id) => {
      const query = db.selectFrom('spend').select(['id', 'state', 'reason']);
      return query.where('id', '=', await spendIdOf(id)).executeTakeFirstOrThrow();
    },
    attemptsOf: async (id) => {
      const query = db.selectFrom('spend_attempt').select(['request', 'raw', 'state']);
      return query
        .where('spend_id', '=', await spendIdOf(id))
        .orderBy('n')
        .execute();
    },
    booksAreTheChain: async (pipeline) => {
      const of = async (kind: 'hot' | 'gas') =>
        -(await accountBalance(executorOf(db), { kind, asset: 'ETH', network: chain.network.id }));
      const same = async () =>
        (await of('hot')) === (await chain.balanceOf(chain.vault)) &&
        (await of('gas')) === (await chain.balanceOf(stack.relayer));
      await minedUntil('books and chain', same, pipeline);
    },
  };
}

async function fundToken(
  stack: Stack,
  { anvil, network, ownToken }: ChainSide,
  wanted: { pipeline: Pipeline; asset: 'USDT' | 'USDC'; name: string; units: bigint },
): Promise<Id<'customer'>> {
  const { pipeline, asset, name, units } = wanted;
  const customer = await stack.customer(name);
  const to = (await stack.address(customer, network.id)) as Address;
  const owner = anvil.accounts[0]?.address ?? '0x';
  const issue =
    asset === 'USDT'
      ? encodeFunctionData({ abi: testUSDTAbi, functionName: 'issue', args: [units] })
      : encodeFunctionData({ abi: testUSDCAbi, functionName: 'mint', args: [owner, units] });
  await ownToken(asset, issue);
  await ownToken(asset, encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, units] }));
  await stack.mine(8);
  const hot = async () =>
    (await trialBalance(executorOf(stack.db))).find((line) => line.kind === 'hot' && line.asset === asset);
  const isSwept = async () =>
    (await available(stack, customer, asset)) === units && ((await hot())?.balance ?? 0n) <= -units;
  await until(`the sweep of ${asset}`, isSwept, async () => {
    await pipeline.step();
    await stack.mine();
  });
  return customer;
}

function gwei(amount: number): Hex {
  return `0x${(BigInt(amount) * 10n ** 9n).toString(16)}`;
}
