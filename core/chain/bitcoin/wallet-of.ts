import { readFileSync } from 'node:fs';
import { parseSignedManifest } from '../../../signer/protocol/manifest.ts';
import type { BitcoinNetwork, Config } from '../../config/config.ts';
import { openWallet, WalletError, type BitcoinWallet } from './derive.ts';

const wallets = new WeakMap<Config, Map<string, BitcoinWallet>>();

/**
 * The quorum's wallet on a Bitcoin network, from the manifest that the configuration names. Read once for each
 * configuration. Throws WalletError when the manifest is unreadable, of another epoch, or without this network.
 */
export function walletOf(config: Config, network: BitcoinNetwork): BitcoinWallet {
  const known = wallets.get(config) ?? new Map<string, BitcoinWallet>();
  wallets.set(config, known);
  const wallet = known.get(network.id) ?? read(config, network);
  known.set(network.id, wallet);
  return wallet;
}

function read(config: Config, network: BitcoinNetwork): BitcoinWallet {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(config.walletManifestFile, 'utf8'));
  } catch (cause) {
    throw new WalletError(`the wallet manifest ${config.walletManifestFile} cannot be read`, { cause });
  }
  const parsed = parseSignedManifest(json);
  if (!parsed.ok) throw new WalletError(`the wallet manifest is malformed: ${parsed.detail}`);
  const manifest = parsed.value;
  if (manifest.epoch !== config.epoch) {
    throw new WalletError(`the wallet manifest is of epoch ${manifest.epoch}, not ${config.epoch}`);
  }
  const entry = manifest.bitcoin.find((candidate) => candidate.network === network.caip2);
  if (entry?.chain !== network.chain) {
    throw new WalletError(`the wallet manifest does not have ${network.caip2} on ${network.chain}`);
  }
  return openWallet({
    chain: network.chain,
    threshold: manifest.threshold,
    xpubs: manifest.signers.map((signer) => signer.xpub),
    indexMax: entry.indexMax,
  });
}
