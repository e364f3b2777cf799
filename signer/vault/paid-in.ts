/** What customers have paid in, as sentinels saw it on the chain, and which of their orders it backs. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../protocol/canonical.ts';
import { depositsDocument, type Deposit } from '../protocol/deposits.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { Policy } from '../protocol/policy.ts';
import { readSigned, type SignedJson } from '../protocol/signatures.ts';
import { certifiedAt, type CertificateMemory } from './certificates.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { addTotal, spentWithin, type Spending, type Totals } from './limits.ts';
import { tierKeys } from './payments.ts';
import { checkOne, type RosterMemory } from './roster.ts';

export interface PaidInMemory {
  /** By asset and customer: base units, at the time of their entries. */
  readonly totals: Map<string, Totals>;
  /** Network, transaction and output of each that counts. */
  readonly known: Set<string>;
}

export const emptyPaidIn = (): PaidInMemory => ({ totals: new Map(), known: new Set() });

interface Rules {
  readonly manifest: Manifest;
  readonly roster: RosterMemory;
  readonly certified: CertificateMemory;
  readonly paidIn: PaidInMemory;
}

/**
 * Which of a sentinel's deposits count: those to an address that was certified with a credential when the deposit's block
 * was made. One that came before says nothing about whoever holds a credential now.
 */
export function decideDeposits(
  { document, signatures }: SignedJson,
  { manifest, roster, certified, paidIn }: Rules,
): Decision<{ readonly fresh: boolean; readonly counted: number }> {
  const parsed = depositsDocument.parse(document);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const { epoch, network, by, deposits } = parsed.value;
  if (epoch !== manifest.epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${manifest.epoch}`);
  if (!manifest.sentinels.some(({ id }) => id === by)) return refuse('NOT_IN_ROSTER', `${by} is no sentinel`);
  const digest = depositsDocument.digest(parsed.value, sha256);
  const one = checkOne(signatures, { by, digest, manifest, roster });
  if (!one.ok) return one;
  const counting = deposits.filter((deposit) => counts(network, deposit, certified));
  const fresh = counting.some((deposit) => !paidIn.known.has(nameOf(network, deposit)));
  return accept({ fresh, counted: counting.length });
}

/** Throws MalformedError for a body that is none. */
export function rememberDeposits(
  { certified, paidIn }: Pick<Rules, 'certified' | 'paidIn'>,
  body: unknown,
  atMs: number,
): void {
  const { document } = readSigned(body, 'deposits');
  const { network, deposits } = depositsDocument.fromJson(document, 'deposits');
  for (const deposit of deposits) {
    const name = nameOf(network, deposit);
    if (paidIn.known.has(name) || !counts(network, deposit, certified)) continue;
    paidIn.known.add(name);
    const key = `${deposit.asset} ${toHex(deposit.customer)}`;
    addTotal(paidIn.totals, key, { atMs, value: deposit.amount, count: 1 });
  }
}

/**
 * Base units of a customer's that are paid in and not paid out on their account, within the policy's time. What was paid
 * out counts as long as any deposit that could have backed it, so that none backs two orders.
 */
export function fundsOf(
  customer: string,
  asset: string,
  memory: {
    readonly paidIn: PaidInMemory;
    readonly spending: Spending;
    readonly policy: Policy;
    readonly nowMs: number;
  },
): bigint {
  const { paidIn, spending, policy, nowMs } = memory;
  if (!policy.tiers.some((rule) => rule.asset === asset && rule.tier === 'funded')) return 0n;
  const within = { seconds: policy.paidInSeconds, nowMs };
  const { value: paid } = spentWithin(paidIn.totals.get(`${asset} ${customer}`), within);
  const key = tierKeys(asset, { customer, tier: 'funded' }).customer;
  const { value: spent } = spentWithin(spending.tiers.get(key), within);
  return paid > spent ? paid - spent : 0n;
}

function counts(network: string, { customer, index, at }: Deposit, certified: CertificateMemory): boolean {
  const address = certifiedAt(certified, network, { customer: toHex(customer), index });
  return address !== undefined && address.provenMs <= Number(at) * 1000;
}

const nameOf = (network: string, { id, output }: Deposit): string => `${network} ${toHex(id)}:${output}`;
