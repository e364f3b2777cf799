import assert from 'node:assert/strict';

/**
 * Byte strings (scripts, outpoints) to small numbers, for looking up every output of a block among millions.
 * Only a 64-bit fingerprint is kept, 12 bytes a slot, so a hit is a candidate: the caller compares the whole
 * string with the database. Open addressing with linear probing; a fingerprint that two strings share has two
 * slots, and both ids are candidates. Nothing is ever removed: a hit on what is gone fails the comparison.
 *
 * What takes the time is waiting for memory and hashing. So the caller passes over what has a length and first
 * byte that no string here has (an exchange watches one kind of script, and most outputs are of another), and the
 * rest is looked up all at once. First two bits of one word in a smaller map, chosen by the first and last eight
 * bytes alone, say no to nearly all, in a loop without a branch that lets the processor fetch many of these words
 * at a time. Only what is left is hashed whole and looked for in the table. Whoever aims at the map makes his
 * outputs cost a whole look-up each, no more. Measured with bench/scan.ts.
 */
export interface ScriptTable {
  readonly add: (bytes: Uint8Array, start: number, length: number, id: number) => void;
  /** False: no string here has this length and first byte. */
  readonly hasShape: (bytes: Uint8Array, start: number, length: number) => boolean;
  /** Looks up string `i` at `starts[i]` with `lengths[i]` bytes, for all; `onHit(i, id)` for each candidate. */
  readonly matchAll: (bytes: Uint8Array, strings: Strings, onHit: (i: number, id: number) => void) => void;
  readonly size: () => number;
  readonly memoryBytes: () => number;
}

/** Places of strings in one buffer. */
export interface Strings {
  readonly starts: readonly number[];
  /** One for each, or one for all. */
  readonly lengths: readonly number[] | number;
}

export interface ScriptTableOptions {
  /** Eight secret bytes: nobody can aim scripts at one slot. */
  readonly seed: Uint8Array;
  readonly expected?: number;
  /** Bits of the fingerprint that are kept; fewer only to make collisions happen. */
  readonly fingerprintBits?: number;
}

/** Fuller than this, the table grows: with the map it takes between 17 and 25 bytes for each string. */
const LOAD_MAX = 0.75;
const GROWTH = 1.4;
/** Bits of the map for each slot, in words of 32; at the fullest one in thirty of its answers is a false yes. */
const SLOTS_PER_WORD = 4;
const SLOTS_MIN = 1024;
const ID_MAX = 2 ** 32 - 1;
const TWO_32 = 2 ** 32;

export function scriptTable({ seed, expected = 0, fingerprintBits = 64 }: ScriptTableOptions): ScriptTable {
  assert.equal(seed.length, 8, 'a seed of eight bytes');
  const mix = mixOf(seed, fingerprintBits);
  const shapes = new Uint8Array(1 << 14);
  let slots = emptySlots(Math.max(SLOTS_MIN, Math.ceil(expected / LOAD_MAX) + 1));
  let used = 0;
  /** A number and the hash of the ends for each string that may be here: kept from block to block. */
  let scratch = new Uint32Array(0);

  return {
    add(bytes, start, length, id) {
      assert.ok(Number.isInteger(id) && id >= 0 && id <= ID_MAX, `id ${id} fits 32 bits`);
      if (used + 1 > slots.count * LOAD_MAX) slots = grown(slots);
      shapes[shapeOf(bytes, start, length)] = 1;
      const view = viewOf(bytes);
      const high = hashEnds(mix, view, start, length);
      if (insert(slots, hashWhole(mix, view, start, length, high), high, id)) used += 1;
    },
    hasShape: (bytes, start, length) => shapes[shapeOf(bytes, start, length)] !== 0,
    matchAll(bytes, strings, onHit) {
      const { starts, lengths } = strings;
      if (scratch.length < 2 * starts.length) scratch = new Uint32Array(2 * starts.length);
      const view = viewOf(bytes);
      const left = keepPossible(slots, mix, view, strings, scratch);
      for (let n = 0; n < left; n += 1) {
        const i = scratch[2 * n] as number;
        const high = scratch[2 * n + 1] as number;
        const length = typeof lengths === 'number' ? lengths : (lengths[i] as number);
        const low = hashWhole(mix, view, starts[i] as number, length, high);
        for (const id of idsOf(slots, low, high)) onHit(i, id);
      }
    },
    size: () => used,
    memoryBytes: () => slots.keys.byteLength + slots.ids.byteLength + slots.map.byteLength,
  };
}

interface Slots {
  readonly count: number;
  /** Two words of fingerprint for each slot; (0, 0): free. */
  readonly keys: Uint32Array;
  readonly ids: Uint32Array;
  /** Two bits for each fingerprint, chosen by its second word, where the slot follows from the first. */
  readonly map: Uint32Array;
}

function emptySlots(count: number): Slots {
  return {
    count,
    keys: new Uint32Array(2 * count),
    ids: new Uint32Array(count),
    map: new Uint32Array(Math.ceil(count / SLOTS_PER_WORD)),
  };
}

const firstSlot = (count: number, low: number): number => Math.floor((low / TWO_32) * count);
const wordOf = (words: number, high: number): number => Math.floor((high / TWO_32) * words);

/** Two of a word's bits, which may be one; mixed, because the word has used up the upper bits. */
function bitsOf(high: number): number {
  const mixed = Math.imul(high, 0x9e3779b1);
  return (1 << (mixed >>> 27)) | (1 << ((mixed >>> 22) & 31));
}

/** False when the fingerprint stands there with this id already. */
function insert({ count, keys, ids, map }: Slots, low: number, high: number, id: number): boolean {
  let s = firstSlot(count, low);
  while (((keys[2 * s] as number) | (keys[2 * s + 1] as number)) !== 0) {
    if (keys[2 * s] === low && keys[2 * s + 1] === high && ids[s] === id) return false;
    s = s + 1 === count ? 0 : s + 1;
  }
  keys[2 * s] = low;
  keys[2 * s + 1] = high;
  ids[s] = id;
  const word = wordOf(map.length, high);
  map[word] = (map[word] as number) | bitsOf(high);
  return true;
}

/** Writes number and hash of the ends of each string that may be in the table, and answers how many that are. */
function keepPossible(
  { map }: Slots,
  mix: Mix,
  view: DataView,
  { starts, lengths }: Strings,
  kept: Uint32Array,
): number {
  const words = map.length;
  let left = 0;
  for (let i = 0; i < starts.length; i += 1) {
    const length = typeof lengths === 'number' ? lengths : (lengths[i] as number);
    const high = hashEnds(mix, view, starts[i] as number, length);
    const bits = bitsOf(high);
    kept[2 * left] = i;
    kept[2 * left + 1] = high;
    // Written in any case and counted if kept: a branch here, guessed wrong, would throw away fetches on their way.
    left += ((map[wordOf(words, high)] as number) & bits) === bits ? 1 : 0;
  }
  return left;
}

const NONE: readonly number[] = [];

function idsOf({ count, keys, ids }: Slots, low: number, high: number): readonly number[] {
  let found: number[] | undefined;
  let s = firstSlot(count, low);
  for (;;) {
    const keyLow = keys[2 * s] as number;
    const keyHigh = keys[2 * s + 1] as number;
    if ((keyLow | keyHigh) === 0) return found ?? NONE;
    if (keyLow === low && keyHigh === high) (found ??= []).push(ids[s] as number);
    s = s + 1 === count ? 0 : s + 1;
  }
}

/** Fingerprints are in the slots, so growing needs no string. */
function grown(old: Slots): Slots {
  const next = emptySlots(Math.ceil(old.count * GROWTH));
  for (let s = 0; s < old.count; s += 1) {
    const low = old.keys[2 * s] as number;
    const high = old.keys[2 * s + 1] as number;
    if ((low | high) !== 0) insert(next, low, high, old.ids[s] as number);
  }
  return next;
}

/** Length and first byte, folded into 14 bits. */
function shapeOf(b: Uint8Array, start: number, length: number): number {
  return ((length & 63) << 8) | (length === 0 ? 0 : (b[start] as number));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** What makes a table's fingerprints its own. Numbers, and functions beside them: closures are not inlined. */
interface Mix {
  readonly seedA: number;
  readonly seedB: number;
  readonly maskLow: number;
  readonly maskHigh: number;
}

function mixOf(seed: Uint8Array, bits: number): Mix {
  const seeds = new DataView(seed.buffer, seed.byteOffset, 8);
  return {
    seedA: seeds.getInt32(0),
    seedB: seeds.getInt32(4),
    maskLow: bits >= 32 ? -1 : 2 ** bits - 1,
    maskHigh: bits >= 64 ? -1 : bits <= 32 ? 0 : 2 ** (bits - 32) - 1,
  };
}

/** The second word of a fingerprint: of the first and last eight bytes. All shorter strings have one. */
function hashEnds({ seedA, seedB, maskHigh }: Mix, b: DataView, start: number, length: number): number {
  if (length < 8) return 0;
  const last = start + length - 8;
  let x = Math.imul(b.getInt32(last, true) ^ seedA, 0x85ebca6b);
  let y = Math.imul(b.getInt32(start, true) ^ seedB, 0xcc9e2d51);
  x = Math.imul(x ^ (x >>> 15) ^ b.getInt32(last + 4, true), 0x2c1b3c6d);
  y = Math.imul(y ^ (y >>> 15) ^ b.getInt32(start + 4, true), 0x1b873593);
  x = Math.imul(x ^ (x >>> 16) ^ y, 0x27d4eb2f);
  return ((x ^ (x >>> 15)) & maskHigh) >>> 0;
}

/**
 * The first word, of all bytes: two lanes of multiply and rotate over 32-bit words, mixed at the end. Never 0
 * where the second word is: (0, 0) marks a free slot.
 */
function hashWhole(
  { seedA, seedB, maskLow }: Mix,
  b: DataView,
  start: number,
  length: number,
  high: number,
): number {
  let x = seedA ^ length;
  let y = seedB;
  const end = start + length;
  let p = start;
  for (; p + 4 <= end; p += 4) {
    const word = b.getInt32(p, true);
    x = Math.imul(x ^ word, 0xcc9e2d51);
    x = (x << 15) | (x >>> 17);
    y = Math.imul(y ^ Math.imul(word, 0x1b873593), 0x85ebca6b);
    y = ((y << 13) | (y >>> 19)) ^ x;
  }
  for (; p < end; p += 1) {
    const byte = b.getUint8(p);
    x = Math.imul(x ^ byte, 0x01000193);
    y = Math.imul(y ^ byte, 0x85ebca77);
  }
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x ^= x >>> 13;
  y = Math.imul(y ^ (y >>> 16), 0xc2b2ae35);
  y ^= y >>> 16;
  x = Math.imul(x ^ y, 0x27d4eb2f);
  const low = ((x ^ (x >>> 15)) & maskLow) >>> 0;
  return (low | high) === 0 ? 1 : low;
}
