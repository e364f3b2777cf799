/** What a vault is while it runs, and what every call of it needs. */
import type { Certified } from '../protocol/certificates.ts';
import type { DepositsTaken } from '../protocol/deposits.ts';
import type { Enrolled } from '../protocol/enrolment.ts';
import type {
  Identity,
  JournalHead,
  JournalPage,
  Refused,
  SignAnswer,
  Status,
} from '../protocol/messages.ts';
import type { Json } from '../protocol/document.ts';
import type { StandingPolicyAnswer } from '../protocol/standing-policy.ts';
import type { Awaiting, CountersignAnswer } from '../protocol/peers.ts';
import type { AttestationMemory } from './attestations.ts';
import { openWallet, type BitcoinKeys, type BitcoinWallet } from './bitcoin-wallet.ts';
import { openCommit, type Commit } from './commit.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import type { EvmKey } from './evm-key.ts';
import type { Journal } from './journal.ts';
import type { OpenKey, SealedKey } from './key.ts';
import { manifestAccounts } from './manifest-check.ts';
import type { Memory } from './memory.ts';
import type { RefusalLog } from './refusal-log.ts';
import type { Token, TokenPipe } from './token.ts';

export interface VaultContext {
  readonly signer: string;
  readonly folder: string;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** To the token in which the EVM key is or will be, where there is one. */
  readonly tokenPipe?: TokenPipe;
}

/** What an unsealed vault signs with. */
export interface OpenKeys {
  readonly key: OpenKey;
  readonly keys: BitcoinKeys;
  readonly evm: EvmKey;
}

export interface State {
  readonly context: VaultContext;
  readonly memory: Memory;
  readonly journal: Journal;
  readonly refusals: RefusalLog;
  readonly token: Token | undefined;
  readonly attestations: AttestationMemory;
  sealed: SealedKey | undefined;
  /** The key came out of a backup: it proves that it is the one, and signs nothing else. */
  readonly isRestored: boolean;
  open: OpenKeys | undefined;
  wallet: BitcoinWallet | undefined;
  commit: Commit<Answer> | undefined;
}

/** The answer to `prove`; the proof in the form of parseProof. */
export interface Proof {
  readonly ok: true;
  readonly signer: string;
  readonly proof: Json;
}

export type Answer =
  | Identity
  | Status
  | JournalPage
  | SignAnswer
  | Proof
  | Acknowledged
  | Awaiting
  | CountersignAnswer
  | Enrolled
  | Certified
  | DepositsTaken
  | StandingPolicyAnswer
  | Refused;

/** Done, and how far the journal goes. */
export interface Acknowledged {
  readonly ok: true;
  readonly signer: string;
  readonly journal: JournalHead;
}

export function commitOf(state: State): Commit<Answer> | undefined {
  const { memory, open, journal, context } = state;
  if (open === undefined || memory.manifest === undefined) return undefined;
  const { signer, nowMs } = context;
  const { evm } = open;
  state.commit ??= openCommit({ signer, memory, journal, nowMs, manifest: memory.manifest, evm });
  return state.commit;
}

export const done = ({ context, journal }: Pick<State, 'context' | 'journal'>): Decision<Answer> =>
  accept({ ok: true, signer: context.signer, journal: journal.head() });

export const notReadmitted = refuse('NOT_READMITTED', 'its journal is not known');

export function missingKey({ sealed, memory }: Pick<State, 'sealed' | 'memory'>): Refusal {
  if (sealed !== undefined) return refuse('SEALED', 'unseal first');
  return memory.sealedKeyHash === undefined
    ? refuse('NO_KEY', 'make one first')
    : refuse('KEY_LOST', 'its file is gone');
}

export function walletOf({ manifest }: Memory): BitcoinWallet | undefined {
  return manifest === undefined ? undefined : openWallet(manifestAccounts(manifest), manifest.threshold);
}
