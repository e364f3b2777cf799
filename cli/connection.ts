import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeClient, type Client } from '../client/client.ts';

export interface Connection {
  readonly url: string;
  readonly apiKey: string;
  readonly client: Client;
  /** With the key for operations where the local system has one, else the same: for what the backend may not do. */
  readonly operations: Client;
  /** Where a sentinel tells what it sees, when one is known. */
  readonly sentinelUrl?: string;
}

/** The answer was printed and is bad news: only the exit code, and a line for people, are left to give. */
export class SaidError extends Error {
  override readonly name = 'SaidError';
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Where the API is: --url and --key-file, else PORTCULLIS_URL and PORTCULLIS_API_KEY (or PORTCULLIS_API_KEY_FILE),
 * else the local system's `.portcullis/world.json` here or in a folder above. The sentinel is the local system's, or
 * the one of PORTCULLIS_SENTINEL_URL.
 */
export function connect(
  options: { url?: string; keyFile?: string },
  env: NodeJS.ProcessEnv,
  folder: string,
): Connection {
  const local = localWorld(folder);
  const url = options.url ?? env['PORTCULLIS_URL'] ?? local?.url;
  const keyFile = options.keyFile ?? env['PORTCULLIS_API_KEY_FILE'];
  const apiKey = keyFile !== undefined ? readKey(keyFile) : (env['PORTCULLIS_API_KEY'] ?? local?.apiKey);
  if (url === undefined || apiKey === undefined) {
    throw new UsageError(
      'No system found. Start one with `npm start`, or set PORTCULLIS_URL and PORTCULLIS_API_KEY_FILE.',
    );
  }
  const sentinelUrl = env['PORTCULLIS_SENTINEL_URL'] ?? (url === local?.url ? local.sentinelUrl : undefined);
  const client = makeClient({ url, apiKey });
  const own = apiKey === local?.apiKey && url === local.url ? local.operationsKey : undefined;
  const operations = own === undefined ? client : makeClient({ url, apiKey: own });
  return { url, apiKey, client, operations, ...(sentinelUrl === undefined ? {} : { sentinelUrl }) };
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new UsageError(`The key file ${file} cannot be read.`, { cause });
  }
}

function localWorld(
  folder: string,
):
  | { url: string; apiKey: string; operationsKey: string | undefined; sentinelUrl: string | undefined }
  | undefined {
  const path = join(folder, '.portcullis', 'world.json');
  if (existsSync(path)) {
    const world = JSON.parse(readFileSync(path, 'utf8')) as {
      api?: { url?: string; key?: string; operationsKey?: string };
      sentinel?: { url?: string };
    };
    if (world.api?.url !== undefined && world.api.key !== undefined)
      return {
        url: world.api.url,
        apiKey: world.api.key,
        operationsKey: world.api.operationsKey,
        sentinelUrl: world.sentinel?.url,
      };
  }
  const above = dirname(folder);
  return above === folder ? undefined : localWorld(above);
}
