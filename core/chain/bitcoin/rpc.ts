import { ChainError } from '../faults.ts';

/** JSON-RPC to a node of the Bitcoin Core family. Amounts arrive as bigint satoshi, whatever their field. */
export interface BitcoinRpc {
  /**
   * One call. Throws ChainError: NODE_UNREACHABLE, NODE_TIMEOUT, NODE_GARBAGE, NODE_REFUSED, NODE_BEHIND (it is
   * still loading), or NODE_ERROR with the node's own number when it understood and said no.
   */
  readonly call: <Result>(method: string, params?: readonly unknown[], timeoutMs?: number) => Promise<Result>;
  /** Many calls in one request; each answers a result or the NODE_ERROR it would have thrown. */
  readonly batch: <Result>(
    calls: readonly { readonly method: string; readonly params: readonly unknown[] }[],
  ) => Promise<(Result | ChainError)[]>;
}

export interface BitcoinRpcOptions {
  /** With user and password in them. The first that answers is asked; a call that fails there goes to the next. */
  readonly urls: readonly string[];
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

/** A block of 4 MB is 8 MB of hex; a scan of the coin set takes longer and sets its own time. */
const TIMEOUT_MS = 30_000;
/** Larger than any answer that we ask for: a node must not fill our memory. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

interface Answer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown } | null;
}

export function bitcoinRpc(options: BitcoinRpcOptions): BitcoinRpc {
  const nodes = options.urls.map(nodeAt);
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const ask = options.fetch ?? fetch;
  /** Stays with the node that answered last, so that two nodes with two tips do not make us swing. */
  let current = 0;

  async function post(body: unknown, patienceMs: number): Promise<unknown> {
    let failure: ChainError | undefined;
    for (let tried = 0; tried < nodes.length; tried += 1) {
      const index = (current + tried) % nodes.length;
      const node = nodes[index];
      if (!node) break;
      try {
        const answer = await postTo(node, body, { ask, timeoutMs: patienceMs });
        current = index;
        return answer;
      } catch (error) {
        if (!(error instanceof ChainError)) throw error;
        failure = error;
      }
    }
    throw failure ?? new ChainError('NODE_UNREACHABLE', 'no node is configured', { retryable: false });
  }

  return {
    async call<Result>(
      method: string,
      params: readonly unknown[] = [],
      patienceMs = timeoutMs,
    ): Promise<Result> {
      const answer = await post({ jsonrpc: '2.0', id: 0, method, params }, patienceMs);
      const outcome = outcomeOf(method, answer);
      if (outcome instanceof ChainError) throw outcome;
      return outcome as Result;
    },
    async batch<Result>(calls: readonly { method: string; params: readonly unknown[] }[]) {
      if (calls.length === 0) return [];
      const answers = await post(
        calls.map(({ method, params }, id) => ({ jsonrpc: '2.0', id, method, params })),
        timeoutMs,
      );
      if (!Array.isArray(answers) || answers.length !== calls.length) {
        throw new ChainError('NODE_GARBAGE', 'a batch was not answered as one');
      }
      const byId = new Map(answers.map((answer: Answer) => [answer?.id, answer]));
      return calls.map(({ method }, id) => outcomeOf(method, byId.get(id)) as Result | ChainError);
    },
  };
}

interface Node {
  readonly url: string;
  /** For messages: without credentials. */
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
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

async function postTo(
  node: Node,
  body: unknown,
  { ask, timeoutMs }: { readonly ask: typeof fetch; readonly timeoutMs: number },
): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await ask(node.url, {
      method: 'POST',
      headers: node.headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (Number(response.headers.get('content-length') ?? 0) > ANSWER_BYTES_MAX) {
      await response.body?.cancel();
      throw new ChainError('NODE_GARBAGE', `${node.name}: an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    }
    text = await response.text();
  } catch (cause) {
    if (cause instanceof ChainError) throw cause;
    const timedOut = cause instanceof Error && cause.name === 'TimeoutError';
    throw new ChainError(
      timedOut ? 'NODE_TIMEOUT' : 'NODE_UNREACHABLE',
      `${node.name}: ${timedOut ? `no answer within ${timeoutMs} ms` : 'no connection'}`,
      { cause },
    );
  }
  if (response.status === 401 || response.status === 403) {
    throw new ChainError('NODE_REFUSED', `${node.name}: credentials refused (${response.status})`);
  }
  try {
    return parseNodeJson(text);
  } catch (cause) {
    // A full work queue (503) and the like answer plain text.
    const code = response.ok ? 'NODE_GARBAGE' : 'NODE_UNREACHABLE';
    throw new ChainError(code, `${node.name}: not JSON (HTTP ${response.status})`, { cause });
  }
}

/** Number of "loading block index", "verifying" and the like (Bitcoin Core, src/rpc/protocol.h). */
const RPC_IN_WARMUP = -28;

function outcomeOf(method: string, answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null) {
    return new ChainError('NODE_GARBAGE', `${method}: the answer is no object`);
  }
  const { result, error } = answer as Answer;
  if (error != null) {
    const nodeCode = typeof error.code === 'number' ? error.code : 0;
    const message = `${method}: ${String(error.message)} (${nodeCode})`;
    if (nodeCode === RPC_IN_WARMUP) return new ChainError('NODE_BEHIND', message, { nodeCode });
    return new ChainError('NODE_ERROR', message, { nodeCode });
  }
  if (result === undefined) return new ChainError('NODE_GARBAGE', `${method}: neither result nor error`);
  return result;
}

/** Coins with exactly eight places, as the node writes every amount. */
const AMOUNT = /^(-?)(\d+)\.(\d{8})$/;
/** Fields that may by chance have eight places, and are no amounts. */
const NO_AMOUNT = new Set(['difficulty', 'verificationprogress', 'networkhashps', 'relay_factor']);

/** JSON in which every amount is a bigint of satoshi, read from its text and never through a float. */
export function parseNodeJson(text: string): unknown {
  const revive = (key: string, value: unknown, context: { source?: string }): unknown => {
    if (typeof value !== 'number' || context.source === undefined || NO_AMOUNT.has(key)) return value;
    const match = AMOUNT.exec(context.source);
    if (!match) return value;
    const [, sign, whole = '0', fraction = '0'] = match;
    const units = BigInt(whole) * 100_000_000n + BigInt(fraction);
    return sign === '-' ? -units : units;
  };
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}
