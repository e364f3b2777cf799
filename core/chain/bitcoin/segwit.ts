const CHARACTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const;

/**
 * Bech32 address of a version 0 witness program (BIP-173), in one pass without intermediate arrays: a third of
 * what deriving an address costs would otherwise be its text.
 */
export function segwitAddress(prefix: string, program: Uint8Array): string {
  let check = prefixCheck(prefix);
  let text = `${prefix}1`;
  check = polymodStep(check);
  text += CHARACTERS[0];
  let bits = 0;
  let pending = 0;
  for (let i = 0; i < program.length; i += 1) {
    pending = ((pending << 8) | (program[i] as number)) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      const word = (pending >> bits) & 31;
      check = polymodStep(check) ^ word;
      text += CHARACTERS[word];
    }
  }
  if (bits > 0) {
    const word = (pending << (5 - bits)) & 31;
    check = polymodStep(check) ^ word;
    text += CHARACTERS[word];
  }
  for (let i = 0; i < 6; i += 1) check = polymodStep(check);
  check ^= 1;
  for (let i = 5; i >= 0; i -= 1) text += CHARACTERS[(check >>> (5 * i)) & 31];
  return text;
}

function prefixCheck(prefix: string): number {
  let check = 1;
  for (let i = 0; i < prefix.length; i += 1) check = polymodStep(check) ^ (prefix.charCodeAt(i) >> 5);
  check = polymodStep(check);
  for (let i = 0; i < prefix.length; i += 1) check = polymodStep(check) ^ (prefix.charCodeAt(i) & 31);
  return check;
}

function polymodStep(check: number): number {
  const top = check >>> 25;
  let next = (check & 0x1ffffff) << 5;
  for (let i = 0; i < 5; i += 1) if ((top >> i) & 1) next ^= GENERATOR[i] as number;
  return next;
}
