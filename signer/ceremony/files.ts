/** Files of the ceremony: each appears whole under its name, or not at all. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

export type CeremonyFaultCode =
  | 'FILE_MISSING'
  | 'FILE_BROKEN'
  | 'FILE_EXISTS'
  | 'WRONG_PASSPHRASE'
  | 'CARD_REFUSED'
  | 'PROOF_REFUSED'
  | 'MANIFEST_REFUSED'
  | 'MANIFEST_DIFFERS'
  | 'BACKUP_REFUSED'
  | 'ADDRESS_DIFFERS'
  | 'SIGNER_REFUSED';

/** A step that cannot be done as things are; nothing was half done. */
export class CeremonyError extends Error {
  readonly code: string;
  readonly retryable = false;

  constructor(code: CeremonyFaultCode | (string & {}), message: string, cause?: unknown) {
    super(`${code}: ${message}`, { cause });
    this.code = code;
  }
}

/**
 * Writes a file that was not there. The same bytes again are no error, so that a step may be repeated after a kill;
 * others are refused and change nothing. Answers whether it was written now.
 */
export function writeOnce(path: string, text: string, mode = 0o644): boolean {
  if (existsSync(path)) return same(path, text);
  const fresh = join(dirname(path), `.${basename(path)}.new`);
  rmSync(fresh, { force: true });
  writeSynced(fresh, text, mode);
  try {
    linkSync(fresh, path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return same(path, text);
    throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
  syncFolder(dirname(path));
  return true;
}

/** Makes a folder with these files; it has its name only when all of them are whole. */
export function writeFolderOnce(path: string, files: Readonly<Record<string, string>>): void {
  if (existsSync(path)) throw new CeremonyError('FILE_EXISTS', path);
  const partial = `${path}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeSynced(join(partial, name), text, 0o600);
  syncFolder(partial);
  renameSync(partial, path);
  syncFolder(dirname(path));
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CeremonyError('FILE_MISSING', `${path} cannot be read`, cause);
  }
}

export function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CeremonyError('FILE_BROKEN', `${path} is no whole JSON file`, cause);
  }
}

export const jsonText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

function same(path: string, text: string): boolean {
  if (readFileSync(path, 'utf8') === text) return false;
  throw new CeremonyError('FILE_EXISTS', `${path} is there with another content, and stays`);
}

function writeSynced(path: string, text: string, mode: number): void {
  const file = openSync(path, 'wx', mode);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}
