/** Certificates for tests of the gate: an authority's, and what it signs. */
// @peculiar/x509 needs the polyfill in place before it is loaded.
// oxlint-disable-next-line import/no-unassigned-import
import 'reflect-metadata';
import { webcrypto, type webcrypto as Web } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509';

cryptoProvider.set(webcrypto);
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface TestCertificate {
  readonly keys: Web.CryptoKeyPair;
  readonly certificate: X509Certificate;
  readonly certPem: string;
  readonly keyPem: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
}

/** Signed by `issuer`, or by itself. */
export async function testCertificate(name: string, issuer?: TestCertificate): Promise<TestCertificate> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [
      new BasicConstraintsExtension(issuer === undefined, undefined, true),
      new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    keys,
    certificate,
    certPem: certificate.toString('pem'),
    keyPem: PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    fingerprint: Buffer.from(await certificate.getThumbprint('SHA-256')).toString('hex'),
  };
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
}
