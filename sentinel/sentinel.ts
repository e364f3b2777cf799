/**
 * The sentinel: watches the chains through nodes of its own and reads the signers' journals, shares no code with
 * core, and stops payments when money moves that no journal explains. It holds no key of money.
 */
import assert from 'node:assert/strict';
import { openSigner } from '../client/signer.ts';
import type { Finding } from './checks/finding.ts';
import type { SentinelConfig } from './config.ts';
import { openFreezer, type FreezeRecord } from './freezer.ts';
import { openBitcoin } from './sources/bitcoin.ts';
import { openEvm } from './sources/evm.ts';
import { openJournals, type JournalFault, type Journals } from './sources/journals.ts';
import { openRpc } from './sources/rpc.ts';
import { openState, type StateFile } from './state.ts';
import { watchBitcoin } from './watch-bitcoin.ts';
import { watchEvm } from './watch-evm.ts';

export interface NetworkReport {
  /** CAIP-2. */
  readonly network: string;
  readonly height: number;
  readonly hash: string;
  /** Blocks are left to be read. */
  readonly behind: boolean;
  /** Base units on the chain, as this sentinel's own node says, by network or asset. */
  readonly holdings: Readonly<Record<string, string>>;
  /** Unix ms of the last look that went through. */
  readonly at: number;
}

export interface SentinelStatus {
  readonly id: string;
  readonly epoch: number;
  readonly networks: readonly (NetworkReport & { readonly error?: string })[];
  readonly journals: readonly { signer: string; sequence: string; hash: string; fault?: string }[];
  /** What was found last, newest first. */
  readonly findings: readonly (Finding & { readonly at: number })[];
  readonly freezes: readonly FreezeRecord[];
}

export interface Sentinel {
  status(): SentinelStatus;
  /** Ends after the look that runs. */
  stop(): Promise<void>;
}

export interface SentinelDeps {
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (line: string) => void;
}

/** A signer that does not answer within this is silent. */
const SIGNER_WITHIN_MS = 10_000;
const FINDINGS_KEPT = 200;

interface Watch {
  readonly network: string;
  look(judged: (finding: Finding) => Promise<void>): Promise<NetworkReport>;
}

/** Opens every source and watches until stopped. A source that fails is looked at again; others go on meanwhile. */
export async function startSentinel(config: SentinelConfig, deps: SentinelDeps): Promise<Sentinel> {
  const stopping = new AbortController();
  const file = openState(config.state);
  const signers = config.signers.map(({ id, ...connection }) => ({
    id,
    ask: openSigner(connection, SIGNER_WITHIN_MS),
  }));
  const journals = openJournals(signers, file.state.journals);
  const { epoch } = config.manifest;
  const freezer = openFreezer({
    id: config.id,
    epoch,
    key: config.key,
    signers,
    nowMs: deps.nowMs,
    randomBytes: deps.randomBytes,
    records: file.state.freezes,
    keep: () => file.save(),
  });
  const findings: (Finding & { at: number })[] = [];
  const judged = async (finding: Finding): Promise<void> => {
    if (findings[0]?.key !== finding.key || findings[0].code !== finding.code) {
      deps.log(`${finding.level} ${finding.code} ${finding.scope}: ${finding.detail}`);
      findings.unshift({ ...finding, at: deps.nowMs() });
      findings.length = Math.min(findings.length, FINDINGS_KEPT);
    }
    if (finding.level === 'freeze') await freezer.freeze(finding);
  };
  const faults = new Map<string, string>();
  const shared = { journals: judging(journals, faults, judged), file, nowMs: deps.nowMs };
  const watches = await openWatches(config, shared);
  const reports = new Map<string, NetworkReport & { error?: string }>();
  const loop = async (name: string, look: () => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted) {
      await look().catch((error: unknown) => deps.log(`${name}: ${String(error)}`));
      file.state.journals = { ...journals.ends() };
      file.save();
      await deps.sleep(config.pollMs, stopping.signal);
    }
  };
  const running = [
    ...watches.map(async (watch) => loop(watch.network, () => lookAt(watch, reports, judged))),
    loop('journals', async () => {
      await shared.journals.refresh();
      await freezer.bringAgain();
    }),
  ];
  return {
    status: () => ({
      id: config.id,
      epoch,
      networks: [...reports.values()],
      journals: Object.entries(journals.ends()).map(([signer, { sequence, hash }]) => {
        const fault = faults.get(signer);
        return { signer, sequence: sequence.toString(), hash, ...(fault === undefined ? {} : { fault }) };
      }),
      findings,
      freezes: freezer.records,
    }),
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

interface Shared {
  readonly journals: Journals;
  readonly file: StateFile;
  readonly nowMs: () => number;
}

async function openWatches({ manifest, bitcoin, evm }: SentinelConfig, shared: Shared): Promise<Watch[]> {
  const { threshold } = manifest;
  const { state } = shared.file;
  const watches: Watch[] = [];
  for (const entry of manifest.bitcoin) {
    const { network } = entry;
    const { node, fromHeight, lookahead } = configured(bitcoin, network);
    const known = state.bitcoin[network];
    const options = { rpc: openRpc(node), manifest, entry, fromHeight, lookahead, state: known?.chain };
    const source = await openBitcoin(options);
    const open = known?.open ?? [];
    state.bitcoin[network] = { chain: source.state, open };
    watches.push({ network, ...watchBitcoin({ ...shared, network, threshold, source, open }) });
  }
  for (const entry of manifest.evm) {
    const { network } = entry;
    const { node, fromBlock, contracts } = configured(evm, network);
    const known = state.evm[network];
    const source = openEvm({ rpc: openRpc(node), entry, fromBlock, contracts, state: known?.chain });
    const open = known?.open ?? [];
    state.evm[network] = { chain: source.state, open };
    watches.push({ network, ...watchEvm({ ...shared, entry, manifest, contracts, source, open }) });
  }
  return watches;
}

/** The configuration has a node for every network of the manifest, or it was refused. */
function configured<T extends { readonly network: string }>(nodes: readonly T[], network: string): T {
  const node = nodes.find((one) => one.network === network);
  assert.ok(node, network);
  return node;
}

/** A look that fails leaves the last report, with why. */
async function lookAt(
  watch: Watch,
  reports: Map<string, NetworkReport & { error?: string }>,
  judged: (finding: Finding) => Promise<void>,
): Promise<void> {
  const { network } = watch;
  try {
    let report = await watch.look(judged);
    reports.set(network, report);
    while (report.behind) {
      report = await watch.look(judged);
      reports.set(network, report);
    }
  } catch (error) {
    const none = { network, height: 0, hash: '', behind: true, holdings: {}, at: 0 };
    reports.set(network, { ...(reports.get(network) ?? none), error: String(error) });
    throw error;
  }
}

/** The same journals, read by one at a time; a fork that a reading shows is judged at once. */
function judging(
  journals: Journals,
  faults: Map<string, string>,
  judged: (finding: Finding) => Promise<void>,
): Journals {
  let turn: Promise<unknown> = Promise.resolve();
  const read = async (): Promise<readonly JournalFault[]> => {
    const found = await journals.refresh();
    for (const signer of faults.keys())
      if (!faults.get(signer)?.startsWith('forked') && !found.some((fault) => fault.signer === signer))
        faults.delete(signer);
    for (const { signer, kind, detail } of found) {
      faults.set(signer, `${kind}: ${detail}`);
      if (kind === 'silent') continue;
      await judged({
        level: 'freeze',
        code: 'JOURNAL_FORK',
        scope: 'everything',
        key: `fork ${signer}`,
        detail: `the journal of signer ${signer}: ${detail}`,
      });
    }
    return found;
  };
  return {
    ...journals,
    refresh: async () => {
      const mine = turn.then(read);
      turn = mine.catch(() => undefined);
      return mine;
    },
  };
}
