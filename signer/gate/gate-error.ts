/** Why the gate has no answer of its vault. */
export class GateError extends Error {
  readonly code: 'BUSY' | 'VAULT_GONE';
  readonly retryable: boolean;

  constructor(code: 'BUSY' | 'VAULT_GONE', message: string) {
    super(message);
    this.code = code;
    this.retryable = code === 'BUSY';
  }
}
