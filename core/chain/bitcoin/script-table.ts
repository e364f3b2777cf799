import assert from 'node:assert/strict';

/**
 * Byte strings (scripts, outpoints) to small numbers, for looking up every output of a block among millions.
 * Only a 64-bit fingerprint is kept, 12 bytes a slot, so a hit is a candidate: the caller compares the whole
 * string with the database. Open addressing with linear probing; a fingerprint that two strings share has two
 * slots, and both ids are candidates. Nothing is ever removed: a hit on what is gone fails the comparison.
 */
export interface ScriptTable {
  readonly add: (bytes: Uint8Array, start: number, length: number, id: number) => void;
  /** Appends the ids of all candidates to `found`. Does not allocate when there are none. */
  readonly match: (bytes: Uint8Array, start: number, length: number, found: number[]) => void;
  readonly size: () => number;
  readonly memoryBytes: () => number;
}

export interface ScriptTableOptions {
  /** Eight secret bytes: nobody can aim scripts at one slot. */
  readonly seed: Uint8Array;
  readonly expected?: number;
  /** Bits of the fingerprint that are kept; fewer only to make collisions happen. */
  readonly fingerprintBits?: number;
}

/** Fuller than this, the table grows by half: it stays between 16 and 24 bytes for each string. */
const LOAD_MAX = 0.75;
const GROWTH = 1.5;
const SLOTS_MIN = 1024;
const BYTES_PER_SLOT = 12;
const ID_MAX = 2 ** 32 - 1;
const TWO_32 = 2 ** 32;

export function scriptTable({ seed, expected = 0, fingerprintBits = 64 }: ScriptTableOptions): ScriptTable {
  assert.equal(seed.length, 8, 'a seed of eight bytes');
  const fingerprint = fingerprinter(seed, fingerprintBits);
  let slots = Math.max(SLOTS_MIN, Math.ceil(expected / LOAD_MAX) + 1);
  let keys = new Uint32Array(2 * slots);
  let ids = new Uint32Array(slots);
  let used = 0;
  const print = new Uint32Array(2);

  const firstSlot = (): number => Math.floor(((print[0] as number) / TWO_32) * slots);

  /** The string of `print`. False when it stands there with this id already. */
  function insert(id: number): boolean {
    const [low = 0, high = 0] = print;
    let s = firstSlot();
    while (((keys[2 * s] as number) | (keys[2 * s + 1] as number)) !== 0) {
      if (keys[2 * s] === low && keys[2 * s + 1] === high && ids[s] === id) return false;
      s = s + 1 === slots ? 0 : s + 1;
    }
    keys[2 * s] = low;
    keys[2 * s + 1] = high;
    ids[s] = id;
    return true;
  }

  function grow(): void {
    const [oldKeys, oldIds, oldSlots] = [keys, ids, slots];
    slots = Math.ceil(slots * GROWTH);
    keys = new Uint32Array(2 * slots);
    ids = new Uint32Array(slots);
    for (let s = 0; s < oldSlots; s += 1) {
      const low = oldKeys[2 * s] as number;
      const high = oldKeys[2 * s + 1] as number;
      if ((low | high) === 0) continue;
      print[0] = low;
      print[1] = high;
      insert(oldIds[s] as number);
    }
  }

  return {
    add(bytes, start, length, id) {
      assert.ok(Number.isInteger(id) && id >= 0 && id <= ID_MAX, `id ${id} fits 32 bits`);
      if (used + 1 > slots * LOAD_MAX) grow();
      fingerprint(bytes, start, length, print);
      if (insert(id)) used += 1;
    },
    match(bytes, start, length, found) {
      fingerprint(bytes, start, length, print);
      const low = print[0] as number;
      const high = print[1] as number;
      let s = firstSlot();
      for (;;) {
        const keyLow = keys[2 * s] as number;
        const keyHigh = keys[2 * s + 1] as number;
        if ((keyLow | keyHigh) === 0) return;
        if (keyLow === low && keyHigh === high) found.push(ids[s] as number);
        s = s + 1 === slots ? 0 : s + 1;
      }
    },
    size: () => used,
    memoryBytes: () => slots * BYTES_PER_SLOT,
  };
}

type Fingerprint = (b: Uint8Array, start: number, length: number, out: Uint32Array) => void;

/** Two lanes of multiply and rotate over 32-bit words, mixed at the end. Never (0, 0), which marks a free slot. */
function fingerprinter(seed: Uint8Array, bits: number): Fingerprint {
  const seeds = new DataView(seed.buffer, seed.byteOffset, 8);
  const [seedA, seedB] = [seeds.getUint32(0), seeds.getUint32(4)];
  const maskLow = bits >= 32 ? 0xffffffff : 2 ** bits - 1;
  const maskHigh = bits >= 64 ? 0xffffffff : bits <= 32 ? 0 : 2 ** (bits - 32) - 1;
  return (b, start, length, out) => {
    let x = seedA ^ length;
    let y = seedB;
    const end = start + length;
    let p = start;
    for (; p + 4 <= end; p += 4) {
      const word =
        (b[p] as number) |
        ((b[p + 1] as number) << 8) |
        ((b[p + 2] as number) << 16) |
        ((b[p + 3] as number) << 24);
      x = Math.imul(x ^ word, 0xcc9e2d51);
      x = (x << 15) | (x >>> 17);
      y = Math.imul(y ^ Math.imul(word, 0x1b873593), 0x85ebca6b);
      y = ((y << 13) | (y >>> 19)) ^ x;
    }
    for (; p < end; p += 1) {
      x = Math.imul(x ^ (b[p] as number), 0x01000193);
      y = Math.imul(y ^ (b[p] as number), 0x85ebca77);
    }
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x ^= x >>> 13;
    y = Math.imul(y ^ (y >>> 16), 0xc2b2ae35);
    y ^= y >>> 16;
    x = Math.imul(x ^ y, 0x27d4eb2f);
    const low = ((x ^ (x >>> 15)) & maskLow) >>> 0;
    const high = (y & maskHigh) >>> 0;
    out[0] = low;
    out[1] = (low | high) === 0 ? 1 : high;
  };
}
