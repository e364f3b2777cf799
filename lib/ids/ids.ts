/** Every kind of id: text with a prefix, a UUID version 7 behind it (RFC 9562), so ids sort by time. */
const prefixes = {
  customer: 'cus',
  address: 'addr',
  deposit: 'dep',
  stray: 'str',
  withdrawal: 'wdr',
  transfer: 'trf',
  quote: 'quo',
  spend: 'spd',
  attempt: 'att',
  sweep: 'swp',
  call: 'call',
} as const;

export type IdKind = keyof typeof prefixes;

declare const idKind: unique symbol;
export type Id<Kind extends IdKind> = string & { readonly [idKind]: Kind };

/** Where time and randomness come from; real ones are made in `processes/`, seeded ones in tests. */
export interface IdSource {
  /** Milliseconds since 1970 UTC. */
  nowMs(): number;
  /** `length` random bytes. */
  randomBytes(length: number): Uint8Array;
}

/** Makes a new id such as `wdr_01930f3a7c5e7b7e8c3d5a9b1f2e4d6c`. */
export function newId<Kind extends IdKind>(kind: Kind, source: IdSource): Id<Kind> {
  const random = source.randomBytes(10);
  const bytes = new Uint8Array(16);
  let ms = source.nowMs();
  for (let i = 5; i >= 0; i--) {
    bytes[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes.set(random, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  let text = `${prefixes[kind]}_`;
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text as Id<Kind>;
}

/** The id, branded, or undefined when the text is not an id of this kind. */
export function parseId<Kind extends IdKind>(kind: Kind, text: string): Id<Kind> | undefined {
  const prefix = `${prefixes[kind]}_`;
  return text.startsWith(prefix) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length))
    ? (text as Id<Kind>)
    : undefined;
}

/** The 16 bytes behind an id, as they stand in canonical documents and salts. */
export function idBytes(id: Id<IdKind>): Uint8Array {
  const hex = id.slice(id.indexOf('_') + 1);
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
