/** JSON-RPC 2.0 to a node of the sentinel's own. */

/** The node did not answer, or answered with an error. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code: 'NODE_UNREACHABLE' | 'NODE_REFUSED';
  readonly retryable = true;

  constructor(code: NodeError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export type Rpc = <Result>(method: string, ...params: readonly unknown[]) => Promise<Result>;

/** The URL may hold user and password. Throws NodeError. */
export function openRpc(address: string, timeoutMs = 20_000): Rpc {
  const url = new URL(address);
  const login =
    url.username === ''
      ? undefined
      : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  const headers = {
    'content-type': 'application/json',
    ...(login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
  };
  return async <Result>(method: string, ...params: readonly unknown[]): Promise<Result> => {
    const answer = await exchange(url, {
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      timeoutMs,
    });
    if (answer.error != null)
      throw new NodeError('NODE_REFUSED', `${method}: ${answer.error.message ?? 'refused'}`);
    return answer.result as Result;
  };
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message?: string } | null;
}

async function exchange(
  url: URL,
  { headers, body, timeoutMs }: { headers: Record<string, string>; body: string; timeoutMs: number },
): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { method: 'POST', headers, body, signal });
    return (await response.json()) as Answer;
  } catch (error) {
    throw new NodeError('NODE_UNREACHABLE', `${url.host} does not answer`, error);
  }
}
