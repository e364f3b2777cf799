/** From the backups alone: the keys of signers, the addresses that follow from them, and a signer on a new folder. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { bech32 } from '@scure/base';
import { parsing, type Parsed } from '../protocol/canonical.ts';
import { ADDRESS, NETWORK, readObject, readText } from '../protocol/json.ts';
import type { BitcoinChain, Manifest } from '../protocol/manifest.ts';
import { openWallet, type BitcoinWallet } from '../vault/bitcoin-wallet.ts';
import { writeRestoredKey } from '../vault/key-file.ts';
import { deriveKey, sealEntropy, type OpenKey, type PublicKeyRecord } from '../vault/key.ts';
import { openShare } from './backup.ts';
import { CeremonyError, readText as readFile } from './files.ts';
import { joinShares } from './shares.ts';

type Expected = Pick<PublicKeyRecord, 'epoch' | 'signer' | 'xpub' | 'evmAddress'>;

/** The key's 32 bytes from files of shares and the identities of those who hold them. Throws CeremonyError. */
export async function restoreEntropy(options: {
  readonly files: readonly string[];
  readonly identities: readonly string[];
  /** What the manifest says of the signer. */
  readonly expected: Expected;
}): Promise<{ readonly entropy: Uint8Array; readonly chain: 'main' | 'test' }> {
  const { files, identities, expected } = options;
  const shares = [];
  const unreadable: string[] = [];
  for (const file of files) {
    const opened = await openShare(readFile(file), { name: file, identities });
    if (opened.ok) shares.push(opened.share);
    else if (opened.code === 'SHARE_UNREADABLE') unreadable.push(opened.detail);
    else throw new CeremonyError(opened.code, opened.detail);
  }
  const joined = await joinShares(shares, expected);
  if (joined.ok) return { entropy: joined.entropy, chain: joined.backup.chain };
  // Of shares that did not open it is said only when they are missed: those who are not here keep theirs shut.
  const missed = joined.code === 'SHARES_TOO_FEW' ? unreadable.map((detail) => `\n  ${detail}`).join('') : '';
  throw new CeremonyError(joined.code, `${expected.signer}: ${joined.detail}${missed}`);
}

/** Seals a restored key under a new passphrase in a folder of its own, which must be empty. */
export async function restoreSigner(options: {
  readonly files: readonly string[];
  readonly identities: readonly string[];
  readonly expected: Expected;
  readonly folder: string;
  readonly passphrase: string;
  readonly randomBytes: (length: number) => Uint8Array;
}): Promise<PublicKeyRecord> {
  const { folder, passphrase, randomBytes, expected } = options;
  // What a kill left of an earlier try is no key.
  const there = existsSync(folder) ? readdirSync(folder) : [];
  if (there.some((name) => name !== 'key.restored.new.json'))
    throw new CeremonyError(
      'FILE_EXISTS',
      `${folder} is not empty: a key is restored into a folder of its own`,
    );
  const { entropy, chain } = await restoreEntropy(options);
  const { signer, epoch } = expected;
  const { sealed } = sealEntropy(entropy, { signer, epoch, chain, passphrase, randomBytes });
  entropy.fill(0);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeRestoredKey(folder, sealed);
  return sealed.identity;
}

export interface IssuedAddress {
  /** CAIP-2. */
  readonly network: string;
  readonly address: string;
  readonly branch: 0 | 1;
  readonly index: number;
}

/** One line of the list: `{"network", "address", "derivation": "branch/index"}`. */
export const parseIssued = (value: unknown): Parsed<IssuedAddress> =>
  parsing(() => {
    const line = readObject(value, 'line', ['network', 'address', 'derivation']);
    const derivation = readText(line['derivation'], 'line.derivation', {
      lengthMax: 12,
      pattern: /^[01]\/(0|[1-9][0-9]{0,9})$/,
    });
    return {
      network: readText(line['network'], 'line.network', NETWORK),
      address: readText(line['address'], 'line.address', ADDRESS),
      branch: derivation.startsWith('0') ? 0 : 1,
      index: Number(derivation.slice(2)),
    };
  });

export interface Rehearsed {
  readonly signers: readonly PublicKeyRecord[];
  /** Bitcoin addresses that were derived again and are alike, by network. */
  readonly addresses: Readonly<Record<string, number>>;
}

/**
 * Derives every issued address from restored keys and nothing else. Throws CeremonyError ADDRESS_DIFFERS that names the
 * first one that is not what was issued, or is beyond what signers sign for.
 */
export function rehearse(
  manifest: Manifest,
  entropies: readonly {
    readonly signer: string;
    readonly entropy: Uint8Array;
    readonly chain: 'main' | 'test';
  }[],
  issued: Iterable<IssuedAddress>,
): Rehearsed {
  const keys = manifest.signers.map(({ id, xpub, evmAddress }): OpenKey => {
    const found = entropies.find(({ signer }) => signer === id);
    if (found === undefined) throw new CeremonyError('SHARES_TOO_FEW', `no backup of ${id}`);
    const key = deriveKey(found.entropy, { signer: id, epoch: manifest.epoch, chain: found.chain });
    if (key.identity.xpub !== xpub || key.identity.evmAddress !== evmAddress)
      throw new CeremonyError(
        'ADDRESS_DIFFERS',
        `${id}: the backup gives another key than the manifest names`,
      );
    return key;
  });
  const wallet = openWallet(
    keys.map(({ account }) => account),
    manifest.threshold,
  );
  const addresses: Record<string, number> = {};
  for (const one of issued) {
    checkIssued(one, manifest, wallet);
    addresses[one.network] = (addresses[one.network] ?? 0) + 1;
  }
  return { signers: keys.map(({ identity }) => identity), addresses };
}

function checkIssued(
  { network, address, branch, index }: IssuedAddress,
  manifest: Manifest,
  wallet: BitcoinWallet,
): void {
  const where = `${address} at ${branch}/${index} of ${network}`;
  const entry = manifest.bitcoin.find((candidate) => candidate.network === network);
  if (entry === undefined)
    throw new CeremonyError('ADDRESS_DIFFERS', `${where}: the manifest has no such Bitcoin network`);
  if (index > entry.indexMax)
    throw new CeremonyError('ADDRESS_DIFFERS', `${where}: beyond the highest index that signers sign for`);
  const derived = addressOf(wallet.scriptAt(branch, index).script, entry.chain);
  if (derived !== address)
    throw new CeremonyError('ADDRESS_DIFFERS', `${where}: the backups give ${derived}`);
}

const PREFIX: Readonly<Record<BitcoinChain, string>> = { main: 'bc', test: 'tb', regtest: 'bcrt' };

/** BIP-173 address of a P2WSH output: version 0, then the 32 bytes of the program. */
const addressOf = (script: Uint8Array, chain: BitcoinChain): string =>
  bech32.encode(PREFIX[chain], [0, ...bech32.toWords(script.subarray(2))]);
