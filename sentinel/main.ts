/** The sentinel's process: `node sentinel/main.ts sentinel.json`. It tells what it sees on loopback: GET /livez, /v1/status, /v1/blast-radius. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, readSentinelConfig } from './config.ts';
import { startSentinel, type Sentinel } from './sentinel.ts';

await main(process.argv.slice(2));

async function main([path, ...rest]: readonly string[]): Promise<void> {
  if (path === undefined || rest.length > 0) {
    process.stderr.write('usage: sentinel/main.ts CONFIG_FILE\n');
    process.exitCode = 2;
    return;
  }
  try {
    const config = readSentinelConfig(path);
    const sentinel = await startSentinel(config, {
      nowMs: () => Date.now(),
      randomBytes: (length) => randomBytes(length),
      sleep: async (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
      log: (line) => process.stderr.write(`${new Date().toISOString()} ${line}\n`),
    });
    const server = await serveStatus(sentinel, config.status);
    const { address, port } = server.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ sentinel: config.id, listening: { host: address, port } })}\n`);
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        server.close();
        void sentinel.stop().then(() => process.exit(0));
      });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof ConfigError ? 2 : 1);
  }
}

/** Read-only, without secrets: nobody steers a sentinel through it. */
async function serveStatus(sentinel: Sentinel, at: { host: string; port: number }): Promise<Server> {
  const server = createServer((request, response) => {
    const pages: Readonly<Record<string, () => object | Promise<object>>> = {
      '/livez': () => ({ ok: true }),
      '/v1/status': sentinel.status,
      '/v1/blast-radius': sentinel.blastRadius,
    };
    const page = request.method === 'GET' ? pages[request.url ?? ''] : undefined;
    const show = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify(body));
    };
    if (page === undefined) return show(404, { error: { code: 'NOT_FOUND' } });
    Promise.resolve(page()).then(
      (body) => show(200, body),
      () => show(500, { error: { code: 'FAILED' } }),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => resolve(server));
  });
}
