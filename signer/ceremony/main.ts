/**
 * The ceremony's steps on a signer's own host, beside its vault: `node signer/ceremony/main.ts STEP …`. Exit codes:
 * 0 done, 1 refused and nothing changed, 2 wrong usage.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toHex } from '../protocol/canonical.ts';
import { parseSignedManifest, type Manifest } from '../protocol/manifest.ts';
import { RESTORED_KEY_FILE, KEY_FILE } from '../vault/key-file.ts';
import { readIdentity } from './age-identity.ts';
import { shareFilesIn, writeBackup } from './backup.ts';
import { cardsOf, readCard } from './cards.ts';
import { CeremonyError, readJson, readText } from './files.ts';
import { manifestHash, pinnedIn, spoken } from './pinned.ts';
import { restoreSigner } from './restore.ts';

const USAGE = `usage:
  node signer/ceremony/main.ts hash --data FOLDER
      prints the hash of the manifest that the signer of this folder has pinned, to compare aloud
  node signer/ceremony/main.ts backup --data FOLDER --passphrase-file FILE --threshold K --out FOLDER CARD...
      splits the key over all operators of the pinned manifest; K shares give it back
  node signer/ceremony/main.ts restore --manifest FILE --signer ID --shares FOLDER --data NEW-FOLDER
      --passphrase-file FILE --identity FILE... [--identity-passphrase-file FILE...]
      puts the key together in a new folder, sealed under a new passphrase; it signs nothing there
`;

class UsageError extends Error {}

const steps: Readonly<Record<string, (args: string[]) => Promise<string>>> = { hash, backup, restore };

try {
  const [step = '', ...args] = process.argv.slice(2);
  const run = Object.hasOwn(steps, step) ? steps[step] : undefined;
  if (run === undefined) throw new UsageError(`no step "${step}"`);
  process.stdout.write(`${await run(args)}\n`);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  process.stderr.write(isUsage ? `${message}\n${USAGE}` : `✗ ${message}\n`);
  process.exitCode = isUsage ? 2 : 1;
}

async function hash(args: string[]): Promise<string> {
  const { values } = parseArgs({ args, options: { data: { type: 'string' } } });
  const manifest = pinned(needed('data', values.data));
  return [
    `✓ This signer has pinned the manifest of epoch ${manifest.epoch}. Its hash:`,
    '',
    spoken(manifestHash(manifest)),
    '',
    'Next: read it aloud. Everybody else must have the same sixteen groups; if one differs, stop.',
  ].join('\n');
}

async function backup(args: string[]): Promise<string> {
  const options = {
    data: { type: 'string' },
    'passphrase-file': { type: 'string' },
    threshold: { type: 'string' },
    out: { type: 'string' },
  } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const data = needed('data', values.data);
  const threshold = needed('threshold', values.threshold);
  if (!/^[1-9][0-9]?$/.test(threshold)) throw new UsageError('--threshold: a whole number');
  const folder = needed('out', values.out);
  const manifest = pinned(data);
  const { record, isNew } = await writeBackup({
    keyFile: join(data, KEY_FILE),
    passphrase: passphraseIn(values['passphrase-file']),
    cards: cardsOf(manifest, positionals.map(readCard)),
    threshold: Number(threshold),
    folder,
  });
  const holders = record.holders.map(({ operator }) => operator);
  return [
    isNew
      ? `✓ The key of ${record.signer} is backed up in ${folder}: any ${threshold} of ${holders.length} shares give it back.`
      : `✓ The backup of ${record.signer} in ${folder} was made before and is whole; nothing was changed.`,
    ...holders.map((operator) => `    ${operator}.age  for ${operator}, nobody else can open it`),
    '',
    'Next: give each operator their file on a medium of their own, keep a second copy elsewhere, then rehearse a restore.',
  ].join('\n');
}

async function restore(args: string[]): Promise<string> {
  const options = {
    manifest: { type: 'string' },
    signer: { type: 'string' },
    shares: { type: 'string' },
    data: { type: 'string' },
    'passphrase-file': { type: 'string' },
    identity: { type: 'string', multiple: true },
    'identity-passphrase-file': { type: 'string', multiple: true },
  } as const;
  const { values } = parseArgs({ args, options });
  const id = needed('signer', values.signer);
  const folder = needed('data', values.data);
  const manifest = manifestIn(needed('manifest', values.manifest));
  const signer = manifest.signers.find((one) => one.id === id);
  if (signer === undefined) throw new UsageError(`--signer: the manifest names no ${id}`);
  const passphrases = (values['identity-passphrase-file'] ?? []).map(passphraseIn);
  const identities = await Promise.all(
    (values.identity ?? []).map((file, i) => readIdentity(readText(file), file, passphrases[i])),
  );
  const { xpub, evmAddress } = signer;
  const identity = await restoreSigner({
    files: shareFilesIn(needed('shares', values.shares)),
    identities,
    expected: { signer: id, epoch: manifest.epoch, xpub, evmAddress },
    folder,
    passphrase: passphraseIn(values['passphrase-file']),
    randomBytes: (length) => randomBytes(length),
  });
  return [
    `✓ The key of ${identity.signer} is whole again, in ${join(folder, RESTORED_KEY_FILE)}, under the new passphrase.`,
    `    EVM address ${identity.evmAddress}`,
    '',
    'It signs nothing: its journal is not there, so nobody knows what it has signed (NOT_READMITTED).',
  ].join('\n');
}

function pinned(data: string): Manifest {
  const manifest = pinnedIn(data);
  if (manifest === undefined)
    throw new CeremonyError('MANIFEST_REFUSED', `no manifest is pinned in ${data} yet`);
  return manifest;
}

function manifestIn(path: string): Manifest {
  const parsed = parseSignedManifest(readJson(path));
  if (!parsed.ok) throw new CeremonyError('MANIFEST_REFUSED', `${path}: ${parsed.detail}`);
  process.stderr.write(
    `Manifest of epoch ${parsed.value.epoch}, hash ${toHex(manifestHash(parsed.value))}\n`,
  );
  return parsed.value;
}

function passphraseIn(path: string | undefined): string {
  const passphrase = readText(needed('passphrase-file', path)).trim();
  if (passphrase.length < 12)
    throw new CeremonyError('WRONG_PASSPHRASE', 'a passphrase has 12 characters at least');
  return passphrase;
}

function needed(name: string, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}
