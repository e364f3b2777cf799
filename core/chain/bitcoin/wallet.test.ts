// Proves on a real node that what we choose, build, combine, bump and scan is what the chain accepts and holds.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test, type TestContext } from 'node:test';
import { base64 } from '@scure/base';
import { HDKey } from '@scure/bip32';
import { Transaction } from '@scure/btc-signer';
import { openDatabase, openPool } from '../../db/db.ts';
import { startBitcoind, type Bitcoind } from '../../../world/parts/bitcoind.ts';
import { testDatabase } from '../../../world/testing.ts';
import { followStep, watchAddresses } from '../chain.ts';
import { parseBitcoinAddress } from './address.ts';
import { broadcast, estimateFeeRate } from './broadcast.ts';
import { buildPayPsbt, type BuiltPsbt, type StoredRequest } from './build-psbt.ts';
import { checkAnswer, combineAndFinalize } from './combine.ts';
import { deriveChecked, deriveScript, openWallet, type BitcoinWallet } from './derive.ts';
import { descriptorChecksum, descriptorOf } from './descriptor.ts';
import { openBitcoinFollower } from './follow-bitcoin.ts';
import { buildChildPaysForParent, buildReplacement } from './replace.ts';
import { bitcoinRpc, type BitcoinRpc } from './rpc.ts';
import { selectCoins, type Coin } from './select-coins.ts';
import { bitcoinSource } from './source.ts';
import { feeFor, inputFormOf } from './transaction.ts';
import { previousTransactions, scanWallet, spendableCoins } from './wallet-coins.ts';

const NETWORK = { id: 'bitcoin', caip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328', reorgDepthMax: 100 };
const TEST_VERSIONS = { public: 0x043587cf, private: 0x04358394 };
const FEE_MAX = 10_000_000n;

let node: Bitcoind;
let rpc: BitcoinRpc;
before(async () => {
  node = await startBitcoind();
  rpc = bitcoinRpc({ urls: [node.url] });
});
after(() => node.stop());

interface Keys {
  readonly accounts: readonly HDKey[];
  readonly wallet: BitcoinWallet;
}

function keys(): Keys {
  const accounts = [1, 2, 3].map(() =>
    HDKey.fromMasterSeed(randomBytes(32), TEST_VERSIONS).derive("m/48'/1'/1'/2'"),
  );
  const xpubs = accounts.map((account) => account.publicExtendedKey);
  return { accounts, wallet: openWallet({ chain: 'regtest', threshold: 2, xpubs }) };
}

/** What a signer does once it has made up its mind: its own partial signatures over the request. */
function sign(account: HDKey, request: StoredRequest): string {
  const transaction = Transaction.fromPSBT(base64.decode(request.psbt), {
    strictPrevoutValidation: true,
    unknown: 'strict',
  });
  for (const [i, { branch, index }] of request.inputs.entries()) {
    const { privateKey } = account.deriveChild(branch).deriveChild(index);
    transaction.signIdx(privateKey!, i);
  }
  return base64.encode(transaction.toPSBT(0));
}

/** Pays the wallet's addresses `0/0 …` and answers the coins. */
async function fund(wallet: BitcoinWallet, amounts: readonly bigint[]): Promise<Coin[]> {
  const coins: Coin[] = [];
  for (const [index, units] of amounts.entries()) {
    const { address } = deriveScript(wallet, 0, index);
    const txId = await node.send(address, units);
    const tx = await node.rpc<{ vout: { n: number; scriptPubKey: { address?: string } }[] }>(
      'getrawtransaction',
      txId,
      true,
    );
    const vout = tx.vout.find((output) => output.scriptPubKey.address === address)!.n;
    coins.push({ txId, vout, units, branch: 0, index, blockHash: null });
  }
  const [blockHash] = await node.mine(1);
  return coins.map((coin) => ({ ...coin, blockHash: blockHash! }));
}

interface Payment {
  readonly wallet: BitcoinWallet;
  readonly coins: readonly Coin[];
  readonly amounts: readonly bigint[];
  readonly rate: number;
  readonly changeIndex?: number;
}

async function pay({ wallet, coins, amounts, rate, changeIndex = 0 }: Payment): Promise<BuiltPsbt> {
  const orders = await Promise.all(
    amounts.map(async (units, i) => {
      const parsed = parseBitcoinAddress(await node.walletRpc('miner', 'getnewaddress'), 'regtest');
      assert.ok(parsed.ok);
      return { orderNumber: BigInt(i + 1), script: parsed.script, units };
    }),
  );
  const selected = selectCoins({
    form: inputFormOf(wallet),
    coins,
    outputs: orders,
    changeScript: deriveScript(wallet, 1, changeIndex).script,
    feeRateSatPerVb: rate,
    feeMaxSat: FEE_MAX,
  });
  assert.ok(
    selected.ok,
    JSON.stringify(selected, (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
  );
  const previous = await previousTransactions(rpc, selected.coins);
  return buildPayPsbt({
    wallet,
    coins: selected.coins,
    orders,
    changeIndex,
    changeSat: selected.changeSat,
    previous,
  });
}

async function send(request: BuiltPsbt, accounts: readonly HDKey[]): Promise<{ raw: Buffer; txId: string }> {
  const combined = combineAndFinalize(
    request,
    accounts.map((account) => sign(account, request)),
  );
  assert.ok(combined.ok);
  assert.equal(combined.txId, request.txId);
  assert.ok(combined.vbytes <= request.vbytes && combined.vbytes >= request.vbytes * 0.97);
  assert.deepEqual(await broadcast(rpc, combined.raw), { ok: true, txId: request.txId, known: false });
  return combined;
}

test('many orders in one transaction, signed by any two of three, accepted and mined', async () => {
  const { accounts, wallet } = keys();
  const coins = await fund(wallet, [3_000_000n, 2_000_000n, 1_500_000n]);
  const request = await pay({ wallet, coins, amounts: [4_000_000n, 1_000_000n, 50_000n], rate: 7.5 });
  assert.equal(request.feeSat, feeFor(request.vbytes, 7.5));
  const { raw, txId } = await send(request, [accounts[2]!, accounts[0]!]);
  assert.deepEqual(await broadcast(rpc, raw), { ok: true, txId, known: true });
  await node.mine(1);
  assert.deepEqual(await broadcast(rpc, raw), { ok: true, txId, known: true });
  const mined = await node.rpc<{ confirmations: number; vout: { value: bigint }[] }>(
    'getrawtransaction',
    txId,
    true,
  );
  assert.equal(mined.confirmations, 1);
  assert.deepEqual(
    mined.vout.map((output) => output.value),
    request.plan.outputs.map((output) => output.units),
  );
});

test('a replacement at a higher fee takes the first out; its change pays, then another coin', async () => {
  const { accounts, wallet } = keys();
  const [coin, extra] = await fund(wallet, [1_000_000n, 600_000n]);
  const first = await pay({ wallet, coins: [coin!], amounts: [900_000n], rate: 2 });
  await send(first, accounts.slice(0, 2));
  const bumped = buildReplacement({
    wallet,
    request: first,
    feeRateSatPerVb: 5,
    feeMaxSat: FEE_MAX,
    changeIndex: 0,
    extraCoins: [],
    extraPrevious: new Map(),
  });
  assert.ok(bumped.ok);
  assert.deepEqual(bumped.addedCoins, []);
  assert.ok(bumped.built.feeSat >= first.feeSat + BigInt(bumped.built.vbytes));
  assert.deepEqual(orderOutputs(bumped.built), orderOutputs(first));
  await send(bumped.built, accounts.slice(1));
  await assert.rejects(node.rpc('getmempoolentry', first.txId));

  const large = {
    wallet,
    request: bumped.built,
    feeRateSatPerVb: 700,
    feeMaxSat: FEE_MAX,
    changeIndex: 3,
    extraPrevious: await previousTransactions(rpc, [extra!]),
  };
  assert.deepEqual(buildReplacement({ ...large, extraCoins: [] }), {
    ok: false,
    reason: 'COINS_INSUFFICIENT',
  });
  const third = buildReplacement({ ...large, extraCoins: [extra!] });
  assert.ok(third.ok);
  assert.equal(third.addedCoins.length, 1);
  assert.ok(
    third.built.plan.inputs.some((input) => input.txId === coin!.txId),
    'still conflicts with the first',
  );
  await send(third.built, accounts.slice(0, 2));
  await assert.rejects(node.rpc('getmempoolentry', bumped.built.txId));
  assert.deepEqual(buildReplacement({ ...large, extraCoins: [extra!], feeMaxSat: 100_000n }), {
    ok: false,
    reason: 'FEE_ABOVE_CAP',
  });
});

function orderOutputs(built: BuiltPsbt): unknown {
  return built.plan.outputs
    .filter((output) => 'order' in output.claim)
    .map((output) => [output.claim, output.units, Buffer.from(output.script).toString('hex')]);
}

test('a replacement that does not pay for its own relay is refused by the node; ours pays exactly that', async () => {
  const { accounts, wallet } = keys();
  const [coin] = await fund(wallet, [1_000_000n]);
  const first = await pay({ wallet, coins: [coin!], amounts: [500_000n], rate: 10 });
  await send(first, accounts.slice(0, 2));
  // Asked for no more than it has: the rules of BIP-125 alone set the fee.
  const options = {
    wallet,
    request: first,
    feeRateSatPerVb: 10,
    feeMaxSat: FEE_MAX,
    changeIndex: 0,
    extraCoins: [],
    extraPrevious: new Map(),
  };
  const unpaid = buildReplacement({ ...options, changeIndex: 1, incrementalSatPerVb: 0.01 });
  assert.ok(unpaid.ok);
  const signed = combineAndFinalize(
    unpaid.built,
    accounts.map((account) => sign(account, unpaid.built)),
  );
  assert.ok(signed.ok);
  const verdict = await broadcast(rpc, signed.raw);
  assert.equal(verdict.ok ? '' : verdict.reason, 'FEE_TOO_LOW');
  const bumped = buildReplacement(options);
  assert.ok(bumped.ok);
  assert.equal(bumped.built.feeSat, first.feeSat + feeFor(bumped.built.vbytes, 1));
  await send(bumped.built, accounts.slice(0, 2));
});

test('a child pays for its parent, from our own change back to us', async () => {
  const { accounts, wallet } = keys();
  const [coin] = await fund(wallet, [1_000_000n]);
  const parent = await pay({ wallet, coins: [coin!], amounts: [300_000n], rate: 1, changeIndex: 4 });
  const signed = combineAndFinalize(
    parent,
    accounts.slice(0, 2).map((account) => sign(account, parent)),
  );
  assert.ok(signed.ok);
  const options = {
    wallet,
    parent,
    parentTxId: parent.txId,
    parentRaw: signed.raw,
    feeRateSatPerVb: 40,
    feeRateMaxSatPerVb: 100,
    feeMaxSat: FEE_MAX,
    changeIndex: 5,
  };
  const child = buildChildPaysForParent(options);
  assert.ok(child.ok);
  const both = child.built.vbytes + parent.vbytes;
  assert.ok(child.built.feeSat + parent.feeSat >= feeFor(both, 40));
  const own = combineAndFinalize(
    child.built,
    accounts.slice(1).map((account) => sign(account, child.built)),
  );
  assert.ok(own.ok);
  // The node does not have the parent: alone the child is refused, and with it both are taken.
  const alone = await broadcast(rpc, own.raw);
  assert.equal(alone.ok ? '' : alone.reason, 'INPUTS_MISSING_OR_SPENT');
  const { txId } = own;
  assert.deepEqual(await broadcast(rpc, own.raw, signed.raw), { ok: true, txId, known: false });
  assert.deepEqual(await broadcast(rpc, own.raw, signed.raw), { ok: true, txId, known: true });
  const entry = await node.rpc<{ ancestorcount: number; fees: { ancestor: bigint } }>(
    'getmempoolentry',
    child.built.txId,
  );
  assert.equal(entry.ancestorcount, 2);
  assert.equal(entry.fees.ancestor, child.built.feeSat + parent.feeSat);
  const earlierFeeSat = child.built.feeSat;
  const second = buildChildPaysForParent({ ...options, earlierFeeSat });
  assert.ok(second.ok);
  assert.equal(
    second.built.feeSat,
    earlierFeeSat + feeFor(second.built.vbytes, 1),
    'the least that replaces it',
  );
  for (const cap of [{ feeMaxSat: parent.feeSat + earlierFeeSat - 1n }, { feeRateMaxSatPerVb: 39 }])
    assert.deepEqual(buildChildPaysForParent({ ...options, ...cap }), { ok: false, reason: 'FEE_ABOVE_CAP' });
  const little = await pay({ wallet, coins: await fund(wallet, [400_000n]), amounts: [399_000n], rate: 1 });
  const reason = 'COINS_INSUFFICIENT';
  assert.deepEqual(buildChildPaysForParent({ ...options, parent: little }), { ok: false, reason });
});

test('answers are believed in nothing but good signatures over the transaction that was asked for', async () => {
  const { accounts, wallet } = keys();
  const stranger = keys().accounts[0]!;
  const coins = await fund(wallet, [500_000n, 400_000n]);
  const request = await pay({ wallet, coins, amounts: [700_000n], rate: 3 });
  const other = await pay({ wallet, coins, amounts: [600_000n], rate: 3 });
  const [a, b] = accounts.map((account) => sign(account, request));
  assert.deepEqual(checkAnswer(request, 'bm90IGEgcHNidA=='), { ok: false, reason: 'ANSWER_MALFORMED' });
  assert.deepEqual(checkAnswer(request, sign(accounts[0]!, other)), {
    ok: false,
    reason: 'TRANSACTION_DIFFERS',
  });
  assert.deepEqual(checkAnswer(request, request.psbt), { ok: false, reason: 'SIGNATURE_MISSING' });
  assert.deepEqual(
    checkAnswer(
      request,
      tampered(a!, (s) => (s[20]! ^= 1)),
    ),
    {
      ok: false,
      reason: 'SIGNATURE_INVALID',
    },
  );
  assert.deepEqual(
    checkAnswer(
      request,
      tampered(a!, (s) => (s[s.length - 1] = 2)),
    ),
    {
      ok: false,
      reason: 'SIGNATURE_INVALID',
    },
  );
  assert.throws(() => sign(stranger, request));
  assert.deepEqual(combineAndFinalize(request, [a!, a!, tampered(b!, (s) => (s[30]! ^= 4))]), {
    ok: false,
    reason: 'THRESHOLD_NOT_REACHED',
    refused: [{ answer: 2, reason: 'SIGNATURE_INVALID' }],
  });
  assert.ok(combineAndFinalize(request, [a!, tampered(b!, (s) => (s[30]! ^= 4)), b!]).ok);
});

/** The same PSBT with a change to its first partial signature's bytes. */
function tampered(psbt: string, change: (signature: Uint8Array) => void): string {
  const bytes = base64.decode(psbt);
  const transaction = Transaction.fromPSBT(bytes);
  const signature = transaction.getInput(0).partialSig![0]![1];
  const at = Buffer.from(bytes).indexOf(signature);
  change(bytes.subarray(at, at + signature.length));
  return base64.encode(bytes);
}

test('a spent coin, a fee below the relay minimum: answers with their reasons', async () => {
  const { accounts, wallet } = keys();
  const [coin] = await fund(wallet, [500_000n]);
  const cheap = await pay({ wallet, coins: [coin!], amounts: [400_000n], rate: 0.01 });
  const combined = combineAndFinalize(cheap, [sign(accounts[0]!, cheap), sign(accounts[1]!, cheap)]);
  assert.ok(combined.ok);
  const low = await broadcast(rpc, combined.raw);
  assert.equal(low.ok ? '' : low.reason, 'FEE_TOO_LOW');
  const first = await pay({ wallet, coins: [coin!], amounts: [100_000n], rate: 5 });
  await send(first, accounts.slice(0, 2));
  await node.mine(1);
  const late = await broadcast(rpc, combined.raw);
  assert.equal(late.ok ? '' : late.reason, 'INPUTS_MISSING_OR_SPENT');
});

test('the node derives the same addresses from our descriptor, and its checksum is ours', async () => {
  const { wallet } = keys();
  const descriptor = descriptorOf(wallet);
  const info = await node.rpc<{ checksum: string; isrange: boolean }>(
    'getdescriptorinfo',
    descriptor.split('#')[0],
  );
  assert.equal(info.checksum, descriptor.split('#')[1]);
  assert.equal(descriptorChecksum(descriptor.split('#')[0]!), info.checksum);
  for (const branch of [0, 1] as const) {
    const theirs = await node.rpc<string[]>('deriveaddresses', descriptorOf(wallet, branch), [0, 20]);
    assert.deepEqual(
      theirs,
      Array.from({ length: 21 }, (_, index) => deriveChecked(wallet, branch, index).address),
    );
  }
});

test('the fee rate stays within bounds whatever the node says', async () => {
  const query = { targetBlocks: 3, minSatPerVb: 1, maxSatPerVb: 100 };
  const real = await estimateFeeRate(rpc, query);
  assert.ok(real.satPerVb >= 1 && real.satPerVb <= 100);
  const saying = (feerate: unknown, mempoolminfee: unknown): BitcoinRpc => ({
    call: async (method: string) =>
      (method === 'estimatesmartfee' ? { feerate } : { mempoolminfee }) as never,
    batch: async () => [],
  });
  assert.deepEqual(await estimateFeeRate(saying(900_000n, 1000n), query), {
    satPerVb: 100,
    source: 'maximum',
  });
  assert.deepEqual(await estimateFeeRate(saying(undefined, 25_500n), query), {
    satPerVb: 25.5,
    source: 'mempool',
  });
  assert.deepEqual(await estimateFeeRate(saying(-5n, 'nonsense'), query), {
    satPerVb: 1,
    source: 'minimum',
  });
});

test('spendable are deep deposits and confirmed change; the scan by the node agrees', async (t: TestContext) => {
  const { wallet } = keys();
  const { url } = await testDatabase(t);
  const pool = openPool(url, 4);
  t.after(() => pool.end());
  const db = openDatabase(pool);
  await db
    .transaction()
    .execute((trx) =>
      watchAddresses(trx, [
        ...[0, 1, 2].map((index) => watched(wallet, 0, index)),
        ...[0, 1].map((index) => watched(wallet, 1, index)),
      ]),
    );
  await node.send(deriveScript(wallet, 0, 0).address, 1_000n);
  await node.send(deriveScript(wallet, 0, 1).address, 50_000_000n);
  await node.send(deriveScript(wallet, 1, 0).address, 7_000n);
  await node.mine(2);
  await node.send(deriveScript(wallet, 0, 2).address, 2_000n);
  await node.mine(1, deriveScript(wallet, 1, 1).address);
  await node.send(deriveScript(wallet, 1, 1).address, 9_000n);
  const now = (): Date => new Date();
  const follower = await openBitcoinFollower({ db, network: NETWORK, rpc, now, seed: randomBytes(16) });
  const source = bitcoinSource(rpc, NETWORK);
  let tipHeight = 0;
  for (;;) {
    const step = await followStep({ db, network: NETWORK, source, handler: follower.handler, now });
    if (step.kind !== 'block') break;
    tipHeight = step.height;
  }
  await follower.pollMempool();
  const query = {
    network: NETWORK.id,
    tipHeight,
    depositDepth: (units: bigint) => (units >= 10_000_000n ? 4 : 2),
    changeDepth: 1,
  };
  const spendable = await spendableCoins(db, query);
  // Not: 0/1 (too much for its depth), 0/2 (one confirmation), the coinbase, the mempool.
  assert.deepEqual(
    spendable.map((coin) => [coin.branch, coin.index, coin.units]),
    [
      [1, 0, 7_000n],
      [0, 0, 1_000n],
    ],
  );
  const scan = await scanWallet(rpc, wallet, [3, 2]);
  assert.equal(scan.height, tipHeight);
  const recorded = await db
    .selectFrom('bitcoin_coin')
    .select(({ fn }) => fn.sum<bigint>('units').as('units'))
    .where('height', 'is not', null)
    .executeTakeFirstOrThrow();
  assert.equal(scan.units, recorded.units);
});

function watched(wallet: BitcoinWallet, branch: 0 | 1, index: number) {
  const { address, script } = deriveChecked(wallet, branch, index);
  const purpose = branch === 0 ? ('deposit' as const) : ('change' as const);
  return { network: NETWORK.id, address, script, purpose, derivation: `${branch}/${index}` };
}
