/**
 * Address certificates: signers derive addresses again, bind each to its customer for ever, and sign the root of the
 * tree over their leaves (docs/decisions/0032-address-certificates.md).
 */
import { MalformedError, U32_MAX, parsing, toHex, type Parsed } from './canonical.ts';
import { bytesField, documentOf, textField, u32Field, type DocumentValue } from './document.ts';
import { ADDRESS, NETWORK, SIGNER_ID, readHex, readList, readNumber, readObject, readText } from './json.ts';
import { EPOCH_MAX } from './manifest.ts';
import { affirmed, isRefusal, readHead, readRefused, type JournalHead, type Refused } from './messages.ts';

/** Each leaf costs a signer a derivation, most of a millisecond in which it does nothing else. */
export const CERTIFY_LEAVES_MAX = 250;

/** What a signer signs with its EVM key: it has derived all of these addresses and bound each to its customer. */
export const certificateDocument = documentOf(
  'portcullis/address-certificate/1',
  {
    epoch: u32Field(EPOCH_MAX),
    /** CAIP-2. */
    network: textField(NETWORK),
    /** Merkle root over the leaves; see address-leaf. */
    root: bytesField(32),
    count: u32Field(CERTIFY_LEAVES_MAX),
  },
  ({ count }) => {
    if (count === 0) throw new MalformedError('certificate.count: a tree has at least one leaf');
  },
);
export type AddressCertificate = DocumentValue<typeof certificateDocument>;

/** An address that core has given out, and whose it is. */
export interface CertifyLeaf {
  /** UUID in hex. */
  readonly customer: string;
  /** Bitcoin: the index on the branch of deposits; EVM: the salt's counter. */
  readonly index: number;
  /** In its network's canonical form. */
  readonly address: string;
  /** Hash of the customer's credentials that can be used, hex; zeros for none. */
  readonly credentialSetHash: string;
}

export interface CertifyRequest {
  readonly epoch: number;
  /** CAIP-2. */
  readonly network: string;
  readonly leaves: readonly CertifyLeaf[];
}

export interface Certified {
  readonly ok: true;
  readonly signer: string;
  readonly journal: JournalHead;
  /** Of the tree, hex. */
  readonly root: string;
  /** Over the certificate's digest: 65 bytes in hex, recovery first. */
  readonly signature: string;
}
export type CertifyAnswer = Certified | Refused;

export function parseCertifyRequest(value: unknown): Parsed<CertifyRequest> {
  return parsing(() => {
    const { epoch, network, leaves } = readObject(value, 'certify', ['epoch', 'network', 'leaves']);
    return {
      epoch: readNumber(epoch, 'certify.epoch', EPOCH_MAX),
      network: readText(network, 'certify.network', NETWORK),
      leaves: readList(leaves, 'certify.leaves', { min: 1, max: CERTIFY_LEAVES_MAX }, readLeaf),
    };
  });
}

export function parseCertifyAnswer(value: unknown): Parsed<CertifyAnswer> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const answer = readObject(value, 'answer', ['ok', 'signer', 'journal', 'root', 'signature']);
    affirmed(answer['ok']);
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      journal: readHead(answer['journal']),
      root: toHex(readHex(answer['root'], 'answer.root', 32)),
      signature: toHex(readHex(answer['signature'], 'answer.signature', 65)),
    };
  });
}

function readLeaf(value: unknown, path: string): CertifyLeaf {
  const fields = ['customer', 'index', 'address', 'credentialSetHash'];
  const leaf = readObject(value, path, fields);
  const customer = readHex(leaf['customer'], `${path}.customer`, 16);
  if (customer.every((byte) => byte === 0)) throw new MalformedError(`${path}.customer: nobody`);
  return {
    customer: toHex(customer),
    index: readNumber(leaf['index'], `${path}.index`, U32_MAX),
    address: readText(leaf['address'], `${path}.address`, ADDRESS),
    credentialSetHash: toHex(readHex(leaf['credentialSetHash'], `${path}.credentialSetHash`, 32)),
  };
}
