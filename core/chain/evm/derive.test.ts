// Proves that deposit addresses are those of EIP-1014 with EIP-55 checksums, by two other libraries.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { getCreate2Address } from 'ethers';
import * as fc from 'fast-check';
import { getContractAddress, type Hex } from 'viem';
import { depositAddresses, depositSalt, deriveDepositAddress } from './derive.ts';

const hex = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes): Hex => `0x${Buffer.from(bytes).toString('hex')}`);

test('every factory, code and salt gives the address that viem and ethers give', () => {
  fc.assert(
    fc.property(hex(20), hex(32), hex(32), (factory, initCodeHash, salt) => {
      const address = deriveDepositAddress({ factory, initCodeHash, salt });
      assert.equal(address, getCreate2Address(factory, salt, initCodeHash));
      const other = getContractAddress({
        opcode: 'CREATE2',
        from: factory,
        salt,
        bytecodeHash: initCodeHash,
      });
      assert.equal(address, other);
    }),
    { numRuns: 300 },
  );
});

test('deriving for two factories by turns mixes nothing up', () => {
  const code = `0x${'ab'.repeat(32)}` as const;
  const factories = [`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`] as const;
  const derivers = factories.map((factory) => depositAddresses({ factory, initCodeHash: code }));
  for (let n = 0; n < 50; n += 1) {
    const salt = new Uint8Array(32).fill(n);
    for (const [i, factory] of factories.entries()) {
      const expected = getCreate2Address(factory, `0x${Buffer.from(salt).toString('hex')}`, code);
      assert.equal(derivers[i]!(salt), expected);
    }
  }
});

test("EIP-1014's own examples", () => {
  const zero = '0x0000000000000000000000000000000000000000';
  const zeroSalt = `0x${'00'.repeat(32)}` as const;
  const hashOfZeroByte = '0xbc36789e7a1e281436464229828f817d6612f7b477d66591ff96a9e064bcc98a';
  assert.equal(
    deriveDepositAddress({ factory: zero, initCodeHash: hashOfZeroByte, salt: zeroSalt }),
    '0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38',
  );
  assert.equal(
    deriveDepositAddress({
      factory: '0xdeadbeef00000000000000000000000000000000',
      initCodeHash: hashOfZeroByte,
      salt: zeroSalt,
    }),
    '0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3',
  );
});

test('a salt is the digest of customer and counter, and nothing else', () => {
  const customer = Uint8Array.from({ length: 16 }, (_, i) => i);
  const domain = 'portcullis/deposit-salt/1';
  const bytes = Buffer.concat([
    Buffer.from([domain.length]),
    Buffer.from(domain),
    customer,
    Buffer.from([0, 0, 1, 2]),
  ]);
  assert.equal(depositSalt(customer, 258), `0x${createHash('sha256').update(bytes).digest('hex')}`);
});
