/**
 * The backup of one signer: a share for each operator, encrypted to that operator's age recipient, so that nothing
 * leaves the signer in the clear; and a key put together again from the shares of enough operators.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { Decrypter, Encrypter, armor } from 'age-encryption';
import { parsing, toHex } from '../protocol/canonical.ts';
import type { Json } from '../protocol/document.ts';
import { readHex, readObject } from '../protocol/json.ts';
import {
  keyBackupDocument,
  keyShareDocument,
  type KeyBackup,
  type KeyShare,
} from '../protocol/key-backup.ts';
import type { OperatorCard } from '../protocol/operator-card.ts';
import { parseKeyFile } from '../vault/key-file.ts';
import { unsealEntropy, type PublicKeyRecord } from '../vault/key.ts';
import { CeremonyError, jsonText, readJson, readText, writeFolderOnce } from './files.ts';
import { refuseShare, splitKey, type ShareRefusal } from './shares.ts';

const RECORD_FILE = 'backup.json';
const shareFile = (operator: string): string => `${operator}.age`;

export interface Backup {
  readonly record: KeyBackup;
  /** Whether it was made now; else it was there, whole. */
  readonly isNew: boolean;
}

/**
 * Opens the sealed key with its passphrase and writes the backup's folder. A folder that is there is checked instead,
 * and must be the backup of this key to these operators. Throws CeremonyError.
 */
export async function writeBackup(options: {
  readonly keyFile: string;
  readonly passphrase: string;
  readonly cards: readonly OperatorCard[];
  readonly threshold: number;
  readonly folder: string;
}): Promise<Backup> {
  const { keyFile, passphrase, cards, threshold, folder } = options;
  const sealed = parseKeyFile(readText(keyFile));
  if (sealed === undefined) throw new CeremonyError('FILE_BROKEN', `${keyFile} is no sealed key`);
  if (sealed.token !== undefined)
    throw new CeremonyError(
      'BACKUP_REFUSED',
      `the EVM key of ${sealed.identity.signer} is in a token, which gives it to no backup`,
    );
  const operators = cards.map(({ id }) => id);
  if (threshold < 2 || threshold > operators.length)
    throw new CeremonyError(
      'BACKUP_REFUSED',
      `${threshold} of ${operators.length} shares: from 2 to all of them`,
    );
  if (existsSync(folder))
    return { record: checkBackup(folder, { identity: sealed.identity, threshold, operators }), isNew: false };
  const entropy = unsealEntropy(sealed, passphrase);
  if (entropy === undefined) throw new CeremonyError('WRONG_PASSPHRASE', 'it does not open the key');
  const shares = await splitKey(entropy, { identity: sealed.identity, threshold, operators });
  entropy.fill(0);
  const files = new Map<string, string>();
  for (const [i, { id, recipient }] of cards.entries()) {
    const share = shares[i];
    if (share === undefined) throw new RangeError('fewer shares than operators');
    files.set(shareFile(id), await encryptShare(share, recipient));
  }
  const [first] = shares;
  if (first === undefined) throw new RangeError('no shares');
  const hashes = Object.fromEntries([...files].map(([name, text]) => [name, hashOf(text)]));
  const record = { backup: keyBackupDocument.toJson(first.backup), files: hashes };
  writeFolderOnce(folder, { ...Object.fromEntries(files), [RECORD_FILE]: jsonText(record) });
  return { record: first.backup, isNew: true };
}

/** Every file of a backup is there as it was written, and it is the one that is expected. Throws CeremonyError. */
function checkBackup(
  folder: string,
  expected: {
    readonly identity: PublicKeyRecord;
    readonly threshold: number;
    readonly operators: readonly string[];
  },
): KeyBackup {
  const { identity, threshold, operators } = expected;
  const { backup, files } = readRecord(folder);
  const holders = backup.holders.map(({ operator }) => operator);
  if (
    backup.signer !== identity.signer ||
    backup.epoch !== identity.epoch ||
    backup.xpub !== identity.xpub ||
    backup.threshold !== threshold ||
    holders.join() !== operators.join()
  )
    throw new CeremonyError('FILE_EXISTS', `${folder} is the backup of another key, or to others`);
  for (const operator of holders) {
    const path = join(folder, shareFile(operator));
    if (hashOf(readText(path)) !== files[shareFile(operator)])
      throw new CeremonyError('FILE_BROKEN', `${path} is not as it was written`);
  }
  return backup;
}

function readRecord(folder: string): { backup: KeyBackup; files: Readonly<Record<string, string>> } {
  const path = join(folder, RECORD_FILE);
  const value = readJson(path);
  const parsed = parsing(() => {
    const record = readObject(value, 'record', ['backup', 'files']);
    const backup = keyBackupDocument.fromJson(record['backup'], 'record.backup');
    const names = backup.holders.map(({ operator }) => shareFile(operator));
    const files = readObject(record['files'], 'record.files', names);
    const hashes = names.map((name) => [name, toHex(readHex(files[name], `record.files.${name}`, 32))]);
    return { backup, files: Object.fromEntries(hashes) as Record<string, string> };
  });
  if (!parsed.ok) throw new CeremonyError('FILE_BROKEN', `${path}: ${parsed.detail}`);
  return parsed.value;
}

export type OpenedShare = ShareRefusal | { readonly ok: true; readonly share: KeyShare };

/** Decrypts one share with whichever of these age identities opens it. `name` is what a refusal calls it. */
export async function openShare(
  text: string,
  { name, identities }: { readonly name: string; readonly identities: readonly string[] },
): Promise<OpenedShare> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let plain: string;
  try {
    plain = await decrypter.decrypt(armor.decode(text), 'text');
  } catch (error) {
    // The library throws for a file that is damaged, cut short, or encrypted to somebody else.
    const why = error instanceof Error ? error.message : 'no age file';
    return refuseShare('SHARE_UNREADABLE', `${name}: ${why}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(plain);
  } catch {
    return refuseShare('SHARE_MALFORMED', `${name}: no JSON`);
  }
  const parsed = keyShareDocument.parse(value);
  return parsed.ok
    ? { ok: true, share: parsed.value }
    : refuseShare('SHARE_MALFORMED', `${name}: ${parsed.detail}`);
}

/** As age files are written in text; the program `age` opens it too. */
export async function encryptShare(share: KeyShare, recipient: string): Promise<string> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  const json: Json = keyShareDocument.toJson(share);
  return armor.encode(await encrypter.encrypt(JSON.stringify(json)));
}

/** Shares in a folder, by name: files that end in `.age`. */
export function shareFilesIn(folder: string): string[] {
  if (!existsSync(folder)) throw new CeremonyError('FILE_MISSING', `${folder} is not there`);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.age'))
    .toSorted()
    .map((name) => join(folder, name));
}

const hashOf = (text: string): string => toHex(sha256(new TextEncoder().encode(text)));
