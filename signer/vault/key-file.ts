/**
 * The files of the sealed key. A key belongs to its journal: the journal says which file is the key's, and a key
 * without a journal, as a backup gives it back, has a name of its own and signs nothing.
 */
import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../protocol/canonical.ts';
import { VaultFault } from './fault.ts';
import { formatSealedKey, parseSealedKey, type SealedKey } from './key.ts';

export const KEY_FILE = 'key.json';
/** Written before the journal knows the key, renamed after. */
const NEW_KEY_FILE = 'key.new.json';
export const RESTORED_KEY_FILE = 'key.restored.json';
const NEW_RESTORED_FILE = 'key.restored.new.json';

export interface FoundKey {
  readonly sealed: SealedKey;
  /** Given back by a backup: nobody knows what it has signed, so it signs nothing. */
  readonly isRestored: boolean;
}

/**
 * Writes the file of a key that was just made. `record` has the journal know it. Whatever moment it is killed at, the
 * key either never was, or is there whole.
 */
export function writeKeyFile(folder: string, sealed: SealedKey, record: (hash: string) => void): void {
  const [path, fresh] = [join(folder, KEY_FILE), join(folder, NEW_KEY_FILE)];
  if (existsSync(path))
    throw new VaultFault('KEY_FILE_BROKEN', `${KEY_FILE} is not the one that the journal knows`);
  rmSync(fresh, { force: true });
  writeSynced(fresh, formatSealedKey(sealed));
  record(hashOf(formatSealedKey(sealed)));
  renameSync(fresh, path);
}

/** Writes a key that a backup gave back, whole or not at all. Throws EEXIST when one is there. */
export function writeRestoredKey(folder: string, sealed: SealedKey): void {
  const fresh = join(folder, NEW_RESTORED_FILE);
  rmSync(fresh, { force: true });
  writeSynced(fresh, formatSealedKey(sealed));
  linkSync(fresh, join(folder, RESTORED_KEY_FILE));
  rmSync(fresh);
}

/** The sealed key, if the file is the one that the journal knows. Throws VaultFault KEY_FILE_BROKEN. */
export function readKeyFile(
  folder: string,
  { signer, knownHash }: { signer: string; knownHash: string | undefined },
): FoundKey | undefined {
  finish(folder, knownHash);
  const isRestored = !existsSync(join(folder, KEY_FILE));
  const name = isRestored ? RESTORED_KEY_FILE : KEY_FILE;
  if (!existsSync(join(folder, name))) return undefined;
  const text = readFileSync(join(folder, name), 'utf8');
  if (!isRestored && hashOf(text) !== knownHash)
    throw new VaultFault('KEY_FILE_BROKEN', `${name} is not the one that the journal knows`);
  const sealed = parseKeyFile(text);
  if (sealed?.identity.signer !== signer)
    throw new VaultFault('KEY_FILE_BROKEN', `${name} is not this signer's`);
  return { sealed, isRestored };
}

/** The text of a key file, or undefined when it is none. */
export function parseKeyFile(text: string): SealedKey | undefined {
  try {
    const parsed = parseSealedKey(JSON.parse(text));
    return parsed.ok ? parsed.value : undefined;
  } catch {
    // JSON.parse has no other way to say that the text is none.
    return undefined;
  }
}

/** The rename that a kill left undone. */
function finish(folder: string, knownHash: string | undefined): void {
  const [path, fresh] = [join(folder, KEY_FILE), join(folder, NEW_KEY_FILE)];
  if (existsSync(path) || !existsSync(fresh)) return;
  if (hashOf(readFileSync(fresh, 'utf8')) === knownHash) renameSync(fresh, path);
}

function writeSynced(path: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_SYNC } = constants;
  const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_SYNC, 0o400);
  writeSync(file, text);
  closeSync(file);
}

const hashOf = (text: string): string => toHex(sha256(new TextEncoder().encode(text)));
