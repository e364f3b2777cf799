/** The policy: what signers pay at most. One person tightens it at once, a quorum loosens it after its delay. */
import { MalformedError } from './canonical.ts';
import {
  bytesField,
  documentOf,
  list,
  oneOf,
  record,
  textField,
  u256Field,
  u32Field,
  u64Field,
  u8Field,
  type RecordOf,
} from './document.ts';
import { ASSET, NETWORK, SIGNER_ID } from './json.ts';

const ASSETS_MAX = 512;
const NETWORKS_MAX = 64;
const WINDOWS_MAX = 8;
const DAY_SECONDS = 86_400;
/** No window may be longer. */
export const WINDOW_MAX_SECONDS = 31 * DAY_SECONDS;
const ATTESTATION_MAX_SECONDS = 3600;
const DELAY_MAX_SECONDS = 31 * DAY_SECONDS;
const HOLD_MAX_SECONDS = 366 * DAY_SECONDS;

/** Over every span of this length, whenever it begins. */
const windowField = record({
  seconds: u32Field(WINDOW_MAX_SECONDS),
  /** Base units that recipients get. */
  valueMax: u256Field,
  /** Orders. */
  countMax: u32Field(),
});

const assetField = record({
  /** CAIP-19. */
  asset: textField(ASSET),
  /** Base units of one order. */
  orderMax: u256Field,
  windows: list(windowField, { min: 1, max: WINDOWS_MAX, isSet: true }),
});

const feeField = record({
  /** CAIP-2 of a Bitcoin network; on EVM the relayer's float bounds what gas can cost. */
  network: textField(NETWORK),
  seconds: u32Field(WINDOW_MAX_SECONDS),
  /** Satoshi. */
  feeMax: u64Field,
});

/** Nothing is signed on the network without a sentinel's attestation that is younger; not named: none is needed. */
const attestationField = record({
  /** CAIP-2. */
  network: textField(NETWORK),
  maxSeconds: u32Field(ATTESTATION_MAX_SECONDS),
});

/**
 * How far a customer's order is backed: `unproven`, on core's word alone; `unfunded`, by a credential whose hold is
 * over; `funded`, by one, and by what signers know the customer to have paid in. Without a rule for `funded` such an
 * order is `unfunded`. Orders of the house, which nobody but core asks for, are a tier of their own. An asset without a tier has only its windows; with one, what no tier names is refused.
 */
export const tiers = Object.freeze({ unproven: 1, unfunded: 2, funded: 3, house: 4 } as const);
export type Tier = keyof typeof tiers;

const tierField = record({
  /** CAIP-19. */
  asset: textField(ASSET),
  tier: oneOf(tiers),
  seconds: u32Field(WINDOW_MAX_SECONDS),
  /** Base units in any span of this length: of one customer, and of all together. */
  customerMax: u256Field,
  allMax: u256Field,
});

/** What customers' credentials pay to where they first paid less than a hold ago; an asset without one has no such cap. */
const newDestinationField = record({
  /** CAIP-19. */
  asset: textField(ASSET),
  seconds: u32Field(WINDOW_MAX_SECONDS),
  /** Base units in any span of this length: of one customer, and of all together. */
  customerMax: u256Field,
  allMax: u256Field,
});

const shape = {
  epoch: u32Field(),
  /** From 1, without a gap. */
  version: u32Field(),
  /** Digest of the policy before; zero for the first. */
  previous: bytesField(32),
  /** Who tightened; whoever proposed, where a quorum signs. */
  by: textField(SIGNER_ID),
  assets: list(assetField, { max: ASSETS_MAX, isSet: true }),
  fees: list(feeField, { max: NETWORKS_MAX, isSet: true }),
  /** How long a loosening waits after a signer has taken it. */
  loosenDelaySeconds: u32Field(DELAY_MAX_SECONDS),
  /** Distinct operators that approve an order above an asset's threshold; see approvals. */
  approvals: list(record({ asset: textField(ASSET), from: u256Field, operators: u8Field() }), {
    max: ASSETS_MAX,
    isSet: true,
  }),
  attestations: list(attestationField, { max: NETWORKS_MAX, isSet: true }),
  tiers: list(tierField, { max: 4 * ASSETS_MAX, isSet: true }),
  /** How long a new credential signs nothing, by each signer's clock. */
  credentialHoldSeconds: u32Field(HOLD_MAX_SECONDS),
  /** The same for one that no credential of the customer vouches for, though there is one. */
  recoveryHoldSeconds: u32Field(HOLD_MAX_SECONDS),
  newDestinations: list(newDestinationField, { max: ASSETS_MAX, isSet: true }),
  /** How long what a customer paid in backs orders. */
  paidInSeconds: u32Field(HOLD_MAX_SECONDS),
};

export type Policy = RecordOf<typeof shape>;

export const policyDocument = documentOf('portcullis/policy/1', shape, (policy) => {
  if (policy.version < 1) throw new MalformedError('policy.version: at least 1');
  once(
    'asset',
    policy.assets.map(({ asset }) => asset),
  );
  once(
    'network',
    policy.fees.map(({ network }) => network),
  );
  for (const { windows } of policy.assets) {
    once(
      'window',
      windows.map(({ seconds }) => String(seconds)),
    );
    if (windows.some(({ seconds }) => seconds === 0))
      throw new MalformedError('policy: a window of no length');
  }
  once(
    'network to attest',
    policy.attestations.map(({ network }) => network),
  );
  once(
    'tier of an asset',
    policy.tiers.map(({ asset, tier }) => `${asset} ${tier}`),
  );
  if (policy.tiers.some(({ seconds }) => seconds === 0))
    throw new MalformedError('policy: a window of no length');
  once(
    'cap of new destinations',
    policy.newDestinations.map(({ asset }) => asset),
  );
  if (policy.newDestinations.some(({ seconds }) => seconds === 0))
    throw new MalformedError('policy: a window of no length');
  if (policy.recoveryHoldSeconds < policy.credentialHoldSeconds)
    throw new MalformedError('policy.recoveryHoldSeconds: no shorter than the ordinary hold');
  if (policy.attestations.some(({ maxSeconds }) => maxSeconds === 0))
    throw new MalformedError('policy: an attestation of no age');
  if (policy.fees.some(({ seconds }) => seconds === 0))
    throw new MalformedError('policy: a window of no length');
});

/** Whether nothing is allowed under `next` that was not allowed under `now`. */
export function isTighter(next: Policy, now: Policy): boolean {
  return (
    next.assets.every((rule) => isAssetTighter(rule, now)) &&
    next.fees.every((rule) => isFeeTighter(rule, now)) &&
    now.approvals.every((rule) => isApprovalKept(rule, next)) &&
    next.loosenDelaySeconds >= now.loosenDelaySeconds &&
    now.attestations.every((rule) => isAttestationKept(rule, next)) &&
    areTiersKept(next, now) &&
    next.credentialHoldSeconds >= now.credentialHoldSeconds &&
    next.recoveryHoldSeconds >= now.recoveryHoldSeconds &&
    next.paidInSeconds <= now.paidInSeconds &&
    now.newDestinations.every((rule) => isNewDestinationKept(rule, next))
  );
}

/** An asset that has tiers keeps at least one, and every tier that it has then bounds as much as before. */
function areTiersKept(next: Policy, now: Policy): boolean {
  const assets = new Set(now.tiers.map(({ asset }) => asset));
  const isBounded = (rule: Policy['tiers'][number]): boolean =>
    now.tiers.some(
      (old) =>
        old.asset === rule.asset &&
        old.tier === rule.tier &&
        rule.seconds >= old.seconds &&
        rule.customerMax <= old.customerMax &&
        rule.allMax <= old.allMax,
    );
  return [...assets].every((asset) => {
    const kept = next.tiers.filter((rule) => rule.asset === asset);
    return kept.length > 0 && kept.every(isBounded);
  });
}

function isNewDestinationKept(
  now: Policy['newDestinations'][number],
  { newDestinations, assets }: Policy,
): boolean {
  const isPayable = assets.some(({ asset }) => asset === now.asset);
  return (
    !isPayable ||
    newDestinations.some(
      ({ asset, seconds, customerMax, allMax }) =>
        asset === now.asset &&
        seconds >= now.seconds &&
        customerMax <= now.customerMax &&
        allMax <= now.allMax,
    )
  );
}

type AssetRule = Policy['assets'][number];
type Window = AssetRule['windows'][number];

function isAssetTighter(next: AssetRule, { assets }: Policy): boolean {
  const now = assets.find(({ asset }) => asset === next.asset);
  if (now === undefined || next.orderMax > now.orderMax) return false;
  // A span that is as long or longer and allows no more bounds the shorter one too.
  const isBounded = (old: Window): boolean =>
    next.windows.some(
      ({ seconds, valueMax, countMax }) =>
        seconds >= old.seconds && valueMax <= old.valueMax && countMax <= old.countMax,
    );
  return now.windows.every(isBounded);
}

function isFeeTighter(next: Policy['fees'][number], { fees }: Policy): boolean {
  const now = fees.find(({ network }) => network === next.network);
  return now !== undefined && next.seconds >= now.seconds && next.feeMax <= now.feeMax;
}

function isApprovalKept(now: Policy['approvals'][number], { approvals, assets }: Policy): boolean {
  const isPayable = assets.some(({ asset }) => asset === now.asset);
  return (
    !isPayable ||
    approvals.some(
      ({ asset, from, operators }) => asset === now.asset && from <= now.from && operators >= now.operators,
    )
  );
}

function isAttestationKept(now: Policy['attestations'][number], { attestations, assets }: Policy): boolean {
  const isPayable = assets.some(({ asset }) => asset.startsWith(`${now.network}/`));
  return (
    !isPayable ||
    attestations.some(({ network, maxSeconds }) => network === now.network && maxSeconds <= now.maxSeconds)
  );
}

function once(what: string, values: readonly string[]): void {
  if (new Set(values).size !== values.length) throw new MalformedError(`policy: one ${what} twice`);
}
