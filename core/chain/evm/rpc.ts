import { ChainError } from '../faults.ts';

/** JSON-RPC to an Ethereum node. Answers are as the node gave them: whoever asks reads them with read.ts. */
export interface EvmRpc {
  /**
   * One call. Throws ChainError: NODE_UNREACHABLE, NODE_TIMEOUT, NODE_GARBAGE, NODE_REFUSED, ANSWER_TOO_LARGE, or
   * NODE_ERROR with the node's own number when it understood and said no.
   */
  readonly call: (method: string, params?: readonly unknown[]) => Promise<unknown>;
  /** Many calls in one request, at most BATCH_MAX; each answers a result or the NODE_ERROR it would have thrown. */
  readonly batch: (calls: readonly RpcCall[]) => Promise<unknown[]>;
}

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface EvmRpcOptions {
  /** The first that answers is asked; a call that fails there goes to the next. May carry user and password. */
  readonly urls: readonly string[];
  readonly timeoutMs?: number;
  readonly answerBytesMax?: number;
  readonly fetch?: typeof fetch;
}

/** Tracing a full block takes a node seconds. */
const TIMEOUT_MS = 30_000;
/** Traces of a block are some 20 MB; the longest text that the runtime holds is 512 MB. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
/** Nodes refuse batches above 100 to 1,000 calls. */
const BATCH_MAX = 100;

export function evmRpc(options: EvmRpcOptions): EvmRpc {
  const nodes = options.urls.map(nodeAt);
  const limits: Limits = {
    ask: options.fetch ?? fetch,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    bytesMax: options.answerBytesMax ?? ANSWER_BYTES_MAX,
  };
  /** Stays with the node that answered last, so that two nodes with two tips do not make us swing. */
  let current = 0;

  async function post(body: unknown): Promise<unknown> {
    let failure: ChainError | undefined;
    for (let tried = 0; tried < nodes.length; tried += 1) {
      const index = (current + tried) % nodes.length;
      const node = nodes[index];
      if (!node) break;
      try {
        const answer = await postTo(node, body, limits);
        current = index;
        return answer;
      } catch (error) {
        if (!(error instanceof ChainError)) throw error;
        failure = error;
      }
    }
    throw failure ?? new ChainError('NODE_UNREACHABLE', 'no node is configured', { retryable: false });
  }

  async function batchOf(calls: readonly RpcCall[]): Promise<unknown[]> {
    const answers = await post(
      calls.map(({ method, params }, id) => ({ jsonrpc: '2.0', id, method, params })),
    );
    if (!Array.isArray(answers) || answers.length !== calls.length) {
      throw new ChainError('NODE_GARBAGE', 'a batch was not answered as one');
    }
    const byId = new Map(answers.map((answer: { id?: unknown } | null) => [answer?.id, answer]));
    return calls.map(({ method }, id) => outcomeOf(method, byId.get(id)));
  }

  return {
    async call(method, params = []) {
      const outcome = outcomeOf(method, await post({ jsonrpc: '2.0', id: 0, method, params }));
      if (outcome instanceof ChainError) throw outcome;
      return outcome;
    },
    async batch(calls) {
      const outcomes: unknown[] = [];
      for (let at = 0; at < calls.length; at += BATCH_MAX) {
        outcomes.push(...(await batchOf(calls.slice(at, at + BATCH_MAX))));
      }
      return outcomes;
    },
  };
}

interface Node {
  readonly url: string;
  /** For messages: without credentials and without a path, which may hold a key. */
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Limits {
  readonly ask: typeof fetch;
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

function nodeAt(text: string): Node {
  const url = new URL(text);
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  url.username = '';
  url.password = '';
  const authorization =
    user === '' ? {} : { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  return { url: url.href, name: url.host, headers: { 'content-type': 'application/json', ...authorization } };
}

async function postTo(node: Node, body: unknown, limits: Limits): Promise<unknown> {
  const { status, text } = await exchange(node, body, limits);
  if (status === 401 || status === 403) {
    throw new ChainError('NODE_REFUSED', `${node.name}: credentials refused (${status})`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const code = status === 200 ? 'NODE_GARBAGE' : 'NODE_UNREACHABLE';
    throw new ChainError(code, `${node.name}: not JSON (HTTP ${status})`, { cause });
  }
}

async function exchange(
  node: Node,
  body: unknown,
  { ask, timeoutMs, bytesMax }: Limits,
): Promise<{ status: number; text: string }> {
  try {
    const response = await ask(node.url, {
      method: 'POST',
      headers: node.headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > bytesMax) {
        throw new ChainError('ANSWER_TOO_LARGE', `${node.name}: an answer of more than ${bytesMax} bytes`);
      }
      chunks.push(chunk);
    }
    return { status: response.status, text: Buffer.concat(chunks, length).toString('utf8') };
  } catch (cause) {
    if (cause instanceof ChainError) throw cause;
    const timedOut = cause instanceof Error && cause.name === 'TimeoutError';
    throw new ChainError(
      timedOut ? 'NODE_TIMEOUT' : 'NODE_UNREACHABLE',
      `${node.name}: ${timedOut ? `no answer within ${timeoutMs} ms` : 'no connection'}`,
      { cause },
    );
  }
}

function outcomeOf(method: string, answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null) {
    return new ChainError('NODE_GARBAGE', `${method}: the answer is no object`);
  }
  const { result, error } = answer as { result?: unknown; error?: NodeRefusal | null };
  if (error != null) {
    const nodeCode = typeof error.code === 'number' ? error.code : 0;
    const cause = error.data === undefined ? {} : { cause: { data: error.data } };
    return new ChainError('NODE_ERROR', `${method}: ${String(error.message)} (${nodeCode})`, {
      nodeCode,
      ...cause,
    });
  }
  if (result === undefined) return new ChainError('NODE_GARBAGE', `${method}: neither result nor error`);
  return result;
}

interface NodeRefusal {
  readonly code?: unknown;
  readonly message?: unknown;
  /** Of a reverted call: the bytes that it reverted with. */
  readonly data?: unknown;
}
