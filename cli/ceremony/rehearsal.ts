import { readIdentity } from '../../signer/ceremony/age-identity.ts';
import { shareFilesIn } from '../../signer/ceremony/backup.ts';
import { CeremonyError, readText } from '../../signer/ceremony/files.ts';
import {
  parseIssued,
  rehearse,
  restoreEntropy,
  type IssuedAddress,
  type Rehearsed,
} from '../../signer/ceremony/restore.ts';
import type { Manifest } from '../../signer/protocol/manifest.ts';

/** Puts every signer's key together from its backup's folder and derives every issued address. Throws CeremonyError. */
export async function rehearseRestore(options: {
  readonly manifest: Manifest;
  /** One folder for each signer, in the order of the manifest. */
  readonly backups: readonly string[];
  readonly identity: readonly string[];
  readonly passphrases: readonly string[];
  readonly addresses: string;
}): Promise<Rehearsed> {
  const { manifest, backups, identity, passphrases } = options;
  if (backups.length !== manifest.signers.length)
    throw new CeremonyError(
      'SHARES_TOO_FEW',
      `${backups.length} backups of ${manifest.signers.length} signers`,
    );
  const issued = issuedIn(options.addresses);
  const identities = await Promise.all(
    identity.map((file, i) => readIdentity(readText(file), file, passphrases[i])),
  );
  const entropies = [];
  for (const [i, { id: signer, xpub, evmAddress }] of manifest.signers.entries()) {
    const expected = { signer, epoch: manifest.epoch, xpub, evmAddress };
    const files = shareFilesIn(backups[i] ?? '');
    entropies.push({ signer, ...(await restoreEntropy({ files, identities, expected })) });
  }
  return rehearse(manifest, entropies, issued);
}

function issuedIn(path: string): IssuedAddress[] {
  const issued = readText(path)
    .split('\n')
    .flatMap((line, i) => (line === '' ? [] : [issuedAt(line, `${path}, line ${i + 1}`)]));
  if (issued.length === 0)
    throw new CeremonyError('FILE_BROKEN', `${path} lists no address: nothing would be proven`);
  return issued;
}

function issuedAt(line: string, where: string): IssuedAddress {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new CeremonyError('FILE_BROKEN', `${where} is no JSON`, cause);
  }
  const parsed = parseIssued(value);
  if (!parsed.ok) throw new CeremonyError('FILE_BROKEN', `${where}: ${parsed.detail}`);
  return parsed.value;
}
