// Proves on a real SoftHSM2 that the key never leaves its token, by reading, wrapping or loosening it, that it signs
// what secp256k1 verifies, and that what goes wrong has one of the closed reasons.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { TOKEN_LABEL as LABEL, makeToken } from '../test/softhsm.ts';
import { recoveredForm } from '../vault/evm-key.ts';
import { CK, Pkcs11Error, openPkcs11 } from './pkcs11.ts';
import { openToken } from './token.ts';

const PIN = 'a pin of a test';
const folder = mkdtempSync(join(tmpdir(), 'portcullis-hsm-'));
after(() => rmSync(folder, { recursive: true }));
const { module: path } = await makeToken(folder, PIN);

const token = openToken(path);
after(() => token.close());
const keyId = randomBytes(16);

test('before a login, with another label and with a wrong PIN it does nothing, and says why', () => {
  const asked = token.answer({ call: 'find', keyId });
  assert.deepEqual(asked, { ok: false, code: 'TOKEN_GONE', detail: 'nobody has logged in' });
  const codeOf = (label: string, pin: string): string => {
    const answer = token.answer({ call: 'open', label, pin });
    return answer.ok ? 'opened' : answer.code;
  };
  assert.equal(codeOf('signer-b', PIN), 'TOKEN_GONE');
  assert.equal(codeOf(LABEL, 'another pin'), 'PIN_REFUSED');
  assert.equal(codeOf(LABEL, PIN), 'opened');
  const none = token.answer({ call: 'sign', keyId, digest: randomBytes(32) });
  assert.equal(none.ok ? 'signed' : none.code, 'TOKEN_KEY_REFUSED');
});

test('a hundred signatures of a key that was made inside verify, and half of them had the higher s', () => {
  const made = token.answer({ call: 'generate', keyId });
  assert.ok(made.ok && made.publicKey !== undefined, JSON.stringify(made));
  const { publicKey } = made;
  assert.deepEqual(token.answer({ call: 'find', keyId }), made);
  let high = 0;
  for (let i = 0; i < 100; i += 1) {
    const digest = randomBytes(32);
    const signed = token.answer({ call: 'sign', keyId, digest });
    assert.ok(signed.ok && signed.signature !== undefined);
    const { s } = secp256k1.Signature.fromBytes(signed.signature, 'compact');
    if (s > secp256k1.Point.Fn.ORDER / 2n) high += 1;
    const recovered = recoveredForm(signed.signature, digest, publicKey);
    assert.ok(recovered !== undefined);
    const compact = recovered.subarray(1);
    assert.ok(secp256k1.verify(compact, digest, publicKey, { prehash: false, lowS: true }));
    assert.equal(recoveredForm(signed.signature, randomBytes(32), publicKey), undefined);
  }
  // Outside of these bounds once in 10^16 runs.
  assert.ok(high > 10 && high < 90, `${high} of 100 had the higher s`);
});

test('the token itself refuses to show, to wrap and to loosen the key', () => {
  const raw = openPkcs11(path);
  const [found] = raw.tokens().filter(({ label }) => label === LABEL);
  assert.ok(found !== undefined);
  const session = raw.openSession(found.slot);
  raw.login(session, PIN);
  const [key] = raw.find(session, [
    [CK.CKA_CLASS, CK.CKO_PRIVATE_KEY],
    [CK.CKA_ID, keyId],
  ]);
  assert.ok(key !== undefined);
  const flag = (type: bigint): number | undefined => raw.attribute(session, key, type)[0];
  assert.equal(flag(CK.CKA_SENSITIVE), 1);
  assert.equal(flag(CK.CKA_ALWAYS_SENSITIVE), 1);
  assert.equal(flag(CK.CKA_EXTRACTABLE), 0);
  assert.equal(flag(CK.CKA_NEVER_EXTRACTABLE), 1);
  assert.equal(flag(CK.CKA_LOCAL), 1);
  assert.equal(flag(CK.CKA_DERIVE), 0);
  const returns =
    (value: bigint) =>
    (error: unknown): boolean =>
      error instanceof Pkcs11Error && error.returned === value;
  // CKR_ATTRIBUTE_SENSITIVE, CKR_KEY_UNEXTRACTABLE, CKR_ATTRIBUTE_READ_ONLY
  assert.throws(() => raw.attribute(session, key, CK.CKA_VALUE), returns(0x11n));
  const wrapper = raw.generateKey(session, CK.CKM_AES_KEY_GEN, [
    [CK.CKA_CLASS, CK.CKO_SECRET_KEY],
    [CK.CKA_VALUE_LEN, 32n],
    [CK.CKA_WRAP, true],
  ]);
  assert.throws(() => raw.wrap(session, CK.CKM_AES_KEY_WRAP, { with: wrapper, what: key }), returns(0x6an));
  for (const [type, value] of [
    [CK.CKA_EXTRACTABLE, true],
    [CK.CKA_SENSITIVE, false],
  ] as const)
    assert.throws(() => raw.setAttribute(session, key, [type, value]), returns(0x10n));
  // The wrapping key does wrap one that may be wrapped.
  const loose = raw.generateKey(session, CK.CKM_AES_KEY_GEN, [
    [CK.CKA_VALUE_LEN, 32n],
    [CK.CKA_EXTRACTABLE, true],
  ]);
  assert.equal(raw.wrap(session, CK.CKM_AES_KEY_WRAP, { with: wrapper, what: loose }).length, 40);
  raw.close();
});

test('a key that could be taken out, or that came from outside, is refused', () => {
  assert.ok(token.answer({ call: 'open', label: LABEL, pin: PIN }).ok);
  const raw = openPkcs11(path);
  const [found] = raw.tokens().filter(({ label }) => label === LABEL);
  assert.ok(found !== undefined);
  const session = raw.openSession(found.slot);
  raw.login(session, PIN);
  const looseId = randomBytes(16);
  const both = [
    [CK.CKA_TOKEN, true],
    [CK.CKA_ID, looseId],
  ] as const;
  raw.generateKeyPair(session, CK.CKM_EC_KEY_PAIR_GEN, {
    publicKey: [...both, [CK.CKA_VERIFY, true], [CK.CKA_EC_PARAMS, Buffer.from('06052b8104000a', 'hex')]],
    privateKey: [...both, [CK.CKA_PRIVATE, true], [CK.CKA_EXTRACTABLE, true], [CK.CKA_SIGN, true]],
  });
  raw.close();
  assert.ok(token.answer({ call: 'open', label: LABEL, pin: PIN }).ok);
  const answer = token.answer({ call: 'find', keyId: looseId });
  assert.equal(answer.ok ? 'taken' : answer.code, 'TOKEN_KEY_REFUSED');
  assert.ok(token.answer({ call: 'find', keyId }).ok);
});

test('a module that is none is a reason too', () => {
  const answer = openToken('/nowhere/module.so').answer({ call: 'open', label: LABEL, pin: PIN });
  assert.equal(answer.ok ? 'opened' : answer.code, 'TOKEN_GONE');
});
