/**
 * What an operator hands in at the ceremony, `portcullis/operator-card/1`, signed by the command key in it: the public
 * halves of all that is theirs, and the age recipient to which their shares of backups are encrypted.
 */
import { bytesField, documentOf, textField, type DocumentValue } from './document.ts';
import { SIGNER_ID } from './json.ts';
import { EVM_ADDRESS } from './manifest.ts';

export const operatorCardDocument = documentOf('portcullis/operator-card/1', {
  id: textField(SIGNER_ID),
  /** Compressed point of P-256. */
  passkey: bytesField(33),
  /** Ed25519. */
  commandKey: bytesField(32),
  /** EIP-55. */
  guardian: textField(EVM_ADDRESS),
  /** X25519 recipient of age (age-encryption.org/v1). */
  recipient: textField({ lengthMax: 62, pattern: /^age1[02-9ac-hj-np-z]{58}$/ }),
});
export type OperatorCard = DocumentValue<typeof operatorCardDocument>;
