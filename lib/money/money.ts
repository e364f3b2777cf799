/** Money is whole base units of one asset (satoshi, wei, a token's smallest unit). Never a float. */
export interface Money {
  readonly asset: string;
  readonly units: bigint;
}

export type AmountRefusal =
  | 'AMOUNT_NOT_DECIMAL'
  | 'AMOUNT_NOT_POSITIVE'
  | 'AMOUNT_TOO_PRECISE'
  | 'AMOUNT_TOO_LARGE';

export type ParsedAmount = { ok: true; units: bigint } | { ok: false; reason: AmountRefusal };

/** 10^78 - 1 is what SQL numeric(78,0) holds; 2^256 - 1 has 78 digits too and is smaller. */
export const UNITS_MAX = 2n ** 256n - 1n;

/** No amount in base units has more digits than 2^256, plus a point and room for leading zeros. */
const AMOUNT_LENGTH_MAX = 160;

/**
 * Reads a positive decimal string such as "0.015" into base units.
 * Refuses signs, exponents, blanks, a bare point, zero, and more decimals than the asset has.
 */
export function parseAmount(text: string, decimals: number): ParsedAmount {
  if (text.length > AMOUNT_LENGTH_MAX || !/^[0-9]+(\.[0-9]+)?$/.test(text)) {
    return { ok: false, reason: 'AMOUNT_NOT_DECIMAL' };
  }
  const [whole = '', fraction = ''] = text.split('.');
  if (fraction.length > decimals) return { ok: false, reason: 'AMOUNT_TOO_PRECISE' };
  const units = BigInt(whole + fraction.padEnd(decimals, '0'));
  if (units === 0n) return { ok: false, reason: 'AMOUNT_NOT_POSITIVE' };
  if (units > UNITS_MAX) return { ok: false, reason: 'AMOUNT_TOO_LARGE' };
  return { ok: true, units };
}

/** Writes base units as a decimal string with exactly `decimals` places: 1500000n, 8 → "0.01500000". */
export function formatAmount(units: bigint, decimals: number): string {
  const sign = units < 0n ? '-' : '';
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, '0');
  if (decimals === 0) return sign + digits;
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}
