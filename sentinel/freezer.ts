/** Freeze documents, signed by the sentinel's own key and brought to every signer until each has answered. */
import { createHash, sign, type KeyObject } from 'node:crypto';
import type { AskSigner } from '../client/signer.ts';
import { toHex } from '../signer/protocol/canonical.ts';
import { freezeDocument } from '../signer/protocol/freeze.ts';
import { signaturesToJson } from '../signer/protocol/signatures.ts';
import type { Finding } from './checks/finding.ts';
import { endsInTime, type Sleep } from './patience.ts';

/** A freeze that this sentinel decided on. Plain JSON: kept on disk until people have lifted it. */
export interface FreezeRecord {
  readonly key: string;
  readonly code: string;
  readonly scope: string;
  readonly detail: string;
  /**
   * Hex of 16 random bytes: the same however often it is brought, and for all that is found of a scope while it stands,
   * since signers keep one freeze of ours for each scope: so people lift it once.
   */
  id: string;
  /** Unix ms. */
  readonly at: number;
  /** What each signer answered last: `frozen`, or why not. */
  answers: Record<string, string>;
  /** Of each EVM network in its scope whose vault this sentinel can stop: `stopped`, or why not. */
  vaults?: Record<string, string>;
  /** From the finding to the last signer's answer; absent as long as one has not taken it. */
  tookMs?: number;
}

export interface Freezer {
  /** Decides on a freeze once for each key, and brings it to all at once; a signer that hangs is not waited for. */
  readonly freeze: (finding: Finding) => Promise<void>;
  /** Brings what a signer has not taken yet. */
  bringAgain(): Promise<void>;
  readonly records: FreezeRecord[];
}

export interface FreezerDeps {
  readonly id: string;
  readonly epoch: number;
  readonly key: KeyObject;
  readonly signers: readonly { readonly id: string; readonly ask: AskSigner }[];
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly records: FreezeRecord[];
  /** Whether people have lifted it, as journals say. */
  readonly isLifted: (id: string) => boolean;
  readonly sleep: Sleep;
  /** Called when a freeze was decided on, before it is brought: it is recorded first. And at each answer. */
  readonly keep: () => void;
}

const REASON_LENGTH_MAX = 280;
/** A signer that has lifted it, or suspended this sentinel, has answered: a quorum of people stands above us. */
const FINAL = new Set(['frozen', 'FREEZE_LIFTED', 'SUSPENDED']);

export function openFreezer(deps: FreezerDeps): Freezer {
  const { records, nowMs } = deps;
  const fresh = (): string => toHex(deps.randomBytes(16));
  const bring = openBringer(deps);
  const isLifted = (freeze: string): boolean =>
    deps.isLifted(freeze) ||
    records.some(({ id, answers }) => id === freeze && Object.values(answers).includes('FREEZE_LIFTED'));
  return {
    records,
    freeze: async ({ key, code, scope, detail }) => {
      if (records.some((record) => record.key === key)) return;
      const standing = records.findLast((record) => record.scope === scope && !isLifted(record.id));
      const id = standing?.id ?? fresh();
      const record: FreezeRecord = { key, code, scope, detail, id, at: nowMs(), answers: {} };
      records.push(record);
      deps.keep();
      await bring(record, async () => {
        if (standing === undefined || record.id !== id) return;
        // It was lifted a moment ago: what is found now was not.
        Object.assign(record, { id: fresh(), answers: {} });
        delete record.tookMs;
        deps.keep();
        await bring(record);
      });
    },
    bringAgain: async () => {
      await Promise.all(
        records.filter((record) => !isTaken(record, deps)).map(async (record) => bring(record)),
      );
    },
  };
}

/** Brings a freeze to every signer that has not taken it; each answer counts when it comes. */
function openBringer(
  deps: FreezerDeps,
): (record: FreezeRecord, whenLifted?: () => Promise<void>) => Promise<void> {
  const { signers, sleep, nowMs } = deps;
  /** By freeze and signer, what was sent and not answered. */
  const underWay = new Set<string>();
  /** Signers that let the last one wait. */
  const overdue = new Set<string>();
  return async (record, whenLifted) => {
    const signed = signedFreeze(record, deps);
    const { id: freeze } = record;
    const bringTo = async ({ id, ask }: FreezerDeps['signers'][number]): Promise<void> => {
      const sent = `${record.key} ${freeze} ${id}`;
      underWay.add(sent);
      const answer = await ask('POST', '/v1/freeze', signed).then(
        (answered) => (answered['ok'] === true ? 'frozen' : refusalOf(answered)),
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      underWay.delete(sent);
      overdue.delete(id);
      // Meanwhile it goes by another id: this answer is none to that.
      if (record.id !== freeze) return;
      record.answers[id] = answer;
      if (isTaken(record, deps)) record.tookMs ??= nowMs() - record.at;
      deps.keep();
      if (answer === 'FREEZE_LIFTED') await whenLifted?.();
    };
    const lacking = signers.filter(
      ({ id }) => !FINAL.has(record.answers[id] ?? '') && !underWay.has(`${record.key} ${freeze} ${id}`),
    );
    await Promise.all(
      lacking.map(async (signer) => {
        const isWaitedFor = !overdue.has(signer.id);
        const brought = bringTo(signer);
        if (isWaitedFor && !(await endsInTime(brought, sleep))) overdue.add(signer.id);
      }),
    );
  };
}

function refusalOf({ code }: Record<string, unknown>): string {
  return typeof code === 'string' ? code : 'an answer without a code';
}

const isTaken = ({ answers }: FreezeRecord, { signers }: FreezerDeps): boolean =>
  signers.every(({ id }) => FINAL.has(answers[id] ?? ''));

/** Made anew each time it is brought: signers take no document that is older than ten minutes. */
function signedFreeze(
  { scope, id, code, detail }: FreezeRecord,
  { id: by, epoch, key, nowMs }: FreezerDeps,
): object {
  const freeze = {
    epoch,
    id: new Uint8Array(Buffer.from(id, 'hex')),
    scope,
    reason: `${code}: ${detail}`.slice(0, REASON_LENGTH_MAX),
    by,
    issuedAt: BigInt(Math.floor(nowMs() / 1000)),
  };
  const digest = freezeDocument.digest(freeze, (bytes) => createHash('sha256').update(bytes).digest());
  const signature = new Uint8Array(sign(null, digest, key));
  return {
    document: freezeDocument.toJson(freeze),
    signatures: signaturesToJson([{ kind: 'key', by, signature }]),
  };
}
