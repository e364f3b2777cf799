import { Agent, request } from 'node:https';

/** How a person or a machine of theirs reaches one signer's gate. All PEM. */
export interface SignerConnection {
  readonly url: string;
  /** The gate's own certificate: no authority is trusted. */
  readonly certificate: string;
  readonly client: { readonly certificate: string; readonly key: string };
}

export type AskSigner = (
  method: 'GET' | 'POST',
  path: string,
  body?: object,
) => Promise<Record<string, unknown>>;

/** An answer is a few lines, and a status with every freeze that stands. */
const ANSWER_BYTES_MAX = 4 << 20;

/**
 * Mutual TLS with both ends pinned: the answer comes from this signer's certificate or not at all. A refusal is an
 * answer; rejects with the connection's error, or when there is no answer in time.
 */
export function openSigner({ url, certificate, client }: SignerConnection, timeoutMs = 60_000): AskSigner {
  const agent = new Agent({
    keepAlive: true,
    ca: certificate,
    cert: client.certificate,
    key: client.key,
    minVersion: 'TLSv1.3',
  });
  const askOnce = (...[method, path, body]: Parameters<AskSigner>): ReturnType<AskSigner> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const outgoing = request(
        `${url}${path}`,
        { agent, method, headers, timeout: timeoutMs },
        (response) => {
          const parts: Buffer[] = [];
          let length = 0;
          response.on('data', (part: Buffer) => {
            length += part.length;
            if (length > ANSWER_BYTES_MAX) outgoing.destroy(new Error('the answer is too large'));
            parts.push(part);
          });
          response.on('error', reject);
          response.on('end', () => {
            try {
              resolve(JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>);
            } catch (error) {
              reject(error);
            }
          });
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
      outgoing.on('error', (cause: NodeJS.ErrnoException) => {
        const isStale = outgoing.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(cause.code ?? '');
        reject(isStale ? new StaleConnection('the gate had closed the connection', { cause }) : cause);
      });
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  // A gate closes a connection that was idle. Every request of these may come twice and is done once.
  return async (...question) => {
    for (;;) {
      try {
        return await askOnce(...question);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
      }
    }
  };
}

class StaleConnection extends Error {}
