/** A document that goes from operator to operator as a file, with the signatures that it has. */
import { renameSync, writeFileSync } from 'node:fs';
import { readJson } from '../signer/ceremony/files.ts';
import type { DocumentType } from '../signer/protocol/document.ts';
import { parseSigned, type DocumentSignature } from '../signer/protocol/signatures.ts';
import { UsageError } from './connection.ts';

/** `name` is what people call it. Throws UsageError. */
export function readTravelling<T>(
  file: string,
  type: DocumentType<T>,
  name: string,
): { document: T; signatures: readonly DocumentSignature[] } {
  const value = readJson(file);
  // As proposed it has none, which no signed document may have.
  const isUnsigned =
    typeof value === 'object' &&
    value !== null &&
    'signatures' in value &&
    Array.isArray(value.signatures) &&
    value.signatures.length === 0;
  const signed = isUnsigned ? undefined : parseSigned(value);
  if (signed?.ok === false) throw new UsageError(`${file} is no ${name}: ${signed.detail}`);
  const document = signed?.value.document ?? (value as { document?: unknown }).document;
  const parsed = type.parse(document);
  if (!parsed.ok) throw new UsageError(`${file} is no ${name}: ${parsed.detail}`);
  return { document: parsed.value, signatures: signed?.value.signatures ?? [] };
}

/** The old one, or the new one whole. */
export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
