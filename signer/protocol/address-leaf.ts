/** The leaf of an address certificate, and the Merkle tree (RFC 6962 prefixes) over a batch of leaves. */
import {
  MalformedError,
  U64_MAX,
  concat,
  decodeDocument,
  encodeDocument,
  fixed,
  text,
  u32,
  u64,
  u8,
  type Parsed,
  type Sha256,
} from './canonical.ts';
import { ADDRESS, NETWORK, readText } from './json.ts';

export const ADDRESS_LEAF_DOMAIN = 'portcullis/address-leaf/1';

export interface AddressLeaf {
  readonly epoch: number;
  /** CAIP-2. */
  readonly network: string;
  /** The address in its network's canonical form. */
  readonly address: string;
  /** The descriptor's index, or the salt's counter. u64. */
  readonly index: bigint;
  /** 32 bytes; zero: nothing enrolled. */
  readonly credentialSetHash: Uint8Array;
}

/** Which leaf, of how many, and the hashes beside the path from the leaf to the root. */
export interface MerkleProof {
  readonly index: number;
  readonly count: number;
  readonly siblings: readonly Uint8Array[];
}

/** Canonical bytes of a leaf. Throws MalformedError when a field is out of range. */
export function encodeAddressLeaf(leaf: AddressLeaf): Uint8Array {
  if (leaf.index < 0n || leaf.index > U64_MAX) throw new MalformedError('index: 64 bits expected');
  return encodeDocument(ADDRESS_LEAF_DOMAIN, [
    u32(leaf.epoch),
    text(readText(leaf.network, 'network', NETWORK)),
    text(readText(leaf.address, 'address', ADDRESS)),
    u64(leaf.index),
    fixed(leaf.credentialSetHash, 32),
  ]);
}

export function decodeAddressLeaf(bytes: Uint8Array): Parsed<AddressLeaf> {
  return decodeDocument(bytes, ADDRESS_LEAF_DOMAIN, (from) => ({
    epoch: from.u32(),
    network: readText(from.text(), 'network', NETWORK),
    address: readText(from.text(), 'address', ADDRESS),
    index: from.u64(),
    credentialSetHash: from.bytes(32),
  }));
}

/** SHA-256(0x00 ‖ canonical bytes). */
export function leafHash(canonicalBytes: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(concat([u8(0), canonicalBytes]));
}

/** The root over leaf hashes; an odd node moves up unchanged. Throws MalformedError for no leaves. */
export function merkleRoot(leaves: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  let level = leaves;
  while (level.length > 1) level = levelAbove(level, sha256);
  const [root] = level;
  if (root === undefined) throw new MalformedError('a tree has at least one leaf');
  return root;
}

/** The proof of the leaf at `index`. Throws MalformedError when there is no such leaf. */
export function merkleProof(leaves: readonly Uint8Array[], index: number, sha256: Sha256): MerkleProof {
  if (leaves[index] === undefined) throw new MalformedError('no leaf at this index');
  const siblings: Uint8Array[] = [];
  let level = leaves;
  for (let at = index; level.length > 1; at >>= 1) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) siblings.push(sibling);
    level = levelAbove(level, sha256);
  }
  return { index, count: leaves.length, siblings };
}

/** The root that a proof leads to, or undefined when the proof has another shape than its tree. */
export function merkleRootOf(leaf: Uint8Array, proof: MerkleProof, sha256: Sha256): Uint8Array | undefined {
  const { index, count, siblings } = proof;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count)) return undefined;
  if (index < 0 || index >= count || count > 2 ** 31) return undefined;
  let hash = leaf;
  let used = 0;
  for (let at = index, width = count; width > 1; at >>= 1, width = (width + 1) >> 1) {
    if ((at ^ 1) >= width) continue;
    const sibling = siblings[used++];
    if (sibling?.length !== 32) return undefined;
    hash = at % 2 === 0 ? nodeHash(hash, sibling, sha256) : nodeHash(sibling, hash, sha256);
  }
  return used === siblings.length ? hash : undefined;
}

function levelAbove(level: readonly Uint8Array[], sha256: Sha256): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const [left, right] = [level[i], level[i + 1]];
    if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right, sha256));
  }
  return above;
}

function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(concat([u8(1), fixed(left, 32), fixed(right, 32)]));
}
