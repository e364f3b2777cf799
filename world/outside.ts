import { encodeFunctionData, erc20Abi, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { connectEvm, transact } from '../contracts/rpc.ts';
import { callRpc } from './parts/json-rpc.ts';
import { coins, parseBitcoinJson } from './parts/satoshi.ts';
import type { WorldFile } from './world-file.ts';

/** Wallets of people outside the exchange, on the nodes that `world.json` names. */
export interface Outside {
  /** Pays from the miner's wallet. Returns the transaction's id. */
  readonly payBitcoin: (address: string, satoshis: bigint) => Promise<string>;
  /** A fresh address of the miner's wallet. */
  readonly bitcoinAddress: () => Promise<string>;
  /** What an address has received so far, unconfirmed too. */
  readonly bitcoinReceived: (address: string) => Promise<bigint>;
  readonly payEther: (network: string, to: Address, wei: bigint) => Promise<Hex>;
  /** Pays test tokens from the account that issues them. */
  readonly payToken: (network: string, token: Address, to: Address, units: bigint) => Promise<Hex>;
  readonly mine: (blocks: number) => Promise<void>;
  readonly mineBitcoin: (blocks: number) => Promise<void>;
  readonly bitcoinRpc: <Result>(method: string, ...params: unknown[]) => Promise<Result>;
}

/** anvil's first account, which deployed the test tokens and may issue them. */
const ISSUER_KEY: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const RPC_TIMEOUT_MS = 60_000;
/** A wallet's own transactions must be in a block before the next one estimates on top of them. */
const MINE_WHILE_WAITING_MS = 150;

export function outsideWallets(world: WorldFile): Outside {
  const rpc = bitcoinRpc(world.bitcoin.url);
  const wallet = bitcoinRpc(world.bitcoin.url, world.bitcoin.miner_wallet);
  const networkOf = (id: string) => {
    const network = world.evm.find((candidate) => candidate.id === id);
    if (!network) throw new Error(`No EVM network ${id} in world.json`);
    return network;
  };
  const mineBitcoin = async (blocks: number): Promise<void> => {
    await rpc('generatetoaddress', blocks, await wallet<string>('getnewaddress'));
  };
  const mineEvm = async (url: string, blocks: number): Promise<void> => {
    await callRpc({
      url,
      headers: {},
      method: 'anvil_mine',
      params: [`0x${blocks.toString(16)}`],
      parse: JSON.parse,
      timeoutMs: RPC_TIMEOUT_MS,
    });
  };
  const send = async (
    id: string,
    key: Hex,
    call: { to: Address; data: Hex; valueWei: bigint },
  ): Promise<Hex> => {
    const network = networkOf(id);
    const client = await connectEvm(network.url, network.chain_id);
    const mining = setInterval(() => void mineEvm(network.url, 1).catch(() => {}), MINE_WHILE_WAITING_MS);
    try {
      return (await transact(client, privateKeyToAccount(key), call)).transactionHash;
    } finally {
      clearInterval(mining);
    }
  };
  return {
    payBitcoin: (address, satoshis) => wallet<string>('sendtoaddress', address, coins(satoshis)),
    bitcoinAddress: () => wallet<string>('getnewaddress', '', 'bech32'),
    bitcoinReceived: (address) => wallet<bigint>('getreceivedbyaddress', address, 0),
    payEther: (id, to, wei) => {
      const [payer] = networkOf(id).outside;
      if (!payer) throw new Error(`Nobody outside has ether on ${id}`);
      return send(id, payer.private_key as Hex, { to, data: '0x', valueWei: wei });
    },
    payToken: async (id, token, to, units) => {
      const issuer = privateKeyToAccount(ISSUER_KEY).address;
      const isUsdt = networkOf(id).contracts.tokens.USDT === token;
      const issue = isUsdt
        ? encodeFunctionData({ abi: ISSUE_ABI, functionName: 'issue', args: [units] })
        : encodeFunctionData({ abi: MINT_ABI, functionName: 'mint', args: [issuer, units] });
      await send(id, ISSUER_KEY, { to: token, data: issue, valueWei: 0n });
      const data = encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, units] });
      return send(id, ISSUER_KEY, { to: token, data, valueWei: 0n });
    },
    mine: async (blocks) => {
      await Promise.all([mineBitcoin(blocks), ...world.evm.map((network) => mineEvm(network.url, blocks))]);
    },
    mineBitcoin,
    bitcoinRpc: rpc,
  };
}

const ISSUE_ABI = [
  {
    type: 'function',
    name: 'issue',
    stateMutability: 'nonpayable',
    inputs: [{ name: 'amount', type: 'uint256' }],
    outputs: [],
  },
] as const;
const MINT_ABI = [
  {
    type: 'function',
    name: 'mint',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'to', type: 'address' },
      { name: 'amount', type: 'uint256' },
    ],
    outputs: [],
  },
] as const;

/** Amounts in answers are bigint satoshis. The URL carries user and password, which fetch wants in a header. */
export function bitcoinRpc(url: string, wallet?: string) {
  const parsed = new URL(url);
  const authorization = `Basic ${Buffer.from(`${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`).toString('base64')}`;
  const target = `${parsed.origin}${wallet === undefined ? '/' : `/wallet/${wallet}`}`;
  return <Result>(method: string, ...params: unknown[]): Promise<Result> =>
    callRpc<Result>({
      url: target,
      headers: { authorization },
      method,
      params,
      parse: parseBitcoinJson,
      timeoutMs: RPC_TIMEOUT_MS,
    });
}
