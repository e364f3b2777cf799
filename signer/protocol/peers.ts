/**
 * What signers say to each other, so that a signature leaves only when enough of them hold the entry that allows it
 * (docs/decisions/0029-shared-journals.md). An ask shows how far the asker's journal goes, and which entry of it is to
 * be accepted; a countersignature says that the signer holds the journal that far, and accepts that entry.
 */
import { U32_MAX, parsing, type Parsed } from './canonical.ts';
import { bytesField, documentOf, textField, u32Field, u64Field, type DocumentValue } from './document.ts';
import { SIGNER_ID, readHex, readList, readNumber, readObject, readText } from './json.ts';
import { JOURNAL_PAGE_MAX, JOURNAL_LINE } from './journal-entry.ts';

const shape = {
  epoch: u32Field(U32_MAX),
  /** Whose journal it is. */
  of: textField(SIGNER_ID),
  /** Number and hash of its last entry. */
  sequence: u64Field,
  hash: bytesField(32),
  /** Number and hash of the entry to accept; zero for none. */
  entry: u64Field,
  entryHash: bytesField(32),
};

/** Signed by the journal's owner. */
export const askDocument = documentOf('portcullis/journal-ask/1', shape);
export type Ask = DocumentValue<typeof askDocument>;

/** Signed by a peer. */
export const countersignDocument = documentOf('portcullis/countersignature/1', {
  ...shape,
  by: textField(SIGNER_ID),
});

/** By the EVM key of a signer over a digest above: recovery byte (0 or 1), r, s, low. */
const SIGNATURE_BYTES = 65;

/** An ask as the vault gives it to its gate, to be brought to peers. */
export interface Awaiting {
  readonly ok: true;
  readonly signer: string;
  readonly awaiting: {
    /** For the release. */
    readonly id: number;
    /** Countersignatures that are needed. */
    readonly needed: number;
    readonly ask: unknown;
    readonly signature: string;
    /** The line of the entry to accept; empty for none. */
    readonly line: string;
  };
}

export interface CountersignRequest {
  readonly ask: Ask;
  readonly signature: Uint8Array;
  readonly line: string;
  /** Of the asker's journal, in order. */
  readonly lines: readonly string[];
}

/** Either the countersignature, or the number of the last entry that the peer holds: it needs those after it first. */
export type CountersignAnswer =
  | { readonly ok: true; readonly signer: string; readonly countersignature: string }
  | { readonly ok: true; readonly signer: string; readonly holds: string };

export const parseCountersign = (value: unknown): Parsed<CountersignRequest> =>
  parsing(() => {
    const request = readObject(value, 'request', ['ask', 'signature', 'line', 'lines']);
    return {
      ask: askDocument.fromJson(request['ask'], 'request.ask'),
      signature: readHex(request['signature'], 'request.signature', SIGNATURE_BYTES),
      line: readText(request['line'], 'request.line', { ...JOURNAL_LINE, pattern: /^(\{|$)/ }),
      lines: readList(request['lines'], 'request.lines', { min: 0, max: JOURNAL_PAGE_MAX }, (line, path) =>
        readText(line, path, JOURNAL_LINE),
      ),
    };
  });

export interface Release {
  readonly id: number;
  readonly countersignatures: readonly { readonly signer: string; readonly signature: Uint8Array }[];
}

export const parseRelease = (value: unknown): Parsed<Release> =>
  parsing(() => {
    const request = readObject(value, 'request', ['id', 'countersignatures']);
    return {
      id: readNumber(request['id'], 'request.id', Number.MAX_SAFE_INTEGER),
      countersignatures: readList(
        request['countersignatures'],
        'request.countersignatures',
        { min: 0, max: 64 },
        (item, path) => {
          const given = readObject(item, path, ['signer', 'signature']);
          return {
            signer: readText(given['signer'], `${path}.signer`, SIGNER_ID),
            signature: readHex(given['signature'], `${path}.signature`, SIGNATURE_BYTES),
          };
        },
      ),
    };
  });
