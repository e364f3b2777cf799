/**
 * A backup of one signer's key over several operators: what everybody may know of it, `portcullis/key-backup/1`, and one
 * operator's share, `portcullis/key-share/1`, which leaves the signer only encrypted to that operator.
 */
import { MalformedError } from './canonical.ts';
import { bytesField, documentOf, list, oneOf, record, textField, u32Field, u8Field } from './document.ts';
import type { DocumentValue, RecordOf } from './document.ts';
import { SIGNER_ID } from './json.ts';
import { EPOCH_MAX, EVM_ADDRESS, XPUB } from './manifest.ts';

const HOLDERS_MAX = 64;

const backupShape = {
  epoch: u32Field(EPOCH_MAX),
  signer: textField(SIGNER_ID),
  chain: oneOf<'main' | 'test'>({ main: 1, test: 2 }),
  /** The key that the shares give, so that a wrong one is noticed. */
  xpub: textField(XPUB),
  evmAddress: textField(EVM_ADDRESS),
  /** Shares that give the key; fewer tell nothing of it. */
  threshold: u8Field(HOLDERS_MAX),
  holders: list(
    record({
      operator: textField(SIGNER_ID),
      /** SHA-256 of the share, which has as many secret bits as the key: it names a wrong share and tells nothing. */
      commitment: bytesField(32),
    }),
    { min: 2, max: HOLDERS_MAX },
  ),
};

export const keyBackupDocument = documentOf('portcullis/key-backup/1', backupShape, checkBackup);
export type KeyBackup = DocumentValue<typeof keyBackupDocument>;

export const keyShareDocument = documentOf(
  'portcullis/key-share/1',
  {
    backup: record(backupShape),
    operator: textField(SIGNER_ID),
    /** 32 bytes over GF(2^8), then the point at which they were evaluated. */
    share: bytesField(33),
  },
  ({ backup, operator }) => {
    checkBackup(backup);
    if (backup.holders.every((holder) => holder.operator !== operator))
      throw new MalformedError(`share: ${operator} holds none of this backup`);
  },
);
export type KeyShare = DocumentValue<typeof keyShareDocument>;

function checkBackup({ threshold, holders }: RecordOf<typeof backupShape>): void {
  if (threshold < 2 || threshold > holders.length)
    throw new MalformedError('backup.threshold: from 2 to the holders');
  if (new Set(holders.map(({ operator }) => operator)).size !== holders.length)
    throw new MalformedError('backup: one operator holds two shares');
}
