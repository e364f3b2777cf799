/** What the vault, our other contracts and the tokens did, block by block, by the sentinel's own node. */
import {
  decodeEventLog,
  encodeFunctionData,
  pad,
  parseAbi,
  toEventSelector,
  zeroAddress,
  type Address,
  type Hex,
} from 'viem';
import { hotVaultAbi } from '../../contracts/abi/hot-vault.ts';
import { depositFactoryAbi } from '../../contracts/abi/deposit-factory.ts';
import { vaultRegistryAbi } from '../../contracts/abi/vault-registry.ts';
import type { ManifestEvm } from '../../signer/protocol/manifest.ts';
import type { AdminEvent } from '../checks/evm-admin.ts';
import type { VaultMoves } from '../checks/evm-balances.ts';
import type { PendingCall } from '../checks/evm-pending.ts';
import type { PayoutEvent, PayoutTransaction } from '../checks/evm-payouts.ts';
import { openPending } from './evm-pending.ts';
import type { Rpc } from './rpc.ts';

/** Plain JSON with bigint. */
export interface EvmState {
  /** Blocks at which the balances were read, oldest first. */
  marks: { number: number; hash: string; balances: Record<string, bigint> }[];
}

export interface EvmFacts {
  readonly height: number;
  readonly hash: string;
  /** Of that block, Unix seconds. */
  readonly time: number;
  /** Blocks that were given up in this step. */
  readonly reorgDepth: number;
  readonly payouts: readonly PayoutTransaction[];
  readonly own: readonly AdminEvent[];
  readonly tokens: readonly AdminEvent[];
  /** Absent when there is nothing to compare with. */
  readonly moves?: VaultMoves;
  /** Of the vault at that block. */
  readonly balances: Readonly<Record<string, bigint>>;
}

export interface EvmSource {
  /** Looks up to the newest block. Nothing of it counts as seen until `taken` is called. */
  step(): Promise<EvmFacts & { readonly taken: () => void }>;
  /** What calls of the vault have come into the node's pool. */
  pending(): Promise<PendingCall[]>;
  /** The vault's generation at the newest block. */
  generation(): Promise<bigint>;
  readonly state: EvmState;
}

const MARKS_MAX = 256;
/** Nodes that serve many answer logs of so many blocks at once. */
const BLOCKS_A_CALL = 1_000;

const tokenAbi = parseAbi([
  'event Transfer(address indexed from, address indexed to, uint256 value)',
  'event Pause()',
  'event Unpause()',
  'event AddedBlackList(address account)',
  'event DestroyedBlackFunds(address account, uint256 amount)',
  'event Deprecate(address account)',
  'event Params(uint256 feeBasisPoints, uint256 maxFee)',
  'event Blacklisted(address indexed account)',
  'event Upgraded(address indexed account)',
  'event AdminChanged(address previous, address account)',
  'event OwnershipTransferred(address previous, address account)',
  'event MasterMinterChanged(address indexed account)',
]);
/** OWNER's timelock, and Safes: whatever hands over what they own. */
const ownerAbi = parseAbi([
  'event CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, bytes32 predecessor, uint256 delay)',
  'event MinDelayChange(uint256 oldDuration, uint256 newDuration)',
  'event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)',
  'event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)',
  'event AddedOwner(address indexed owner)',
  'event RemovedOwner(address indexed owner)',
  'event ChangedThreshold(uint256 threshold)',
  'event EnabledModule(address indexed module)',
  'event ChangedGuard(address indexed guard)',
  'event ChangedFallbackHandler(address indexed handler)',
]);
const ownAbi = [...hotVaultAbi, ...vaultRegistryAbi, ...depositFactoryAbi, ...ownerAbi];
const TRANSFER = toEventSelector('Transfer(address,address,uint256)');
const ADMIN_TOPICS = tokenAbi.map((event) => toEventSelector(event)).filter((topic) => topic !== TRANSFER);

export interface EvmOptions {
  readonly rpc: Rpc;
  readonly entry: ManifestEvm;
  /** What happened up to here is taken as it was found. */
  readonly fromBlock: number;
  readonly contracts: readonly string[];
  readonly state?: EvmState | undefined;
}

interface Log {
  readonly address: Address;
  readonly topics: [] | [Hex, ...Hex[]];
  readonly data: Hex;
  readonly transactionHash: Hex;
  readonly blockNumber: Hex;
}
interface Head {
  readonly timestamp: Hex;
  readonly number: Hex;
  readonly hash: Hex;
}

export function openEvm(options: EvmOptions): EvmSource {
  const { rpc, entry } = options;
  const state: EvmState = options.state ?? { marks: [] };
  const pending = openPending(rpc, entry.vault);
  const generation = encodeFunctionData({ abi: hotVaultAbi, functionName: 'generation' });
  return {
    step: async () => stepOn(options, state),
    pending,
    generation: async () =>
      BigInt(await rpc<Hex>('eth_call', { to: entry.vault, data: generation }, 'latest')),
    state,
  };
}

async function stepOn(options: EvmOptions, state: EvmState): Promise<EvmFacts & { taken: () => void }> {
  const { rpc, fromBlock } = options;
  const { network } = options.entry;
  const blockAt = async (number: number): Promise<Head | null> =>
    rpc<Head | null>('eth_getBlockByNumber', hexOf(number), false);
  const tip = state.marks.at(-1);
  const head = await rpc<Head>('eth_getBlockByNumber', 'latest', false);
  const height = Number(head.number);
  const { hash } = head;
  const time = Number(head.timestamp);
  if (tip?.hash === hash)
    return {
      height,
      hash,
      time,
      reorgDepth: 0,
      balances: tip.balances,
      payouts: [],
      own: [],
      tokens: [],
      taken: () => {},
    };
  const marks = [...state.marks];
  for (let mark = marks.at(-1); mark !== undefined; mark = marks.at(-1)) {
    if (mark.number <= height && (await blockAt(mark.number))?.hash === mark.hash) break;
    marks.pop();
  }
  const mark = marks.at(-1);
  // All marks gone: what follows the oldest one is read again, without balances to compare with.
  const from = (mark?.number ?? Math.max(fromBlock, (state.marks[0]?.number ?? fromBlock + 1) - 1)) + 1;
  const seen = await lookBetween(options, { from, to: height });
  const balances = await balancesAt(options, height);
  if ((await blockAt(height))?.hash !== hash) throw new RangeError('the chain turned while it was read');
  const taken = (): void => {
    if (mark?.hash !== hash) marks.push({ number: height, hash, balances });
    state.marks = marks.slice(-MARKS_MAX);
  };
  const reorgDepth = tip === undefined ? 0 : tip.number - (mark?.number ?? from - 1);
  const { payouts, own, tokens, ...moved } = seen;
  const facts = { height, hash, time, reorgDepth, balances, payouts, own, tokens, taken };
  if (mark === undefined) return facts;
  const moves = { network, block: height, hash, before: mark.balances, after: balances, ...moved };
  return { ...facts, moves };
}

async function balancesAt({ rpc, entry }: EvmOptions, block: number): Promise<Record<string, bigint>> {
  const holder = pad(entry.vault as Address, { size: 32 }).slice(2);
  const read = async (token: string): Promise<[string, bigint]> => {
    const units =
      token === zeroAddress
        ? await rpc<Hex>('eth_getBalance', entry.vault, hexOf(block))
        : await rpc<Hex>('eth_call', { to: token, data: `0x70a08231${holder}` }, hexOf(block));
    return [token.toLowerCase(), BigInt(units)];
  };
  return Object.fromEntries(await Promise.all(entry.tokens.map(async ({ token }) => read(token))));
}

type Seen = Pick<EvmFacts, 'payouts' | 'own' | 'tokens'> &
  Pick<VaultMoves, 'reported' | 'reportedBy' | 'transferred'>;

async function lookBetween(
  { rpc, entry, contracts }: EvmOptions,
  range: { from: number; to: number },
): Promise<Seen> {
  const { network, vault } = entry;
  const tokens = entry.tokens.map(({ token }) => token).filter((token) => token !== zeroAddress);
  const logs = async (filter: {
    address: readonly string[];
    topics?: readonly unknown[];
  }): Promise<Log[]> => {
    const all: Log[] = [];
    for (let from = range.from; from <= range.to && filter.address.length > 0; from += BLOCKS_A_CALL) {
      const to = Math.min(range.to, from + BLOCKS_A_CALL - 1);
      const asked = { ...filter, fromBlock: hexOf(from), toBlock: hexOf(to) };
      all.push(...(await rpc<Log[]>('eth_getLogs', asked)));
    }
    return all;
  };
  const [own, out, admin] = await Promise.all([
    logs({ address: [vault, ...contracts] }),
    logs({ address: tokens, topics: [TRANSFER, pad(vault as Address)] }),
    logs({ address: tokens, topics: [ADMIN_TOPICS] }),
  ]);
  const reported: Record<string, bigint> = {};
  const reportedBy = new Map<string, bigint>();
  const payouts = new Map<string, PayoutTransaction & { events: PayoutEvent[] }>();
  const events: AdminEvent[] = [];
  for (const log of own) {
    const event = decode(log, ownAbi);
    const isVault = log.address.toLowerCase() === vault.toLowerCase();
    const at = { network, txHash: log.transactionHash, block: Number(log.blockNumber) };
    if (isVault && (event.name === 'Paid' || event.name === 'PayFailed')) {
      const known = payouts.get(log.transactionHash) ?? { ...at, events: [] };
      known.events.push({
        ...(event.args as unknown as Omit<PayoutEvent, 'paid'>),
        paid: event.name === 'Paid',
      });
      payouts.set(log.transactionHash, known);
    } else events.push(adminEvent(log, event, network));
    if (isVault && (event.name === 'Paid' || event.name === 'Evacuated')) {
      const { token, amount } = event.args as unknown as { token: string; amount: bigint };
      const name = token.toLowerCase();
      reported[name] = (reported[name] ?? 0n) + amount;
      const by = `${log.transactionHash} ${name}`;
      reportedBy.set(by, (reportedBy.get(by) ?? 0n) + amount);
    }
  }
  return {
    payouts: [...payouts.values()],
    own: events,
    tokens: admin.map((log) => adminEvent(log, decode(log, tokenAbi), network)),
    reported,
    reportedBy,
    transferred: out.map((log) => ({
      txHash: log.transactionHash,
      token: log.address.toLowerCase(),
      amount: BigInt(log.data),
    })),
  };
}

interface Decoded {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** By its topic, which the fields' being indexed or not does not change. */
const names = new Map(
  [...ownAbi, ...tokenAbi].flatMap((item) =>
    item.type === 'event' ? [[toEventSelector(item), item.name] as const] : [],
  ),
);

/** An event that no ABI of ours knows keeps its topic as its name; one in another form than ours has no fields. */
function decode({ topics, data }: Log, abi: typeof ownAbi | typeof tokenAbi): Decoded {
  const topic = topics[0] ?? '0x';
  const name = names.get(topic) ?? topic;
  try {
    const { args } = decodeEventLog({ abi, topics, data, strict: false });
    return { name, args: (args ?? {}) as unknown as Decoded['args'] };
  } catch {
    return { name, args: {} };
  }
}

function adminEvent(log: Log, { name, args }: Decoded, network: string): AdminEvent {
  const account = args['account'] ?? args['to'] ?? args['signer'] ?? args['guardian'] ?? args['token'];
  return {
    network,
    txHash: log.transactionHash,
    block: Number(log.blockNumber),
    contract: log.address,
    name,
    ...(typeof account === 'string' ? { account } : {}),
    ...(typeof args['by'] === 'string' ? { by: args['by'] } : {}),
  };
}

const hexOf = (number: number): Hex => `0x${number.toString(16)}`;
