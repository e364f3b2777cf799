import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { bitcoinRpc, type BitcoinRpc } from '../chain/bitcoin/bitcoin.ts';
import {
  evmRpc,
  relayerOf,
  RelayError,
  runRelayLane,
  type EvmRpc,
  type Relayer,
  type RelayWait,
} from '../chain/evm/evm.ts';
import type { BitcoinNetwork, Config, EvmNetwork } from '../config/config.ts';
import { haltNetwork, isHalted } from '../controls/controls.ts';
import { completeAddresses } from '../customers/customers.ts';
import type { Database } from '../db/db.ts';
import { runDeposits } from '../deposits/deposits.ts';
import { passOnEnrolments, quorumOf, signerClients } from '../signing/signing.ts';
import { advanceSpends, type SpendDeps } from '../spends/spends.ts';
import { runTreasury, treasurySources, watchRelayers } from '../treasury/treasury.ts';
import { runWithdrawals } from '../withdrawals/withdrawals.ts';
import type { Effects } from './effects.ts';

export interface PipelineDeps {
  readonly db: Database;
  readonly config: Config;
  readonly log: Logger;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly effects: Effects;
}

export interface Pipeline {
  /** Everything once, in the order in which money flows. Answers how much moved. */
  readonly step: () => Promise<number>;
}

interface Lane {
  readonly rpc: EvmRpc;
  readonly relayer: Relayer;
}

export async function makePipeline(deps: PipelineDeps): Promise<Pipeline> {
  const { config, db, log } = deps;
  const { commit } = deps.effects;
  quorumOf(config);
  const bitcoinRpcs = new Map<string, BitcoinRpc>();
  const lanes = new Map<string, Lane>();
  for (const network of config.networks) {
    if (network.kind === 'bitcoin') bitcoinRpcs.set(network.id, bitcoinRpc({ urls: network.nodes }));
    else
      lanes.set(network.id, {
        rpc: evmRpc({ urls: network.nodes }),
        relayer: relayerOf(readFileSync(network.relayerKeyFile, 'utf8')),
      });
  }
  const laneOf = (network: EvmNetwork): Lane => known(lanes.get(network.id), network.id);
  const treasuryLaneOf = (network: EvmNetwork) => ({
    rpc: laneOf(network).rpc,
    relayer: laneOf(network).relayer.address,
  });
  const spendDeps: SpendDeps = {
    ...deps,
    signers: signerClients(config),
    bitcoinRpc: (network: BitcoinNetwork) => known(bitcoinRpcs.get(network.id), network.id),
    evmRpc: (network: EvmNetwork) => laneOf(network).rpc,
  };
  await watchRelayers({ db, commit, config }, treasuryLaneOf);
  while ((await completeAddresses({ db, config, now: deps.now })) > 0);
  const complain = complainer(log);
  const tellWait = waitTeller(log);
  const treasury = { db, commit, config, now: deps.now, ...treasurySources(treasuryLaneOf) };
  const stages: [string, () => Promise<number>][] = [
    ['enrolments', () => passOnEnrolments({ db, commit, config, signers: spendDeps.signers })],
    ['deposits', () => runDeposits({ db, commit, config, now: deps.now })],
    ['treasury', () => runTreasury(treasury)],
    ['withdrawals', () => runWithdrawals(spendDeps)],
    ['spends', () => advanceSpends(spendDeps, (spend, error) => complain(`spend ${spend.id}`, error))],
    ...config.networks.flatMap((network): [string, () => Promise<number>][] =>
      network.kind === 'evm'
        ? [[`relay ${network.id}`, () => relay(deps, network, laneOf(network), tellWait)]]
        : [],
    ),
  ];
  return {
    step: async () => {
      let moved = 0;
      for (const [name, run] of stages) {
        try {
          moved += await run();
        } catch (error) {
          complain(name, error);
        }
      }
      return moved;
    },
  };
}

async function relay(
  deps: PipelineDeps,
  network: EvmNetwork,
  lane: Lane,
  tellWait: WaitTeller,
): Promise<number> {
  const { db, now, effects } = deps;
  if (await isHalted(db, network.id)) return 0;
  try {
    const step = await runRelayLane({
      db,
      network,
      rpc: lane.rpc,
      relayer: lane.relayer,
      now,
      effects: {
        commit: effects.commit,
        sendRawTransaction: (raw) => effects.sendRawTransaction(lane.rpc, raw),
      },
    });
    tellWait(network.id, lane.relayer.address, step.wait);
    return step.ended + step.sent;
  } catch (error) {
    if (!(error instanceof RelayError) || error.code !== 'RELAYER_NONCE_FOREIGN') throw error;
    await effects.commit('relay.halt', (trx) =>
      haltNetwork(trx, network.id, error.code, error.message, now()),
    );
    return 0;
  }
}

type WaitTeller = (network: string, relayer: string, wait: RelayWait | undefined) => void;

/** A relayer that waits is told once, until it waits for something else or goes on. */
function waitTeller(log: Logger): WaitTeller {
  const told = new Map<string, RelayWait>();
  return (network, relayer, wait) => {
    if (told.get(network) === wait) return;
    if (wait === undefined) {
      told.delete(network);
      log.info({ network, relayer }, 'the relayer goes on');
      return;
    }
    told.set(network, wait);
    log.warn({ network, relayer, reason: wait }, 'the relayer waits');
  };
}

/** A stage that fails in the same way again and again is told once, until it fails otherwise. */
function complainer(log: Logger): (stage: string, error: unknown) => void {
  const told = new Map<string, string>();
  return (stage, error) => {
    const message = error instanceof Error ? error.message : String(error);
    if (told.get(stage) === message) return;
    told.set(stage, message);
    log.warn({ stage, err: error }, 'stage failed; tried again');
  };
}

function known<Value>(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new Error(`no node for ${name}`);
  return value;
}
