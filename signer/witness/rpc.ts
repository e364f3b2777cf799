/** JSON-RPC to a node of the signer's own, many calls in one exchange. */

/** The node did not answer in time, or not with what was asked. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code = 'NODE_UNREACHABLE';
  readonly retryable = true;
}

export interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface NodeAddress {
  readonly url: string;
  /** `user:password`, where the node asks for one. */
  readonly login: string | undefined;
}

/** Longer than any node that is well takes for what is asked here; a payment waits no longer. */
const ANSWER_WITHIN_MS = 10_000;
/** A decoded PSBT of the largest size, as JSON. */
const ANSWER_BYTES_MAX = 64 << 20;

/** The results in the order of the calls; one that fails fails all. Throws NodeError. */
export async function ask({ url, login }: NodeAddress, calls: readonly Call[]): Promise<unknown[]> {
  const body = JSON.stringify(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call })));
  const answers = await exchange(url, body, login);
  const results = new Map(answers.map((answer) => [answer.id, answer]));
  return calls.map(({ method }, id) => {
    const answer = results.get(id);
    if (answer === undefined) throw new NodeError(`${method}: no answer`);
    if (answer.error != null) throw new NodeError(`${method}: ${String(answer.error.message)}`);
    return answer.result;
  });
}

interface Answer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message?: unknown } | null;
}

async function exchange(url: string, body: string, login: string | undefined): Promise<readonly Answer[]> {
  const headers = {
    'content-type': 'application/json',
    ...(login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
  };
  let text: string;
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' });
    text = await bounded(response);
  } catch (error) {
    throw new NodeError('the own node does not answer', { cause: error });
  }
  const value = parse(text);
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'object' || one === null))
    throw new NodeError('the own node does not speak JSON-RPC, or refuses the login');
  return value as Answer[];
}

async function bounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > ANSWER_BYTES_MAX) throw new NodeError('the answer is too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Of a node that answers with a page: it is no answer.
    return undefined;
  }
}
