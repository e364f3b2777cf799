// Proves the address leaf's bytes, the tree's root, and that a proof leads to the root for its own leaf alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { bigEndian, domain, lengthAndText, sha256, unhex, vectors } from '../test/plain-encoding.ts';
import {
  decodeAddressLeaf,
  encodeAddressLeaf,
  leafHash,
  merkleProof,
  merkleRoot,
  merkleRootOf,
} from './address-leaf.ts';
import { MalformedError, toHex } from './canonical.ts';

interface Vectors {
  valid: {
    leaf: { epoch: number; network: string; address: string; index: string; credentialSetHash: string };
    canonical: string;
    hash: string;
  }[];
  roots: { leaves: number; root: string }[];
  invalidCanonical: { name: string; canonical: string }[];
}
const { valid, roots, invalidCanonical } = vectors('address-leaf') as Vectors;

test('valid vectors, and an independent computation', () => {
  for (const { leaf: json, canonical, hash } of valid) {
    const leaf = { ...json, index: BigInt(json.index), credentialSetHash: unhex(json.credentialSetHash) };
    const bytes = encodeAddressLeaf(leaf);
    assert.equal(toHex(bytes), canonical);
    const plain = Buffer.concat([
      domain('portcullis/address-leaf/1'),
      bigEndian(leaf.epoch, 4),
      lengthAndText(leaf.network),
      lengthAndText(leaf.address),
      bigEndian(leaf.index, 8),
      leaf.credentialSetHash,
    ]);
    assert.equal(plain.toString('hex'), canonical);
    assert.equal(toHex(leafHash(bytes, sha256)), hash);
    assert.equal(toHex(sha256(Buffer.concat([Buffer.from([0]), plain]))), hash);
    assert.deepEqual(decodeAddressLeaf(bytes), { ok: true, value: leaf });
  }
  const hashes = valid.map(({ hash }) => unhex(hash));
  for (const { leaves, root } of roots)
    assert.equal(toHex(merkleRoot(hashes.slice(0, leaves), sha256)), root);
});

test('invalid vectors are refused, and so is a tree without leaves', () => {
  for (const { name, canonical } of invalidCanonical)
    assert.ok(!decodeAddressLeaf(unhex(canonical)).ok, name);
  assert.throws(() => merkleRoot([], sha256), MalformedError);
});

/** Recursive and top down, where the codec works level by level: the largest full subtree to the left. */
function plainRoot(leaves: Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return only;
  let left = 1;
  while (left * 2 < leaves.length) left *= 2;
  return sha256(
    Buffer.concat([Buffer.from([1]), plainRoot(leaves.slice(0, left)), plainRoot(leaves.slice(left))]),
  );
}

test('any tree: same root as computed otherwise; each proof holds for its leaf, and fails when bent', () => {
  const leafList = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(leafList, fc.nat(), (leaves, seed) => {
      const root = toHex(merkleRoot(leaves, sha256));
      assert.equal(root, toHex(plainRoot(leaves)));
      const index = seed % leaves.length;
      const leaf = leaves[index]!;
      const proof = merkleProof(leaves, index, sha256);
      const lead = (bent: object, of = leaf): string | undefined => {
        const found = merkleRootOf(of, { ...proof, ...bent }, sha256);
        return found === undefined ? undefined : toHex(found);
      };
      assert.equal(lead({}), root);
      assert.notEqual(lead({}, sha256(leaf)), root);
      assert.equal(lead({ siblings: [...proof.siblings, leaf] }), undefined);
      assert.equal(lead({ index: leaves.length }), undefined);
      assert.equal(lead({ index: -1 }), undefined);
      assert.equal(lead({ index: 0.5 }), undefined);
      if (proof.siblings.length > 0) assert.equal(lead({ siblings: proof.siblings.slice(1) }), undefined);
    }),
    { numRuns: 200 },
  );
});
