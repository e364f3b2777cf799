/** The sentinel's own configuration: JSON, its file names relative to the file itself. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Hex } from 'viem';
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import { z } from 'zod';
import type { SignerConnection } from '../client/signer.ts';
import { parseSignedManifest, type Manifest } from '../signer/protocol/manifest.ts';

/** A newest block older than this withholds the network's attestation. Left out: blocks may be of any age. */
const lagMaxSeconds = z.int().min(1).optional();

const bitcoinNode = z.strictObject({
  /** CAIP-2. */
  network: z.string(),
  /** A node of the sentinel's own, never core's. */
  node: z.url(),
  /** The wallet has no coin in an earlier block. */
  fromHeight: z.int().min(0),
  /** Addresses beyond the highest used one that are watched. */
  lookahead: z.int().min(10).default(20_000),
  lagMaxSeconds,
});

const evmNode = z.strictObject({
  /** CAIP-2. */
  network: z.string(),
  /** A node of the sentinel's own, never core's. */
  node: z.url(),
  /** The first block that is looked at; what stood before is taken as it was found. */
  fromBlock: z.int().min(0),
  /** Registry, factory and whatever else of ours has owners: an event of theirs that changes power freezes. */
  contracts: z.array(z.string().regex(/^0x[0-9a-fA-F]{40}$/)).default([]),
  /** Hex key of a guardian of the vault with gas of its own: a freeze stops the vault too. Left out: signers only. */
  guardianKeyFile: z.string().optional(),
  feePerGasMaxGwei: z.number().positive().default(500),
  lagMaxSeconds,
});

const schema = z.strictObject({
  id: z.string(),
  /** PEM, Ed25519. */
  keyFile: z.string(),
  manifest: z.string(),
  state: z.string(),
  /** The client's end of the mutual TLS with the signers' gates. */
  client: z.strictObject({ certificate: z.string(), key: z.string() }),
  signers: z.array(z.strictObject({ id: z.string(), url: z.url(), certificate: z.string() })).min(1),
  bitcoin: z.array(bitcoinNode).default([]),
  evm: z.array(evmNode).default([]),
  /** How often every network is attested, and how long one holds at most. */
  attest: z
    .strictObject({ everySeconds: z.int().min(1), validSeconds: z.int().min(2).max(3600) })
    .default({ everySeconds: 10, validSeconds: 180 }),
  /** Core's books, read by a role of the sentinel's own that writes nothing. Left out: they are not compared. */
  books: z
    .strictObject({
      /** Holds the database's URL. */
      urlFile: z.string(),
      /** What every reading of this long misses is missing. */
      agreeSeconds: z.int().min(1).default(60),
      networks: z.array(
        z.strictObject({
          /** CAIP-2. */
          network: z.string(),
          /** As core names it. */
          id: z.string(),
          /** Core's names by CAIP-19. */
          assets: z.record(z.string(), z.string()),
        }),
      ),
    })
    .optional(),
  pollMs: z.int().min(20).default(1000),
  status: z.strictObject({ host: z.string(), port: z.int().min(0).max(65_535) }),
});

/** As it stands in the file. */
export type SentinelFile = z.input<typeof schema>;

export interface SentinelConfig extends Omit<
  z.output<typeof schema>,
  'manifest' | 'client' | 'signers' | 'books' | 'evm'
> {
  readonly evm: readonly (Omit<z.output<typeof evmNode>, 'guardianKeyFile'> & {
    readonly guardian: PrivateKeyAccount | undefined;
  })[];
  readonly books:
    | (Omit<NonNullable<z.output<typeof schema>['books']>, 'urlFile'> & { readonly url: string })
    | undefined;
  readonly key: KeyObject;
  readonly manifest: Manifest;
  readonly signers: readonly (SignerConnection & { readonly id: string })[];
}

/** Whoever starts a sentinel with another configuration than it needs is told so, and nothing is watched. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'CONFIG';
  readonly retryable = false;
}

/** Throws ConfigError. */
export function readSentinelConfig(path: string): SentinelConfig {
  const near = (name: string): string => resolve(dirname(path), name);
  const text = (name: string): string => readFileSync(near(name), 'utf8');
  try {
    const file = schema.parse(JSON.parse(readFileSync(path, 'utf8')));
    const parsed = parseSignedManifest(JSON.parse(text(file.manifest)));
    if (!parsed.ok) throw new ConfigError(`the manifest: ${parsed.detail}`);
    const client = { certificate: text(file.client.certificate), key: text(file.client.key) };
    const signers = file.signers.map(({ id, url, certificate }) => ({
      id,
      url,
      certificate: text(certificate),
      client,
    }));
    const evm = file.evm.map(({ guardianKeyFile, ...node }) => ({
      ...node,
      guardian: guardianKeyFile === undefined ? undefined : guardianIn(text(guardianKeyFile)),
    }));
    const config = {
      ...file,
      evm,
      state: near(file.state),
      books: file.books && { ...file.books, url: text(file.books.urlFile).trim() },
      key: createPrivateKey(text(file.keyFile)),
      manifest: parsed.value,
      signers,
    };
    checkAgainstManifest(config);
    return config;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${path}: ${error instanceof Error ? error.message : 'unreadable'}`, {
      cause: error,
    });
  }
}

function guardianIn(text: string): PrivateKeyAccount {
  const hex = text.trim();
  // What it holds is never part of an error.
  if (!/^0x[0-9a-f]{64}$/.test(hex)) throw new ConfigError("the guardian's key is not 0x and 64 hex digits");
  return privateKeyToAccount(hex as Hex);
}

/** Every signer and every network of the manifest is watched, and the manifest names this sentinel. */
function checkAgainstManifest({ id, manifest, signers, bitcoin, evm }: SentinelConfig): void {
  if (!manifest.sentinels.some((sentinel) => sentinel.id === id))
    throw new ConfigError(`the manifest names no sentinel ${id}`);
  for (const signer of manifest.signers)
    if (!signers.some((one) => one.id === signer.id))
      throw new ConfigError(`signer ${signer.id} is not configured`);
  const watched = new Set([...bitcoin, ...evm].map(({ network }) => network));
  for (const { network } of [...manifest.bitcoin, ...manifest.evm])
    if (!watched.has(network)) throw new ConfigError(`no node for ${network}`);
}
