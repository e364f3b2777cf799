import { stringify } from 'smol-toml';
import { zeroAddress } from 'viem';
import type { EvmSystem } from '../contracts/deploy.ts';
import { fromHex } from '../signer/protocol/canonical.ts';
import type { Manifest } from '../signer/protocol/manifest.ts';
import { policyDocument, type Policy } from '../signer/protocol/policy.ts';
import { CUSTOMER_ORIGIN, OPERATOR_ORIGIN, OPERATOR_QUORUM } from './people/people.ts';

/** An EVM network of the local system. */
export interface LocalEvmNetwork {
  readonly id: string;
  readonly name: string;
  readonly nodeUrl: string;
  readonly system: EvmSystem;
  readonly relayerKeyFile: string;
}

export interface LocalSystem {
  readonly bitcoinNodeUrl: string;
  readonly bitcoinCaip2: string;
  /** Of the people's cold Bitcoin wallet. */
  readonly coldDescriptor?: string;
  /** Where evacuations go. */
  readonly coldBitcoin: string;
  readonly evm: readonly LocalEvmNetwork[];
  readonly signers: readonly {
    readonly id: string;
    readonly url: string;
    readonly certificateFile: string;
  }[];
  readonly signerClient: { readonly certificateFile: string; readonly keyFile: string };
  readonly walletManifestFile: string;
  readonly http: { readonly host: string; readonly port: number };
  readonly sentinelUrl?: string;
  /** How often core looks at its nodes. */
  readonly pollMs: number;
  readonly stuckAfterMs: number;
}

/** What the local vault may pay in any 24 hours, in base units. */
export const LOCAL_CAPS = {
  ETH: 1_000n * 10n ** 18n,
  USDT: 5_000_000n * 10n ** 6n,
  USDC: 5_000_000n * 10n ** 6n,
};

/** Confirmations before the smallest deposit may leave. */
export const BITCOIN_DEPTH_LEAST = 3;
/** Depths of a regtest chain: enough to see both stages, few enough to wait for. */
const DEPTHS_BTC = [
  { from: '0', safe: 1, irreversible: BITCOIN_DEPTH_LEAST },
  { from: '10', safe: 2, irreversible: 6 },
];
const DEPTHS_EVM = [{ from: '0', safe: 2, irreversible: 6 }];

/** The configuration of core for the local system: BTC, ETH, USDT and USDC, every EVM network alike. */
export function localConfiguration(system: LocalSystem): string {
  return stringify({
    epoch: 1,
    walletManifestFile: system.walletManifestFile,
    assets: [
      { id: 'BTC', name: 'Bitcoin', decimals: 8 },
      { id: 'ETH', name: 'Ether', decimals: 18 },
      { id: 'USDT', name: 'Tether USD', decimals: 6 },
      { id: 'USDC', name: 'USD Coin', decimals: 6 },
    ],
    networks: [bitcoinNetwork(system), ...system.evm.map((network) => evmNetwork(system, network))],
    signers: system.signers.map(({ id, url, certificateFile }) => ({ id, url, certificateFile })),
    signerClient: {
      certificateFile: system.signerClient.certificateFile,
      keyFile: system.signerClient.keyFile,
    },
    http: { ...system.http },
    ...(system.sentinelUrl === undefined ? {} : { sentinel: { url: system.sentinelUrl } }),
  });
}

function bitcoinNetwork(system: LocalSystem) {
  return {
    id: 'bitcoin',
    name: 'Bitcoin (regtest)',
    kind: 'bitcoin',
    caip2: system.bitcoinCaip2,
    chain: 'regtest',
    nodes: [system.bitcoinNodeUrl],
    pollMs: system.pollMs,
    reorgDepthMax: 20,
    batchWaitMs: 1_000,
    batchOrdersMax: 100,
    stuckAfterMs: system.stuckAfterMs,
    feeTargetBlocks: 3,
    feeRateMinSatPerVb: 1,
    feeRateMaxSatPerVb: 500,
    ...(system.coldDescriptor === undefined ? {} : { coldDescriptor: system.coldDescriptor }),
    listings: [
      {
        asset: 'BTC',
        depths: DEPTHS_BTC,
        depositMin: '0.0001',
        withdrawalMin: '0.0002',
        withdrawalFee: '0.00005',
      },
    ],
  };
}

function evmNetwork(system: LocalSystem, network: LocalEvmNetwork) {
  const { registry, factory, vault, cold, tokens, initCodeHash, chainId } = network.system;
  return {
    id: network.id,
    name: network.name,
    kind: 'evm',
    caip2: `eip155:${chainId}`,
    chainId,
    nodes: [network.nodeUrl],
    pollMs: system.pollMs,
    reorgDepthMax: 20,
    batchWaitMs: 1_000,
    batchOrdersMax: 100,
    stuckAfterMs: system.stuckAfterMs,
    registry,
    factory,
    vault,
    cold,
    depositInitCodeHash: initCodeHash,
    relayerKeyFile: network.relayerKeyFile,
    feePerGasMaxGwei: 500,
    payDeadlineSeconds: 3600,
    listings: [
      {
        asset: 'ETH',
        depths: DEPTHS_EVM,
        depositMin: '0.001',
        withdrawalMin: '0.002',
        withdrawalFee: '0.0005',
        sweepMin: '0.005',
      },
      ...(['USDT', 'USDC'] as const).map((asset) => ({
        asset,
        contract: tokens[asset],
        depths: DEPTHS_EVM,
        depositMin: '1',
        withdrawalMin: '2',
        withdrawalFee: '1',
        sweepMin: '5',
      })),
    ],
  };
}

export interface SignerPublic {
  readonly id: string;
  readonly xpub: string;
  readonly evmAddress: string;
}

const DAY_SECONDS = 86_400;
/**
 * What the local signers pay at most in any day. Wider than the vault's caps, which core plans around: core does not
 * know the policy yet, and an order that signers refuse holds up its batch.
 */
const LOCAL_DAY_MAX = {
  BTC: 10_000n * 10n ** 8n,
  ETH: 10n * LOCAL_CAPS.ETH,
  USDT: 10n * LOCAL_CAPS.USDT,
  USDC: 10n * LOCAL_CAPS.USDC,
};
const LOCAL_FEES_MAX_SAT = 5n * 10n ** 8n;
const LOCAL_COUNT_MAX = 1_000_000;

/**
 * The first policy of the local signers. A loosening waits a minute: long enough to be seen. With `attestationSeconds`
 * they sign nothing that no sentinel vouches for.
 */
export function walletPolicy(manifest: Manifest, by: string, attestationSeconds?: number): Policy {
  const limited = (asset: string, dayMax: bigint) => ({
    asset,
    orderMax: dayMax,
    windows: [{ seconds: DAY_SECONDS, valueMax: dayMax, countMax: LOCAL_COUNT_MAX }],
  });
  const assets = [
    ...manifest.bitcoin.map(({ asset }) => limited(asset, LOCAL_DAY_MAX.BTC)),
    // The order of walletManifest.
    ...manifest.evm.flatMap(({ tokens }) =>
      (['ETH', 'USDT', 'USDC'] as const).flatMap((name, i) => {
        const token = tokens[i];
        return token ? [limited(token.asset, LOCAL_DAY_MAX[name])] : [];
      }),
    ),
  ];
  return policyDocument.normal({
    epoch: manifest.epoch,
    version: 1,
    previous: new Uint8Array(32),
    by,
    assets,
    fees: manifest.bitcoin.map(({ network }) => ({
      network,
      seconds: DAY_SECONDS,
      feeMax: LOCAL_FEES_MAX_SAT,
    })),
    loosenDelaySeconds: 60,
    // Orders on core's word alone: half of a day's value for one customer. With a passkey: all of it.
    tiers: assets.flatMap(({ asset, orderMax }) => [
      { asset, tier: 'unproven', seconds: DAY_SECONDS, customerMax: orderMax / 2n, allMax: orderMax },
      { asset, tier: 'unfunded', seconds: DAY_SECONDS, customerMax: orderMax, allMax: orderMax },
    ]),
    // Nobody rehearses for a week.
    credentialHoldSeconds: 0,
    recoveryHoldSeconds: 60,
    newDestinations: [],
    paidInSeconds: 90 * DAY_SECONDS,
    approvals: [],
    attestations:
      attestationSeconds === undefined
        ? []
        : [...manifest.bitcoin, ...manifest.evm].map(({ network }) => ({
            network,
            maxSeconds: attestationSeconds,
          })),
  });
}

export interface OperatorPublic {
  readonly id: string;
  /** Compressed P-256 point, hex. */
  readonly passkey: string;
  /** Ed25519, hex. */
  readonly commandKey: string;
  readonly guardian: string;
}

/**
 * What every signer pins and core works with: public keys, contracts, the tokens that may be paid, and the people
 * who may stop and start it.
 */
export function walletManifest(
  signers: readonly SignerPublic[],
  operators: readonly OperatorPublic[],
  system: Pick<LocalSystem, 'bitcoinCaip2' | 'coldBitcoin' | 'evm'>,
  sentinels: readonly { readonly id: string; readonly publicKey: string }[] = [],
): Manifest {
  return {
    epoch: 1,
    previous: new Uint8Array(32),
    threshold: 2,
    signers: signers.map(({ id, xpub, evmAddress }) => ({ id, xpub, evmAddress })),
    operators: operators.map(({ id, passkey, commandKey, guardian }) => ({
      id,
      passkey: fromHex(passkey),
      commandKey: fromHex(commandKey),
      guardian,
    })),
    operatorQuorum: OPERATOR_QUORUM,
    operatorOrigin: OPERATOR_ORIGIN,
    sentinels: sentinels.map(({ id, publicKey }) => ({ id, key: fromHex(publicKey) })),
    bitcoin: [
      {
        network: system.bitcoinCaip2,
        chain: 'regtest',
        asset: `${system.bitcoinCaip2}/slip44:1`,
        feeRateMaxSatPerVb: 500,
        feeMaxSat: 5_000_000n,
        indexMax: 10_000_000,
        cold: system.coldBitcoin,
      },
    ],
    evm: system.evm.map(({ system: { chainId, vault, tokens, factory, initCodeHash } }) => ({
      network: `eip155:${chainId}`,
      chainId: BigInt(chainId),
      vault,
      tokens: [
        { asset: `eip155:${chainId}/slip44:60`, token: zeroAddress },
        { asset: `eip155:${chainId}/erc20:${tokens.USDT.toLowerCase()}`, token: tokens.USDT },
        { asset: `eip155:${chainId}/erc20:${tokens.USDC.toLowerCase()}`, token: tokens.USDC },
      ],
      deadlineMaxSeconds: 7200,
      factory,
      depositInitCodeHash: fromHex(initCodeHash.slice(2)),
    })),
    journalCopies: 2,
    customerOrigin: CUSTOMER_ORIGIN,
  };
}
