/** The policy: what signers pay at most. One person tightens it at once, a quorum loosens it after its delay. */
import { MalformedError } from './canonical.ts';
import {
  bytesField,
  documentOf,
  list,
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
const WINDOW_MAX_SECONDS = 31 * DAY_SECONDS;
const ATTESTATION_MAX_SECONDS = 3600;
const DELAY_MAX_SECONDS = 31 * DAY_SECONDS;

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
    now.attestations.every((rule) => isAttestationKept(rule, next))
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
