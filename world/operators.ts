import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { makeCommandKey, writeKit } from '../cli/operator-kit.ts';
import type { DocumentType } from '../signer/protocol/document.ts';
import { fromHex } from '../signer/protocol/canonical.ts';
import { unfreezeDocument } from '../signer/protocol/freeze.ts';
import { parseStatusAnswer } from '../signer/protocol/messages.ts';
import { manifestDocument, type Manifest } from '../signer/protocol/manifest.ts';
import { policyDocument } from '../signer/protocol/policy.ts';
import { identityIn, type Identity } from './certificates.ts';
import { walletPolicy, type OperatorPublic } from './configuration.ts';
import type { WorldFolder } from './folder.ts';
import { OPERATORS, type People, type PublicPeople } from './people/people.ts';
import { requireOk, type LocalSigner, type LocalSigners } from './signers.ts';

/** The local quorum signs at once. */
const UNFREEZE_VALID_SECONDS = 600;

export interface LocalOperator {
  readonly id: (typeof OPERATORS)[number];
  /** The kit for the command line; its passphrase lies beside it, because this is a rehearsal. */
  readonly folder: string;
  readonly passphraseFile: string;
  readonly commandKey: string;
  /** The operator's end of the mutual TLS with the signers. */
  readonly client: Identity;
}

/** Makes each operator's command key and certificate the first time. */
export async function makeOperators(folder: WorldFolder): Promise<LocalOperator[]> {
  const made: LocalOperator[] = [];
  for (const id of OPERATORS) {
    const home = folder.at('operators', id);
    await mkdir(home, { recursive: true, mode: 0o700 });
    const passphraseFile = join(home, 'passphrase');
    if (!existsSync(passphraseFile))
      writeFileSync(passphraseFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    const commandKey = makeCommandKey(home, { id, passphrase: readFileSync(passphraseFile, 'utf8') });
    // A name of its own: among several trusted certificates of one name, the wrong one would be taken.
    const client = await identityIn(home, `operator-${id}`);
    made.push({ id, folder: home, passphraseFile, commandKey, client });
  }
  return made;
}

/** The operators as the manifest names them. */
export const publicOperators = (
  operators: readonly LocalOperator[],
  people: PublicPeople,
): OperatorPublic[] =>
  people.operators.map((person) => {
    const operator = operators.find(({ id }) => id === person.id);
    if (!operator) throw new Error(`${person.id} is no operator`);
    return { ...person, commandKey: operator.commandKey };
  });

/** The document with the passkeys of a quorum. */
async function approved<T>(people: People, type: DocumentType<T>, value: T): Promise<object> {
  const digest = type.digest(value, (bytes) => createHash('sha256').update(bytes).digest());
  return { document: type.toJson(value), signatures: await people.approve(digest) };
}

/** Has the operators sign manifest and policy, every signer take them, and every kit know where the signers are. */
export async function installManifest(parts: {
  readonly manifest: Manifest;
  readonly manifestFile: string;
  readonly people: People;
  readonly operators: readonly LocalOperator[];
  readonly signers: LocalSigners;
  /** How young a sentinel's attestation has to be; left out: none is needed. */
  readonly attestationSeconds?: number | undefined;
}): Promise<void> {
  const { manifest, manifestFile, people, operators, signers, attestationSeconds } = parts;
  const signed = await approved(people, manifestDocument, manifest);
  await signers.pin(signed);
  await signers.govern(
    await approved(people, policyDocument, walletPolicy(manifest, 'alice', attestationSeconds)),
  );
  await writeFile(manifestFile, `${JSON.stringify(signed, null, 2)}\n`);
  for (const operator of operators) writeKitOf(operator, manifestFile, signers.all);
}

/** Has a quorum of the operators lift every freeze that stands at a signer. Answers how many there were. */
export async function liftFreezes(people: People, signers: readonly LocalSigner[]): Promise<number> {
  const ids = new Set<string>();
  let epoch = 0;
  for (const { ask } of signers) {
    const status = parseStatusAnswer(await ask('GET', '/v1/status'));
    if (status.ok && status.value.ok) for (const { id } of status.value.freezes) ids.add(id);
    epoch = Number((await ask('GET', '/v1/identity'))['epoch']);
  }
  if (ids.size === 0) return 0;
  const unfreeze = unfreezeDocument.normal({
    epoch,
    freezes: [...ids].map((id) => fromHex(id)),
    suspend: [],
    restore: [],
    reason: 'rehearsal',
    expiry: BigInt(Math.floor(Date.now() / 1000) + UNFREEZE_VALID_SECONDS),
  });
  const signed = await approved(people, unfreezeDocument, unfreeze);
  for (const { id, ask } of signers) requireOk(id, await ask('POST', '/v1/unfreeze', signed));
  return ids.size;
}

function writeKitOf(
  { id, folder, client }: LocalOperator,
  manifestFile: string,
  signers: readonly LocalSigner[],
): void {
  const near = (path: string): string => relative(folder, path);
  writeKit(folder, {
    id,
    manifest: near(manifestFile),
    certificate: near(client.certificateFile),
    key: near(client.keyFile),
    signers: signers.map((signer) => ({
      id: signer.id,
      url: signer.url,
      certificate: near(signer.certificateFile),
    })),
  });
}
