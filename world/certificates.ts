import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** A local system is thrown away long before. */
const VALID_MS = 10 * 365 * 86_400_000;

export interface Identity {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** SHA-256 of the DER certificate, lower-case hex: what the other side pins. */
  readonly fingerprint: string;
}

/**
 * A self-signed certificate for one end of the mutual TLS between core and the signers' gates. There is no
 * authority: each end pins the other's certificate. Kept in `folder`; made when absent.
 */
export async function identityIn(folder: string, name: string): Promise<Identity> {
  const certificateFile = join(folder, `${name}.crt`);
  const keyFile = join(folder, `${name}.key`);
  if (!existsSync(certificateFile)) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { certificate, key } = await makeCertificate(name);
    await writeFile(keyFile, key, { mode: 0o600 });
    await writeFile(certificateFile, certificate);
  }
  const certificate = new X509Certificate(await readFile(certificateFile, 'utf8'));
  const fingerprint = Buffer.from(await certificate.getThumbprint('SHA-256')).toString('hex');
  return { certificateFile, keyFile, fingerprint };
}

async function makeCertificate(name: string): Promise<{ certificate: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + VALID_MS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { certificate: certificate.toString('pem'), key: PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}
