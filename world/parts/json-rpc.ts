/** A node answered a call with an error. `rpcCode` is the node's own number (Bitcoin Core: rpc/protocol.h). */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code = 'RPC_REFUSED';
  readonly retryable = false;
  readonly rpcCode: number;
  readonly data: unknown;
  constructor(method: string, error: { code: number; message: string; data?: unknown }) {
    super(`${method}: ${error.message} (${error.code})`);
    this.rpcCode = error.code;
    this.data = error.data;
  }
}

export interface RpcCall {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method: string;
  readonly params: readonly unknown[];
  /** Reads the answer's text; JSON.parse by default. */
  readonly parse?: (text: string) => unknown;
  readonly timeoutMs: number;
}

let lastId = 0;

/** One JSON-RPC 2.0 call by HTTP POST. Throws RpcError, or fetch's TypeError when nobody answers. */
export async function callRpc<Result>(call: RpcCall): Promise<Result> {
  lastId += 1;
  const response = await fetch(call.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...call.headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: lastId, method: call.method, params: call.params }),
    signal: AbortSignal.timeout(call.timeoutMs),
  });
  const text = await response.text();
  if (text === '') throw new RpcError(call.method, { code: response.status, message: response.statusText });
  const answer = (call.parse ?? JSON.parse)(text) as {
    result?: Result;
    error?: { code: number; message: string; data?: unknown } | null;
  };
  if (answer.error) throw new RpcError(call.method, answer.error);
  return answer.result as Result;
}
