/** An operator's age identity: it opens that operator's shares. Kept encrypted under a passphrase, as `age -p` does. */
import { Decrypter, Encrypter, armor, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { CeremonyError } from './files.ts';

/** 2^15 rounds: a second in JavaScript; the passphrase has to be a long one. */
const SCRYPT_LOG_N = 15;
const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

/** A fresh identity, encrypted; the program `age` opens it with the same passphrase. */
export async function makeIdentity(passphrase: string): Promise<string> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(SCRYPT_LOG_N);
  return armor.encode(await encrypter.encrypt(`${await generateX25519Identity()}\n`));
}

/** The identity in the text of its file, in the clear or encrypted. Throws CeremonyError. */
export async function readIdentity(text: string, name: string, passphrase?: string): Promise<string> {
  const line = identityLine(text);
  if (line !== undefined) return line;
  if (!text.startsWith('-----BEGIN AGE'))
    throw new CeremonyError('FILE_BROKEN', `${name} is no age identity`);
  if (passphrase === undefined)
    throw new CeremonyError('WRONG_PASSPHRASE', `${name} is encrypted: its passphrase is needed`);
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  let plain: string;
  try {
    plain = await decrypter.decrypt(armor.decode(text), 'text');
  } catch (cause) {
    throw new CeremonyError(
      'WRONG_PASSPHRASE',
      `the passphrase does not open ${name}, or it is damaged`,
      cause,
    );
  }
  const found = identityLine(plain);
  if (found === undefined) throw new CeremonyError('FILE_BROKEN', `${name} holds no age identity`);
  return found;
}

export const recipientOf = async (identity: string): Promise<string> => identityToRecipient(identity);

const identityLine = (text: string): string | undefined =>
  text
    .split('\n')
    .map((line) => line.trim())
    .find((line) => IDENTITY.test(line));
