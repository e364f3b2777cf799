/** The canonical encoding once more, straightforward and on Buffers, so that tests do not ask the codec about itself. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const sha256 = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(createHash('sha256').update(bytes).digest());

export const domain = (name: string): Buffer =>
  Buffer.concat([Buffer.from([name.length]), Buffer.from(name)]);

export const bigEndian = (value: bigint | number | string, length: number): Buffer =>
  Buffer.from(
    BigInt(value)
      .toString(16)
      .padStart(2 * length, '0'),
    'hex',
  );

export const lengthAndText = (value: string): Buffer =>
  Buffer.concat([bigEndian(value.length, 2), Buffer.from(value, 'latin1')]);

export const unhex = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(hex, 'hex'));

/** Vectors that stand in `vectors/`, shared with every other implementation. */
export function vectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'));
}
