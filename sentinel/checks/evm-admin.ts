/** Events by which power over the vault, the registry or a token changes hands, or payments stop. */
import type { Finding } from './finding.ts';

export interface AdminEvent {
  /** CAIP-2. */
  readonly network: string;
  readonly txHash: string;
  readonly block: number;
  readonly contract: string;
  readonly name: string;
  /** What it is about, when it names an account. */
  readonly account?: string;
  /** Who brought it about, when it says so. */
  readonly by?: string;
}

/** Nobody outside can bring these about: only owners, operators, guardians and signers' quorums. */
const OURS_FREEZE = new Set([
  'Paused',
  'Evacuated',
  'SignerAdded',
  'SignerRemoved',
  'GuardianAdded',
  'GuardianRemoved',
  'ThresholdChanged',
  'OwnerChanged',
  'OperatorsChanged',
  'ColdChanged',
  'DestinationChanged',
  'DestinationAdmitted',
  'DestinationRevoked',
  'MinDelayChange',
  'RoleGranted',
  'RoleRevoked',
  'AddedOwner',
  'RemovedOwner',
  'ChangedThreshold',
  'EnabledModule',
  'ChangedGuard',
  'ChangedFallbackHandler',
]);
const OURS_ALARM = new Set([
  'Unpaused',
  'GenerationRaised',
  'CapChanged',
  'GasCapsChanged',
  'EvacuateFailed',
  'TokenListed',
  'PersistentByDefaultChanged',
  'CallScheduled',
]);
const TOKEN_FREEZE = new Set(['Pause', 'Deprecate', 'Upgraded', 'AdminChanged', 'OwnershipTransferred']);
const TOKEN_ALARM = new Set(['Unpause', 'Params', 'MasterMinterChanged']);
/** Issuers block accounts every day: only one of ours matters. */
const TOKEN_ABOUT_US = new Set(['AddedBlackList', 'Blacklisted', 'DestroyedBlackFunds']);

/** What this sentinel does itself to stop a vault. */
const OUR_OWN_ACTS = new Set(['Paused', 'CapChanged']);

/** An event of a contract of ours: whatever stops or hands over the vault freezes its network. */
export function judgeOwnEvent(event: AdminEvent, guardian?: string): Finding | undefined {
  const isOwnAct = guardian !== undefined && event.by?.toLowerCase() === guardian.toLowerCase();
  if (isOwnAct && OUR_OWN_ACTS.has(event.name)) return undefined;
  if (OURS_FREEZE.has(event.name)) return found(event, 'freeze', event.network);
  return OURS_ALARM.has(event.name) ? found(event, 'alarm', event.network) : undefined;
}

/** An event of a token: a token that is stopped, or whose owner took it over, freezes its asset. */
export function judgeTokenEvent(
  event: AdminEvent,
  { asset, ours }: { readonly asset: string; readonly ours: ReadonlySet<string> },
): Finding | undefined {
  if (TOKEN_FREEZE.has(event.name)) return found(event, 'freeze', asset);
  if (TOKEN_ALARM.has(event.name)) return found(event, 'alarm', asset);
  const isAboutUs = TOKEN_ABOUT_US.has(event.name) && ours.has((event.account ?? '').toLowerCase());
  return isAboutUs ? found(event, 'freeze', asset) : undefined;
}

function found(event: AdminEvent, level: Finding['level'], scope: string): Finding {
  const { network, txHash, block, contract, name, account } = event;
  return {
    level,
    code: 'ADMIN_EVENT',
    scope,
    key: `admin ${network} ${txHash} ${contract} ${name} ${account ?? ''}`.trim(),
    detail: `${name} of ${contract}${account === undefined ? '' : ` about ${account}`} in block ${block}, ${txHash}`,
  };
}
