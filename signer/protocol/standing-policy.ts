/** The answer to `policies`: which policy a signer says it goes by, and which one waits. Its own word. */
import { parsing, type Parsed } from './canonical.ts';
import type { Json } from './document.ts';
import { readList, readNumber, readObject, readOneOf, readText, SIGNER_ID, type TextRule } from './json.ts';
import { isRefusal, readHead, readRefused, type JournalHead, type Refused } from './messages.ts';
import { policyDocument, type Policy } from './policy.ts';

/** A quorum signs few policies in an epoch; no answer is longer. */
const APPROVED_MAX = 10_000;
const HASH: TextRule = { lengthMax: 64, pattern: /^[0-9a-f]{64}$/ };

/** As a signer writes it. */
export interface StandingPolicyAnswer {
  readonly ok: true;
  readonly signer: string;
  readonly journal: JournalHead;
  /** Unix milliseconds by the signer's clock. */
  readonly atMs: number;
  /** In force: nothing when there is none yet. */
  readonly now: Json | null;
  /** A loosening, and when it comes into force by the signer's clock; nothing when none waits. */
  readonly waiting: { readonly policy: Json; readonly fromMs: number } | null;
  /** Names of limits that a quorum has approved, to which it comes back without waiting; lower-case hex, 32 bytes. */
  readonly approved: readonly string[];
}

/** The same, read. */
export interface StandingPolicy {
  readonly signer: string;
  readonly atMs: number;
  readonly now: Policy | undefined;
  readonly waiting: { readonly policy: Policy; readonly fromMs: number } | undefined;
  readonly approved: readonly string[];
}

export function parseStandingPolicy(value: unknown): Parsed<({ ok: true } & StandingPolicy) | Refused> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const fields = ['ok', 'signer', 'journal', 'atMs', 'now', 'waiting', 'approved'];
    const answer = readObject(value, 'answer', fields);
    readOneOf(String(answer['ok']), 'answer.ok', ['true'] as const);
    readHead(answer['journal']);
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      atMs: readNumber(answer['atMs'], 'answer.atMs', Number.MAX_SAFE_INTEGER),
      now: answer['now'] === null ? undefined : policyDocument.fromJson(answer['now'], 'answer.now'),
      waiting: answer['waiting'] === null ? undefined : readWaiting(answer['waiting']),
      approved: readList(answer['approved'], 'answer.approved', { min: 0, max: APPROVED_MAX }, (one, path) =>
        readText(one, path, HASH),
      ),
    };
  });
}

function readWaiting(value: unknown): { policy: Policy; fromMs: number } {
  const { policy, fromMs } = readObject(value, 'answer.waiting', ['policy', 'fromMs']);
  return {
    policy: policyDocument.fromJson(policy, 'answer.waiting.policy'),
    fromMs: readNumber(fromMs, 'answer.waiting.fromMs', Number.MAX_SAFE_INTEGER),
  };
}
