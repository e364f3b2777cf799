/** The gate's configuration file: JSON, read once at start. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { MalformedError } from '../protocol/canonical.ts';
import { EVM_ADDRESS } from '../protocol/manifest.ts';
import {
  NETWORK,
  SIGNER_ID,
  readList,
  readNumber,
  readObject,
  readOneOf,
  readText,
  type TextRule,
} from '../protocol/json.ts';
import { TOKEN_LABEL } from '../protocol/token.ts';
import type { NodeWitness, PinnedContract } from '../witness/witness.ts';

export interface GateConfig {
  readonly signer: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: { readonly key: Buffer; readonly cert: Buffer; readonly clientCa: Buffer };
  /** Who may ask, and for what. */
  readonly clients: readonly GateClient[];
  /** The other signers' gates, which countersign this one's journal. */
  readonly peers: readonly GatePeer[];
  /** Nodes of the signer's own, one for a network; payments there are refused when it objects or is not there. */
  readonly witness: readonly NodeWitness[];
  /** Folder of journal and sealed key; absolute. */
  readonly data: string;
  readonly vaultTimeoutMs: number;
  /** Where the EVM key is or will be, if it is not in the sealed file. */
  readonly token?: GateToken;
}

export interface GateToken {
  /** The token's PKCS#11 module, by its maker; absolute. */
  readonly module: string;
  readonly label: string;
  /** All that its program has in its environment: where the module finds its own configuration. Never a PIN. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * `core` proposes payments and passes on what people signed; `operator` keeps the signer; `sentinel` watches it;
 * `peer` is another signer, known by the certificate of its own gate.
 */
export const roles = ['core', 'operator', 'sentinel', 'peer'] as const;
export type Role = (typeof roles)[number];

export interface GateClient {
  /** SHA-256 of the DER of the client's certificate, lower-case hex. */
  readonly fingerprint: string;
  readonly role: Role;
}

export interface GatePeer {
  readonly signer: string;
  readonly url: string;
  /** PEM: the only one that is trusted there. */
  readonly certificate: Buffer;
}

export class ConfigError extends Error {
  readonly code = 'CONFIG';
  readonly retryable = false;
}

/** Half a second of key derivation on a loaded machine takes several; a batch of 200 inputs too. */
const VAULT_TIMEOUT_MS = 60_000;
const FILE_NAME: TextRule = { lengthMax: 4096, pattern: /^[^\0]+$/ };
const VARIABLE: TextRule = { lengthMax: 64, pattern: /^[A-Z][A-Z0-9_]*$/ };
const HOST: TextRule = { lengthMax: 255, pattern: /^[0-9a-zA-Z.:-]+$/ };
const URL_TEXT: TextRule = { lengthMax: 300, pattern: /^https:\/\/[0-9a-zA-Z.:[\]-]+$/ };
const NODE_URL: TextRule = { lengthMax: 300, pattern: /^https?:\/\/[0-9a-zA-Z.:[\]-]+$/ };
/** As a node writes its cookie file. */
const LOGIN: TextRule = { lengthMax: 400, pattern: /^[^\s:]+:[^\s]+$/ };
/** Deeper than any deposit is waited for. */
const DEPTH_MAX = 1_000;
/** Their blocks come when they are told to: regtest, and anvil's chains. */
const LOCAL_NETWORKS = ['bip122:0f9188f13cb7b2c71f2a335e3a4fc328', 'eip155:31337', 'eip155:31338'];
const CONTRACTS = { min: 1, max: 257 };
const SLOT: TextRule = { lengthMax: 66, pattern: /^0x[0-9a-f]{64}$/ };
const DAY_MINUTES = 1_440;
const FINGERPRINT: TextRule = { lengthMax: 64, pattern: /^[0-9a-f]{64}$/ };

/** Reads the file and the files it names, relative to its own folder. Throws ConfigError. */
export function readGateConfig(path: string): GateConfig {
  try {
    const near = (name: string): string => resolve(dirname(path), name);
    return read(JSON.parse(readFileSync(path, 'utf8')), near);
  } catch (error) {
    throw new ConfigError(`${path}: ${error instanceof Error ? error.message : 'unreadable'}`, {
      cause: error,
    });
  }
}

function read(value: unknown, near: (name: string) => string): GateConfig {
  const config = readObject(
    value,
    'config',
    ['signer', 'listen', 'tls', 'clients', 'data'],
    ['vaultTimeoutMs', 'peers', 'witness', 'token'],
  );
  const listen = readObject(config['listen'], 'config.listen', ['host', 'port']);
  const tls = readObject(config['tls'], 'config.tls', ['key', 'cert', 'clientCa']);
  const file = (name: 'key' | 'cert' | 'clientCa'): Buffer =>
    readFileSync(near(readText(tls[name], `config.tls.${name}`, FILE_NAME)));
  const readPeer = (peer: unknown, path: string): GatePeer => {
    const { signer, url, certificate } = readObject(peer, path, ['signer', 'url', 'certificate']);
    return {
      signer: readText(signer, `${path}.signer`, SIGNER_ID),
      url: readText(url, `${path}.url`, URL_TEXT),
      certificate: readFileSync(near(readText(certificate, `${path}.certificate`, FILE_NAME))),
    };
  };
  const timeoutMs = readNumber(
    config['vaultTimeoutMs'] ?? VAULT_TIMEOUT_MS,
    'config.vaultTimeoutMs',
    600_000,
  );
  if (timeoutMs === 0) throw new MalformedError('config.vaultTimeoutMs: at least 1');
  return {
    signer: readText(config['signer'], 'config.signer', SIGNER_ID),
    listen: {
      host: readText(listen['host'], 'config.listen.host', HOST),
      port: readNumber(listen['port'], 'config.listen.port', 65_535),
    },
    tls: { key: file('key'), cert: file('cert'), clientCa: file('clientCa') },
    clients: readList(config['clients'], 'config.clients', { min: 1, max: 100 }, readClient),
    peers: readList(config['peers'] ?? [], 'config.peers', { min: 0, max: 64 }, readPeer),
    witness: readWitness(config['witness'] ?? [], near),
    data: near(readText(config['data'], 'config.data', FILE_NAME)),
    vaultTimeoutMs: timeoutMs,
    ...(config['token'] === undefined ? {} : { token: readToken(config['token'], near) }),
  };
}

function readWitness(value: unknown, near: (name: string) => string): NodeWitness[] {
  const nodes = readList(value, 'config.witness', { min: 0, max: 64 }, (node, path): NodeWitness => {
    const isBitcoin = !(typeof node === 'object' && node !== null && 'contracts' in node);
    const own = isBitcoin ? ['depositDepth', 'changeDepth'] : ['contracts'];
    const fields = readObject(node, path, ['network', 'url', ...own], ['login', 'tipAgeMaxMinutes']);
    const atLeastOne = (name: string, max: number): number => {
      const number = readNumber(fields[name], `${path}.${name}`, max);
      if (number === 0) throw new MalformedError(`${path}.${name}: at least 1`);
      return number;
    };
    const network = readText(fields['network'], `${path}.network`, NETWORK);
    if (!network.startsWith(isBitcoin ? 'bip122:' : 'eip155:'))
      throw new MalformedError(`${path}.network: ${isBitcoin ? 'a Bitcoin' : 'an EVM'} network`);
    const ages = fields['tipAgeMaxMinutes'] !== undefined;
    if (!ages && !LOCAL_NETWORKS.includes(network))
      throw new MalformedError(`${path}.tipAgeMaxMinutes: missing`);
    const shared = {
      network,
      url: readText(fields['url'], `${path}.url`, NODE_URL),
      login: fields['login'] === undefined ? undefined : readLogin(fields['login'], `${path}.login`, near),
      tipAgeMaxMinutes: ages ? atLeastOne('tipAgeMaxMinutes', DAY_MINUTES) : undefined,
    };
    if (!isBitcoin) {
      const contracts = readList(fields['contracts'], `${path}.contracts`, CONTRACTS, readContract);
      return { ...shared, contracts };
    }
    return {
      ...shared,
      depositDepth: atLeastOne('depositDepth', DEPTH_MAX),
      changeDepth: atLeastOne('changeDepth', DEPTH_MAX),
    };
  });
  if (new Set(nodes.map(({ network }) => network)).size !== nodes.length)
    throw new MalformedError('config.witness: two of one network');
  return nodes;
}

function readContract(value: unknown, path: string): PinnedContract {
  const fields = readObject(value, path, ['address', 'codeSha256'], ['proxy']);
  const { proxy } = fields;
  const where =
    proxy === undefined ? undefined : readObject(proxy, `${path}.proxy`, ['slot', 'implementation']);
  return {
    address: readText(fields['address'], `${path}.address`, EVM_ADDRESS),
    codeSha256: readText(fields['codeSha256'], `${path}.codeSha256`, FINGERPRINT),
    proxy: where && {
      slot: readText(where['slot'], `${path}.proxy.slot`, SLOT),
      implementation: readText(where['implementation'], `${path}.proxy.implementation`, EVM_ADDRESS),
    },
  };
}

/** The file holds `user:password`. */
function readLogin(file: unknown, path: string, near: (name: string) => string): string {
  return readText(readFileSync(near(readText(file, path, FILE_NAME)), 'utf8').trim(), path, LOGIN);
}

function readToken(value: unknown, near: (name: string) => string): GateToken {
  const token = readObject(value, 'config.token', ['module', 'label'], ['env']);
  const env = Object.entries(readRecord(token['env'] ?? {}));
  return {
    module: near(readText(token['module'], 'config.token.module', FILE_NAME)),
    label: readText(token['label'], 'config.token.label', TOKEN_LABEL),
    env: Object.fromEntries(
      env.map(([name, text]) => [
        readText(name, 'config.token.env', VARIABLE),
        readText(text, `config.token.env.${name}`, FILE_NAME),
      ]),
    ),
  };
}

function readRecord(value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new MalformedError('config.token.env: an object expected');
}

function readClient(value: unknown, path: string): GateClient {
  const client = readObject(value, path, ['fingerprint', 'role']);
  return {
    fingerprint: readText(client['fingerprint'], `${path}.fingerprint`, FINGERPRINT),
    role: readOneOf(client['role'], `${path}.role`, roles),
  };
}
