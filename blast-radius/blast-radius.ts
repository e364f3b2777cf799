/**
 * What each capture could cost at this moment, of each asset: a pure function of the manifest, of what signers'
 * journals say, and of what core says stands in the hot wallets. Never less than signers would let through.
 */
import { isInScope } from '../signer/protocol/freeze.ts';
import type { Manifest } from '../signer/protocol/manifest.ts';
import type { Policy } from '../signer/protocol/policy.ts';
import type { SignerFacts } from './journals.ts';

export { factsOf, openFacts, type SignerFacts } from './journals.ts';
export { payableOf } from './payable.ts';

export interface Facts {
  readonly manifest: Manifest;
  /** Of the signers that could be read; the others are taken to sign whatever the readable ones would. */
  readonly signers: readonly SignerFacts[];
  /** By CAIP-19, base units that are hot, and who says so. Undefined: nobody did. */
  readonly float:
    | { readonly units: ReadonlyMap<string, bigint>; readonly basis: 'core' | 'chain' }
    | undefined;
  /** By CAIP-19, base units that an EVM vault itself would still pay; nothing of vaults that were not asked. */
  readonly vaults: ReadonlyMap<string, bigint>;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** Whose word a figure rests on. `journals` of signers and the vault on the `chain` hold with core captured. */
export type Basis = 'rule' | 'journals' | 'chain' | 'core' | 'unknown';

export interface Cost {
  /** CAIP-19. */
  readonly asset: string;
  /** Base units; undefined where nothing that was asked knows it. */
  readonly units: bigint | undefined;
  readonly basis: Basis;
}

export interface Capture {
  readonly captured: string;
  readonly control: string;
  readonly costs: readonly Cost[];
}

interface Payment {
  readonly network: string;
  readonly asset: string;
  readonly isBitcoin: boolean;
}

/** Every capture of the threat model, with every asset of the manifest. */
export function blastRadius(facts: Facts): Capture[] {
  const { manifest, signers } = facts;
  const { threshold } = manifest;
  const payments = paymentsOf(manifest);
  const each = (costOf: (payment: Payment) => Omit<Cost, 'asset'>): Cost[] =>
    payments.map((payment) => ({ asset: payment.asset, ...costOf(payment) }));
  const nothing = each(() => ({ units: 0n, basis: 'rule' as const }));
  const journals = (units: (payment: Payment) => bigint): Cost[] =>
    each((payment) => byVault({ units: units(payment), basis: 'journals' }, payment, facts));
  const everything = each((payment) => floatOf(payment, facts));
  const keys = each((payment) => byVault(floatOf(payment, facts), payment, facts));
  const host = threshold > 1 ? nothing : keys;
  const twice = manifest.journalCopies * 2 - manifest.signers.length - 1 < 1;
  const noApprovals = signers.every(({ policies }) =>
    policies.every(({ approvals }) => approvals.length === 0),
  );
  return [
    {
      captured: 'core',
      control:
        'windows of each signer’s policy, and the tiers of an asset that has them: for everybody, and for the house',
      costs: journals((payment) => tiersOf(payment, facts)),
    },
    {
      captured: 'one signer host with its key',
      control: threshold > 1 ? `${threshold} signatures are needed` : 'none: one signature is enough',
      costs: host,
    },
    {
      captured: 'core and one signer host',
      control: twice
        ? 'windows, but not shared: with so few journal copies each honest signer’s own window can be spent'
        : 'windows, shared: every payment is in a journal that an honest signer holds',
      costs: journals((payment) => roomBeside(payment, facts, twice)),
    },
    {
      captured: `${threshold} signer keys`,
      control: 'BTC: none but evacuation. EVM: the vault’s own cap of 24 hours, until somebody pauses it',
      costs: keys,
    },
    {
      captured: 'the sentinel, or any one operator',
      control: 'freezes, tightens and evacuates to COLD only: downtime',
      costs: nothing,
    },
    {
      captured: 'a lying node',
      control: 'windows; no second witness is known to signers here',
      costs: journals((payment) => roomOf(payment, facts)),
    },
    {
      captured: 'an approver’s screen',
      control: noApprovals
        ? 'no approvals in the policy: nobody’s approval pays anything'
        : 'signers check an order whoever approves it',
      costs: nothing,
    },
    {
      captured: 'a customer’s login, without the passkey',
      control: 'the tier for customers without a credential; without tiers, the windows',
      costs: journals((payment) => loginOf(payment, facts)),
    },
    { captured: 'a quorum of operators', control: 'the delays of the policy', costs: everything },
    { captured: 'as many operators as open the key backups', control: 'none', costs: keys },
    { captured: 'a release of signers', control: 'each host is installed by hand', costs: keys },
  ];
}

function paymentsOf({ bitcoin, evm }: Manifest): Payment[] {
  return [
    ...bitcoin.map(({ network, asset }) => ({ network, asset, isBitcoin: true })),
    ...evm.flatMap(({ network, tokens }) =>
      tokens.map(({ asset }) => ({ network, asset, isBitcoin: false })),
    ),
  ];
}

/** The vault pays no more than its cap, whoever signs. Where it is not known, nothing is taken off. */
function byVault(cost: Omit<Cost, 'asset'>, { asset }: Payment, { vaults }: Facts): Omit<Cost, 'asset'> {
  const payable = vaults.get(asset);
  if (payable === undefined || (cost.basis === 'journals' && (cost.units ?? 0n) <= payable)) return cost;
  return { units: payable, basis: 'chain' };
}

/** Never in a figure that must hold with core captured, who would say that nothing is there. */
function floatOf({ asset }: Payment, { float }: Facts): Omit<Cost, 'asset'> {
  const units = float?.units.get(asset);
  return float === undefined || units === undefined
    ? { units: undefined, basis: 'unknown' }
    : { units, basis: float.basis };
}

const isFrozen = ({ frozen }: SignerFacts, payment: Payment): boolean =>
  frozen.some((scope) => isInScope(scope, payment));

/** How many signers would look at a payment at all; one that could not be read might. */
function able(payment: Payment, { manifest, signers }: Facts): number {
  const stopped = signers.filter((one) => isFrozen(one, payment) || one.policies.length === 0).length;
  return manifest.signers.length - stopped;
}

function roomOf(payment: Payment, facts: Facts): bigint {
  return able(payment, facts) < facts.manifest.threshold ? 0n : leftOf(payment, facts);
}

/** With one signer's key the others' windows can be spent apart where too few journals are shared. */
function roomBeside(payment: Payment, facts: Facts, isTwice: boolean): bigint {
  const { threshold, signers } = facts.manifest;
  const willing = able(payment, facts);
  // Whoever has a host makes its signer forget its freezes.
  const honest = willing < signers.length ? willing : willing - 1;
  if (honest + 1 < threshold) return 0n;
  const sets = threshold === 1 ? signers.length : Math.floor(honest / (threshold - 1));
  return leftOf(payment, facts) * BigInt(isTwice ? sets : 1);
}

/** Core alone: whatever backs an order is in a tier, and fees are in none; what is funded a thief has paid in. */
function tiersOf(payment: Payment, facts: Facts): bigint {
  const room = roomOf(payment, facts);
  const most = policiesOf(facts).map((policy): bigint => {
    const rules = policy.tiers.filter(({ asset }) => asset === payment.asset);
    if (rules.length === 0) return room;
    const orders = rules.reduce((sum, { tier, allMax }) => (tier === 'funded' ? sum : sum + allMax), 0n);
    return orders + feesLeft(policy, payment, facts);
  });
  return smaller(room, largest(most));
}

function loginOf(payment: Payment, facts: Facts): bigint {
  const room = roomOf(payment, facts);
  const most = policiesOf(facts).map(({ tiers }): bigint => {
    const rules = tiers.filter(({ asset }) => asset === payment.asset);
    if (rules.length === 0) return room;
    return rules.find(({ tier }) => tier === 'unproven')?.customerMax ?? 0n;
  });
  return smaller(room, largest(most));
}

/** What windows still let through of an asset: orders, and on Bitcoin fees. The loosest policy counts that may hold. */
function leftOf(payment: Payment, facts: Facts): bigint {
  return largest(policiesOf(facts).map((policy) => leftUnder(policy, payment, facts)));
}

const policiesOf = ({ signers }: Facts): readonly Policy[] => signers.flatMap(({ policies }) => policies);

function leftUnder(policy: Policy, payment: Payment, facts: Facts): bigint {
  const { asset } = payment;
  const rule = policy.assets.find((one) => one.asset === asset);
  if (rule === undefined) return 0n;
  const weighty = policy.approvals.filter((one) => one.asset === asset).map(({ from }) => from - 1n);
  const orderMax = [rule.orderMax, ...weighty].reduce(smaller);
  // Since the earliest that any signer says: it leaves that one's window first.
  const signed = once(
    facts.signers
      .flatMap(({ orders }) => orders.filter((order) => order.asset === asset))
      .toSorted((a, b) => a.atMs - b.atMs),
    ({ number }) => number,
  );
  const orders = rule.windows
    .map(({ seconds, valueMax, countMax }) => {
      const within = signed.filter(({ atMs }) => atMs > facts.nowMs - seconds * 1000);
      const value = valueMax - within.reduce((sum, { amount }) => sum + amount, 0n);
      return smaller(value, BigInt(Math.max(0, countMax - within.length)) * orderMax);
    })
    .reduce(smaller);
  // What was signed before can be replaced at a higher fee where no order fits any more.
  return (orders < 0n || orderMax <= 0n ? 0n : orders) + feesLeft(policy, payment, facts);
}

/** Satoshi that transactions may still burn. */
function feesLeft({ fees }: Policy, { network, isBitcoin }: Payment, { signers, nowMs }: Facts): bigint {
  if (!isBitcoin) return 0n;
  const rule = fees.find((one) => one.network === network);
  if (rule === undefined) return 0n;
  const paid = once(
    signers
      .flatMap((one) => one.fees.filter((fee) => fee.network === network))
      .toSorted((a, b) => (a.fee < b.fee ? 1 : -1)),
    ({ of }) => of,
  ).filter(({ atMs }) => atMs > nowMs - rule.seconds * 1000);
  const left = rule.feeMax - paid.reduce((sum, { fee }) => sum + fee, 0n);
  return left < 0n ? 0n : left;
}

function once<T>(all: readonly T[], name: (one: T) => string): T[] {
  const found = new Map<string, T>();
  for (const one of all) if (!found.has(name(one))) found.set(name(one), one);
  return [...found.values()];
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const largest = (all: readonly bigint[]): bigint => all.reduce((a, b) => (a > b ? a : b), 0n);
