import { executorOf, type Commit, type Database } from '../../db/db.ts';
import { watchAddresses, type WatchAddress } from '../watched.ts';
import type { BitcoinChain } from './address.ts';
import { deriveChecked, openWallet, WalletError, type BitcoinWallet, type Branch } from './derive.ts';
import { descriptorChecksum } from './descriptor.ts';

/** Scripts that are watched beyond the last one that was paid, on each branch: what wallets call the gap. */
const COLD_GAP = 100;
const BRANCHES = [0, 1] as const;

const DESCRIPTOR = /^wsh\(sortedmulti\((\d{1,2}),([^()]+)\)\)$/;
/** An extended public key, with the origin that devices want or without; both branches (BIP-389). */
const KEY = /^(?:\[[0-9a-f]{8}(?:\/\d+[h']?)*\])?([1-9A-HJ-NP-Za-km-z]+)\/<0;1>\/\*$/;

/**
 * The cold wallet that a descriptor names: wsh(sortedmulti(…)) over both branches (BIP-380, 383, 389), as hardware
 * wallets and their coordinators export it, with its checksum or without. Throws WalletError.
 */
export function openColdWallet(descriptor: string, chain: BitcoinChain): BitcoinWallet {
  const [text = '', checksum, ...more] = descriptor.split('#');
  if (more.length > 0 || (checksum !== undefined && checksum !== checksumOf(text))) {
    throw new WalletError('the cold descriptor has a wrong checksum');
  }
  const [, threshold, keys] = DESCRIPTOR.exec(text) ?? [];
  if (threshold === undefined || keys === undefined) {
    throw new WalletError('the cold descriptor is not wsh(sortedmulti(…))');
  }
  const xpubs = keys.split(',').map((key) => {
    const xpub = KEY.exec(key)?.[1];
    if (xpub === undefined)
      throw new WalletError('a key of the cold descriptor is not an xpub with /<0;1>/*');
    return xpub;
  });
  return openWallet({ chain, threshold: Number(threshold), xpubs });
}

/**
 * Has the cold wallet's scripts watched, so many beyond the last that was paid on each branch. Nobody tells us which
 * ones its holders use. Run it before following, and again at each block. Answers how many are new.
 */
export async function watchCold(
  deps: { readonly db: Database; readonly commit: Commit },
  network: string,
  wallet: BitcoinWallet,
): Promise<number> {
  const fresh: WatchAddress[] = [];
  for (const branch of BRANCHES) {
    const { next, wanted } = await reach(deps.db, network, branch);
    for (let index = next; index < wanted; index += 1) {
      const { address, script } = deriveChecked(wallet, branch, index);
      fresh.push({ network, address, script, purpose: 'cold', derivation: `cold/${branch}/${index}` });
    }
  }
  if (fresh.length > 0) await deps.commit('chain.watch', (trx) => watchAddresses(trx, fresh));
  return fresh.length;
}

/** The first index that is not watched, and the first that need not be. */
async function reach(
  db: Database,
  network: string,
  branch: Branch,
): Promise<{ readonly next: number; readonly wanted: number }> {
  const [row] = await executorOf(db).query<{ next: number; used: number }>(
    `select coalesce(max(i.index) + 1, 0) as next, coalesce(max(i.index) filter (where i.paid) + 1, 0) as used
     from (select split_part(derivation, '/', 3)::int as index,
         exists (select from receipt r where r.watched_id = w.id) as paid
       from watched w where network = $1 and purpose = 'cold' and derivation like $2) i`,
    [network, `cold/${branch}/%`],
  );
  return { next: row?.next ?? 0, wanted: (row?.used ?? 0) + COLD_GAP };
}

function checksumOf(text: string): string {
  try {
    return descriptorChecksum(text);
  } catch (cause) {
    throw new WalletError('the cold descriptor has characters that no descriptor has', { cause });
  }
}
