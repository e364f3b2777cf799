/** Who signed a document: operators by their passkeys or command keys, sentinels by theirs. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { operatorRpId, type Manifest } from '../protocol/manifest.ts';
import type { DocumentSignature } from '../protocol/signatures.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { checkPasskey, counterOf } from './passkey.ts';

/** What has happened to people since the manifest was pinned. */
export interface RosterMemory {
  /** Operators and sentinels that may not freeze or tighten. */
  readonly suspended: Set<string>;
  /** Last counter of each operator's passkey. */
  readonly counters: Map<string, number>;
}

export const emptyRoster = (): RosterMemory => ({ suspended: new Set(), counters: new Map() });

/** One command key or sentinel's key, by somebody who is not suspended. */
export function checkOne(
  signatures: readonly DocumentSignature[],
  signed: {
    readonly by: string;
    readonly digest: Uint8Array;
    readonly manifest: Manifest;
    readonly roster: RosterMemory;
  },
): Decision<true> {
  const { by, digest, manifest, roster } = signed;
  const [signature, ...more] = signatures;
  if (signature?.kind !== 'key' || more.length > 0 || signature.by !== by)
    return refuse('SIGNATURE_REFUSED', `one signature by the command key of ${by} is needed`);
  const key =
    manifest.operators.find(({ id }) => id === by)?.commandKey ??
    manifest.sentinels.find(({ id }) => id === by)?.key;
  if (key === undefined) return refuse('NOT_IN_ROSTER', by);
  if (roster.suspended.has(by)) return refuse('SUSPENDED', by);
  return isSignature(signature.signature, digest, key)
    ? accept(true)
    : refuse('SIGNATURE_REFUSED', `not by ${by}, or over something else`);
}

/** Passkeys of at least the quorum, each of another operator. */
export function checkQuorum(
  signatures: readonly DocumentSignature[],
  signed: { readonly digest: Uint8Array; readonly manifest: Manifest; readonly roster: RosterMemory },
): Decision<true> {
  const { digest, manifest, roster } = signed;
  const signers = new Set<string>();
  for (const assertion of signatures) {
    const { by } = assertion;
    const operator = manifest.operators.find(({ id }) => id === by);
    if (operator === undefined) return refuse('NOT_IN_ROSTER', by);
    if (assertion.kind !== 'passkey') return refuse('SIGNATURE_REFUSED', `${by}: a passkey is needed`);
    if (signers.has(by)) return refuse('SIGNATURE_REFUSED', `${by} signed twice`);
    const counter = checkPasskey(assertion, {
      publicKey: operator.passkey,
      digest,
      rpId: operatorRpId(manifest),
      origin: manifest.operatorOrigin,
      counter: roster.counters.get(by) ?? 0,
    });
    if (!counter.ok) return counter;
    signers.add(by);
  }
  return signers.size >= manifest.operatorQuorum
    ? accept(true)
    : refuse('QUORUM_MISSING', `${signers.size} of ${manifest.operatorQuorum} operators`);
}

/** Counters of the assertions under a document that was taken. */
export const countersIn = (signatures: readonly DocumentSignature[]): [operator: string, counter: number][] =>
  signatures.flatMap((one) => (one.kind === 'passkey' ? [[one.by, counterOf(one.authenticatorData)]] : []));

export function rememberCounters(
  { counters }: RosterMemory,
  moved: readonly (readonly [operator: string, counter: number])[],
): void {
  for (const [operator, counter] of moved) counters.set(operator, counter);
}

function isSignature(signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, digest, key, { zip215: false });
  } catch {
    return false;
  }
}
