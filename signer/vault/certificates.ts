/** Addresses that this signer has derived itself and bound to a customer, each for ever. */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bech32 } from '@scure/base';
import { encodeAddressLeaf, leafHash, merkleRoot } from '../protocol/address-leaf.ts';
import { concat, fromHex, toHex } from '../protocol/canonical.ts';
import { certificateDocument, type CertifyLeaf, type CertifyRequest } from '../protocol/certificates.ts';
import { credentialSetHash } from '../protocol/credential-set.ts';
import { encodeDepositSalt } from '../protocol/deposit-salt.ts';
import { readHex, readList, readNumber, readObject, readText, NETWORK } from '../protocol/json.ts';
import type { BitcoinChain, Manifest, ManifestEvm } from '../protocol/manifest.ts';
import { bitcoinPrefix, checksumAddress, evmAddressHex } from './addresses.ts';
import type { BitcoinWallet } from './bitcoin-wallet.ts';
import type { CustomerMemory } from './customers.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';

export interface CertifiedAddress {
  /** UUID in hex. */
  readonly customer: string;
  /** Hex; zeros: the customer had no credential that could be used when it was certified last. */
  readonly credentialSetHash: string;
  /** Since when it has been certified with a credential, Unix ms by the own clock; Infinity: not yet. */
  readonly provenMs: number;
}

/** By network and place in it; see placeOf. */
export type CertificateMemory = Map<string, CertifiedAddress>;

export interface CertifyRules {
  readonly manifest: Manifest;
  readonly wallet: BitcoinWallet;
  readonly customers: CustomerMemory;
  readonly certified: CertificateMemory;
  /** Unix ms by the own clock. */
  readonly nowMs: number;
}

/** Body of a `certify` entry: what was not known, or was certified under other credentials. */
export interface CertifyEntry {
  readonly network: string;
  readonly leaves: readonly (readonly [customer: string, index: number, credentialSetHash: string])[];
}

const NO_CREDENTIALS = '00'.repeat(32);

/** The root to sign, and what of the leaves is new and has to be journalled first. */
export function decideCertify(
  request: CertifyRequest,
  rules: CertifyRules,
): Decision<{
  readonly root: Uint8Array;
  readonly digest: Uint8Array;
  readonly entry: CertifyEntry | undefined;
}> {
  const { epoch, network, leaves } = request;
  const { manifest, certified } = rules;
  if (epoch !== manifest.epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${manifest.epoch}`);
  const derive = deriverOf(network, rules);
  if (derive === undefined) return refuse('UNKNOWN_NETWORK', network);
  const news: CertifyEntry['leaves'][number][] = [];
  const taken = new Map<string, string>();
  for (const leaf of leaves) {
    const refusal = checkLeaf(leaf, derive, rules);
    if (refusal !== undefined) return refusal;
    const { customer, index, credentialSetHash: set } = leaf;
    const place = placeOf(network, leaf);
    const owner = certified.get(place)?.customer ?? taken.get(place) ?? customer;
    if (owner !== customer) return refuse('ADDRESS_BOUND', `${leaf.address} is another customer's`);
    if (taken.has(place)) return refuse('ADDRESS_BOUND', `${leaf.address} stands here twice`);
    taken.set(place, customer);
    if (certified.get(place)?.credentialSetHash !== set) news.push([customer, index, set]);
  }
  const root = merkleRoot(
    leaves.map(({ address, index, credentialSetHash: set }) =>
      leafHash(
        encodeAddressLeaf({ epoch, network, address, index: BigInt(index), credentialSetHash: fromHex(set) }),
        sha256,
      ),
    ),
    sha256,
  );
  const digest = certificateDocument.digest({ epoch, network, root, count: leaves.length }, sha256);
  return accept({ root, digest, entry: news.length === 0 ? undefined : { network, leaves: news } });
}

/** Throws MalformedError for a body that is none. */
export function rememberCertify(certified: CertificateMemory, body: unknown, atMs: number): void {
  const entry = readObject(body, 'certify', ['network', 'leaves']);
  const network = readText(entry['network'], 'certify.network', NETWORK);
  readList(entry['leaves'], 'certify.leaves', { min: 1, max: 1000 }, (value, path) => {
    const [customer, index, set] = readList(value, path, { min: 3, max: 3 }, (item) => item);
    const leaf = {
      customer: toHex(readHex(customer, path, 16)),
      index: readNumber(index, path, 2 ** 32 - 1),
    };
    const hash = toHex(readHex(set, path, 32));
    const place = placeOf(network, leaf);
    const provenMs = hash === NO_CREDENTIALS ? Infinity : (certified.get(place)?.provenMs ?? Infinity);
    certified.set(place, {
      customer: leaf.customer,
      credentialSetHash: hash,
      provenMs: hash === NO_CREDENTIALS ? Infinity : Math.min(provenMs, atMs),
    });
  });
}

/** A deposit's address as it was certified, or nothing where it was not, or for another customer. */
export function certifiedAt(
  certified: CertificateMemory,
  network: string,
  { customer, index }: { readonly customer: string; readonly index: number },
): CertifiedAddress | undefined {
  const known = certified.get(placeOf(network, { customer, index }));
  return known?.customer === customer ? known : undefined;
}

/** On Bitcoin an index is one address; on EVM each customer counts from 0. */
const placeOf = (network: string, { customer, index }: Pick<CertifyLeaf, 'customer' | 'index'>): string =>
  network.startsWith('eip155:') ? `${network} ${customer} ${index}` : `${network} ${index}`;

type Derive = (leaf: CertifyLeaf) => string | undefined;

function deriverOf(network: string, { manifest, wallet }: CertifyRules): Derive | undefined {
  const coin = manifest.bitcoin.find((entry) => entry.network === network);
  if (coin !== undefined)
    return ({ index }) =>
      index > coin.indexMax ? undefined : scriptAddress(wallet.scriptAt(0, index).script, coin.chain);
  const evm = manifest.evm.find((entry) => entry.network === network);
  const factory = evm && evmAddressHex(evm.factory);
  if (evm === undefined || factory === undefined || /^0+$/.test(factory)) return undefined;
  return (leaf) => depositAddress(leaf, fromHex(factory), evm);
}

/** BIP-173: a witness program of version 0. */
function scriptAddress(script: Uint8Array, chain: BitcoinChain): string {
  return bech32.encode(bitcoinPrefix(chain), [0, ...bech32.toWords(script.subarray(2))]);
}

/** EIP-1014. */
function depositAddress(
  { customer, index }: CertifyLeaf,
  factory: Uint8Array,
  { depositInitCodeHash }: ManifestEvm,
): string {
  const salt = sha256(encodeDepositSalt({ customer: fromHex(customer), counter: index }));
  const hash = keccak_256(concat([fromHex('ff'), factory, salt, depositInitCodeHash]));
  return checksumAddress(toHex(hash.subarray(12)));
}

function checkLeaf(
  leaf: CertifyLeaf,
  derive: Derive,
  { customers, nowMs }: CertifyRules,
): Refusal | undefined {
  const derived = derive(leaf);
  if (derived === undefined) return refuse('INDEX_TOO_HIGH', `${leaf.index}`);
  if (derived !== leaf.address) return refuse('ADDRESS_DIFFERS', `${leaf.address} is ${derived} here`);
  const usable = (customers.get(leaf.customer) ?? []).filter(
    ({ usableFromMs, endsAtMs }) => usableFromMs <= nowMs && nowMs < endsAtMs,
  );
  const set = credentialSetHash(
    usable.map(({ key }) => ({ kind: 'passkey-es256' as const, keyHash: sha256(fromHex(key)) })),
    sha256,
  );
  return toHex(set) === leaf.credentialSetHash
    ? undefined
    : refuse('CREDENTIAL_SET_DIFFERS', `of ${leaf.customer}: ${toHex(set)} here`);
}
