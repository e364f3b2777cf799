/** Calls about the key: it is made, unsealed, proved and named. */
import assert from 'node:assert/strict';
import type { Identity } from '../protocol/messages.ts';
import { parseMakeKey, parseUnseal } from '../protocol/key-requests.ts';
import { TOKEN_KEY_ID_BYTES } from '../protocol/token.ts';
import { parseProveRequest, proofToJson } from '../protocol/possession.ts';
import { openKeys } from './bitcoin-wallet.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { evmKeyInMemory, evmKeyInToken } from './evm-key.ts';
import { writeKeyFile } from './key-file.ts';
import { makeKey, unsealKey, type OpenKey } from './key.ts';
import { provePossession } from './possession.ts';
import { missingKey, type OpenKeys, type Proof, type State } from './state.ts';
import { makeTokenKey, openTokenKey, type TokenKey } from './token.ts';

export function make(state: State, body: unknown): Decision<Identity> {
  const parsed = parseMakeKey(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (state.sealed !== undefined) return refuse('KEY_EXISTS', 'it is never overwritten');
  if (state.memory.sealedKeyHash !== undefined) return refuse('KEY_LOST', 'its file is gone');
  const { signer, folder, randomBytes } = state.context;
  const { pin, ...options } = parsed.value;
  const inToken = pin === undefined ? accept(undefined) : makeInToken(state, pin);
  if (!inToken.ok) return inToken;
  const token = inToken.value;
  const { key, sealed } = makeKey({
    ...options,
    signer,
    randomBytes,
    ...(token === undefined ? {} : { token }),
  });
  // A key file that the journal does not know is never used.
  writeKeyFile(folder, sealed, (sealedKeyHash) =>
    state.journal.append('key', { sealedKeyHash, xpub: key.identity.xpub }),
  );
  state.sealed = sealed;
  state.open = opened(state, key);
  return identity(state);
}

/** A pair that is made here and not journalled, because this was stopped, stays in the token and signs nothing. */
function makeInToken({ token, context }: State, pin: string): Decision<TokenKey> {
  return token === undefined ? noToken : makeTokenKey(token, pin, context.randomBytes(TOKEN_KEY_ID_BYTES));
}

export function unseal(state: State, body: unknown): Decision<Identity> {
  const parsed = parseUnseal(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (state.sealed === undefined) return missingKey(state);
  const { passphrase, pin } = parsed.value;
  // Before the PIN: a token counts wrong ones, and locks itself.
  const key = unsealKey(state.sealed, passphrase);
  if (key === undefined) return refuse('WRONG_PASSPHRASE', 'it does not open the key');
  const inToken = openInToken(state, key, pin);
  if (!inToken.ok) return inToken;
  state.open ??= opened(state, key);
  return identity(state);
}

/** Each time, also of a vault that is open: the token may have lost the session meanwhile. */
function openInToken({ token }: State, key: OpenKey, pin: string | undefined): Decision<true> {
  if (key.token === undefined)
    return pin === undefined ? accept(true) : refuse('PIN_REFUSED', 'the key is in no token');
  if (pin === undefined) return refuse('PIN_REFUSED', 'the EVM key is in a token, which wants its PIN');
  return token === undefined ? noToken : openTokenKey(token, pin, key.token);
}

const noToken = refuse('TOKEN_GONE', 'this signer is configured without a token');

/** Of a key in a token whose vault has none nothing is unsealed, so that there always is one of the two. */
function opened({ token }: State, key: OpenKey): OpenKeys {
  const keys = openKeys(key.account);
  if (key.token === undefined) return { key, keys, evm: evmKeyInMemory(key.evmPrivateKey) };
  assert(token !== undefined);
  return { key, keys, evm: evmKeyInToken(token, key.token) };
}

export function prove({ open, context, ...state }: State, body: unknown): Decision<Proof> {
  const parsed = parseProveRequest(body);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  if (open === undefined) return missingKey(state);
  const proof = provePossession(open.key, open.evm, parsed.value);
  return proof.ok ? accept({ ok: true, signer: context.signer, proof: proofToJson(proof.value) }) : proof;
}

export function identity({ sealed, open, context }: State): Decision<Identity> {
  if (sealed === undefined) return refuse('NO_KEY', 'make one first');
  const { signer: _, ...rest } = sealed.identity;
  return accept({ ok: true, signer: context.signer, sealed: open === undefined, ...rest });
}
