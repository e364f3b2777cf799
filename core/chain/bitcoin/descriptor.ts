import type { BitcoinWallet, Branch } from './derive.ts';

/**
 * The wallet as an output descriptor with its checksum (BIP-380, BIP-383, BIP-389): what an operator imports
 * into a node or any wallet program to see, without us, what is ours. Both branches, or one.
 */
export function descriptorOf(wallet: BitcoinWallet, branch?: Branch): string {
  const path = branch === undefined ? '<0;1>' : String(branch);
  const keys = wallet.xpubs.map((xpub) => `${xpub}/${path}/*`);
  const text = `wsh(sortedmulti(${wallet.threshold},${keys.join(',')}))`;
  return `${text}#${descriptorChecksum(text)}`;
}

/** Characters in the order that makes the commonest errors cheapest to detect (BIP-380). */
const INPUT_CHARACTERS =
  '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ ';
const CHECKSUM_CHARACTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn];

/** The eight characters after '#'. Throws RangeError for a character that no descriptor has. */
export function descriptorChecksum(descriptor: string): string {
  let check = 1n;
  let group = 0;
  let members = 0;
  for (const character of descriptor) {
    const position = INPUT_CHARACTERS.indexOf(character);
    if (position < 0) throw new RangeError(`${character} stands in no descriptor`);
    check = polymod(check, position & 31);
    group = group * 3 + (position >> 5);
    members += 1;
    if (members === 3) {
      check = polymod(check, group);
      group = 0;
      members = 0;
    }
  }
  if (members > 0) check = polymod(check, group);
  for (let i = 0; i < 8; i += 1) check = polymod(check, 0);
  check ^= 1n;
  return Array.from(
    { length: 8 },
    (_, i) => CHECKSUM_CHARACTERS[Number((check >> BigInt(5 * (7 - i))) & 31n)],
  ).join('');
}

function polymod(check: bigint, value: number): bigint {
  const top = check >> 35n;
  let next = ((check & 0x7ffffffffn) << 5n) ^ BigInt(value);
  for (const [i, generator] of GENERATOR.entries()) if ((top >> BigInt(i)) & 1n) next ^= generator;
  return next;
}
