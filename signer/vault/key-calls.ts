/** Calls about the key: it is made, unsealed, proved and named. */
import { parseMakeKey, parsePassphrase, type Identity } from '../protocol/messages.ts';
import { parseProveRequest, proofToJson } from '../protocol/possession.ts';
import { openKeys } from './bitcoin-wallet.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { writeKeyFile } from './key-file.ts';
import { makeKey, unsealKey } from './key.ts';
import { provePossession } from './possession.ts';
import { missingKey, type Proof, type State } from './state.ts';

export function make(state: State, body: unknown): Decision<Identity> {
  const parsed = parseMakeKey(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (state.sealed !== undefined) return refuse('KEY_EXISTS', 'it is never overwritten');
  if (state.memory.sealedKeyHash !== undefined) return refuse('KEY_LOST', 'its file is gone');
  const { signer, folder, randomBytes } = state.context;
  const { key, sealed } = makeKey({ ...parsed.value, signer, randomBytes });
  // A key file that the journal does not know is never used.
  writeKeyFile(folder, sealed, (sealedKeyHash) =>
    state.journal.append('key', { sealedKeyHash, xpub: key.identity.xpub }),
  );
  state.sealed = sealed;
  state.open = { key, keys: openKeys(key.account) };
  return identity(state);
}

export function unseal(state: State, body: unknown): Decision<Identity> {
  const parsed = parsePassphrase(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (state.sealed === undefined) return missingKey(state);
  const key = unsealKey(state.sealed, parsed.value);
  if (key === undefined) return refuse('WRONG_PASSPHRASE', 'it does not open the key');
  state.open ??= { key, keys: openKeys(key.account) };
  return identity(state);
}

export function prove({ open, context, ...state }: State, body: unknown): Decision<Proof> {
  const parsed = parseProveRequest(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (open === undefined) return missingKey(state);
  const proof = proofToJson(provePossession(open.key, parsed.value));
  return accept({ ok: true, signer: context.signer, proof });
}

export function identity({ sealed, open, context }: State): Decision<Identity> {
  if (sealed === undefined) return refuse('NO_KEY', 'make one first');
  const { signer: _, ...rest } = sealed.identity;
  return accept({ ok: true, signer: context.signer, sealed: open === undefined, ...rest });
}
