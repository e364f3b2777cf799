/** What a signer has pinned, read from its own journal, and how people compare it aloud. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { compareBytes, toHex } from '../protocol/canonical.ts';
import { parseJournalLine } from '../protocol/journal-entry.ts';
import { manifestDocument, parseSignedManifest, type Manifest } from '../protocol/manifest.ts';
import { CeremonyError, readText } from './files.ts';

/** The manifest that the journal in this folder holds, if one is pinned. Reads only. Throws CeremonyError. */
export function pinnedIn(folder: string): Manifest | undefined {
  const path = join(folder, 'journal.jsonl');
  return existsSync(path) ? manifestInLines(readText(path).split('\n').slice(0, -1)) : undefined;
}

/** As pinnedIn, out of the lines of a journal from its first entry on; each must follow the one before. */
export function manifestInLines(lines: readonly string[]): Manifest | undefined {
  const signed = signedManifestInLines(lines);
  if (signed === undefined) return undefined;
  const manifest = parseSignedManifest(signed);
  if (!manifest.ok) throw new CeremonyError('FILE_BROKEN', `the journal's manifest: ${manifest.detail}`);
  return manifest.value;
}

/** The same with its signatures, as the signer took it. */
export function signedManifestInLines(lines: readonly string[]): unknown {
  let previous: Uint8Array = new Uint8Array(32);
  let found: unknown;
  for (const [i, line] of lines.entries()) {
    const parsed = parseJournalLine(line, sha256);
    const broken = new CeremonyError(
      'FILE_BROKEN',
      `line ${i + 1} of the journal does not follow the one before`,
    );
    if (!parsed.ok) throw broken;
    if (parsed.value.type !== 'entry') continue;
    const { entry, body, hash } = parsed.value;
    if (compareBytes(entry.previous, previous) !== 0) throw broken;
    previous = hash;
    if (entry.kind === 'manifest') found = JSON.parse(body) as unknown;
  }
  return found;
}

/** SHA-256 of the canonical bytes: what everybody compares. */
export const manifestHash = (manifest: Manifest): Uint8Array => manifestDocument.digest(manifest, sha256);

/**
 * A hash to read aloud: four lines of four groups of four hexadecimal digits. No words: twenty-four words look like
 * the words of a key, and nobody should get used to saying those.
 */
export function spoken(hash: Uint8Array): string {
  const groups = toHex(hash).match(/.{4}/g) ?? [];
  return [0, 4, 8, 12].map((from) => groups.slice(from, from + 4).join(' ')).join('\n');
}
