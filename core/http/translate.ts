import type { FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { AddressIndexError } from '../customers/customers.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { Problem } from './problems.ts';

/** Whatever a route or Fastify throws, as a problem. What is unknown is logged and answered as INTERNAL. */
export function asProblem(error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return shapeProblem(error);
  if (error instanceof AddressIndexError) return new Problem(error.code, error.message);
  const { code, statusCode, message } = asFault(error);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Problem('BODY_TOO_LARGE');
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new Problem('MEDIA_TYPE_UNSUPPORTED');
  if (statusCode !== undefined && statusCode < 500) return new Problem('REQUEST_INVALID', message);
  if (isUnavailable(error, code)) {
    request.log.warn({ err: error }, 'not ready');
    return new Problem('NOT_READY');
  }
  request.log.error({ err: error }, 'request failed');
  return new Problem('INTERNAL');
}

function shapeProblem(error: {
  readonly validation: readonly { readonly instancePath: string; readonly message?: string | undefined }[];
  readonly validationContext?: string | undefined;
}): Problem {
  const errors = error.validation.map((issue) => ({
    pointer: issue.instancePath === '' ? '/' : issue.instancePath,
    detail: issue.message ?? 'is not valid',
  }));
  const [first] = errors;
  const where = error.validationContext ?? 'body';
  const detail = first ? `${where} ${first.pointer}: ${first.detail}` : undefined;
  return new Problem('REQUEST_INVALID', detail, errors);
}

/**
 * The database or the books cannot be asked now: SQLSTATE classes 08, 53, 55, 57 and conflicts in 40, a socket's own
 * error, or the driver's own when a connection ended under it. The same request is worth sending again.
 */
function isUnavailable(error: unknown, code: string | undefined): boolean {
  if (error instanceof LedgerError) return true;
  if (code !== undefined) return /^(08|40|53|55|57)...$|^E(CONN|PIPE|HOST|NET|TIMEDOUT)/.test(code);
  return (
    error instanceof Error && /Connection terminated|connection error|timeout exceeded/.test(error.message)
  );
}

function asFault(error: unknown): {
  code: string | undefined;
  statusCode: number | undefined;
  message: string;
} {
  const { code, statusCode, message } = Object(error) as Record<string, unknown>;
  return {
    code: typeof code === 'string' ? code : undefined,
    statusCode: typeof statusCode === 'number' ? statusCode : undefined,
    message: typeof message === 'string' ? message : String(error),
  };
}
