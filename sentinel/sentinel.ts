/**
 * The sentinel: watches the chains through nodes of its own and reads the signers' journals, shares no code with
 * core, and stops payments when money moves that no journal explains. It holds no key of money.
 */
import assert from 'node:assert/strict';
import { zeroAddress } from 'viem';
import { openSigner } from '../client/signer.ts';
import { EVERYTHING } from '../signer/protocol/freeze.ts';
import { openAttester, type AttestationReport, type Attester } from './attester.ts';
import { doubtOf, isLate } from './checks/doubt.ts';
import type { Finding } from './checks/finding.ts';
import type { SentinelConfig } from './config.ts';
import { openExposure, type Exposure, type ExposureReport } from './exposure.ts';
import { openFindings, type Findings } from './findings.ts';
import { openFreezer, type FreezeRecord, type Freezer } from './freezer.ts';
import { openBitcoin } from './sources/bitcoin.ts';
import { openEvm } from './sources/evm.ts';
import { openJournals, type JournalFault, type Journals } from './sources/journals.ts';
import { openRpc } from './sources/rpc.ts';
import { openState, type StateFile } from './state.ts';
import type { Sleep } from './patience.ts';
import { watchBitcoin } from './watch-bitcoin.ts';
import { openBooks } from './sources/books.ts';
import { watchBooks, type BooksReport, type BooksWatch } from './watch-books.ts';
import { watchEvm } from './watch-evm.ts';
import { openVaultStops, stoppableVaults, type VaultStops } from './vault-stops.ts';

export interface NetworkReport {
  /** CAIP-2. */
  readonly network: string;
  readonly height: number;
  readonly hash: string;
  /** Of that block, Unix seconds. */
  readonly time: number;
  /** Blocks are left to be read. */
  readonly behind: boolean;
  /** Movements that no journals explain yet. */
  readonly open: number;
  /** Base units on the chain, as this sentinel's own node says, by asset (CAIP-19). */
  readonly holdings: Readonly<Record<string, string>>;
  /** Unix ms of the last look that went through. */
  readonly at: number;
}

/** What is told of a network: the last look, and what signers have of it. */
export interface NetworkStatus extends NetworkReport {
  /** Why the last look did not go through. */
  readonly error?: string;
  readonly attestation?: AttestationReport & { readonly ageSeconds: number };
  /** Why nothing is attested now. */
  readonly withheld?: string;
  /** Core's books beside the chain, when they were compared last. */
  readonly books?: BooksReport;
}

export interface SentinelStatus {
  readonly id: string;
  readonly epoch: number;
  readonly networks: readonly NetworkStatus[];
  readonly journals: readonly { signer: string; sequence: string; hash: string; fault?: string }[];
  /** What was found last, newest first. */
  readonly findings: Findings['all'];
  readonly freezes: readonly FreezeRecord[];
  /** Networks whose money is being stolen as far as this sentinel sees, and why: somebody should evacuate them. */
  readonly evacuate: readonly EvacuationAsked[];
}

export interface EvacuationAsked {
  /** CAIP-2. */
  readonly network: string;
  readonly why: string;
}

export interface Sentinel {
  readonly status: () => SentinelStatus;
  readonly blastRadius: () => Promise<ExposureReport>;
  /** Ends after the look that runs. */
  stop(): Promise<void>;
}

export interface SentinelDeps {
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly sleep: Sleep;
  readonly log: (line: string) => void;
}

/** A question that is not answered within this is given up; whoever asked has gone on long before. */
const SIGNER_WITHIN_MS = 10_000;

interface Watch {
  readonly network: string;
  look(judged: (finding: Finding) => Promise<void>): Promise<NetworkReport>;
}

/** Opens every source and watches until stopped. A source that fails is looked at again; others go on meanwhile. */
export async function startSentinel(config: SentinelConfig, deps: SentinelDeps): Promise<Sentinel> {
  const stopping = new AbortController();
  const reports: Reports = new Map();
  const parts = openParts(config, deps, reports);
  const { file, journals, freezer, findings } = parts;
  const watches = await openWatches(config, { journals, file, nowMs: deps.nowMs });
  const loop = async (name: string, look: () => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted) {
      await look().catch((error: unknown) => deps.log(`${name}: ${String(error)}`));
      file.state.journals = { ...journals.ends() };
      file.save();
      await deps.sleep(config.pollMs, stopping.signal);
    }
  };
  const stopVaults = (): void =>
    void parts.stops.bring().catch((error: unknown) => deps.log(`vaults: ${String(error)}`));
  const running = [
    ...watches.map(async (watch) =>
      loop(watch.network, async () => {
        await lookAt(watch, reports, findings.judge);
        const report = reports.get(watch.network);
        if (report === undefined || report.error !== undefined) return;
        // Not waited for: a database that is slow holds up no look.
        parts.books
          ?.look(report, findings.judge)
          .catch((error: unknown) => deps.log(`books: ${String(error)}`));
        await speakOf(report, config, { ...parts, nowMs: deps.nowMs });
      }),
    ),
    loop('journals', async () => {
      await journals.refresh();
      await freezer.bringAgain();
      stopVaults();
    }),
  ];
  return {
    status: () => statusOf(config, { ...parts, reports, nowMs: deps.nowMs }),
    blastRadius: parts.exposure.read,
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

type Reports = Map<string, NetworkReport & { error?: string }>;

interface Parts {
  readonly file: StateFile;
  readonly journals: Journals;
  readonly faults: ReadonlyMap<string, string>;
  readonly freezer: Freezer;
  readonly findings: Findings;
  readonly attester: Attester;
  readonly books: BooksWatch | undefined;
  readonly exposure: Exposure;
  readonly stops: VaultStops;
}

function openParts(
  config: SentinelConfig,
  { nowMs, randomBytes, sleep, log }: SentinelDeps,
  reports: Reports,
): Parts {
  const file = openState(config.state);
  const { id, key, attest } = config;
  const { epoch, threshold } = config.manifest;
  const signers = config.signers.map((signer) => ({
    id: signer.id,
    ask: openSigner(signer, SIGNER_WITHIN_MS),
  }));
  const exposure = openExposure({
    manifest: config.manifest,
    nodes: new Map(config.evm.map(({ network, node }) => [network, node])),
    readable: () => journals.readable(),
    holdings: () => holdingsIn(reports),
    nowMs,
  });
  const told = exposure.take;
  const journals = openJournals(signers, { shown: file.state.journals, threshold, sleep, told });
  const shared = { id, epoch, key, signers, nowMs };
  const freezer = openFreezer({
    ...shared,
    randomBytes,
    sleep,
    records: file.state.freezes,
    isLifted: journals.isLifted,
    keep: () => file.save(),
  });
  const stops = openVaultStops({
    vaults: stoppableVaults(config, { nowMs, sleep, log }),
    records: file.state.freezes,
    isLifted: journals.isLifted,
    keep: () => file.save(),
  });
  const freeze = async (finding: Finding): Promise<void> => {
    const brought = freezer.freeze(finding);
    // Beside it: a block takes longer than every signer together.
    void stops.bring().catch((error: unknown) => log(`vaults: ${String(error)}`));
    await brought;
  };
  const findings = openFindings({ freeze, nowMs, log });
  const faults = new Map<string, string>();
  const attester = openAttester({ ...shared, ...attest });
  return {
    file,
    journals: judging(journals, faults, findings.judge, nowMs),
    faults,
    freezer,
    findings,
    attester,
    books: openBooksWatch(config, nowMs),
    exposure,
    stops,
  };
}

const holdingsIn = (reports: Reports): Map<string, bigint> =>
  new Map(
    [...reports.values()].flatMap(({ holdings }) =>
      Object.entries(holdings).map(([asset, units]) => [asset, BigInt(units)] as const),
    ),
  );

function openBooksWatch({ books, manifest }: SentinelConfig, nowMs: () => number): BooksWatch | undefined {
  if (books === undefined) return undefined;
  const contracts = Object.fromEntries(
    manifest.evm.flatMap(({ tokens }) =>
      tokens.map(({ asset, token }) => [asset, token === zeroAddress ? '' : token.toLowerCase()] as const),
    ),
  );
  const networks = books.networks.map((network) => ({ ...network, contracts }));
  return watchBooks({ books: openBooks(books.url), networks, agreeMs: books.agreeSeconds * 1000, nowMs });
}

/** Attests what was just seen of a network, or withholds it. */
async function speakOf(
  report: NetworkReport,
  { manifest, bitcoin, evm }: SentinelConfig,
  { journals, freezer, findings, attester, books, nowMs }: Parts & { readonly nowMs: () => number },
): Promise<void> {
  const { network, behind, open: openCount, time, height } = report;
  const { lagMaxSeconds } = configured<{ network: string; lagMaxSeconds?: number | undefined }>(
    [...bitcoin, ...evm],
    network,
  );
  const standing = freezer.records
    .filter(({ scope }) => scope === EVERYTHING || scope === network || scope.startsWith(`${network}/`))
    .filter(({ id }) => !journals.isLifted(id))
    .map(({ code }) => code);
  const blockAgeSeconds = Math.max(0, Math.floor(nowMs() / 1000) - time);
  const doubts = { behind, openCount, standing, blockAgeSeconds, lagMaxSeconds };
  const heard = {
    readable: journals.readable().length,
    threshold: manifest.threshold,
    forked: journals.isForked(),
  };
  const doubt = doubtOf({ ...doubts, ...heard });
  if (isLate({ blockAgeSeconds, lagMaxSeconds })) {
    const detail = `block ${height} is the newest, ${blockAgeSeconds} s old`;
    const key = `lag ${network} ${height}`;
    await findings.judge({ level: 'alarm', code: 'CHAIN_LAG', scope: network, key, detail });
  }
  if (doubt !== undefined) return attester.withhold(network, doubt);
  const isEvm = manifest.evm.some((entry) => entry.network === network);
  const compared = books?.last(network);
  const isCovered = compared?.hash === report.hash && compared.isCovered;
  // Not waited for: a signer that is slow to answer holds up no look.
  void attester.attest(report, [
    { clause: 'outflows-explained', basis: 'chain' },
    { clause: 'journals-agree', basis: 'chain' },
    ...(isEvm ? [{ clause: 'power-unchanged', basis: 'chain' } as const] : []),
    ...(isCovered ? [{ clause: 'books-covered', basis: 'books' } as const] : []),
  ]);
}

function statusOf(
  { id, manifest }: SentinelConfig,
  parts: Parts & { readonly reports: ReadonlyMap<string, NetworkReport>; readonly nowMs: () => number },
): SentinelStatus {
  const { journals, faults, findings, freezer, attester, books, reports, nowMs } = parts;
  return {
    id,
    epoch: manifest.epoch,
    networks: [...reports.values()].map((report) => {
      const last = attester.last(report.network);
      const withheld = attester.withheld(report.network);
      const compared = books?.last(report.network);
      return {
        ...report,
        ...(last && { attestation: { ...last, ageSeconds: Math.floor((nowMs() - last.at) / 1000) } }),
        ...(withheld === undefined ? {} : { withheld }),
        ...(compared && { books: compared }),
      };
    }),
    journals: Object.entries(journals.ends()).map(([signer, { sequence, hash }]) => {
      const fault = faults.get(signer);
      return { signer, sequence: sequence.toString(), hash, ...(fault === undefined ? {} : { fault }) };
    }),
    findings: findings.all,
    freezes: freezer.records,
    evacuate: askedFor(manifest, freezer.records, journals.isLifted),
  };
}

/** Keys are out or a host tells two stories: what is hot is safer in COLD than under any freeze. */
const THEFTS: ReadonlySet<string> = new Set([
  'UNEXPLAINED_SPEND',
  'UNEXPLAINED_PAYOUT',
  'UNEXPLAINED_TRANSFER',
  'BALANCE_DROPPED',
  'JOURNAL_FORK',
]);

function askedFor(
  { bitcoin, evm }: SentinelConfig['manifest'],
  records: readonly FreezeRecord[],
  isLifted: (id: string) => boolean,
): EvacuationAsked[] {
  const thefts = records.filter(({ code, id }) => THEFTS.has(code) && !isLifted(id));
  // Whoever has keys of one network has those of the others: a signer has all of its keys in one place.
  const [first] = thefts;
  if (first === undefined) return [];
  return [...bitcoin, ...evm].map(({ network }) => {
    const own = thefts.find(({ scope }) => isSameNetwork(scope, network)) ?? first;
    return { network, why: `${own.code}: ${own.detail}` };
  });
}

const isSameNetwork = (scope: string, network: string): boolean =>
  scope === network || scope.startsWith(`${network}/`);

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
    watches.push({
      network,
      ...watchBitcoin({ ...shared, network, asset: entry.asset, threshold, source, open }),
    });
  }
  for (const entry of manifest.evm) {
    const { network } = entry;
    const { node, fromBlock, contracts, guardian } = configured(evm, network);
    const known = state.evm[network];
    const source = openEvm({ rpc: openRpc(node), entry, fromBlock, contracts, state: known?.chain });
    const open = known?.open ?? [];
    state.evm[network] = { chain: source.state, open };
    watches.push({
      network,
      ...watchEvm({ ...shared, entry, manifest, contracts, source, open, guardian: guardian?.address }),
    });
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
    const none = { network, height: 0, hash: '', time: 0, behind: true, open: 0, holdings: {}, at: 0 };
    reports.set(network, { ...(reports.get(network) ?? none), error: String(error) });
    throw error;
  }
}

const ALARMS = { silent: 'JOURNAL_UNREACHABLE', behind: 'JOURNAL_BEHIND' } as const;

/** The same journals, read by one at a time; a fork that a reading shows is judged at once. */
function judging(
  journals: Journals,
  faults: Map<string, string>,
  judged: (finding: Finding) => Promise<void>,
  nowMs: () => number,
): Journals {
  let turn: Promise<unknown> = Promise.resolve();
  const read = async (): Promise<readonly JournalFault[]> => {
    const found = await journals.refresh();
    for (const signer of faults.keys())
      if (
        !/^(forked|contradicts)/.test(faults.get(signer) ?? '') &&
        !found.some((fault) => fault.signer === signer)
      )
        faults.delete(signer);
    for (const { signer, kind, detail } of found) {
      const isNew = !faults.get(signer)?.startsWith(kind);
      faults.set(signer, `${kind}: ${detail}`);
      const said = { scope: EVERYTHING, detail: `the journal of signer ${signer}: ${detail}` };
      if (kind === 'forked' || kind === 'contradicts')
        await judged({ ...said, level: 'freeze', code: 'JOURNAL_FORK', key: `${kind} ${signer}` });
      // Each time that it begins: a host that is down, or came back from a snapshot, stops nothing by itself.
      else if (isNew)
        await judged({ ...said, level: 'alarm', code: ALARMS[kind], key: `${kind} ${signer} ${nowMs()}` });
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
