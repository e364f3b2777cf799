/**
 * Proof of possession, `portcullis/possession/1`: at the ceremony a signer signs, with both of its keys, who it is and
 * a challenge of whoever asks. Everybody else verifies it before the keys stand in a manifest.
 */
import { parsing, toHex, type Parsed } from './canonical.ts';
import {
  bytesField,
  documentOf,
  oneOf,
  textField,
  u32Field,
  type DocumentValue,
  type Json,
} from './document.ts';
import { SIGNER_ID, readHex, readObject } from './json.ts';
import { EPOCH_MAX, EVM_ADDRESS, XPUB } from './manifest.ts';

export const possessionDocument = documentOf('portcullis/possession/1', {
  epoch: u32Field(EPOCH_MAX),
  signer: textField(SIGNER_ID),
  chain: oneOf<'main' | 'test'>({ main: 1, test: 2 }),
  xpub: textField(XPUB),
  /** EIP-55. */
  evmAddress: textField(EVM_ADDRESS),
  /** Random bytes of whoever asks, so that no old proof is shown again. */
  challenge: bytesField(32),
});
export type Possession = DocumentValue<typeof possessionDocument>;

/** Over the document's digest: ECDSA on secp256k1, r ‖ s, low s. */
export interface PossessionProof {
  readonly possession: Possession;
  /** By the key of the xpub itself, which is in no script and signs nothing else. */
  readonly bitcoin: Uint8Array;
  /** By the key of evmAddress, with its recovery byte in front: 0 or 1. */
  readonly evm: Uint8Array;
}

/** The challenge of a request. */
export const parseProveRequest = (value: unknown): Parsed<Uint8Array> =>
  parsing(() => readHex(readObject(value, 'request', ['challenge'])['challenge'], 'request.challenge', 32));

/** A proof in the form of an answer or of a file. */
export const parseProof = (value: unknown): Parsed<PossessionProof> =>
  parsing(() => {
    const { document, bitcoin, evm } = readObject(value, 'proof', ['document', 'bitcoin', 'evm']);
    return {
      possession: possessionDocument.fromJson(document, 'proof.document'),
      bitcoin: readHex(bitcoin, 'proof.bitcoin', 64),
      evm: readHex(evm, 'proof.evm', 65),
    };
  });

export const proofToJson = ({ possession, bitcoin, evm }: PossessionProof): { [key: string]: Json } => ({
  document: possessionDocument.toJson(possession),
  bitcoin: toHex(bitcoin),
  evm: toHex(evm),
});
