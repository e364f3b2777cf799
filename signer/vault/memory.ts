/** What a signer remembers, rebuilt from its journal alone. */
import { MalformedError } from '../protocol/canonical.ts';
import { readObject, readText, type TextRule } from '../protocol/json.ts';
import { freezeDocument, unfreezeDocument } from '../protocol/freeze.ts';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import { policyDocument } from '../protocol/policy.ts';
import { readSigned, type SignedJson } from '../protocol/signatures.ts';
import { rememberCertify, type CertificateMemory } from './certificates.ts';
import { rememberEnrolment, type CustomerMemory } from './customers.ts';
import { emptyFreezes, rememberFreeze, rememberUnfreeze, type FreezeMemory } from './freezes.ts';
import { isSpendingKind } from './pay-entries.ts';
import { emptyPayments, rememberSpend, type PaymentMemory } from './payments.ts';
import { emptyPaidIn, rememberDeposits, type PaidInMemory } from './paid-in.ts';
import { emptyPeers, rememberPeer, type PeerMemory } from './peers.ts';
import { emptyPolicies, rememberPolicy, type PolicyMemory } from './policies.ts';
import { countersIn, emptyRoster, rememberCounters, type RosterMemory } from './roster.ts';

export interface Memory extends PaymentMemory {
  manifest: Manifest | undefined;
  readonly roster: RosterMemory;
  readonly freezes: FreezeMemory;
  readonly policies: PolicyMemory;
  readonly peers: PeerMemory;
  readonly customers: CustomerMemory;
  readonly certified: CertificateMemory;
  readonly paidIn: PaidInMemory;
  /** SHA-256 of the sealed key file that belongs to this journal. */
  sealedKeyHash: string | undefined;
}

/** Where an entry stands in the own journal. */
export interface EntryPlace {
  readonly sequence: bigint;
  /** Unix milliseconds by the own clock. */
  readonly atMs: number;
}

export function emptyMemory(): Memory {
  return {
    manifest: undefined,
    roster: emptyRoster(),
    freezes: emptyFreezes(),
    policies: emptyPolicies(),
    peers: emptyPeers(),
    customers: new Map(),
    certified: new Map(),
    paidIn: emptyPaidIn(),
    sealedKeyHash: undefined,
    ...emptyPayments(),
  };
}

/** Takes one journal entry into memory. Throws MalformedError for an entry that it does not understand. */
export function remember(memory: Memory, kind: string, body: unknown, place: EntryPlace): void {
  const { atMs, sequence } = place;
  const { undo } = memory;
  memory.undo = undefined;
  if (isSpendingKind(kind)) {
    rememberSpend(memory, kind, body, { atMs, own: sequence });
    memory.peers.grownAt = sequence;
    return;
  }
  switch (kind) {
    case 'key':
      memory.sealedKeyHash = readText(
        readObject(body, 'key', ['sealedKeyHash', 'xpub'])['sealedKeyHash'],
        'key',
        HASH,
      );
      return;
    case 'manifest':
      rememberManifest(memory, readSigned(body, kind));
      return;
    case 'freeze':
      rememberFreeze(memory.freezes, freezeDocument.fromJson(readSigned(body, kind).document, kind));
      return;
    case 'policy':
      rememberPolicy(memory.policies, policyDocument.fromJson(readSigned(body, kind).document, kind), atMs);
      rememberCounters(memory.roster, countersIn(readSigned(body, kind).signatures));
      return;
    case 'unfreeze': {
      const { document, signatures } = readSigned(body, kind);
      rememberUnfreeze(memory, unfreezeDocument.fromJson(document, kind));
      rememberCounters(memory.roster, countersIn(signatures));
      return;
    }
    case 'enrolment':
      rememberEnrolment(memory.customers, body, atMs);
      return;
    case 'certify':
      rememberCertify(memory.certified, body, atMs);
      return;
    case 'deposits':
      rememberDeposits(memory, body, atMs);
      return;
    case 'void':
      if (undo === undefined) throw new MalformedError('nothing stands before it that could be void');
      undo();
      return;
    case 'peer':
      rememberPeer(memory, body, place);
      return;
    case 'refusal':
    case 'note':
      return;
    default:
      throw new MalformedError('an entry of an unknown kind');
  }
}

const HASH: TextRule = { lengthMax: 64, pattern: /^[0-9a-f]{64}$/ };

function rememberManifest(memory: Memory, { document, signatures }: SignedJson): void {
  memory.manifest = manifestDocument.fromJson(document, 'manifest');
  rememberCounters(memory.roster, countersIn(signatures));
}
