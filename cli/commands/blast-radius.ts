import { Option, type Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import { openSigner, type AskSigner } from '../../client/signer.ts';
import { formatAmount } from '../../lib/money/money.ts';
import { nodeOf } from './evacuate.ts';
import { parseSignedManifest, type Manifest } from '../../signer/protocol/manifest.ts';
import { parseJournalAnswer } from '../../signer/protocol/messages.ts';
import {
  blastRadius,
  factsOf,
  payableOf,
  type Capture,
  type SignerFacts,
} from '../../blast-radius/blast-radius.ts';
import { SaidError, UsageError } from '../connection.ts';
import type { OpenSession, OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { table } from '../output.ts';

const ANSWER_WITHIN_MS = 15_000;

const HELP = `
Works with core down: policies, windows and freezes are read from the signers' journals, each checked whole. An EVM
vault's own cap is read on the chain, with --node. Only what stands in the hot wallets is core's word; such a figure says so, and without core it is unknown.
`;

/** What is known of one asset beside the journals, by core's word. */
interface Listed {
  readonly ticker: string;
  readonly decimals: number;
  readonly hot: bigint;
}

/** What each capture could cost at this moment. */
export function blastRadiusCommand(program: Command, open: OpenTerminal, openCore: OpenSession): void {
  program
    .command('blast-radius')
    .description('what each capture could cost now, of each asset, and what bounds it')
    .addOption(
      new Option('--as <folder>', "the operator's kit").env('PORTCULLIS_OPERATOR').makeOptionMandatory(),
    )
    .option('--node <network=url...>', 'a node for each EVM network: what its vault would still pay')
    .addHelpText('after', HELP)
    .action(async (options: { as: string; node?: string[] }, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const manifest = parseSignedManifest(kit.manifest);
      if (!manifest.ok) throw new UsageError(`The kit's manifest is malformed: ${manifest.detail}`);
      const nowMs = Date.now();
      const vaults = await vaultsBy(manifest.value, options.node ?? []);
      const listed = await listedBy(openCore, command);
      const read = await Promise.all(kit.signers.map((signer) => readSigner(signer, nowMs)));
      const signers = read.flatMap(({ facts }) => (facts === undefined ? [] : [facts]));
      const silent = read.flatMap(({ signer, error }) => (error === undefined ? [] : [{ signer, error }]));
      if (signers.length === 0) throw new SaidError('No signer could be read.');
      const units = listed && new Map([...listed].map(([asset, { hot }]) => [asset, hot]));
      const float = units && { units, basis: 'core' as const };
      const captures = blastRadius({ manifest: manifest.value, signers, float, vaults, nowMs });
      const coreAnswers = listed !== undefined;
      output.show({ coreAnswers, silent, captures: captures.map((one) => plain(one, listed)) }, () =>
        [
          ...captures.map((one) => `${one.captured}: ${one.control}\n${costTable(one, listed)}`),
          ...silent.map(({ signer, error }) => `✗ ${signer}: ${error}; taken to sign what others would`),
        ].join('\n\n'),
      );
    });
}

/** What the vaults would pay, of those networks that a node was named for. */
async function vaultsBy({ evm }: Manifest, nodes: readonly string[]): Promise<Map<string, bigint>> {
  const read = nodes.map(async (text) => {
    const [network, url] = nodeOf(text);
    const entry = evm.find((one) => one.network === network);
    if (entry === undefined) throw new UsageError(`The manifest has no EVM network ${network}.`);
    return [...(await payableOf(entry, url))];
  });
  return new Map((await Promise.all(read)).flat());
}

/** A journal from its first entry to its end. */
async function readSigner(
  signer: OperatorKit['signers'][number],
  nowMs: number,
): Promise<{ signer: string; facts?: SignerFacts; error?: string }> {
  const { id } = signer;
  try {
    return { signer: id, facts: factsOf(id, await journalOf(openSigner(signer, ANSWER_WITHIN_MS)), nowMs) };
  } catch (error) {
    return { signer: id, error: error instanceof Error ? error.message : String(error) };
  }
}

async function journalOf(ask: AskSigner): Promise<string[]> {
  const lines: string[] = [];
  for (let after = 0n; ;) {
    const answer = parseJournalAnswer(await ask('GET', `/v1/journal?after=${after}`));
    if (!answer.ok) throw new Error(answer.detail);
    if (!answer.value.ok) throw new Error(`${answer.value.code}: ${answer.value.detail}`);
    const { lines: page, journal } = answer.value;
    lines.push(...page);
    after += BigInt(page.length);
    if (page.length === 0 || after >= BigInt(journal.sequence)) return lines;
  }
}

/** By CAIP-19; undefined when core does not answer. */
async function listedBy(open: OpenSession, command: Command): Promise<Map<string, Listed> | undefined> {
  try {
    const { operations } = open(command);
    const assets = dataOf(await operations.GET('/v1/assets'));
    const books = dataOf(await operations.GET('/v1/books'));
    const found = new Map<string, Listed>();
    for (const { id, decimals, networks } of assets.data) {
      const lines = books.data.find((one) => one.asset === id)?.lines ?? [];
      for (const { network, asset_id: assetId } of networks) {
        const held = lines.filter((line) => line.network === network && isHot(line.account));
        const hot = held.reduce((sum, line) => sum - BigInt(line.balance_base), 0n);
        found.set(assetId, { ticker: id, decimals, hot });
      }
    }
    return found;
  } catch {
    // Core is down, or nobody said where it is: what rests on its word stays unknown.
    return undefined;
  }
}

const isHot = (account: string): boolean => account === 'hot' || account === 'unswept';

const plain = ({ captured, control, costs }: Capture, listed: Map<string, Listed> | undefined): object => ({
  captured,
  control,
  costs: costs.map(({ asset, units, basis }) => ({
    asset,
    ...(listed?.has(asset) === true ? { ticker: listed.get(asset)?.ticker } : {}),
    amount: amountOf(asset, units, listed) ?? null,
    amount_base: units?.toString() ?? null,
    basis,
  })),
});

const amountOf = (
  asset: string,
  units: bigint | undefined,
  listed: Map<string, Listed> | undefined,
): string | undefined => {
  const known = listed?.get(asset);
  return units === undefined || known === undefined ? undefined : formatAmount(units, known.decimals);
};

function costTable({ costs }: Capture, listed: Map<string, Listed> | undefined): string {
  return table(
    ['asset', 'could cost', 'base units', 'by the word of'],
    costs.map(({ asset, units, basis }) => [
      listed?.get(asset)?.ticker ?? asset,
      amountOf(asset, units, listed) ?? '',
      units?.toString() ?? 'unknown',
      basis === 'rule' ? 'the rule' : basis,
    ]),
    '',
  );
}
