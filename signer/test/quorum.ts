/** Three real vaults on real folders, and requests built by libraries that the vault itself does not use. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BIP32Factory, type BIP32Interface } from 'bip32';
import * as bitcoin from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import { policyDocument, type Policy } from '../protocol/policy.ts';
import type {
  BitcoinPayRequest,
  Call,
  EvmPayRequest,
  Identity,
  InputClaim,
  OutputClaim,
  Refused,
  Signed,
} from '../protocol/messages.ts';
import type { Json } from '../protocol/document.ts';
import type { Awaiting } from '../protocol/peers.ts';
import type { OrderJson } from '../protocol/order.ts';
import type { TokenPipe } from '../vault/token.ts';
import { openVault, type Vault } from '../vault/vault.ts';
import { CUSTOMER_ORIGIN, ORIGIN, person, signedBy, type Person } from './people.ts';

export const PASSPHRASE = 'correct horse battery staple';
export const REGTEST = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
export const TESTNET = 'bip122:000000000933ea01ad0ee984209779ba';
export const EVM = 'eip155:31337';
export const EVM2 = 'eip155:31338';
export const VAULT = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
export const USDT = '0xdAC17F958D2ee523a2206206994597C13D831ec7';
export const NATIVE = '0x0000000000000000000000000000000000000000';
export const CUSTOMER = '01930f3a7c5e7b7e8c3d5a9b1f2e4d6c';
const NOW_MS = 1_770_000_000_000;

const bip32 = BIP32Factory(ecc);
bitcoin.initEccLib(ecc);

export interface Quorum {
  readonly manifest: Manifest;
  readonly operators: readonly Person[];
  readonly sentinel: Person;
  readonly vaults: readonly Vault[];
  readonly folders: readonly string[];
  readonly clock: { nowMs: number };
  /** Opens the vault of a folder anew, as after a restart: sealed. */
  readonly reopen: (i: number) => Vault;
  /** The same signer on another folder. */
  readonly openAt: (i: number, folder: string) => Vault;
  readonly close: () => void;
}

/** Of the first signer: its EVM key is in it. */
export interface TestToken {
  readonly pipe: TokenPipe;
  readonly pin: string;
}

/** Makes keys and pins one manifest for all of them. */
export function makeQuorum(
  options: {
    signers?: number;
    threshold?: number;
    pin?: boolean;
    policy?: Partial<Policy>;
    token?: TestToken;
  } = {},
): Quorum {
  const { signers = 3, threshold = 2, pin = true } = options;
  const root = mkdtempSync(join(tmpdir(), 'portcullis-signer-'));
  const clock = { nowMs: NOW_MS };
  const names = Array.from({ length: signers }, (_, i) => `signer-${'abcdefgh'.charAt(i)}`);
  const folders = names.map((name) => mkdtempSync(join(root, name)));
  const { token } = options;
  const open = (i: number, folder = folders[i]): Vault => {
    const signer = names[i];
    assert.ok(signer !== undefined && folder !== undefined);
    return openVault({
      signer,
      folder,
      nowMs: () => clock.nowMs,
      randomBytes: (length) => randomBytes(length),
      ...(i === 0 && token !== undefined ? { tokenPipe: token.pipe } : {}),
    });
  };
  const vaults = names.map((_, i) => open(i));
  const reopen = (i: number): Vault => {
    const opened = open(i);
    quorums.set(opened, vaults);
    return opened;
  };
  for (const vault of vaults) quorums.set(vault, vaults);
  const identities = vaults.map((vault, i) => {
    const key = { passphrase: PASSPHRASE, epoch: 1, chain: 'test' };
    const inToken = i === 0 && token !== undefined ? { pin: token.pin } : {};
    const identity = call(vault, 'make-key', { ...key, ...inToken });
    assert.ok(identity.ok, JSON.stringify(identity));
    return identity as unknown as Identity;
  });
  const manifest = manifestOf(identities, threshold);
  if (pin) {
    for (const vault of vaults) {
      assert.ok(call(vault, 'manifest', signedManifest(manifest)).ok);
      assert.ok(call(vault, 'policy', signedPolicy(policyOf(manifest, options.policy))).ok);
    }
  }
  const close = (): void => {
    for (const vault of vaults) vault.close();
    rmSync(root, { recursive: true });
  };
  return { manifest, operators, sentinel, vaults, folders, clock, reopen, openAt: open, close };
}

/** Three people, two of whom loosen; one with a passkey that counts. */
const operators = ['alice', 'bob', 'carol'].map((id, i) =>
  person(id, `0x${'0'.repeat(39)}${i + 1}`, i === 0 ? 0 : undefined),
);
const sentinel = person('watch-1', `0x${'0'.repeat(39)}9`);

/** Signed by the passkeys of its quorum. */
export const signedManifest = (manifest: Manifest): { document: Json; signatures: Json } =>
  signedBy(
    manifestDocument,
    manifest,
    operators.slice(0, 2).map(({ byPasskey }) => byPasskey),
  );

export const signedPolicy = (policy: Policy): { document: Json; signatures: Json } =>
  signedBy(
    policyDocument,
    policy,
    operators.slice(0, 2).map(({ byPasskey }) => byPasskey),
  );

/** The first policy of a manifest: everything that is listed, more of it than tests ever pay. */
export function policyOf(manifest: Manifest, fields: Partial<Policy> = {}): Policy {
  const assets = [...manifest.bitcoin, ...manifest.evm.flatMap(({ tokens }) => tokens)].map(({ asset }) => ({
    asset,
    orderMax: 2n ** 200n,
    windows: [{ seconds: 86_400, valueMax: 2n ** 220n, countMax: 1_000_000 }],
  }));
  const fees = manifest.bitcoin.map(({ network }) => ({ network, seconds: 86_400, feeMax: 10n ** 12n }));
  const policy: Policy = {
    epoch: manifest.epoch,
    version: 1,
    previous: new Uint8Array(32),
    by: 'alice',
    assets,
    fees,
    loosenDelaySeconds: 86_400,
    approvals: [],
    attestations: [],
    tiers: [],
    credentialHoldSeconds: 7 * 86_400,
    recoveryHoldSeconds: 14 * 86_400,
    newDestinations: [],
    paidInSeconds: 90 * 86_400,
    ...fields,
  };
  return policyDocument.normal(policy);
}

/** EIP-55. */
export const FACTORY = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';

export function manifestOf(
  identities: readonly Identity[],
  threshold: number,
  vault: string = VAULT,
): Manifest {
  const evm = (network: string): Manifest['evm'][number] => ({
    network,
    chainId: BigInt(network.slice('eip155:'.length)),
    vault,
    tokens: [
      { asset: `${network}/slip44:60`, token: NATIVE },
      { asset: `${network}/erc20:${USDT}`, token: USDT },
    ],
    deadlineMaxSeconds: 3600,
    factory: FACTORY,
    depositInitCodeHash: new Uint8Array(32).fill(0x1c),
  });
  const coin = (network: string, chain: 'test' | 'regtest'): Manifest['bitcoin'][number] => ({
    network,
    chain,
    asset: `${network}/slip44:1`,
    feeRateMaxSatPerVb: 200,
    feeMaxSat: 500_000n,
    indexMax: 100_000,
    cold: bitcoin.address.toBech32(
      Buffer.from(chain.slice(0, 4).repeat(5)),
      0,
      chain === 'test' ? 'tb' : 'bcrt',
    ),
  });
  return {
    epoch: 1,
    previous: new Uint8Array(32),
    threshold,
    signers: identities.map(({ signer, xpub, evmAddress }) => ({ id: signer, xpub, evmAddress })),
    operators: operators.map(({ entry }) => entry),
    operatorQuorum: 2,
    operatorOrigin: ORIGIN,
    sentinels: [{ id: sentinel.id, key: sentinel.entry.commandKey }],
    bitcoin: [coin(REGTEST, 'regtest'), coin(TESTNET, 'test')],
    evm: [evm(EVM), evm(EVM2)],
    journalCopies: Math.floor(identities.length / 2) + 1,
    customerOrigin: CUSTOMER_ORIGIN,
  };
}

/** One frame through the vault, as the gate sends it. */
export function call(vault: Vault, name: Call, body: unknown): { ok: boolean } & Record<string, unknown> {
  const { id, answer } = JSON.parse(vault.handle(JSON.stringify({ id: 7, call: name, body }))) as {
    id: number;
    answer: { ok: boolean } & Record<string, unknown>;
  };
  assert.equal(id, 7);
  return answer;
}

/** The vaults whose journals a vault shares, itself among them. */
const quorums = new WeakMap<Vault, readonly Vault[]>();

type Called = { ok: boolean } & Record<string, unknown>;

/** A call as the gate makes it: whatever peers have to hold first is brought to them, by a gate without a network. */
export function callThrough(vault: Vault, name: Call, body: unknown, peers = peersOf(vault)): Called {
  let answer = call(vault, name, body);
  if (answer['code'] === 'UNCONFIRMED' && confirmed(vault, peers)) answer = call(vault, name, body);
  return commit(vault, answer, peers);
}

const peersOf = (vault: Vault): readonly Vault[] =>
  (quorums.get(vault) ?? []).filter((other) => other !== vault && nameOf(other) !== nameOf(vault));

const confirmed = (vault: Vault, peers = peersOf(vault)): boolean =>
  commit(vault, call(vault, 'confirm', {}), peers).ok;

const nameOf = (vault: Vault): unknown => call(vault, 'status', {})['signer'];

function commit(vault: Vault, first: Called, peers: readonly Vault[]): Called {
  let answer = first;
  while ('awaiting' in answer) {
    const awaiting = answer['awaiting'] as Awaiting['awaiting'];
    const countersignatures = peers.flatMap((peer) => {
      const given = askPeer(vault, peer, awaiting);
      return typeof given['countersignature'] === 'string'
        ? [{ signer: String(given['signer']), signature: given['countersignature'] }]
        : [];
    });
    answer = call(vault, 'release', { id: awaiting.id, countersignatures });
  }
  return answer;
}

/** What a peer says to an ask, once it has the entries that it lacks. */
export function askPeer(vault: Vault, peer: Vault, { ask, signature, line }: Awaiting['awaiting']): Called {
  let lines: unknown = [];
  for (let holds: string | undefined; ;) {
    const answer = call(peer, 'countersign', { ask, signature, line, lines });
    if (answer['code'] === 'UNCONFIRMED' && confirmed(peer)) continue;
    if (typeof answer['holds'] !== 'string' || answer['holds'] === holds) return answer;
    holds = answer['holds'];
    const upTo = Number((ask as { sequence: string }).sequence) - Number(holds);
    lines = (call(vault, 'journal', { after: holds })['lines'] as string[]).slice(0, upTo);
  }
}

export function signed(vault: Vault, request: unknown): Signed {
  const answer = callThrough(vault, 'sign', request) as unknown as Signed | Refused;
  assert.ok(answer.ok, answer.ok ? '' : `${answer.code}: ${answer.detail}`);
  return answer;
}

/** Asserts that the request is refused with this code, and that nothing was signed or remembered. */
export function refused(vault: Vault, request: unknown, code: Refused['code']): void {
  const answer = callThrough(vault, 'sign', request) as unknown as Signed | Refused;
  assert.equal(answer.ok ? 'signed' : answer.code, code, answer.ok ? '' : answer.detail);
  assert.ok(!('psbt' in answer) && !('signature' in answer));
}

let lastOrder = 0;
export const nextOrder = (): string => String(++lastOrder);

export const orderJson = (fields: Partial<OrderJson> = {}): OrderJson => ({
  kind: 'customer',
  orderNumber: nextOrder(),
  customer: CUSTOMER,
  credentialSetHash: '00'.repeat(32),
  epoch: 1,
  asset: `${REGTEST}/slip44:1`,
  destination: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
  amount: '150000',
  maxFee: '2000',
  expiry: String(NOW_MS / 1000 + 86_400),
  ...fields,
});

export interface Coin extends InputClaim {
  readonly previous: bitcoin.Transaction;
  readonly vout: number;
  readonly value: bigint;
}

/** The quorum's witness script at a branch and index, by bip32 and bitcoinjs-lib. */
export function witnessScript(manifest: Manifest, branch: number, index: number): Uint8Array {
  const pubkeys = manifest.signers
    .map(({ xpub }): BIP32Interface =>
      bip32.fromBase58(xpub, bitcoin.networks.regtest).derive(branch).derive(index),
    )
    .map((node) => node.publicKey)
    .toSorted((a, b) => Buffer.compare(a, b));
  const { output } = bitcoin.payments.p2ms({
    m: manifest.threshold,
    pubkeys,
    network: bitcoin.networks.regtest,
  });
  assert.ok(output);
  return output;
}

export function walletPayment(
  manifest: Manifest,
  branch: number,
  index: number,
): { output: Uint8Array; address: string } {
  const redeem = { output: witnessScript(manifest, branch, index), network: bitcoin.networks.regtest };
  const { output, address } = bitcoin.payments.p2wsh({ redeem, network: bitcoin.networks.regtest });
  assert.ok(output !== undefined && address !== undefined);
  return { output, address };
}

/** A coin of ours in a previous transaction that nobody else has. */
export function coin(manifest: Manifest, value: bigint, branch: 0 | 1 = 0, index = 3): Coin {
  const previous = new bitcoin.Transaction();
  previous.version = 2;
  previous.addInput(randomBytes(32), 0);
  previous.addOutput(
    bitcoin.address.toOutputScript('bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', bitcoin.networks.regtest),
    777n,
  );
  previous.addOutput(walletPayment(manifest, branch, index).output, value);
  return { previous, vout: 1, value, branch, index };
}

export interface BitcoinParts {
  readonly coins: readonly Coin[];
  readonly orders: readonly OrderJson[];
  readonly change?: { readonly index: number; readonly value: bigint };
}

/** An honest PSBT for these parts; what an attacker does to it is the test's affair. */
export function honestPsbt(manifest: Manifest, { coins, orders, change }: BitcoinParts): bitcoin.Psbt {
  const psbt = new bitcoin.Psbt({ network: bitcoin.networks.regtest });
  psbt.setVersion(2);
  for (const one of coins) psbt.addInput(psbtInput(manifest, one));
  for (const order of orders) psbt.addOutput({ address: order.destination, value: BigInt(order.amount) });
  if (change !== undefined) {
    psbt.addOutput({ script: walletPayment(manifest, 1, change.index).output, value: change.value });
  }
  return psbt;
}

export function psbtInput(manifest: Manifest, one: Coin): Parameters<bitcoin.Psbt['addInput']>[0] {
  return {
    hash: one.previous.getId(),
    index: one.vout,
    sequence: 0xfffffffd,
    nonWitnessUtxo: one.previous.toBuffer(),
    witnessUtxo: { script: walletPayment(manifest, one.branch, one.index).output, value: one.value },
    witnessScript: witnessScript(manifest, one.branch, one.index),
  };
}

export function bitcoinRequest(
  manifest: Manifest,
  parts: BitcoinParts,
  psbt = honestPsbt(manifest, parts),
): BitcoinPayRequest {
  const outputs: OutputClaim[] = parts.orders.map((order) => ({ order: order.orderNumber }));
  if (parts.change !== undefined) outputs.push({ change: parts.change.index });
  return {
    type: 'bitcoin-pay',
    network: REGTEST,
    epoch: 1,
    orders: parts.orders,
    psbt: psbt.toBase64(),
    inputs: parts.coins.map(({ branch, index }) => ({ branch, index })),
    outputs,
  };
}

/** A payment of 150,000 sat out of one coin of 200,000, with change. */
export function payment(manifest: Manifest, fields: Partial<OrderJson> = {}): BitcoinParts {
  return {
    coins: [coin(manifest, 200_000n)],
    orders: [orderJson(fields)],
    change: { index: 9, value: 45_000n },
  };
}

export function evmRequest(
  fields: Partial<EvmPayRequest> = {},
  order: Partial<OrderJson> = {},
): EvmPayRequest {
  const network = fields.network ?? EVM;
  return {
    type: 'evm-pay',
    network,
    epoch: 1,
    vault: VAULT,
    token: NATIVE,
    deadline: String(NOW_MS / 1000 + 600),
    generation: '0',
    orders: [
      orderJson({
        asset: `${network}/slip44:60`,
        destination: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
        amount: '1000000000000000000',
        ...order,
      }),
    ],
    ...fields,
  };
}
