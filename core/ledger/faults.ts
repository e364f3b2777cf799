import { LedgerError } from './outcomes.ts';

/** What of a driver's error says why PostgreSQL refused. */
interface SqlFault {
  readonly code?: unknown;
  readonly constraint?: unknown;
}

/** Serialization failure, deadlock, or the same key by two writers at once: the transaction may be tried again. */
export function isConflict(error: unknown): boolean {
  const { code, constraint } = asFault(error);
  return code === '40001' || code === '40P01' || (code === '23505' && constraint === 'posting_key_key');
}

/**
 * True when the statement itself was refused, false when the server could not be reached or had no room:
 * SQLSTATE classes 08 (connection), 53 (resources), 57 (shutdown) and 58 (I/O) say nothing about the statement.
 */
export function isStatementRefused(error: unknown): boolean {
  const { code } = asFault(error);
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(08|53|57|58)/.test(code);
}

/** The error as callers of the ledger know it. */
export function asLedgerError(error: unknown): Error {
  if (error instanceof LedgerError) return error;
  if (isStatementRefused(error) && error instanceof Error) return error;
  return new LedgerError(
    'LEDGER_UNAVAILABLE',
    'The database did not answer; try the same posting again',
    error,
  );
}

function asFault(error: unknown): SqlFault {
  return typeof error === 'object' && error !== null ? error : {};
}
