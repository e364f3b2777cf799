import { keccak256, toHex, toRlp, type Hex } from 'viem';
import { ChainError } from '../faults.ts';
import { quantity, readAddress, readBytes, readHash, readList, readObject, readQuantity } from './read.ts';

/** Legacy, and EIP-2930, 1559, 4844 and 7702: their receipts are alike but for the type in front (EIP-2718). */
const TYPE_MAX = 4n;

/**
 * Root of the trie of a block's receipts, as its header names it: from status, gas, bloom and logs of each receipt in
 * the order of the block (Yellow Paper, 4.4.1 and appendix D). Throws NODE_GARBAGE for a receipt of a type that
 * Ethereum does not have: a chain with receipts of its own cannot be checked.
 */
export function receiptsRoot(receipts: readonly unknown[]): Hex {
  return trieRoot(receipts.map(encodeReceipt));
}

function encodeReceipt(value: unknown): Hex {
  const receipt = readObject(value, 'receipt');
  const type = receipt['type'] == null ? 0n : readQuantity(receipt['type'], 'type');
  if (type > TYPE_MAX) throw new ChainError('NODE_GARBAGE', `a receipt of type ${type}`);
  const payload = toRlp([
    scalar(readQuantity(receipt['status'], 'status')),
    scalar(readQuantity(receipt['cumulativeGasUsed'], 'cumulativeGasUsed')),
    readBytes(receipt['logsBloom'], 'logsBloom'),
    readList(receipt['logs'], 'logs').map((entry) => {
      const log = readObject(entry, 'log');
      const topics = readList(log['topics'], 'topics').map((topic) => readHash(topic, 'topic'));
      return [readAddress(log['address'], 'log address'), topics, readBytes(log['data'], 'log data')];
    }),
  ]);
  return type === 0n ? payload : `${toHex(type, { size: 1 })}${payload.slice(2)}`;
}

/** Big-endian without leading zeros; nothing for zero. */
function scalar(value: bigint): Hex {
  if (value === 0n) return '0x';
  const digits = quantity(value).slice(2);
  return `0x${digits.length % 2 === 1 ? '0' : ''}${digits}`;
}

interface Entry {
  /** Hexadecimal digits of the key. */
  readonly path: string;
  readonly value: Hex;
}

type Node = Hex | readonly Node[];

const HASH_BYTES = 32;
const NOTHING: Hex = '0x';

/** Merkle-Patricia trie of a list: the key of each is the RLP of its index, so that none is the beginning of another. */
function trieRoot(values: readonly Hex[]): Hex {
  if (values.length === 0) return keccak256(toRlp(NOTHING));
  const entries = values.map((value, i) => ({ path: toRlp(scalar(BigInt(i))).slice(2), value }));
  entries.sort((one, other) => (one.path < other.path ? -1 : 1));
  return keccak256(toRlp(nodeOf(entries, 0)));
}

/** The node of all that shares its first `depth` digits. */
function nodeOf(entries: readonly Entry[], depth: number): Node {
  const [first] = entries;
  const last = entries.at(-1);
  if (!first || !last) return NOTHING;
  if (first === last) return [packed(first.path.slice(depth), true), first.value];
  // Sorted: what the first and the last share, all share.
  let shared = depth;
  while (first.path[shared] === last.path[shared]) shared += 1;
  if (shared > depth)
    return [packed(first.path.slice(depth, shared), false), referenceTo(nodeOf(entries, shared))];
  const children = Array.from({ length: 16 }, (_, digit) => {
    const below = entries.filter(({ path }) => path[depth] === digit.toString(16));
    return below.length === 0 ? NOTHING : referenceTo(nodeOf(below, depth + 1));
  });
  return [...children, NOTHING];
}

/** A node shorter than a hash stands in its parent itself. */
function referenceTo(node: Node): Node {
  const encoded = toRlp(node);
  return (encoded.length - 2) / 2 < HASH_BYTES ? node : keccak256(encoded);
}

/** Digits in whole bytes: the first digit says whether a leaf ends here, and whether the number of digits is odd. */
function packed(digits: string, isLeaf: boolean): Hex {
  const flag = (isLeaf ? 2 : 0) + (digits.length % 2);
  return `0x${flag}${digits.length % 2 === 1 ? '' : '0'}${digits}`;
}
