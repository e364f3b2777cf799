/** A key's 32 bytes split over operators, k of n, and put together again: a wrong share is named, never combined. */
import { sha256 } from '@noble/hashes/sha2.js';
import { combine, split } from 'shamir-secret-sharing';
import { compareBytes, encodeDocument, fixed } from '../protocol/canonical.ts';
import { keyBackupDocument, type KeyBackup, type KeyShare } from '../protocol/key-backup.ts';
import { deriveKey, type PublicKeyRecord } from '../vault/key.ts';

const SHARE_BYTES = 33;

/** Why shares give no key, by the operator whose share it is where one is to blame. */
export type ShareRefusalCode =
  | 'SHARE_MALFORMED'
  | 'SHARE_UNREADABLE'
  | 'SHARE_WRONG'
  | 'SHARE_TWICE'
  | 'SHARE_OF_ANOTHER_KEY'
  | 'SHARES_TOO_FEW'
  | 'KEY_WRONG';

export interface ShareRefusal {
  readonly ok: false;
  readonly code: ShareRefusalCode;
  readonly detail: string;
}

export const refuseShare = (code: ShareRefusalCode, detail: string): ShareRefusal => ({
  ok: false,
  code,
  detail,
});

/** One share for each operator. Before they are given out, two sets of them are put together again. */
export async function splitKey(
  entropy: Uint8Array,
  {
    identity,
    threshold,
    operators,
  }: {
    readonly identity: PublicKeyRecord;
    readonly threshold: number;
    readonly operators: readonly string[];
  },
): Promise<KeyShare[]> {
  const shares = await split(entropy, operators.length, threshold);
  const { epoch, signer, chain, xpub, evmAddress } = identity;
  const holders = operators.map((operator, i) => ({ operator, commitment: commitmentOf(at(shares, i)) }));
  const backup = { epoch, signer, chain, xpub, evmAddress, threshold, holders };
  const all = operators.map((operator, i) => ({ backup, operator, share: at(shares, i) }));
  for (const some of [all.slice(0, threshold), all.slice(-threshold)]) {
    const joined = await joinShares(some, { epoch, signer, xpub, evmAddress });
    if (!joined.ok || compareBytes(joined.entropy, entropy) !== 0)
      throw new Error('fresh shares do not give the key back: faulty memory or processor');
  }
  return all;
}

export type Joined =
  | ShareRefusal
  | { readonly ok: true; readonly entropy: Uint8Array; readonly backup: KeyBackup };

/** The key's 32 bytes out of shares; `expected` is what the manifest says of the signer, where there is one. */
export async function joinShares(
  shares: readonly KeyShare[],
  expected?: Pick<PublicKeyRecord, 'epoch' | 'signer' | 'xpub' | 'evmAddress'>,
): Promise<Joined> {
  const [first] = shares;
  if (first === undefined) return refuseShare('SHARES_TOO_FEW', 'no share');
  const { backup } = first;
  const bent = shares
    .map((share) => bentShare(share, backup, expected))
    .find((refusal) => refusal !== undefined);
  if (bent !== undefined) return bent;
  const holders = shares.map(({ operator }) => operator);
  const twice = holders.find((operator, i) => holders.indexOf(operator) !== i);
  if (twice !== undefined) return refuseShare('SHARE_TWICE', `${twice}'s share is there twice`);
  if (shares.length < backup.threshold)
    return refuseShare('SHARES_TOO_FEW', `${shares.length} of the ${backup.threshold} that are needed`);
  const entropy = await combine(shares.slice(0, backup.threshold).map(({ share }) => share));
  const { identity } = deriveKey(entropy, backup);
  return identity.xpub === backup.xpub && identity.evmAddress === backup.evmAddress
    ? { ok: true, entropy, backup }
    : refuseShare('KEY_WRONG', `the shares of ${backup.signer} give another key than the backup says`);
}

function bentShare(
  { backup, operator, share }: KeyShare,
  first: KeyBackup,
  expected: Pick<PublicKeyRecord, 'epoch' | 'signer' | 'xpub' | 'evmAddress'> | undefined,
): ShareRefusal | undefined {
  const of = `${operator}'s share is of ${backup.signer}, epoch ${backup.epoch}`;
  if (
    expected !== undefined &&
    (backup.signer !== expected.signer ||
      backup.epoch !== expected.epoch ||
      backup.xpub !== expected.xpub ||
      backup.evmAddress !== expected.evmAddress)
  )
    return refuseShare('SHARE_OF_ANOTHER_KEY', `${of}: not the key of ${expected.signer} in the manifest`);
  if (compareBytes(keyBackupDocument.encode(backup), keyBackupDocument.encode(first)) !== 0)
    return refuseShare('SHARE_OF_ANOTHER_KEY', `${of}: another backup than the first share's`);
  const holder = backup.holders.find((one) => one.operator === operator);
  return holder !== undefined && compareBytes(holder.commitment, commitmentOf(share)) === 0
    ? undefined
    : refuseShare('SHARE_WRONG', `${operator}'s share is not the one that was given out`);
}

/** `portcullis/key-share-commitment/1` */
const commitmentOf = (share: Uint8Array): Uint8Array =>
  sha256(encodeDocument('portcullis/key-share-commitment/1', [fixed(share, SHARE_BYTES)]));

function at(shares: readonly Uint8Array[], i: number): Uint8Array {
  const share = shares[i];
  if (share === undefined) throw new RangeError('fewer shares than operators');
  return share;
}
