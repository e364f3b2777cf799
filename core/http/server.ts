import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import fastifySwagger from '@fastify/swagger';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { describeRoute, describeSchemas, problemComponent } from './describe.ts';
import { serveDocs } from './docs-page.ts';
import { introduction, tags } from './introduction.ts';
import { Problem, problemDocument, problemKinds, type ProblemCode } from './problems.ts';
import { asProblem } from './translate.ts';

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
    logController: new LogController({ disableRequestLogging: true }),
    return503OnClosing: true,
    // What the router itself cannot read, such as a broken percent sign.
    frameworkErrors: (error, request, reply) => answerProblem(error, request, reply),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeContentTypeParser('text/plain');
  app.setErrorHandler(answerProblem);
  answerUnknownRoutes(app);
  await app.register(fastifySwagger, {
    openapi: description,
    transform: describeRoute,
    transformObject: describeSchemas,
  });
  await serveDocs(app);
  return app;
}

export type Server = Awaited<ReturnType<typeof makeServer>>;

const description = {
  openapi: '3.1.0',
  info: {
    title: 'Portcullis API',
    version: '1',
    description: introduction,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  // Where the page itself came from.
  servers: [{ url: '/' }],
  components: {
    securitySchemes: {
      bearer: { type: 'http' as const, scheme: 'bearer', description: 'An API key, 16 to 256 characters' },
    },
    schemas: { Problem: problemComponent },
  },
  security: [{ bearer: [] }],
  tags,
};

function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(asProblem(error, request), request, reply);
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const { status } = problemKinds[problem.code];
  if (problem.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer');
  if (status === 503) void reply.header('retry-after', '1');
  void reply
    .code(status)
    .type('application/problem+json')
    // Past the schemas on purpose: a problem has one shape for every route.
    .serializer(JSON.stringify)
    .send(problemDocument(problem, request.url, request.id));
}

/** METHOD_NOT_ALLOWED where another method of the same path is known, else NOT_FOUND. */
function answerUnknownRoutes(app: {
  addHook: (
    name: 'onRoute',
    hook: (route: { url: string; method: string | readonly string[] }) => void,
  ) => unknown;
  setNotFoundHandler: (handler: (request: FastifyRequest, reply: FastifyReply) => void) => unknown;
}): void {
  const known: { readonly path: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return;
    const path = new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:[a-z]+/g, '[^/]+')}$`);
    known.push({ path, methods: [method].flat() });
  });
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?');
    const methods = new Set(known.filter((route) => route.path.test(path)).flatMap((route) => route.methods));
    if (methods.size > 0) void reply.header('allow', [...methods].join(', '));
    const code: ProblemCode = methods.size > 0 ? 'METHOD_NOT_ALLOWED' : 'NOT_FOUND';
    sendProblem(new Problem(code, `No route ${request.method} ${path}`), request, reply);
  });
}
