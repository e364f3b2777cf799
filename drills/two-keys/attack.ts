/** Two signers' keys, used outside our software against all four assets at once, and a day later again. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeFunctionData, erc20Abi, parseGwei, zeroAddress, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { testUSDCAbi } from '../../contracts/abi/test-usdc.ts';
import { testUSDTAbi } from '../../contracts/abi/test-usdt.ts';
import { evmKit, type EvmKit } from '../../core/withdrawals/test/evm-kit.ts';
import { ETH, outsideAddress } from '../../core/withdrawals/test/stack.ts';
import { evacuateEvm, isEvacuated } from '../../evacuate/evm.ts';
import { thiefPayout, thiefWallet } from '../../sentinel/test/thief.ts';
import { freezesAt } from '../../sentinel/test/rig.ts';
import { manifestDocument } from '../../signer/protocol/manifest.ts';
import { readSigned } from '../../signer/protocol/signatures.ts';
import { LOCAL_CAPS } from '../../world/configuration.ts';
import { FLOAT_MAX, floatOf, type Drill, type Scene, type Times } from '../scene.ts';

const TOKENS = ['USDT', 'USDC'] as const;
const EVM_ASSETS = ['ETH', ...TOKENS] as const;
type EvmAsset = (typeof EVM_ASSETS)[number];
/** What the vault holds beside the customers' coins: more than two days of its caps. */
const HELD = 3n;
const DAY_SECONDS = 26 * 3600;
/** So long a guardian who is called by a freeze is waited for before the thief's next day begins. */
const DAY_WAITS_MS = 45_000;
/** What the thief leaves for his fee; it counts as lost. */
const FEE_ROOM = 1_000_000n;
const UNITS = { ETH, USDT: 10n ** 6n, USDC: 10n ** 6n } as const;

export const drill: Drill = {
  name: 'two-keys',
  capability:
    'the keys of two of three signers, used outside our software against BTC, ETH, USDT and USDC at once',
  control:
    'the sentinel freezes what no journal explains, and a guardian evacuates before the vault’s next day',
  // On Bitcoin two of three keys are the coins; on an EVM network the vault's cap of one day stands above any key.
  bound: { BTC: FLOAT_MAX, ...LOCAL_CAPS },
  scene: { evm: true, isWatched: true },
  honest: 'may-wait',
  prepare: async (stack) => fillVault(evmKit(stack)),
  unmeasured: 'Bitcoin is not evacuated here',
  attack: async (scene) => {
    const { stack, roll } = scene;
    const kit = evmKit(stack);
    const steal = await thiefWallet(stack);
    const thief = await outsideAddress(stack);
    const take = payoutsOf(scene, kit);
    const wave: Promise<number>[] = [stealCoins(scene, steal, thief)];
    for (const asset of EVM_ASSETS) wave.push(take(asset, parts(LOCAL_CAPS[asset], 1 + roll(4))));
    const [bitcoinAt = 0, ...evmAt] = await Promise.all(wave);
    const firstAt = { bip122: bitcoinAt, eip155: Math.min(...evmAt) };
    const ending = { ms: null as number | null, isOver: false };
    const guardian = evacuateWhenFrozen(scene).then((ms) => Object.assign(ending, { ms, isOver: true }));
    await scene.until('the evacuation', async () => ending.isOver);
    await guardian;
    await anotherDay(kit, take);
    const times = await timesOf(scene, firstAt);
    return { ...times, evacuateMs: ending.ms };
  },
};

/** As much as fits into one transaction of the thief's; answers when it was in the pool. */
async function stealCoins(
  { stack }: Scene,
  steal: (address: string, satoshis: bigint) => Promise<string>,
  thief: string,
): Promise<number> {
  const { BTC: held = 0n } = await floatOf(stack);
  await steal(thief, held - FEE_ROOM);
  return Date.now();
}

/** The cap is spent, or the vault is empty: what is sent now is refused by the contract. A day later it is not. */
async function anotherDay(kit: EvmKit, take: ReturnType<typeof payoutsOf>): Promise<void> {
  for (const asset of EVM_ASSETS) await take(asset, [UNITS[asset]]);
  await kit.anvil.mine(1);
  await kit.anvil.rpc('evm_increaseTime', DAY_SECONDS);
  await kit.anvil.mine(1);
  for (const asset of EVM_ASSETS) await take(asset, [LOCAL_CAPS[asset]]);
  await kit.anvil.mine(2);
}

/** Of the network that was found last: from its first theft in the pool to the finding, and on to the last signer. */
async function timesOf(
  { stack, sentinel }: Scene,
  firstAt: Readonly<Record<'bip122' | 'eip155', number>>,
): Promise<Partial<Times>> {
  const freezes = (await sentinel?.status())?.freezes ?? [];
  const firsts = (['bip122', 'eip155'] as const).map((kind) => ({
    since: firstAt[kind],
    record: freezes.find(({ scope }) => scope.startsWith(kind)),
  }));
  const isFrozen = (await freezesAt(stack)).every((standing) => standing.length > 0);
  if (!isFrozen || firsts.some(({ record }) => record?.tookMs === undefined)) return {};
  return {
    detectMs: Math.max(0, ...firsts.map(({ since, record }) => (record?.at ?? 0) - since)),
    freezeMs: Math.max(...firsts.map(({ record }) => record?.tookMs ?? 0)),
  };
}

/** The vault's holdings grow beside the books, by whoever sends. */
async function fillVault({ anvil, vault, ownToken }: EvmKit): Promise<void> {
  const from = anvil.accounts[3]?.address ?? '';
  const value: Hex = `0x${(HELD * LOCAL_CAPS.ETH).toString(16)}`;
  await anvil.rpc('eth_sendTransaction', { from, to: vault, value });
  const owner = anvil.accounts[0]?.address ?? '0x';
  for (const asset of TOKENS) {
    const units = HELD * LOCAL_CAPS[asset];
    await ownToken(
      asset,
      asset === 'USDT'
        ? encodeFunctionData({ abi: testUSDTAbi, functionName: 'issue', args: [units] })
        : encodeFunctionData({ abi: testUSDCAbi, functionName: 'mint', args: [owner, units] }),
    );
    await ownToken(
      asset,
      encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [vault, units] }),
    );
  }
}

/** Pays the thief, and answers when the first was in the pool. */
function payoutsOf({ stack, roll }: Scene, kit: EvmKit) {
  let id = 990_000n;
  const gwei = (amount: number): Hex => `0x${parseGwei(`${amount}`).toString(16)}`;
  // The vault's guardian may offer more, or less.
  const fee = { maxPriorityFeePerGas: gwei(1 + roll(100)), maxFeePerGas: gwei(600) };
  return async (asset: EvmAsset, amounts: readonly bigint[]): Promise<number> => {
    let at = Infinity;
    const token = asset === 'ETH' ? zeroAddress : (stack.listing(asset, 'ethereum').contract as Address);
    for (const units of amounts) {
      id += 1n;
      await thiefPayout(stack, { id, token, to: kit.recipient(), units }, fee);
      at = Math.min(at, Date.now());
    }
    return at;
  };
}

/** As many parts as the seed says, which make the whole. */
function parts(whole: bigint, count: number): bigint[] {
  const part = whole / BigInt(count);
  return Array.from({ length: count }, (_, i) => (i === 0 ? whole - part * BigInt(count - 1) : part));
}

/** A guardian acts as soon as the sentinel has frozen. Answers ms from the first freeze to the empty vault. */
async function evacuateWhenFrozen({ stack, sentinel }: Scene): Promise<number | null> {
  const limit = Date.now() + DAY_WAITS_MS;
  const frozenAt = async (): Promise<number[]> =>
    ((await sentinel?.status())?.freezes ?? []).map(({ at }) => at);
  while ((await frozenAt()).length === 0 && Date.now() < limit) await sleep(30);
  const found = await frozenAt();
  if (found.length === 0) return null;
  const { document } = readSigned(JSON.parse(readFileSync(stack.manifestFile, 'utf8')), 'manifest');
  const [entry] = manifestDocument.fromJson(document, 'manifest').evm;
  // What the guardian alone has; the file is that of the people, which no process of ours reads.
  const { guardians } = JSON.parse(readFileSync(stack.folder.at('people.json'), 'utf8')) as {
    guardians: Hex[];
  };
  assert.ok(entry && guardians[0]);
  const result = await evacuateEvm({
    entry,
    nodeUrl: stack.anvil?.url ?? '',
    account: privateKeyToAccount(guardians[0]),
    gasPriceMaxWei: parseGwei('2000'),
    escalateAfterMs: 5_000,
    withinMs: 120_000,
    nowMs: () => performance.now(),
    sleep: async (ms) => sleep(ms),
    tell: () => {},
  });
  assert.ok(
    isEvacuated(result),
    JSON.stringify(result.left, (_, value) => `${value}`),
  );
  return Date.now() - Math.min(...found);
}
