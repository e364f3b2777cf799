/** The manifest, `portcullis/manifest/1`: what every zone is pinned to for one epoch, signed by operators. */
import { MalformedError, parsing, toHex, type Parsed } from './canonical.ts';
import {
  bytesField,
  documentOf,
  list,
  oneOf,
  record,
  textField,
  u32Field,
  u64Field,
  u8Field,
  type RecordOf,
} from './document.ts';
import { ASSET, NETWORK, SIGNER_ID, type TextRule } from './json.ts';
import { readSigned } from './signatures.ts';

export const bitcoinChains = ['main', 'test', 'regtest'] as const;
export type BitcoinChain = (typeof bitcoinChains)[number];

/** Hardened derivation has 31 bits. */
export const EPOCH_MAX = 2 ** 31 - 1;
/** Script limits of P2WSH multisig are 20 keys; five signers are more than any deployment here has. */
const SIGNERS_MAX = 15;
const OPERATORS_MAX = 64;
const NETWORKS_MAX = 64;
const TOKENS_MAX = 256;
/** No fee rate ever seen on a main chain for an hour is above this (satoshi per virtual byte). */
const FEE_RATE_MAX = 5_000;
const DAY_SECONDS = 86_400;

export const XPUB: TextRule = { lengthMax: 112, pattern: /^[xt]pub[1-9A-HJ-NP-Za-km-z]{100,108}$/ };
export const EVM_ADDRESS: TextRule = { lengthMax: 42, pattern: /^0x[0-9a-fA-F]{40}$/ };
const BITCOIN_ADDRESS: TextRule = { lengthMax: 90, pattern: /^[0-9a-zA-Z]{14,90}$/ };
/** Scheme, host and port as a browser writes them; plain HTTP only on the machine itself. */
const ORIGIN: TextRule = {
  lengthMax: 200,
  pattern: /^(https:\/\/[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?|http:\/\/localhost:[0-9]{1,5})$/,
};

const idField = textField(SIGNER_ID);
const networkField = textField(NETWORK);
const assetField = textField(ASSET);
const evmAddressField = textField(EVM_ADDRESS);

const signerField = record({
  id: idField,
  /** Extended public key of the account m/48'/coin'/epoch'/2' (`xpub…`, on test chains `tpub…`). */
  xpub: textField(XPUB),
  /** EIP-55. */
  evmAddress: evmAddressField,
});

/** One person: three keys for three kinds of act, so that none of them does for another. */
const operatorField = record({
  id: idField,
  /** Passkey, for approving and loosening: the compressed point of a P-256 key. */
  passkey: bytesField(33),
  /** Ed25519, for freezing and tightening from a terminal. */
  commandKey: bytesField(32),
  /** EIP-55; guardian of the vaults. */
  guardian: evmAddressField,
});

const sentinelField = record({
  id: idField,
  /** Ed25519. */
  key: bytesField(32),
});

const bitcoinField = record({
  /** CAIP-2. */
  network: networkField,
  chain: oneOf<BitcoinChain>({ main: 1, test: 2, regtest: 3 }),
  /** CAIP-19. */
  asset: assetField,
  feeRateMaxSatPerVb: u32Field(FEE_RATE_MAX),
  /** Satoshi. */
  feeMaxSat: u64Field,
  /** The highest index of either branch that is ever signed for. */
  indexMax: u32Field(2 ** 31 - 1),
  /** Canonical address to which everything hot goes under a freeze, of a wallet that these signers have no key of. */
  cold: textField(BITCOIN_ADDRESS),
});

const evmField = record({
  /** CAIP-2. */
  network: networkField,
  chainId: u64Field,
  /** EIP-55 address of the HotVault. */
  vault: evmAddressField,
  tokens: list(
    record({
      /** CAIP-19. */
      asset: assetField,
      /** EIP-55; the zero address is the chain's own coin. */
      token: evmAddressField,
    }),
    { min: 1, max: TOKENS_MAX },
  ),
  deadlineMaxSeconds: u32Field(30 * DAY_SECONDS),
  /** EIP-55 address of the factory whose CREATE2 addresses take deposits; the zero address: none are certified. */
  factory: evmAddressField,
  /** Keccak-256 of the init code that it deploys. */
  depositInitCodeHash: bytesField(32),
});

const shape = {
  epoch: u32Field(EPOCH_MAX),
  /** Digest of the manifest of the epoch before; zero for the first. */
  previous: bytesField(32),
  /** Signatures that a payment needs. */
  threshold: u8Field(SIGNERS_MAX),
  signers: list(signerField, { min: 1, max: SIGNERS_MAX }),
  operators: list(operatorField, { min: 1, max: OPERATORS_MAX }),
  /** Distinct operators that loosening needs. */
  operatorQuorum: u8Field(OPERATORS_MAX),
  /** Where operators use their passkeys: a page that the command line serves, never core. */
  operatorOrigin: textField(ORIGIN),
  sentinels: list(sentinelField, { max: 8 }),
  bitcoin: list(bitcoinField, { max: NETWORKS_MAX }),
  evm: list(evmField, { max: NETWORKS_MAX }),
  /** Signers that hold a journal entry before the signature that it allows may leave: a majority, the signer included. */
  journalCopies: u8Field(SIGNERS_MAX),
  /** Where customers use their passkeys: a page that is deployed apart from core, on a host that core does not share. */
  customerOrigin: textField(ORIGIN),
};

export type Manifest = RecordOf<typeof shape>;
export type ManifestOperator = Manifest['operators'][number];
export type ManifestBitcoin = Manifest['bitcoin'][number];
export type ManifestEvm = Manifest['evm'][number];

export const manifestDocument = documentOf('portcullis/manifest/1', shape, checkManifest);

/** The manifest in its signed form; whoever relies on it has its signatures checked, or its digest compared. */
export const parseSignedManifest = (value: unknown): Parsed<Manifest> =>
  parsing(() => manifestDocument.fromJson(readSigned(value, 'manifest').document, 'manifest'));

/** The relying party of operators' passkeys: the host of their origin. */
export const operatorRpId = ({ operatorOrigin }: Manifest): string => new URL(operatorOrigin).hostname;

/** The relying party of customers' passkeys. */
export const customerRpId = ({ customerOrigin }: Manifest): string => new URL(customerOrigin).hostname;

/** Ids, keys, networks and assets may not repeat, and every quorum can be met. */
function checkManifest(manifest: Manifest): void {
  const { threshold, signers, operators, operatorQuorum, sentinels, bitcoin, evm, journalCopies } = manifest;
  if (threshold < 1 || threshold > signers.length)
    throw new MalformedError('manifest.threshold: from 1 to the signers');
  // Any two sets of holders then have a signer in common.
  if (2 * journalCopies <= signers.length || journalCopies > signers.length)
    throw new MalformedError('manifest.journalCopies: more than half of the signers');
  if (manifest.customerOrigin === manifest.operatorOrigin)
    throw new MalformedError('manifest.customerOrigin: another than the operators’');
  if (operatorQuorum < 1 || operatorQuorum > operators.length)
    throw new MalformedError('manifest.operatorQuorum: from 1 to the operators');
  distinct(
    'names',
    [...signers, ...operators, ...sentinels].map(({ id }) => id),
  );
  distinct(
    'xpubs',
    signers.map(({ xpub }) => xpub),
  );
  distinct(
    'EVM addresses',
    [...signers.map(({ evmAddress }) => evmAddress), ...operators.map(({ guardian }) => guardian)].map(
      (address) => address.toLowerCase(),
    ),
  );
  distinct(
    'passkeys',
    operators.map(({ passkey }) => toHex(passkey)),
  );
  distinct(
    'command keys',
    [...operators.map(({ commandKey }) => commandKey), ...sentinels.map(({ key }) => key)].map(toHex),
  );
  distinct(
    'networks',
    [...bitcoin, ...evm].map(({ network }) => network),
  );
  distinct(
    'chain ids',
    evm.map(({ chainId }) => chainId.toString()),
  );
  distinct(
    'assets',
    [...bitcoin, ...evm.flatMap(({ tokens }) => tokens)].map(({ asset }) => asset),
  );
  for (const { network, asset } of bitcoin) ownAsset(network, asset);
  for (const { network, chainId, tokens } of evm) {
    if (network !== `eip155:${chainId}`)
      throw new MalformedError(`manifest.evm: ${network} is not ${chainId}`);
    for (const { asset } of tokens) ownAsset(network, asset);
    distinct(
      'tokens of a network',
      tokens.map(({ token }) => token.toLowerCase()),
    );
  }
}

function ownAsset(network: string, asset: string): void {
  if (!asset.startsWith(`${network}/`)) throw new MalformedError(`manifest: ${asset} is of another network`);
}

function distinct(what: string, values: readonly string[]): void {
  if (new Set(values).size !== values.length) throw new MalformedError(`manifest: two ${what} are alike`);
}
