import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSigner, type AskSigner } from '../client/signer.ts';
import { identityIn, type Identity } from './certificates.ts';
import type { SignerPublic } from './configuration.ts';
import type { WorldFolder } from './folder.ts';
import { freePort } from './parts/process.ts';
import { supervise, type Supervised } from './supervisor.ts';

/** One signer of the local system: a gate with its vault behind it, unsealed by us in the operators' place. */
export interface LocalSigner extends SignerPublic {
  readonly url: string;
  readonly port: number;
  readonly certificateFile: string;
  /** The gate's process; the vault is its child. */
  readonly process: Supervised;
  /** Its key and journal. */
  readonly dataFolder: string;
  /** As an operator. */
  readonly ask: AskSigner;
  /** Opens the sealed key, as operators do after every start. */
  readonly unseal: () => Promise<void>;
}

export interface LocalSigners {
  readonly all: readonly LocalSigner[];
  /** Has every signer pin the manifest, signed by operators; the same again changes nothing. */
  readonly pin: (signed: object) => Promise<void>;
  /** Has every signer take the first policy; one that has a policy keeps it. */
  readonly govern: (signed: object) => Promise<void>;
  readonly stop: () => Promise<void>;
}

const SIGNER_IDS = ['a', 'b', 'c'];
const EPOCH = 1;
const READY_WITHIN_MS = 60_000;
/** A signer that came back sealed is unsealed within this. */
const LOOK_EVERY_MS = 1000;

/** Starts three signers; the first time each makes its key inside itself, sealed under a passphrase of its own. */
export async function startSigners(options: {
  readonly folder: WorldFolder;
  /** Core's end of the mutual TLS. */
  readonly client: Identity;
  /** The operators', in whose place we make keys, pin and unseal. */
  readonly operators: readonly Identity[];
  /** Those who read the journals and may freeze. */
  readonly sentinels?: readonly Identity[];
  readonly ports?: readonly number[] | undefined;
  /** A bitcoind that each signer asks before it signs; left out: none does. */
  readonly bitcoind?: LocalWitness | undefined;
}): Promise<LocalSigners> {
  const gates = await Promise.all(
    SIGNER_IDS.map(async (id, i): Promise<LocalGate> => {
      const home = options.folder.at('signers', id);
      await mkdir(join(home, 'data'), { recursive: true, mode: 0o700 });
      const port = options.ports?.[i] ?? (await freePort());
      return { id, home, port, identity: await identityIn(home, `signer-${id}`) };
    }),
  );
  const all = await Promise.all(
    gates.map((own) => startSigner({ ...options, own, peers: gates.filter((gate) => gate !== own) })),
  );
  const watch = setInterval(() => {
    for (const signer of all) void signer.unseal().catch(() => {});
  }, LOOK_EVERY_MS);
  return {
    all,
    pin: async (signed) => {
      for (const signer of all) requireOk(signer.id, await signer.ask('POST', '/v1/manifest', signed));
    },
    govern: async (signed) => {
      for (const signer of all) {
        const answer = await signer.ask('POST', '/v1/policy', signed);
        if (answer['code'] !== 'POLICY_STALE') requireOk(signer.id, answer);
      }
    },
    stop: async () => {
      clearInterval(watch);
      await Promise.all(all.map((signer) => signer.process.stop()));
    },
  };
}

/** Where a signer listens, and by which certificate others know it. */
interface LocalGate {
  readonly id: string;
  readonly home: string;
  readonly port: number;
  readonly identity: Identity;
}

/** On a laptop there is one bitcoind, and signers share it with core: what it says they still ask themselves. */
export interface LocalWitness {
  /** With user and password. */
  readonly url: string;
  /** CAIP-2. */
  readonly network: string;
  /** As core waits for the smallest deposit. */
  readonly depositDepth: number;
}

interface GateParties {
  readonly own: LocalGate;
  readonly peers: readonly LocalGate[];
  readonly client: Identity;
  readonly operators: readonly Identity[];
  readonly sentinels?: readonly Identity[];
  readonly bitcoind?: LocalWitness | undefined;
}

/** Writes the configuration of a gate; gives the file. */
async function writeGateConfig({
  own,
  peers,
  client,
  operators,
  sentinels = [],
  bitcoind,
}: GateParties): Promise<string> {
  const { home, identity } = own;
  const configFile = join(home, 'gate.json');
  const clientCa = join(home, 'clients.pem');
  const parties = [client, ...operators, ...sentinels, ...peers.map((peer) => peer.identity)];
  const certificates = parties.map(({ certificateFile }) => readFileSync(certificateFile, 'utf8'));
  await writeFile(clientCa, certificates.join('\n'));
  const near = (path: string): string => relative(home, path);
  const clientOf =
    (role: string) =>
    ({ fingerprint }: Identity): object => ({ fingerprint, role });
  const config = {
    signer: own.id,
    listen: { host: '127.0.0.1', port: own.port },
    tls: { key: near(identity.keyFile), cert: near(identity.certificateFile), clientCa: near(clientCa) },
    clients: [
      clientOf('core')(client),
      ...operators.map(clientOf('operator')),
      ...sentinels.map(clientOf('sentinel')),
      ...peers.map((peer) => clientOf('peer')(peer.identity)),
    ],
    peers: peers.map((peer) => ({
      signer: peer.id,
      url: urlOf(peer),
      certificate: near(peer.identity.certificateFile),
    })),
    data: 'data',
    ...(bitcoind === undefined ? {} : { witness: [await witnessIn(home, bitcoind)] }),
  };
  await writeFile(configFile, JSON.stringify(config));
  return configFile;
}

async function witnessIn(home: string, { url, network, depositDepth }: LocalWitness): Promise<object> {
  const node = new URL(url);
  await writeFile(join(home, 'bitcoind.login'), `${node.username}:${node.password}\n`, { mode: 0o600 });
  return { network, url: node.origin, login: 'bitcoind.login', depositDepth, changeDepth: 1 };
}

const urlOf = ({ port }: LocalGate): string => `https://127.0.0.1:${port}`;

async function startSigner(options: GateParties & { readonly folder: WorldFolder }): Promise<LocalSigner> {
  const { folder, operators, own } = options;
  const { id, home, port, identity: server } = own;
  const configFile = await writeGateConfig(options);
  const gate = supervise({
    name: `signer-${id}`,
    main: 'signer/gate/main.ts',
    args: [configFile],
    env: {},
    logFile: folder.at('log', `signer-${id}.log`),
  });
  const url = urlOf(own);
  const [operator] = operators;
  if (!operator) throw new Error('a signer has an operator');
  const ask = asker(url, server, operator);
  await answering(id, ask);
  const passphrase = await passphraseOf(folder, id);
  const identity = await unsealed(id, ask, passphrase);
  return {
    id,
    url,
    port,
    certificateFile: server.certificateFile,
    process: gate,
    dataFolder: join(home, 'data'),
    ask,
    xpub: String(identity['xpub']),
    evmAddress: String(identity['evmAddress']),
    unseal: async () => {
      const status = await ask('GET', '/v1/status');
      if (status['sealed'] === true) requireOk(id, await ask('POST', '/v1/unseal', { passphrase }));
    },
  };
}

async function unsealed(
  id: string,
  ask: LocalSigner['ask'],
  passphrase: string,
): Promise<Record<string, unknown>> {
  const identity = await ask('GET', '/v1/identity');
  if (identity['ok'] !== true) {
    return requireOk(id, await ask('POST', '/v1/make-key', { passphrase, epoch: EPOCH, chain: 'test' }));
  }
  if (identity['sealed'] === true) requireOk(id, await ask('POST', '/v1/unseal', { passphrase }));
  return identity;
}

/** Throws what a signer refused. */
export function requireOk(id: string, answer: Record<string, unknown>): Record<string, unknown> {
  if (answer['ok'] === true) return answer;
  throw new Error(`Signer ${id}: ${String(answer['code'])} ${String(answer['detail'])}`);
}

function asker(url: string, server: Identity, client: Identity): LocalSigner['ask'] {
  const text = (path: string): string => readFileSync(path, 'utf8');
  return openSigner({
    url,
    certificate: text(server.certificateFile),
    client: { certificate: text(client.certificateFile), key: text(client.keyFile) },
  });
}

async function answering(id: string, ask: LocalSigner['ask']): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const answer = await ask('GET', '/livez').catch(() => undefined);
    if (answer?.['ok'] === true) return;
    if (performance.now() > deadline) throw new Error(`Signer ${id} did not answer: see its log`);
    await sleep(50);
  }
}

async function passphraseOf(folder: WorldFolder, id: string): Promise<string> {
  const path = folder.at('secrets', `signer-${id}.passphrase`);
  if (!existsSync(path)) await writeFile(path, randomBytes(24).toString('base64url'), { mode: 0o600 });
  return readFileSync(path, 'utf8');
}
