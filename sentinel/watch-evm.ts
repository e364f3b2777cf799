/** One EVM network: what left the vault, and who took power over it, judged by the journals. */
import type { Manifest, ManifestEvm } from '../signer/protocol/manifest.ts';
import { judgeOwnEvent, judgeTokenEvent } from './checks/evm-admin.ts';
import { dropsIn, judgeMoves, type VaultMoves } from './checks/evm-balances.ts';
import { judgePayouts, type PayoutTransaction } from './checks/evm-payouts.ts';
import { judgePending, signedDigest } from './checks/evm-pending.ts';
import type { Witnesses } from './checks/explain.ts';
import type { Finding } from './checks/finding.ts';
import type { EvmSource } from './sources/evm.ts';
import type { Journals } from './sources/journals.ts';
import type { NetworkReport } from './sentinel.ts';
import { PATIENCE_MS, REORG_ALARM_DEPTH } from './watch-bitcoin.ts';

/** Payouts that are not settled: journals that may explain them are silent. */
export interface OpenPayouts extends PayoutTransaction {
  /** Unix ms. */
  readonly since: number;
}

export interface EvmWatch {
  look(judged: (finding: Finding) => Promise<void>): Promise<NetworkReport>;
}

export function watchEvm(deps: {
  readonly entry: ManifestEvm;
  readonly manifest: Manifest;
  readonly contracts: readonly string[];
  /** With whose key this sentinel stops the vault. */
  readonly guardian?: string | undefined;
  readonly source: EvmSource;
  readonly journals: Journals;
  readonly open: OpenPayouts[];
  readonly nowMs: () => number;
}): EvmWatch {
  const { entry, source, journals, open, nowMs } = deps;
  const { network, vault, chainId } = entry;
  const { threshold } = deps.manifest;
  const place = `${network} ${vault}`;
  const assets = new Map(entry.tokens.map(({ asset, token }) => [token.toLowerCase(), asset]));
  const assetOf = (token: string): string => assets.get(token.toLowerCase()) ?? network;
  const ours = new Set([vault, ...deps.contracts].map((address) => address.toLowerCase()));

  const judgeOpen = (transaction: OpenPayouts): ReturnType<typeof judgePayouts> =>
    judgePayouts(transaction, {
      chainId,
      vault,
      threshold,
      batchesOf: (order) => journals.ofOrder(place, order),
      witnesses: (id) => journals.witnesses(place, id),
      waitedMs: nowMs() - transaction.since,
      patienceMs: PATIENCE_MS,
    });
  const lookAhead = pendingWatch({ ...deps, place });
  const isSure = openDoubt();
  return {
    look: async (judged) => {
      await lookAhead(judged);
      const facts = await source.step();
      if (facts.moves !== undefined && !isSure(facts.moves))
        throw new RangeError(`${network}: less is in the vault than before; it is read again`);
      open.push(...facts.payouts.map((payout) => ({ ...payout, since: nowMs() })));
      if (open.length > 0) await journals.refresh();
      const findings = [
        ...facts.own.map((event) => judgeOwnEvent(event, deps.guardian)),
        ...facts.tokens.map((event) => judgeTokenEvent(event, { asset: assetOf(event.contract), ours })),
        ...(facts.moves === undefined ? [] : judgeMoves(facts.moves, assetOf)),
      ];
      const still = open.filter((transaction) => {
        const { settled, finding } = judgeOpen(transaction);
        findings.push(finding);
        return !settled;
      });
      for (const finding of findings) if (finding !== undefined) await judged(finding);
      open.splice(0, open.length, ...still);
      facts.taken();
      const { height, hash, time } = facts;
      if (facts.reorgDepth >= REORG_ALARM_DEPTH) await judged(deepReorg(network, facts));
      const holdings = Object.fromEntries(
        Object.entries(facts.balances).map(([token, units]) => [assetOf(token), units.toString()]),
      );
      return { network, height, hash, time, behind: false, open: open.length, holdings, at: nowMs() };
    },
  };
}

/**
 * Whether what the node says of balances is believed. A node that takes another branch, or several behind one address,
 * may for a moment tell a balance of another block: less than before is believed when it is read a second time.
 */
function openDoubt(): (moves: VaultMoves) => boolean {
  let doubted: VaultMoves['before'] | undefined;
  return (moves) => {
    if (dropsIn(moves).length === 0 || doubted === moves.before) return true;
    doubted = moves.before;
    return false;
  };
}

/** A theft is stopped best before it is mined: at the other networks and assets it is not too late. */
function pendingWatch({
  entry,
  manifest,
  source,
  journals,
  place,
}: Parameters<typeof watchEvm>[0] & { place: string }): (
  judged: (finding: Finding) => Promise<void>,
) => Promise<void> {
  const { network, chainId, vault } = entry;
  const { threshold } = manifest;
  const signers = new Set(manifest.signers.map(({ evmAddress }) => evmAddress.toLowerCase()));
  return async (judged) => {
    const calls = await source.pending();
    if (calls.length === 0) return;
    const witnesses = (id: string): Witnesses => journals.witnesses(place, id);
    const generation = await source.generation();
    const rules = { network, chainId, vault, threshold, signers, witnesses, generation };
    for (const call of calls) {
      const digest = await signedDigest(call, rules);
      if (digest === undefined) continue;
      await journals.refresh();
      const finding = judgePending(call, digest, rules);
      if (finding !== undefined) await judged(finding);
    }
  };
}

const deepReorg = (network: string, { hash, reorgDepth }: { hash: string; reorgDepth: number }): Finding => ({
  level: 'alarm',
  code: 'DEEP_REORG',
  scope: network,
  key: `reorg ${network} ${hash}`,
  detail: `${reorgDepth} blocks were given up`,
});
