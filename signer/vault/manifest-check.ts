/** Whether a manifest agrees with itself and with this signer's own key, before it is pinned. */
import type { HDKey } from '@scure/bip32';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { compareBytes, toHex } from '../protocol/canonical.ts';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import type { SignedJson } from '../protocol/signatures.ts';
import { bitcoinScript, evmAddressHex } from './addresses.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { parseXpub, type PublicKeyRecord } from './key.ts';
import { checkQuorum, emptyRoster } from './roster.ts';

/**
 * The manifest to pin; nothing when it is the pinned one. Its own operators sign it: that they are the right ones
 * is what people compare, by its digest, at the ceremony.
 */
export function decideManifest(
  { document, signatures }: SignedJson,
  { pinned, own }: { pinned: Manifest | undefined; own: PublicKeyRecord },
): Decision<Manifest | undefined> {
  const parsed = manifestDocument.parse(document);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const manifest = parsed.value;
  const digest = manifestDocument.digest(manifest, sha256);
  if (pinned !== undefined) {
    return compareBytes(manifestDocument.digest(pinned, sha256), digest) === 0
      ? accept(undefined)
      : refuse('MANIFEST_PINNED', `epoch ${pinned.epoch}`);
  }
  const bent = checkManifest(manifest, own);
  if (bent !== undefined) return bent;
  const quorum = checkQuorum(signatures, { digest, manifest, roster: emptyRoster() });
  return quorum.ok ? accept(manifest) : quorum;
}

function checkManifest(manifest: Manifest, own: PublicKeyRecord): Refusal | undefined {
  const bent = (detail: string): Refusal => refuse('MANIFEST_REFUSED', detail);
  if (manifest.epoch !== own.epoch) return bent(`epoch ${manifest.epoch}, the key is of ${own.epoch}`);
  const self = manifest.signers.find((signer) => signer.id === own.signer);
  if (self?.xpub !== own.xpub || self.evmAddress !== own.evmAddress)
    return bent('this signer is not in it as it is');
  const accounts: string[] = [];
  for (const signer of manifest.signers) {
    const account = parseXpub(signer.xpub, own.chain);
    if (account?.publicKey == null)
      return bent(`${signer.id}: no extended public key of the ${own.chain} chain`);
    accounts.push(toHex(account.publicKey));
    if (evmAddressHex(signer.evmAddress) === undefined) return bent(`${signer.id}: evmAddress is not EIP-55`);
  }
  if (new Set(accounts).size !== accounts.length) return bent('two signers have one key');
  for (const { id, passkey, commandKey, guardian } of manifest.operators) {
    if (!p256.utils.isValidPublicKey(passkey, true)) return bent(`${id}: the passkey is no point of P-256`);
    if (!ed25519.utils.isValidPublicKey(commandKey, false)) return bent(`${id}: the command key is none`);
    if (evmAddressHex(guardian) === undefined) return bent(`${id}: guardian is not EIP-55`);
  }
  for (const { id, key } of manifest.sentinels)
    if (!ed25519.utils.isValidPublicKey(key, false)) return bent(`${id}: the sentinel's key is none`);
  for (const entry of manifest.bitcoin) {
    if ((entry.chain === 'main') !== (own.chain === 'main'))
      return bent(`${entry.network}: the key is of ${own.chain}`);
    if (bitcoinScript(entry.cold, entry.chain) === undefined)
      return bent(`${entry.network}: cold is no canonical address of ${entry.chain}`);
  }
  for (const entry of manifest.evm) {
    const odd = [entry.vault, entry.factory, ...entry.tokens.map(({ token }) => token)].find(
      (text) => evmAddressHex(text) === undefined,
    );
    if (odd !== undefined) return bent(`${entry.network}: ${odd} is not EIP-55`);
    if (/^0x0+$/.test(entry.vault)) return bent(`${entry.network}: the vault is the zero address`);
  }
  return undefined;
}

/** The signers' accounts of a manifest that was checked. */
export function manifestAccounts(manifest: Manifest): HDKey[] {
  return manifest.signers.map(({ xpub }) => {
    const account = parseXpub(xpub, xpub.startsWith('xpub') ? 'main' : 'test');
    if (account === undefined) throw new TypeError('an extended key that passed the checks is none');
    return account;
  });
}
