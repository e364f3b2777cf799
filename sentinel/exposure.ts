/** What each capture could cost now, by what this sentinel reads itself: signers' journals and its own nodes. */
import { blastRadius, openFacts, payableOf, type Capture } from '../blast-radius/blast-radius.ts';
import type { ChainEntry } from './checks/journal-chain.ts';
import type { Manifest } from '../signer/protocol/manifest.ts';

export interface ExposureReport {
  /** Unix ms. */
  readonly at: number;
  /** Signers whose journal cannot be read now; they are taken to sign what others would. */
  readonly unread: readonly string[];
  /** EVM networks whose vault could not be asked, and why: its cap bounds nothing here. */
  readonly unasked: Readonly<Record<string, string>>;
  /** None as long as no journal could be read. */
  readonly captures: readonly {
    readonly captured: string;
    readonly control: string;
    readonly costs: readonly {
      /** CAIP-19. */
      readonly asset: string;
      /** Base units; null: not known. */
      readonly units: string | null;
      readonly basis: Capture['costs'][number]['basis'];
    }[];
  }[];
}

export interface Exposure {
  /** Told of each entry of a journal, in order, after it was checked; one that it was told before is passed over. */
  readonly take: (signer: string, entry: ChainEntry) => void;
  /** Rejects never; what could not be asked is named. */
  readonly read: () => Promise<ExposureReport>;
}

export interface ExposureDeps {
  readonly manifest: Manifest;
  /** The sentinel's own nodes of EVM networks, by CAIP-2. */
  readonly nodes: ReadonlyMap<string, string>;
  /** Signers whose journal was read to its end the last time. */
  readonly readable: () => readonly string[];
  /** By CAIP-19, what the chains said last. */
  readonly holdings: () => ReadonlyMap<string, bigint>;
  readonly nowMs: () => number;
}

export function openExposure({ manifest, nodes, readable, holdings, nowMs }: ExposureDeps): Exposure {
  const books = new Map(manifest.signers.map(({ id }) => [id, openFacts(id)]));
  const taken = new Map<string, bigint>();
  /** Whoever holds a host writes in its journal what he likes: what cannot be read is his silence, and stops nothing. */
  const broken = new Set<string>();
  const take = (signer: string, checked: ChainEntry): void => {
    const { sequence } = checked.entry;
    if (broken.has(signer) || sequence <= (taken.get(signer) ?? 0n)) return;
    taken.set(signer, sequence);
    try {
      books.get(signer)?.take(checked);
    } catch {
      broken.add(signer);
    }
  };
  const fresh = async (): Promise<ExposureReport> => {
    const vaults = new Map<string, bigint>();
    const unasked: Record<string, string> = {};
    await Promise.all(
      manifest.evm.map(async (entry) => {
        try {
          const url = nodes.get(entry.network) ?? '';
          for (const [asset, units] of await payableOf(entry, url)) vaults.set(asset, units);
        } catch (error) {
          const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
          unasked[entry.network] = first;
        }
      }),
    );
    const at = nowMs();
    const read = new Set(readable().filter((id) => !broken.has(id)));
    const signers = [...books].flatMap(([id, book]) => (read.has(id) ? [book.factsAt(at)] : []));
    const float = { units: holdings(), basis: 'chain' as const };
    // Of no journal at all nothing is said: what nobody's policy names would come out as nothing.
    const captures = signers.length === 0 ? [] : blastRadius({ manifest, signers, float, vaults, nowMs: at });
    const unread = [...books.keys()].filter((id) => !read.has(id));
    return { at, unread, unasked, captures: captures.map(plain) };
  };
  let underWay: Promise<ExposureReport> | undefined;
  return {
    take,
    // However many ask at once, the nodes are asked once.
    read: () => (underWay ??= fresh().finally(() => (underWay = undefined))),
  };
}

const plain = ({ captured, control, costs }: Capture): ExposureReport['captures'][number] => ({
  captured,
  control,
  costs: costs.map(({ asset, units, basis }) => ({ asset, units: units?.toString() ?? null, basis })),
});
