/** A passkey in software, for people who have no hands: what an authenticator and a browser do together. */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';

const USER_PRESENT_AND_VERIFIED = 0x05;
/** DER of an EC private key on P-256 up to the 32 bytes of the key (RFC 5915). */
const EC_KEY_HEAD = '30310201010420';
const EC_KEY_TAIL = 'a00a06082a8648ce3d030107';

export interface Assertion {
  readonly authenticatorData: Buffer;
  readonly clientData: Buffer;
  /** DER. */
  readonly signature: Buffer;
}

export interface Authenticator {
  /** Compressed point, 33 bytes. */
  readonly publicKey: Buffer;
  /** The ceremony navigator.credentials.get() on a page of this origin. */
  readonly assert: (challenge: Uint8Array, origin: string) => Assertion;
}

/** `secret`: 32 bytes, a P-256 key. Like synced passkeys it has no counter; `counter` makes it count from there. */
export function openAuthenticator(secret: Uint8Array, counter?: number): Authenticator {
  const der = Buffer.concat([Buffer.from(EC_KEY_HEAD, 'hex'), secret, Buffer.from(EC_KEY_TAIL, 'hex')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'sec1' });
  let count = counter;
  return {
    publicKey: compressed(key),
    assert: (challenge, origin) => {
      if (count !== undefined) count += 1;
      const clientData = Buffer.from(
        JSON.stringify({
          type: 'webauthn.get',
          challenge: Buffer.from(challenge).toString('base64url'),
          origin,
          crossOrigin: false,
        }),
      );
      const counterBytes = Buffer.alloc(4);
      counterBytes.writeUInt32BE(count ?? 0);
      const authenticatorData = Buffer.concat([
        sha256(new URL(origin).hostname),
        Buffer.from([USER_PRESENT_AND_VERIFIED]),
        counterBytes,
      ]);
      const signature = sign('sha256', Buffer.concat([authenticatorData, sha256(clientData)]), key);
      return { authenticatorData, clientData, signature };
    },
  };
}

function compressed(key: KeyObject): Buffer {
  const { x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' });
  const [xBytes, yBytes] = [Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')];
  return Buffer.concat([Buffer.from([(yBytes.at(-1) ?? 0) & 1 ? 3 : 2]), xBytes]);
}

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();
