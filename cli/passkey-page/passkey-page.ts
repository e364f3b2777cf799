/**
 * Serves one page on the operators' own origin, for one signature, and is gone (docs/decisions/0026-passkey-page.md).
 * Core has no part in it: what an operator is shown comes from the operator's own machine.
 */
import {
  checkMadePasskey,
  checkUsedOnce,
  type MadePasskey,
} from '../../signer/ceremony/passkey-enrolment.ts';
import { fromHex, toHex } from '../../signer/protocol/canonical.ts';
import { parseSigned, type DocumentSignature } from '../../signer/protocol/signatures.ts';
import { enrolPageOf } from './enrol-page.ts';
import { pageOf } from './page.ts';
import { servePage } from './serve.ts';

export interface PasskeyQuestion {
  /** `http://localhost:PORT`: the only one that signers take operators' passkeys from. */
  readonly origin: string;
  /** Who is to sign. */
  readonly by: string;
  readonly title: string;
  /** In plain words, what the document does. */
  readonly lines: readonly string[];
  /** Canonical bytes, whose SHA-256 is signed. */
  readonly bytes: Uint8Array;
  /** Throws what is wrong with a signature; the page says it, and the person may try again. */
  readonly check: (signature: DocumentSignature) => void;
  /** Told the page's address once it is served. */
  readonly tell: (url: string) => void;
  readonly timeoutMs: number;
}

/** Rejects with CeremonyError: PASSKEY_PORT_BUSY, PASSKEY_CANCELLED, PASSKEY_TIMEOUT. */
export function askPasskey(question: PasskeyQuestion): Promise<DocumentSignature> {
  const { origin, by, title, lines, bytes, check, tell, timeoutMs } = question;
  const rpId = new URL(origin).hostname;
  return servePage({
    origin,
    page: (nonce) => pageOf({ title, by, rpId, lines, bytes: toHex(bytes) }, nonce),
    take: (body) => {
      const signature = assertionIn(body, by);
      check(signature);
      return { said: 'signed', value: signature };
    },
    tell,
    timeoutMs,
  });
}

function assertionIn(body: Readonly<Record<string, unknown>>, by: string): DocumentSignature {
  const parsed = parseSigned({ document: null, signatures: [{ ...body, kind: 'passkey', by }] });
  const [signature] = parsed.ok ? parsed.value.signatures : [];
  if (signature === undefined) throw new Error('not an assertion');
  return signature;
}

export interface EnrolQuestion {
  readonly origin: string;
  readonly by: string;
  /** Each 32 bytes, but of the user 16: an authenticator keeps one passkey of a user, and a new one would end the old. */
  readonly random: { readonly makes: Uint8Array; readonly uses: Uint8Array; readonly user: Uint8Array };
  /** What the authenticator's list will say. */
  readonly name: string;
  readonly tell: (url: string) => void;
  readonly timeoutMs: number;
}

/** Has the browser make a passkey and use it once. Rejects as askPasskey does. */
export function makePasskey(question: EnrolQuestion): Promise<MadePasskey> {
  const { origin, by, random, name, tell, timeoutMs } = question;
  const { makes, uses, user } = random;
  const rpId = new URL(origin).hostname;
  const hexed = { makes: toHex(makes), uses: toHex(uses), user: toHex(user) };
  let made: MadePasskey | undefined;
  return servePage<MadePasskey>({
    origin,
    page: (nonce) => enrolPageOf({ by, rpId, name, ...hexed }, nonce),
    take: ({ step, ...body }) => {
      if (step === 'made') {
        const parts = {
          authenticatorData: bytesIn(body, 'authenticatorData'),
          clientData: bytesIn(body, 'clientData'),
        };
        made = checkMadePasskey(parts, { origin, challenge: makes });
        return { said: 'made' };
      }
      if (step !== 'used' || made === undefined) throw new Error('make it first');
      const assertion = assertionIn(body, by);
      if (assertion.kind !== 'passkey') throw new Error('not an assertion');
      checkUsedOnce(made, assertion, { origin, challenge: uses });
      return { said: 'used', value: made };
    },
    tell,
    timeoutMs,
  });
}

function bytesIn(body: Readonly<Record<string, unknown>>, name: string): Uint8Array {
  const text = body[name];
  if (typeof text !== 'string' || !/^([0-9a-f]{2})+$/.test(text)) throw new Error(`${name}: no bytes`);
  return fromHex(text);
}
