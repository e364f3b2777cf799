/** Two policies side by side, rule by rule: what changes, in plain words, and whether signers judge it tighter. */
import { isTighter, type Policy } from '../protocol/policy.ts';

/** How amounts are said: by CAIP-19, in base units; of a network's fees in satoshi. */
export interface Units {
  readonly amount: (asset: string, units: bigint) => string;
  readonly fee: (network: string, satoshi: bigint) => string;
}

export interface PolicyChange {
  /** A field of the policy. */
  readonly field: string;
  /** Asset or network; nothing for a rule that is for all. */
  readonly of: string | undefined;
  readonly before: string;
  readonly after: string;
  /** By isTighter, of the policy before with this one change. */
  readonly isTighter: boolean;
}

type Field = keyof Policy;
type Words<T> = (value: T, units: Units) => string;

/** What a document is, and not what it allows. */
const HEAD: ReadonlySet<string> = new Set(['epoch', 'version', 'previous', 'by']);

/** Every rule that differs, in the order of the document. Empty: they allow the same. */
export function policyChanges(before: Policy, after: Policy, units: Units): PolicyChange[] {
  const isAllTighter = isTighter(after, before);
  const fields = Object.keys(before).filter((name) => !HEAD.has(name)) as Field[];
  return fields.flatMap((field) =>
    partsOf(before, after, field).map(({ of, old, fresh, hybrid }) => ({
      field,
      of,
      before: said(field, old, units),
      after: said(field, fresh, units),
      // Rules of an asset that is not paid any more bind nothing: then one change alone would mislead.
      isTighter: isAllTighter || isTighter(hybrid, before),
    })),
  );
}

interface Part {
  readonly of: string | undefined;
  readonly old: unknown;
  readonly fresh: unknown;
  /** The policy before, with this part of the one after. */
  readonly hybrid: Policy;
}

/** A scalar is one part; of a list all rules of one asset or network are. */
function partsOf(before: Policy, after: Policy, field: Field): Part[] {
  const [old, fresh]: unknown[] = [before[field], after[field]];
  if (!Array.isArray(old) || !Array.isArray(fresh)) {
    return old === fresh ? [] : [{ of: undefined, old, fresh, hybrid: { ...before, [field]: fresh } }];
  }
  const keys = new Set([...old, ...fresh].map(keyOf));
  return [...keys].flatMap((key) => {
    const mine = (rule: unknown): boolean => keyOf(rule) === key;
    const [was, is] = [old.filter(mine), fresh.filter(mine)];
    if (textOf(was) === textOf(is)) return [];
    const hybrid = { ...before, [field]: [...old.filter((rule) => !mine(rule)), ...is] };
    return [{ of: key, old: was, fresh: is, hybrid }];
  });
}

function keyOf(rule: unknown): string {
  const { asset, network } = rule as { asset?: string; network?: string };
  return asset ?? network ?? '';
}

/** Compared after the document's own order of sets. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one));

function said(field: Field, value: unknown, units: Units): string {
  const words = (sayings as Partial<Record<Field, Words<never>>>)[field];
  if (!Array.isArray(value)) return words === undefined ? textOf(value) : words(value as never, units);
  if (value.length === 0) return empty[field] ?? 'none';
  return value.map((rule) => (words === undefined ? textOf(rule) : words(rule as never, units))).join('; ');
}

const empty: Partial<Record<Field, string>> = {
  assets: 'not paid at all',
  fees: 'no fees paid',
  approvals: 'no operator has to approve',
  attestations: 'no sentinel has to vouch',
  tiers: 'no tiers: windows alone',
  newDestinations: 'no cap of its own',
};

const titles: Partial<Record<string, string>> = {
  assets: 'what is paid',
  fees: 'fees',
  loosenDelaySeconds: 'what a looser policy waits',
  approvals: 'operators’ approvals',
  attestations: 'sentinel’s attestations',
  tiers: 'by how orders are backed',
  credentialHoldSeconds: 'how long a new credential signs nothing',
  recoveryHoldSeconds: 'the same where no older one vouches',
  newDestinations: 'what goes to new destinations',
  paidInSeconds: 'how long what was paid in backs orders',
};

/** One line for people. */
export const changeLine = ({ field, of, before, after, isTighter: tighter }: PolicyChange): string =>
  `${tighter ? 'Tighter' : 'LOOSER'}: ${titles[field] ?? field}${of === undefined ? '' : `, ${of}`}: ${before} → ${after}`;

const sayings: { [F in Field]?: Words<Policy[F] extends readonly (infer T)[] ? T : Policy[F]> } = {
  assets: ({ asset, orderMax, windows }, { amount }) =>
    [
      `one order at most ${amount(asset, orderMax)}`,
      ...windows.map(
        ({ seconds, valueMax, countMax }) =>
          `in any ${duration(seconds)} at most ${amount(asset, valueMax)} in ${countMax} orders`,
      ),
    ].join(', '),
  fees: ({ network, seconds, feeMax }, { fee }) =>
    `in any ${duration(seconds)} at most ${fee(network, feeMax)}`,
  loosenDelaySeconds: (seconds) => duration(seconds),
  approvals: ({ asset, from, operators }, { amount }) =>
    `from ${amount(asset, from)} by ${operators} ${operators === 1 ? 'operator' : 'operators'}`,
  attestations: ({ maxSeconds }) => `no older than ${duration(maxSeconds)}`,
  tiers: ({ asset, tier, seconds, customerMax, allMax }, { amount }) =>
    `${tier}: in any ${duration(seconds)} at most ${amount(asset, customerMax)} of one customer, ${amount(asset, allMax)} of all`,
  credentialHoldSeconds: (seconds) => duration(seconds),
  recoveryHoldSeconds: (seconds) => duration(seconds),
  newDestinations: ({ asset, seconds, customerMax, allMax }, { amount }) =>
    `in any ${duration(seconds)} at most ${amount(asset, customerMax)} of one customer, ${amount(asset, allMax)} of all`,
  paidInSeconds: (seconds) => duration(seconds),
};

/** Every rule of one policy, as a change from nothing would say it. */
export const policyLines = (policy: Policy, units: Units): string[] =>
  (Object.keys(policy).filter((name) => !HEAD.has(name)) as Field[]).flatMap((field) => {
    const value: unknown = policy[field];
    const title = titles[field] ?? field;
    if (!Array.isArray(value) || value.length === 0) return [`${title}: ${said(field, value, units)}`];
    const keys = new Set(value.map(keyOf));
    return [...keys].map(
      (key) =>
        `${title}, ${key}: ${said(
          field,
          value.filter((rule) => keyOf(rule) === key),
          units,
        )}`,
    );
  });

const SPANS = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
] as const;

/** The largest unit in which it is whole. */
export function duration(seconds: number): string {
  const [length, name] = SPANS.find(([span]) => seconds >= span && seconds % span === 0) ?? [1, 'second'];
  const count = seconds / length;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
