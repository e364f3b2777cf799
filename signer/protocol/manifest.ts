/** The manifest: what a signer is pinned to for one epoch. */
import { MalformedError, U64_MAX, parsing, type Parsed } from './canonical.ts';
import {
  ASSET,
  NETWORK,
  SIGNER_ID,
  readDecimal,
  readList,
  readNumber,
  readObject,
  readOneOf,
  readText,
  type TextRule,
} from './json.ts';

export const bitcoinChains = ['main', 'test', 'regtest'] as const;
export type BitcoinChain = (typeof bitcoinChains)[number];

export interface ManifestSigner {
  readonly id: string;
  /** Extended public key of the account m/48'/coin'/epoch'/2' (`xpub…`, on test chains `tpub…`). */
  readonly xpub: string;
  /** EIP-55. */
  readonly evmAddress: string;
}

export interface ManifestBitcoin {
  /** CAIP-2. */
  readonly network: string;
  readonly chain: BitcoinChain;
  /** CAIP-19. */
  readonly asset: string;
  readonly feeRateMaxSatPerVb: number;
  /** Satoshi, decimal string. */
  readonly feeMaxSat: string;
  /** The highest index of either branch that is ever signed for. */
  readonly indexMax: number;
}

export interface ManifestEvm {
  /** CAIP-2. */
  readonly network: string;
  /** Decimal string. */
  readonly chainId: string;
  /** EIP-55 address of the HotVault. */
  readonly vault: string;
  readonly tokens: readonly {
    /** CAIP-19. */
    readonly asset: string;
    /** EIP-55; the zero address is the chain's own coin. */
    readonly token: string;
  }[];
  readonly deadlineMaxSeconds: number;
}

export interface Manifest {
  readonly version: 1;
  readonly epoch: number;
  readonly threshold: number;
  readonly signers: readonly ManifestSigner[];
  readonly bitcoin: readonly ManifestBitcoin[];
  readonly evm: readonly ManifestEvm[];
}

/** Hardened derivation has 31 bits. */
export const EPOCH_MAX = 2 ** 31 - 1;
/** Script limits of P2WSH multisig are 20 keys; five signers are more than any deployment here has. */
const SIGNERS_MAX = 15;
const NETWORKS_MAX = 64;
const TOKENS_MAX = 256;
/** No fee rate ever seen on a main chain for an hour is above this (satoshi per virtual byte). */
const FEE_RATE_MAX = 5_000;
const DAY_SECONDS = 86_400;

export const XPUB: TextRule = { lengthMax: 112, pattern: /^[xt]pub[1-9A-HJ-NP-Za-km-z]{100,108}$/ };
export const EVM_ADDRESS: TextRule = { lengthMax: 42, pattern: /^0x[0-9a-fA-F]{40}$/ };

/** Reads a manifest strictly; ids, networks, assets and tokens may not repeat. */
export function parseManifest(value: unknown): Parsed<Manifest> {
  return parsing(() => readManifest(value));
}

/** As parseManifest, inside a larger reader: throws MalformedError. */
export function readManifest(value: unknown): Manifest {
  const fields = ['version', 'epoch', 'threshold', 'signers', 'bitcoin', 'evm'];
  const object = readObject(value, 'manifest', fields);
  if (object['version'] !== 1) throw new MalformedError('manifest.version: 1 expected');
  const signers = readList(object['signers'], 'manifest.signers', { min: 1, max: SIGNERS_MAX }, readSigner);
  const bitcoin = readList(object['bitcoin'], 'manifest.bitcoin', { min: 0, max: NETWORKS_MAX }, readBitcoin);
  const evm = readList(object['evm'], 'manifest.evm', { min: 0, max: NETWORKS_MAX }, readEvm);
  const threshold = readNumber(object['threshold'], 'manifest.threshold', signers.length);
  if (threshold < 1) throw new MalformedError('manifest.threshold: at least 1');
  distinct(
    'signer ids',
    signers.map((signer) => signer.id),
  );
  distinct(
    'xpubs',
    signers.map((signer) => signer.xpub),
  );
  distinct(
    'EVM addresses',
    signers.map((signer) => signer.evmAddress.toLowerCase()),
  );
  distinct(
    'networks',
    [...bitcoin, ...evm].map((entry) => entry.network),
  );
  distinct(
    'chain ids',
    evm.map((entry) => entry.chainId),
  );
  distinct(
    'assets',
    [...bitcoin, ...evm.flatMap((entry) => entry.tokens)].map((entry) => entry.asset),
  );
  const epoch = readNumber(object['epoch'], 'manifest.epoch', EPOCH_MAX);
  return { version: 1, epoch, threshold, signers, bitcoin, evm };
}

function readSigner(value: unknown, path: string): ManifestSigner {
  const signer = readObject(value, path, ['id', 'xpub', 'evmAddress']);
  return {
    id: readText(signer['id'], `${path}.id`, SIGNER_ID),
    xpub: readText(signer['xpub'], `${path}.xpub`, XPUB),
    evmAddress: readText(signer['evmAddress'], `${path}.evmAddress`, EVM_ADDRESS),
  };
}

function readBitcoin(value: unknown, path: string): ManifestBitcoin {
  const fields = ['network', 'chain', 'asset', 'feeRateMaxSatPerVb', 'feeMaxSat', 'indexMax'];
  const entry = readObject(value, path, fields);
  const network = readText(entry['network'], `${path}.network`, NETWORK);
  return {
    network,
    chain: readOneOf(entry['chain'], `${path}.chain`, bitcoinChains),
    asset: assetOf(entry['asset'], `${path}.asset`, network),
    feeRateMaxSatPerVb: readNumber(entry['feeRateMaxSatPerVb'], `${path}.feeRateMaxSatPerVb`, FEE_RATE_MAX),
    feeMaxSat: readDecimal(entry['feeMaxSat'], `${path}.feeMaxSat`, U64_MAX).toString(),
    indexMax: readNumber(entry['indexMax'], `${path}.indexMax`, 2 ** 31 - 1),
  };
}

function readEvm(value: unknown, path: string): ManifestEvm {
  const entry = readObject(value, path, ['network', 'chainId', 'vault', 'tokens', 'deadlineMaxSeconds']);
  const network = readText(entry['network'], `${path}.network`, NETWORK);
  const chainId = readDecimal(entry['chainId'], `${path}.chainId`, U64_MAX).toString();
  if (network !== `eip155:${chainId}`) throw new MalformedError(`${path}.network: not the chain id`);
  const tokens = readList(entry['tokens'], `${path}.tokens`, { min: 1, max: TOKENS_MAX }, (item, at) => {
    const token = readObject(item, at, ['asset', 'token']);
    return {
      asset: assetOf(token['asset'], `${at}.asset`, network),
      token: readText(token['token'], `${at}.token`, EVM_ADDRESS),
    };
  });
  distinct(
    'tokens of a network',
    tokens.map((token) => token.token.toLowerCase()),
  );
  return {
    network,
    chainId,
    vault: readText(entry['vault'], `${path}.vault`, EVM_ADDRESS),
    tokens,
    deadlineMaxSeconds: readNumber(
      entry['deadlineMaxSeconds'],
      `${path}.deadlineMaxSeconds`,
      30 * DAY_SECONDS,
    ),
  };
}

function assetOf(value: unknown, path: string, network: string): string {
  const asset = readText(value, path, ASSET);
  if (!asset.startsWith(`${network}/`)) throw new MalformedError(`${path}: an asset of another network`);
  return asset;
}

function distinct(what: string, values: readonly string[]): void {
  if (new Set(values).size !== values.length) throw new MalformedError(`manifest: two ${what} are alike`);
}
