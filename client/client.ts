import createFetchClient, { type Middleware } from 'openapi-fetch';
import type { components, operations, paths } from './api-types.ts';

export type { components, operations, paths };

/** An answer of the API that says no: RFC 9457, with a stable `code`. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly request_id: string;
  readonly retryable: boolean;
}

/** Thrown for every problem, so that a caller handles `error.problem.code` and nothing else. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly problem: ProblemDocument;

  constructor(problem: ProblemDocument) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
  }
}

export interface ClientOptions {
  /** Where the API listens, such as http://127.0.0.1:8080 */
  readonly url: string;
  readonly apiKey: string;
  /** Attempts for a GET, or a POST with an Idempotency-Key, while the API cannot be reached or says 503. */
  readonly attemptsMax?: number;
}

const RETRY_PAUSE_MS = 250;

/** A typed client: paths, bodies and answers come from the OpenAPI description. Throws ApiError for problems. */
export function makeClient(options: ClientOptions) {
  const client = createFetchClient<paths>({
    baseUrl: options.url,
    headers: { authorization: `Bearer ${options.apiKey}` },
    fetch: (request) => fetchWithRetry(request, options.attemptsMax ?? 3),
  });
  client.use(problemsAsErrors);
  return client;
}

export type Client = ReturnType<typeof makeClient>;

const problemsAsErrors: Middleware = {
  async onResponse({ response }) {
    if (response.ok || !(response.headers.get('content-type') ?? '').includes('json')) return;
    throw new ApiError((await response.json()) as ProblemDocument);
  },
};

/** Repeats only what may be repeated: reads, and writes that carry an Idempotency-Key. */
async function fetchWithRetry(request: Request, attemptsMax: number): Promise<Response> {
  const repeatable = request.method === 'GET' || request.headers.has('idempotency-key');
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(request.clone());
      if (response.status !== 503 || !repeatable || attempt >= attemptsMax) return response;
    } catch (error) {
      if (!repeatable || attempt >= attemptsMax) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS * 2 ** attempt));
  }
}

/** The body of an answer; openapi-fetch leaves it out only for errors, which were thrown before. */
export function dataOf<Data>(answer: { data?: Data }): Data {
  if (answer.data === undefined) throw new Error('The API answered without a body');
  return answer.data;
}
