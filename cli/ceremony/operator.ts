import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeIdentity, readIdentity, recipientOf } from '../../signer/ceremony/age-identity.ts';
import { readCard } from '../../signer/ceremony/cards.ts';
import { jsonText, readText, writeOnce } from '../../signer/ceremony/files.ts';
import { operatorCardDocument, type OperatorCard } from '../../signer/protocol/operator-card.ts';
import { signaturesToJson } from '../../signer/protocol/signatures.ts';
import { UsageError } from '../connection.ts';
import { makeCommandKey, openCommandKey } from '../operator-kit.ts';

const IDENTITY_FILE = 'backup-identity.age';

/**
 * Makes what is the operator's own: command key, backup identity, and the card with the public halves. What is there
 * already stays; other answers than the card's are refused.
 */
export async function makeOperator(options: {
  readonly id: string;
  readonly kit: string;
  readonly passkey: string;
  readonly guardian: string;
  readonly passphrase: string;
  readonly cardFile: string;
}): Promise<{ readonly card: OperatorCard; readonly isNew: boolean }> {
  const { id, kit, passkey, guardian, passphrase, cardFile } = options;
  mkdirSync(kit, { recursive: true, mode: 0o700 });
  const commandKey = makeCommandKey(kit, { id, passphrase });
  const key = openCommandKey(kit, { id, passphrase });
  const identityFile = join(kit, IDENTITY_FILE);
  if (!existsSync(identityFile)) writeOnce(identityFile, await makeIdentity(passphrase), 0o600);
  const recipient = await recipientOf(await readIdentity(readText(identityFile), identityFile, passphrase));
  const parsed = operatorCardDocument.parse({ id, passkey, commandKey, guardian, recipient });
  if (!parsed.ok) throw new UsageError(parsed.detail);
  const digest = operatorCardDocument.digest(parsed.value, (bytes) =>
    createHash('sha256').update(bytes).digest(),
  );
  const signature = { kind: 'key', by: id, signature: new Uint8Array(key.sign(digest)) } as const;
  const signed = {
    document: operatorCardDocument.toJson(parsed.value),
    signatures: signaturesToJson([signature]),
  };
  const isNew = writeOnce(cardFile, jsonText(signed));
  return { card: readCard(cardFile), isNew };
}
