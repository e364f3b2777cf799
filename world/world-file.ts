import { writeFile } from 'node:fs/promises';
import type { SignerPublic } from './configuration.ts';
import type { LocalEvm } from './evm-network.ts';
import type { WorldFolder } from './folder.ts';
import type { Anvil } from './parts/anvil.ts';
import type { Bitcoind } from './parts/bitcoind.ts';
import type { Postgres } from './parts/postgres.ts';
import type { PublicPeople } from './people/people.ts';
import type { LocalSentinel } from './sentinel.ts';
import type { LocalSigner } from './signers.ts';
import type { Supervised } from './supervisor.ts';

/** `.portcullis/world.json`: all that an outside tool needs to attach. It holds credentials of a local system. */
export interface WorldFile {
  readonly api: {
    readonly url: string;
    /** The backend's; the other one may also decide what a person has to look at. */
    readonly key: string;
    readonly operationsKey: string;
    readonly port: number;
    readonly docs: string;
  };
  readonly postgres: { readonly url: string; readonly port: number };
  readonly bitcoin: { readonly url: string; readonly folder: string; readonly miner_wallet: string };
  readonly evm: readonly {
    readonly id: string;
    readonly url: string;
    readonly port: number;
    readonly chain_id: number;
    readonly contracts: LocalEvm['system'];
    /** Accounts that anvil funds and everybody knows: outside wallets. */
    readonly outside: readonly { readonly address: string; readonly private_key: string }[];
  }[];
  readonly signers: readonly (SignerPublic & { readonly url: string; readonly port: number })[];
  /** It tells what it sees at `${url}/v1/status`. */
  readonly sentinel: {
    readonly id: string;
    readonly url: string;
    readonly port: number;
    /** By network (CAIP-2): what it watches begins after this block. */
    readonly from_blocks: Readonly<Record<string, number>>;
  };
  readonly people: PublicPeople;
  readonly relayer_key_file: string;
  readonly configuration: string;
  readonly logs: Readonly<Record<string, string>>;
}

export async function writeWorldFile(
  folder: WorldFolder,
  parts: {
    readonly api: Omit<WorldFile['api'], 'docs'>;
    readonly database: string;
    readonly postgres: Postgres;
    readonly bitcoind: Bitcoind;
    readonly evm: readonly LocalEvm[];
    readonly anvils: ReadonlyMap<string, Anvil>;
    readonly signers: readonly LocalSigner[];
    readonly sentinel: LocalSentinel;
    readonly people: PublicPeople;
    readonly processes: readonly Supervised[];
  },
): Promise<WorldFile> {
  const world: WorldFile = {
    api: { ...parts.api, docs: `${parts.api.url}/docs` },
    postgres: { url: parts.database, port: parts.postgres.port },
    bitcoin: { url: parts.bitcoind.url, folder: parts.bitcoind.folder, miner_wallet: 'miner' },
    evm: parts.evm.map(({ id, nodeUrl, system }) => ({
      id,
      url: nodeUrl,
      port: Number(new URL(nodeUrl).port),
      chain_id: system.chainId,
      contracts: system,
      outside: (parts.anvils.get(id)?.accounts ?? []).slice(2).map(({ address, privateKey }) => ({
        address,
        private_key: privateKey,
      })),
    })),
    signers: parts.signers.map(({ id, xpub, evmAddress, url }) => ({
      id,
      xpub,
      evmAddress,
      url,
      port: Number(new URL(url).port),
    })),
    sentinel: {
      id: parts.sentinel.id,
      url: parts.sentinel.url,
      port: parts.sentinel.port,
      from_blocks: parts.sentinel.fromBlocks,
    },
    people: parts.people,
    relayer_key_file: folder.at('secrets', 'relayer.key'),
    configuration: folder.at('portcullis.toml'),
    logs: Object.fromEntries(parts.processes.map(({ name }) => [name, folder.at('log', `${name}.log`)])),
  };
  await writeFile(folder.at('world.json'), `${JSON.stringify(world, null, 2)}\n`, { mode: 0o600 });
  return world;
}
