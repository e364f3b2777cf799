import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import fastifySwagger from '@fastify/swagger';
import scalar from '@scalar/fastify-api-reference';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { Problem, problemDocument, problemKinds, type ProblemCode } from './problems.ts';

/** A body is some orders or transfers; 1 MiB is room for the largest batch that a route takes. */
const BODY_BYTES_MAX = 1_048_576;
/** A slow client may not hold a connection for ever. */
const REQUEST_TIMEOUT_MS = 30_000;

/** A Fastify instance with zod schemas, problems for every error, the OpenAPI description and its page. */
export async function makeServer(log: FastifyBaseLogger, makeRequestId: () => string) {
  const app = fastify({
    loggerInstance: log,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    genReqId: makeRequestId,
    disableRequestLogging: true,
    return503OnClosing: true,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerProblem);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new Problem('NOT_FOUND', `No route ${request.method} ${request.url}`), request, reply),
  );
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Portcullis',
        version: '1',
        description:
          'Deposits, balances, transfers and withdrawals of an exchange. Amounts are decimal strings. Errors are ' +
          'RFC 9457 problems with a stable code. A POST that moves money takes an Idempotency-Key.',
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
      tags: [
        { name: 'customers' },
        { name: 'deposits' },
        { name: 'withdrawals' },
        { name: 'transfers' },
        { name: 'assets' },
        { name: 'events' },
        { name: 'health' },
      ],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(scalar, {
    routePrefix: '/docs',
    configuration: { title: 'Portcullis API', withDefaultFonts: false, telemetry: false },
  });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  app.get('/docs/problems', { schema: { hide: true } }, (_request, reply) =>
    reply.type('text/html').send(problemsPage()),
  );
  return app;
}

export type Server = Awaited<ReturnType<typeof makeServer>>;

function answerProblem(error: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(error instanceof Problem ? error : translated(error, request), request, reply);
}

/** What Fastify itself refuses, in our codes. Everything unknown is logged and answered as INTERNAL. */
function translated(error: FastifyError, request: FastifyRequest): Problem {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map((issue) => ({
      pointer: issue.instancePath === '' ? '/' : issue.instancePath,
      detail: issue.message ?? 'is not valid',
    }));
    const first = errors[0];
    const where = error.validationContext ?? 'body';
    return new Problem(
      'REQUEST_INVALID',
      first ? `${where} ${first.pointer}: ${first.detail}` : undefined,
      errors,
    );
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Problem('BODY_TOO_LARGE');
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new Problem('REQUEST_INVALID', error.message);
  request.log.error({ err: error }, 'request failed');
  return new Problem('INTERNAL');
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const { status } = problemKinds[problem.code];
  if (problem.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer');
  void reply
    .code(status)
    .type('application/problem+json')
    // Past the schemas on purpose: a problem has one shape for every route.
    .serializer(JSON.stringify)
    .send(problemDocument(problem, request.url, request.id));
}

/** Where a problem's `type` leads: one paragraph for each code. */
function problemsPage(): string {
  const rows = Object.keys(problemKinds).map((code) => {
    const { status, title, retryable } = problemKinds[code as ProblemCode];
    return `<dt id="${code}"><code>${code}</code> (${status})</dt><dd>${title}.${retryable ? ' The same request may succeed later.' : ''}</dd>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Portcullis: problems</title><h1>Problems</h1><dl>${rows.join('\n')}</dl></html>`;
}
