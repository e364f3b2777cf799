import { readFileSync } from 'node:fs';
import { parseSignedManifest, type Manifest } from '../../signer/protocol/manifest.ts';
import type { Config, EvmNetwork } from '../config/config.ts';

/** What the pinned manifest says about those who sign. */
export interface Quorum {
  /** Signatures that a payment needs. */
  readonly threshold: number;
  /** Where customers sign. */
  readonly customerOrigin: string;
  /** EIP-55 address of each signer, by its id. */
  readonly evmAddresses: ReadonlyMap<string, string>;
  /** A token as signers know it: EIP-55, the zero address for the network's own coin. */
  readonly tokenOf: (network: EvmNetwork, contract: string) => string;
}

const NATIVE = '0x0000000000000000000000000000000000000000';
const quorums = new WeakMap<Config, Quorum>();

export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code = 'MANIFEST_INVALID';
  readonly retryable = false;
}

/** The quorum of a configuration, read once. Throws ManifestError when its manifest is malformed or of another epoch. */
export function quorumOf(config: Config): Quorum {
  const known = quorums.get(config);
  if (known) return known;
  const made = read(config);
  quorums.set(config, made);
  return made;
}

function read(config: Config): Quorum {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(config.walletManifestFile, 'utf8'));
  } catch (cause) {
    throw new ManifestError('the wallet manifest cannot be read', { cause });
  }
  const parsed = parseSignedManifest(json);
  if (!parsed.ok) throw new ManifestError(`the wallet manifest is malformed: ${parsed.detail}`);
  const manifest: Manifest = parsed.value;
  if (manifest.epoch !== config.epoch) {
    throw new ManifestError(`the wallet manifest is of epoch ${manifest.epoch}, not ${config.epoch}`);
  }
  return Object.freeze({
    threshold: manifest.threshold,
    customerOrigin: manifest.customerOrigin,
    evmAddresses: new Map(manifest.signers.map(({ id, evmAddress }) => [id, evmAddress])),
    tokenOf: (network: EvmNetwork, contract: string) => tokenIn(manifest, network, contract),
  });
}

function tokenIn(manifest: Manifest, network: EvmNetwork, contract: string): string {
  if (contract === '') return NATIVE;
  const entry = manifest.evm.find((candidate) => candidate.network === network.caip2);
  const token = entry?.tokens.find((candidate) => candidate.token.toLowerCase() === contract);
  if (!token) throw new ManifestError(`${contract} is not in the manifest of ${network.id}`);
  return token.token;
}
