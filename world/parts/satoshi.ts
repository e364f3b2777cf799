/** bitcoind writes and reads amounts as decimal coins with 8 places; here money is bigint satoshis. */
const AMOUNT = /^(-?)(\d+)\.(\d{8})$/;

/** Numbers that may by chance be written with 8 places, and are no money. */
const NO_MONEY = new Set(['difficulty', 'verificationprogress', 'networkhashps', 'relay_factor']);

/** "0.00001000" → 1000n. Throws RangeError for any other form, so that no float can slip in. */
export function satoshi(source: string): bigint {
  const match = AMOUNT.exec(source);
  if (!match) throw new RangeError(`Not an amount in coins with 8 places: ${source}`);
  const [, sign, whole = '0', fraction = '0'] = match;
  const magnitude = BigInt(whole) * 100_000_000n + BigInt(fraction);
  return sign === '-' ? -magnitude : magnitude;
}

/** 1000n → "0.00001000", as bitcoind takes an amount. Throws RangeError below zero. */
export function coins(satoshis: bigint): string {
  if (satoshis < 0n) throw new RangeError(`Not an amount to send: ${satoshis}`);
  const text = satoshis.toString().padStart(9, '0');
  return `${text.slice(0, -8)}.${text.slice(-8)}`;
}

/** JSON of bitcoind in which every amount is a bigint, read from the text itself and never through a float. */
export function parseBitcoinJson(text: string): unknown {
  const reviver = (key: string, value: unknown, context: { source?: string }) =>
    typeof value === 'number' &&
    context.source !== undefined &&
    AMOUNT.test(context.source) &&
    !NO_MONEY.has(key)
      ? satoshi(context.source)
      : value;
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
}
