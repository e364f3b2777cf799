import { getAddress, isAddress, zeroAddress, type Address } from 'viem';

export type EvmAddressRefusal =
  /** Not 0x and 40 hexadecimal digits. */
  | 'ADDRESS_MALFORMED'
  /** Mixed case that is not the checksum of EIP-55: a digit was mistyped. */
  | 'ADDRESS_CHECKSUM'
  /** Nobody has the key of the zero address. */
  | 'ADDRESS_ZERO';

export type ParsedEvmAddress =
  | { readonly ok: true; readonly address: Address }
  | { readonly ok: false; readonly reason: EvmAddressRefusal };

const SHAPE = /^0x[0-9a-fA-F]{40}$/;
const ONE_CASE = /^0x(?:[0-9a-f]{40}|[0-9A-F]{40})$/;

/**
 * Reads an address that a person or another system gave us; `address` is its canonical form (EIP-55). All lower or
 * all upper case carries no checksum and is taken as it is; mixed case must be right, and is never put right here.
 */
export function parseEvmAddress(text: string): ParsedEvmAddress {
  if (!SHAPE.test(text)) return { ok: false, reason: 'ADDRESS_MALFORMED' };
  if (!ONE_CASE.test(text) && !isAddress(text, { strict: true })) {
    return { ok: false, reason: 'ADDRESS_CHECKSUM' };
  }
  const address = getAddress(text.toLowerCase());
  if (address === zeroAddress) return { ok: false, reason: 'ADDRESS_ZERO' };
  return { ok: true, address };
}
