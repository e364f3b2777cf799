import { erc20Abi, type Address } from 'viem';
import { privateKeyToAddress } from 'viem/accounts';
import { connectEvm } from '../../contracts/rpc.ts';
import { executorOf, type Database } from '../../core/db/db.ts';
import { trialBalance } from '../../core/ledger/ledger.ts';
import { bitcoinRpc } from '../outside.ts';
import type { WorldFile } from '../world-file.ts';

/** One place where coins lie, as the chain has it and as the ledger has it. Base units. */
export interface BooksLine {
  readonly network: string;
  readonly asset: string;
  readonly where: 'hot' | 'unswept' | 'gas';
  readonly chain: bigint;
  readonly ledger: bigint;
}

export interface BooksAccount {
  readonly balanced: boolean;
  /** Heights at which the nodes were asked. */
  readonly heights: Readonly<Record<string, number>>;
  readonly lines: readonly BooksLine[];
  /** Assets whose accounts do not add up to zero; there are none in whole books. */
  readonly unbalancedAssets: readonly string[];
}

/**
 * Compares the ledger with what the nodes themselves say: scantxoutset over the wallet's descriptors, balances of
 * the vault, of every deposit address and of the relayer at one block. Only meaningful while nothing is under way.
 */
export async function compareBooks(
  world: WorldFile,
  db: Database,
  relayerKey: `0x${string}`,
): Promise<BooksAccount> {
  const trial = await trialBalance(executorOf(db));
  const held = (network: string, asset: string, where: BooksLine['where']): bigint =>
    -(
      trial.find((line) => line.network === network && line.asset === asset && line.kind === where)
        ?.balance ?? 0n
    );
  const heights: Record<string, number> = {};
  const lines: BooksLine[] = [];

  const bitcoin = await bitcoinOnChain(world);
  heights['bitcoin'] = bitcoin.height;
  lines.push({
    network: 'bitcoin',
    asset: 'BTC',
    where: 'hot',
    chain: bitcoin.satoshis,
    ledger: held('bitcoin', 'BTC', 'hot'),
  });

  for (const network of world.evm) {
    const found = await evmOnChain(network, db, privateKeyToAddress(relayerKey));
    heights[network.id] = found.height;
    for (const { asset, where, units } of found.balances) {
      lines.push({ network: network.id, asset, where, chain: units, ledger: held(network.id, asset, where) });
    }
  }

  const sums = new Map<string, bigint>();
  for (const line of trial) sums.set(line.asset, (sums.get(line.asset) ?? 0n) + line.balance);
  const unbalancedAssets = [...sums].filter(([, sum]) => sum !== 0n).map(([asset]) => asset);
  const balanced = unbalancedAssets.length === 0 && lines.every((line) => line.chain === line.ledger);
  return { balanced, heights, lines, unbalancedAssets };
}

/** All unspent outputs of both branches of the wallet, asked of the node by descriptor. */
async function bitcoinOnChain(world: WorldFile): Promise<{ height: number; satoshis: bigint }> {
  const rpc = bitcoinRpc(world.bitcoin.url);
  const keys = world.signers.map(({ xpub }) => xpub);
  const scanobjects = [0, 1].map((branch) => ({
    desc: `wsh(sortedmulti(2,${keys.map((xpub) => `${xpub}/${branch}/*`).join(',')}))`,
    range: SCAN_INDEX_MAX,
  }));
  const result = await rpc<{ success: boolean; height: number; total_amount: bigint }>(
    'scantxoutset',
    'start',
    scanobjects,
  );
  if (!result.success) throw new Error('bitcoind did not finish scantxoutset');
  return { height: result.height, satoshis: result.total_amount };
}

/** A local system gives out fewer addresses than this on each branch. */
const SCAN_INDEX_MAX = 2000;

async function evmOnChain(network: WorldFile['evm'][number], db: Database, relayer: Address) {
  const client = await connectEvm(network.url, network.chain_id);
  const block = await client.getBlock({ blockTag: 'latest' });
  const at = { blockNumber: block.number };
  const rows = await db
    .selectFrom('deposit_address')
    .select('address')
    .where('network', '=', network.id)
    .execute();
  const deposits = rows.map(({ address }) => address as Address);
  const { vault, tokens } = network.contracts;
  const ether = (address: Address): Promise<bigint> => client.getBalance({ address, ...at });
  const token = (contract: Address, address: Address): Promise<bigint> =>
    client.readContract({
      address: contract,
      abi: erc20Abi,
      functionName: 'balanceOf',
      args: [address],
      ...at,
    });
  const total = async (each: (address: Address) => Promise<bigint>): Promise<bigint> =>
    (await Promise.all(deposits.map(each))).reduce((sum, units) => sum + units, 0n);
  const balances: { asset: string; where: BooksLine['where']; units: bigint }[] = [
    { asset: 'ETH', where: 'hot', units: await ether(vault) },
    { asset: 'ETH', where: 'unswept', units: await total(ether) },
    { asset: 'ETH', where: 'gas', units: await ether(relayer) },
  ];
  for (const asset of ['USDT', 'USDC'] as const) {
    balances.push({ asset, where: 'hot', units: await token(tokens[asset], vault) });
    balances.push({
      asset,
      where: 'unswept',
      units: await total((address) => token(tokens[asset], address)),
    });
  }
  return { height: Number(block.number), balances };
}
