import type { FastifySchema } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { operationExamples } from './examples.ts';
import { Problem, problemDocument, problemKinds, type ProblemCode } from './problems.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Codes that this route can answer beside those that every route can. */
    problems?: readonly ProblemCode[];
    /** What makes a repetition harmless. */
    idempotent?: 'Idempotency-Key' | 'natural';
  }
}

const EVERY_ROUTE: readonly ProblemCode[] = ['REQUEST_INVALID', 'NOT_READY', 'INTERNAL'];
const WITH_KEY: readonly ProblemCode[] = [
  'IDEMPOTENCY_KEY_MISSING',
  'IDEMPOTENCY_KEY_REUSED',
  'IDEMPOTENCY_KEY_IN_FLIGHT',
];

type Transform = typeof jsonSchemaTransform;

/** The route's zod schemas as JSON schema, with every problem that it can answer and how it may be repeated. */
export const describeRoute: Transform = (document) => {
  const described = jsonSchemaTransform(document);
  const schema = described.schema as (FastifySchema & { hide?: boolean; security?: unknown[] }) | undefined;
  if (!schema || schema.hide === true) return described;
  const { problems = [], idempotent, scope } = document.route.config ?? {};
  const codes = [
    ...EVERY_ROUTE,
    ...(schema.security?.length === 0 ? [] : (['UNAUTHENTICATED', 'SCOPE_MISSING'] as const)),
    ...(schema.body === undefined ? [] : (['BODY_TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED'] as const)),
    ...(idempotent === 'Idempotency-Key' ? WITH_KEY : []),
    ...problems,
  ];
  return {
    url: described.url,
    schema: {
      ...schema,
      ...(scope === undefined ? {} : { 'x-scope': scope }),
      ...(idempotent === undefined ? {} : { 'x-idempotent': idempotent }),
      ...(idempotent === 'Idempotency-Key' ? { headers: withRequiredKey(schema.headers) } : {}),
      response: { ...problemResponses(codes), ...(schema.response as object | undefined) },
    },
  };
};

/** Named schemas, without the variants for input that nothing refers to; and the examples of every operation. */
export const describeSchemas: typeof jsonSchemaTransformObject = (document) => {
  const described = jsonSchemaTransformObject(document);
  if (!('components' in described) || described.components?.schemas === undefined) return described;
  const { schemas } = described.components;
  const whole = JSON.stringify(described);
  for (const name of Object.keys(schemas))
    if (!whole.includes(`"#/components/schemas/${name}"`)) delete schemas[name];
  for (const [path, operations] of Object.entries(described.paths ?? {}))
    for (const operation of Object.values(operations ?? {})) addExamples(path, operation as Operation);
  return described;
};

interface Operation {
  readonly operationId?: string;
  readonly parameters?: { readonly name: string; example?: string }[];
  readonly responses?: Record<string, Answer>;
}

interface Answer {
  description?: string;
  content?: Record<string, { schema?: unknown; example?: unknown }>;
}

const plainly: Readonly<Record<string, string>> = { 200: 'Done, or found', 201: 'Made', 503: 'Not ready' };

/** What a call and its answers look like, the refusals too. */
function addExamples(path: string, operation: Operation): void {
  const { parameters = {}, answer, badAnswer } = operationExamples[operation.operationId ?? ''] ?? {};
  for (const parameter of operation.parameters ?? []) {
    const example = parameters[parameter.name];
    if (example !== undefined) parameter.example = example;
  }
  const instance = path.replaceAll(/\{([a-z]+)\}/g, (_, name: string) => parameters[name] ?? name);
  const { responses = {} } = operation;
  if (typeof answer === 'string')
    responses['200'] = { content: { 'text/event-stream': { schema: { type: 'string' }, example: answer } } };
  for (const [status, response] of Object.entries(responses)) {
    const json = response.content?.['application/json'];
    if (json || status < '300') response.description = plainly[status] ?? 'No';
    if (json) json.example = status < '300' ? answer : badAnswer;
    const problem = response.content?.['application/problem+json'];
    if (problem) problem.example = problemExample(problem.schema, instance);
  }
}

function problemExample(schema: unknown, instance: string): object {
  const { allOf } = schema as { allOf: readonly { properties?: { code?: { enum?: ProblemCode[] } } }[] };
  const [code = 'INTERNAL'] = allOf[1]?.properties?.code?.enum ?? [];
  return problemDocument(new Problem(code), instance, 'call_0198b7ad43167a0f9c8b7d6e5f403122');
}

/** A missing key has a problem of its own, so the schema takes it as optional; a caller has to send it. */
function withRequiredKey(headers: unknown): object {
  return { ...(headers as object), required: ['idempotency-key'] };
}

/** One response for each status, naming the codes behind it. */
function problemResponses(codes: readonly ProblemCode[]): Record<string, object> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes)) {
    const { status } = problemKinds[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      String(status),
      {
        description: describeCodes(group),
        content: { 'application/problem+json': { schema: problemSchema(group) } },
      },
    ]),
  );
}

/** All codes first: a page that folds the answers shows one line of each. */
function describeCodes(codes: readonly ProblemCode[]): string {
  const lines = codes.map((code) => `\`${code}\`: ${problemKinds[code].title}.`);
  const [only = ''] = lines;
  return codes.length === 1
    ? only
    : `${codes.map((code) => `\`${code}\``).join(', ')}\n\n${lines.join('\n\n')}`;
}

const text = { type: 'string' as const };

/** RFC 9457, as every problem of this API is. */
export const problemComponent = {
  type: 'object' as const,
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'request_id', 'retryable'],
  properties: {
    type: { ...text, description: 'Leads to the paragraph about the code' },
    title: text,
    status: { type: 'integer' as const },
    detail: text,
    instance: text,
    code: { ...text, description: 'Stable; each operation names those that it answers' },
    request_id: text,
    retryable: { type: 'boolean' as const, description: 'The same request may succeed later, unchanged' },
    errors: {
      type: 'array' as const,
      items: {
        type: 'object' as const,
        required: ['pointer', 'detail'],
        properties: { pointer: text, detail: text },
      },
    },
  },
};

function problemSchema(codes: readonly ProblemCode[]): object {
  return {
    allOf: [
      { $ref: '#/components/schemas/Problem' },
      { type: 'object', properties: { code: { type: 'string', enum: codes } } },
    ],
  };
}
