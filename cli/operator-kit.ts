/**
 * An operator's kit: a folder with the command key, sealed under a passphrase, the certificate that the signers'
 * gates know, and where the signers are. It works with core down.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  scryptSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { SignerConnection } from '../client/signer.ts';
import { UsageError } from './connection.ts';

const KEY_FILE = 'command-key.json';
const KIT_FILE = 'operator.json';
/** Public key of the operator's passkey, as it was made. */
export const PASSKEY_FILE = 'passkey.json';
/** 128 MiB and a third of a second for each guess. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 };

const hex = z.string().regex(/^([0-9a-f]{2})+$/);
const sealedSchema = z.strictObject({ publicKey: hex, salt: hex, nonce: hex, sealed: hex });
const passkeySchema = z.strictObject({ id: z.string(), origin: z.url(), publicKey: hex, credentialId: hex });
const kitSchema = z.strictObject({
  id: z.string().min(1),
  /** Files, seen from the kit's folder. */
  manifest: z.string(),
  certificate: z.string(),
  key: z.string(),
  signers: z.array(z.strictObject({ id: z.string(), url: z.url(), certificate: z.string() })).min(1),
});

/** What the kit's file says; file names are relative to its folder. */
export type KitFile = z.infer<typeof kitSchema>;

export interface OperatorKit {
  readonly id: string;
  readonly manifest: unknown;
  /** At the ceremony there is none yet. */
  readonly hasManifest: boolean;
  readonly signers: readonly (SignerConnection & { readonly id: string })[];
  /** Asks for the passphrase's key; throws UsageError when it is not the right one. */
  readonly openKey: (passphrase: string) => CommandKey;
}

export interface CommandKey {
  /** Ed25519 over these bytes: 64 bytes. */
  readonly sign: (bytes: Uint8Array) => Buffer;
}

/** Makes the command key the first time; answers its public half in hex. */
export function makeCommandKey(
  folder: string,
  { id, passphrase }: { id: string; passphrase: string },
): string {
  const path = join(folder, KEY_FILE);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { privateKey } = generateKeyPairSync('ed25519');
    const [salt, nonce] = [randomBytes(16), randomBytes(12)];
    const cipher = createCipheriv('aes-256-gcm', scryptSync(passphrase, salt, 32, SCRYPT), nonce).setAAD(
      Buffer.from(id),
    );
    const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
    const sealed = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    const parts = { salt, nonce, sealed, publicKey: publicHalf(privateKey) };
    const text = Object.fromEntries(
      Object.entries(parts).map(([name, bytes]) => [name, bytes.toString('hex')]),
    );
    writeFileSync(path, `${JSON.stringify(text, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  }
  return sealedIn(folder).publicKey;
}

export function writeKit(folder: string, kit: KitFile): void {
  writeFileSync(join(folder, KIT_FILE), `${JSON.stringify(kit, null, 2)}\n`, { mode: 0o600 });
}

export const hasKit = (folder: string): boolean => existsSync(join(folder, KIT_FILE));

/** Hex of the passkey's public key; undefined when none was made here. Throws UsageError. */
export function passkeyIn(folder: string, id: string): string | undefined {
  if (!existsSync(join(folder, PASSKEY_FILE))) return undefined;
  const made = parsed(folder, PASSKEY_FILE, passkeySchema);
  if (made.id !== id) throw new UsageError(`The passkey in ${folder} is of ${made.id}, not of ${id}.`);
  return made.publicKey;
}

/** Reads the kit in a folder. Throws UsageError when there is none, or not a whole one. */
export function readKit(folder: string): OperatorKit {
  if (!existsSync(join(folder, KIT_FILE))) {
    throw new UsageError(
      `No operator's kit in ${folder}: name its folder with --as, or PORTCULLIS_OPERATOR.`,
    );
  }
  const kit = parsed(folder, KIT_FILE, kitSchema);
  const near = (name: string): string => readFileSync(resolve(folder, name), 'utf8');
  const client = { certificate: near(kit.certificate), key: near(kit.key) };
  return {
    id: kit.id,
    hasManifest: existsSync(resolve(folder, kit.manifest)),
    // Read when it is needed.
    get manifest() {
      return JSON.parse(near(kit.manifest)) as unknown;
    },
    signers: kit.signers.map(({ id, url, certificate }) => ({
      id,
      url,
      certificate: near(certificate),
      client,
    })),
    openKey: (passphrase) => openCommandKey(folder, { id: kit.id, passphrase }),
  };
}

/** Opens the command key in a folder. Throws UsageError when the passphrase is not the right one. */
export function openCommandKey(
  folder: string,
  { id, passphrase }: { id: string; passphrase: string },
): CommandKey {
  const key = unsealed(folder, { id, passphrase });
  return { sign: (bytes) => sign(null, bytes, key) };
}

function unsealed(folder: string, { id, passphrase }: { id: string; passphrase: string }): KeyObject {
  const { salt, nonce, sealed } = sealedIn(folder);
  const bytes = Buffer.from(sealed, 'hex');
  const key = scryptSync(passphrase, Buffer.from(salt, 'hex'), 32, SCRYPT);
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'hex')).setAAD(Buffer.from(id));
  decipher.setAuthTag(bytes.subarray(-16));
  try {
    const der = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]);
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new UsageError('The passphrase does not open the command key.', { cause });
  }
}

const sealedIn = (folder: string): z.infer<typeof sealedSchema> => parsed(folder, KEY_FILE, sealedSchema);

function parsed<T>(folder: string, name: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8')));
  } catch (cause) {
    throw new UsageError(`${join(folder, name)} is not a file of an operator's kit.`, { cause });
  }
}

function publicHalf(key: KeyObject): Buffer {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url');
}
