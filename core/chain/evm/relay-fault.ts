export type RelayErrorCode =
  | 'RELAYER_KEY_INVALID'
  /** Somebody else sends with the relayer's key, or the database is older than the chain: stop, a person must look. */
  | 'RELAYER_NONCE_FOREIGN'
  /** The key names a call with other contents. */
  | 'CALL_KEY_REUSED'
  /** Outside what a transaction may have: gas 2^24 (EIP-7825), data below its own gas (EIP-7623), 128 kB. */
  | 'CALL_GAS_INVALID'
  | 'CALL_TOO_LARGE'
  | 'CALL_TARGET_INVALID';

export class RelayError extends Error {
  override readonly name = 'RelayError';
  readonly retryable = false;
  readonly code: RelayErrorCode;

  constructor(code: RelayErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
