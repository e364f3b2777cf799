/** Operating faults of the vault. The process stops on each: it never signs beside a record it cannot trust. */
export type VaultFaultCode =
  | 'JOURNAL_BROKEN'
  | 'JOURNAL_WRITE_FAILED'
  | 'JOURNAL_WRITTEN_BY_ANOTHER'
  | 'KEY_FILE_BROKEN'
  | 'SIGNATURE_WRONG';

export class VaultFault extends Error {
  readonly code: VaultFaultCode;
  readonly retryable = false;

  constructor(code: VaultFaultCode, message: string, cause?: unknown) {
    super(`${code}: ${message}`, { cause });
    this.code = code;
  }
}
