import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SentinelFile } from '../sentinel/config.ts';
import type { SentinelStatus } from '../sentinel/sentinel.ts';
import { identityIn, type Identity } from './certificates.ts';
import type { WorldFolder } from './folder.ts';
import { freePort } from './parts/process.ts';
import type { LocalSigner } from './signers.ts';
import { supervise, type Supervised } from './supervisor.ts';

/** The sentinel's name in the manifest, and its two keys. */
export interface SentinelKeys {
  readonly id: string;
  readonly folder: string;
  readonly keyFile: string;
  /** Ed25519, hex. */
  readonly publicKey: string;
  /** Its end of the mutual TLS with the signers. */
  readonly client: Identity;
}

export interface LocalSentinel {
  readonly url: string;
  readonly port: number;
  readonly process: Supervised;
  readonly status: () => Promise<SentinelStatus>;
}

const ID = 'watch-1';
const READY_WITHIN_MS = 120_000;

/** Makes the sentinel's keys the first time. */
export async function makeSentinel(folder: WorldFolder): Promise<SentinelKeys> {
  const home = folder.at('sentinel');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const keyFile = join(home, 'sentinel.key');
  if (!existsSync(keyFile)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFile(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  }
  const key = createPublicKey(createPrivateKey(readFileSync(keyFile, 'utf8')));
  const { x = '' } = key.export({ format: 'jwk' });
  const client = await identityIn(home, `sentinel-${ID}`);
  return { id: ID, folder: home, keyFile, publicKey: Buffer.from(x, 'base64url').toString('hex'), client };
}

/** Starts the sentinel's process and waits until it tells its status. */
export async function startLocalSentinel(options: {
  readonly folder: WorldFolder;
  readonly keys: SentinelKeys;
  readonly manifestFile: string;
  readonly signers: readonly LocalSigner[];
  readonly watch: Pick<SentinelFile, 'bitcoin' | 'evm'>;
  readonly pollMs: number;
  readonly attest?: SentinelFile['attest'];
  readonly port?: number | undefined;
}): Promise<LocalSentinel> {
  const { folder, keys, signers } = options;
  const near = (path: string): string => relative(keys.folder, path);
  const port = options.port ?? (await freePort());
  const file: SentinelFile = {
    id: keys.id,
    keyFile: near(keys.keyFile),
    manifest: near(options.manifestFile),
    state: 'state.json',
    client: { certificate: near(keys.client.certificateFile), key: near(keys.client.keyFile) },
    signers: signers.map(({ id, url, certificateFile }) => ({ id, url, certificate: near(certificateFile) })),
    ...options.watch,
    pollMs: options.pollMs,
    ...(options.attest === undefined ? {} : { attest: options.attest }),
    status: { host: '127.0.0.1', port },
  };
  const configFile = join(keys.folder, 'sentinel.json');
  await writeFile(configFile, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  await mkdir(folder.at('log'), { recursive: true });
  const process = supervise({
    name: 'sentinel',
    main: 'sentinel/main.ts',
    args: [configFile],
    env: {},
    logFile: folder.at('log', 'sentinel.log'),
  });
  const url = `http://127.0.0.1:${port}`;
  const status = async (): Promise<SentinelStatus> =>
    (await (await fetch(`${url}/v1/status`)).json()) as SentinelStatus;
  const deadline = performance.now() + READY_WITHIN_MS;
  while ((await status().catch(() => undefined)) === undefined) {
    if (performance.now() > deadline) {
      await process.stop();
      throw new Error('The sentinel did not answer: see its log');
    }
    await sleep(50);
  }
  return { url, port, process, status };
}
