import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { formatGwei, isHex, parseGwei, type Hex } from 'viem';
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import {
  evacuateEvm,
  isEvacuated,
  planEvm,
  type EvmPlan,
  type EvmResult,
  type EvmRules,
  type Holding,
} from '../../evacuate/evm.ts';
import { parseSignedManifest, type Manifest } from '../../signer/protocol/manifest.ts';
import { SaidError, UsageError } from '../connection.ts';
import type { OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { table } from '../output.ts';

interface Options {
  readonly as: string;
  readonly node: string[];
  readonly guardianKeyFile: string;
  readonly plan: boolean;
  readonly gasPriceMax: string;
  readonly escalateAfter: string;
  readonly within: string;
}

interface Outcome<T> {
  readonly network: string;
  readonly value?: T;
  readonly error?: string;
}

/** What one operator does alone when everything hot has to go: it works with core and signers down. */
export function evacuateCommands(program: Command, open: OpenTerminal): void {
  program
    .command('evacuate')
    .description('move what is hot to cold, now, by one operator')
    .command('evm')
    .description('pause every EVM vault and send what it holds to COLD, by the guardian key')
    .addOption(
      new Option('--as <folder>', "the operator's kit").env('PORTCULLIS_OPERATOR').makeOptionMandatory(),
    )
    .requiredOption('--guardian-key-file <file>', 'private key of the guardian, in hex; only you may read it')
    .requiredOption('--node <network=url...>', 'a node for each EVM network of the manifest')
    .option('--plan', 'say what would move and what it costs; send nothing', false)
    .option('--gas-price-max <gwei>', 'never offer more for one gas', '2000')
    .option('--escalate-after <seconds>', 'offer more when it is in no block by then', '15')
    .option('--within <seconds>', 'give up waiting then', '1800')
    .action(async (options: Options, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const jobs = jobsOf(manifestOf(kit), kit, options, (text) => output.line(text));
      if (options.plan) {
        const plans = await all(jobs, planEvm);
        output.show({ networks: plans.map(plain) }, () => planTable(plans));
        failed(plans.filter(({ value }) => value === undefined).map(({ network }) => network));
        return;
      }
      const results = await all(jobs, evacuateEvm);
      output.show({ networks: results.map(plain) }, () => resultTable(results));
      failed(results.filter(({ value }) => !value || !isEvacuated(value)).map(({ network }) => network));
    });
}

function failed(networks: readonly string[]): void {
  if (networks.length > 0)
    throw new SaidError(`Not all of it could be done: ${networks.join(', ')}. Repeat the command.`);
}

type Job = { readonly network: string; readonly rules: EvmRules | undefined };

/** Every EVM network of the manifest, also one without a node: what cannot be reached is named, not left out. */
function jobsOf(manifest: Manifest, kit: OperatorKit, options: Options, tell: (text: string) => void): Job[] {
  const account = guardianOf(manifest, kit, options.guardianKeyFile);
  const nodes = new Map(options.node.map(nodeOf));
  const stranger = [...nodes.keys()].find((name) => !manifest.evm.some(({ network }) => network === name));
  if (stranger !== undefined) throw new UsageError(`The manifest has no EVM network ${stranger}.`);
  if (manifest.evm.length === 0) throw new UsageError('The manifest has no EVM network.');
  const rest = {
    account,
    gasPriceMaxWei: parseGwei(wholeNumber(options.gasPriceMax, '--gas-price-max')),
    escalateAfterMs: 1000 * Number(wholeNumber(options.escalateAfter, '--escalate-after')),
    withinMs: 1000 * Number(wholeNumber(options.within, '--within')),
    nowMs: () => performance.now(),
    sleep: async (ms: number) => sleep(ms),
    tell,
  };
  return manifest.evm.map((entry) => {
    const nodeUrl = nodes.get(entry.network);
    return { network: entry.network, rules: nodeUrl === undefined ? undefined : { ...rest, entry, nodeUrl } };
  });
}

export function nodeOf(text: string): [string, string] {
  const at = text.indexOf('=');
  const url = text.slice(at + 1);
  if (at < 1 || !URL.canParse(url)) throw new UsageError('--node takes NETWORK=URL, as eip155:1=http://…');
  return [text.slice(0, at), url];
}

function wholeNumber(text: string, option: string): string {
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new UsageError(`${option} takes a whole number from 1.`);
  return text;
}

function manifestOf(kit: OperatorKit): Manifest {
  const parsed = parseSignedManifest(kit.manifest);
  if (!parsed.ok) throw new UsageError(`The kit's manifest cannot be read: ${parsed.detail}`);
  return parsed.value;
}

/** The key that the manifest names for this operator, and no other: a wrong file is found before anything is sent. */
function guardianOf({ operators }: Manifest, { id }: OperatorKit, file: string): PrivateKeyAccount {
  const named = operators.find((operator) => operator.id === id)?.guardian;
  if (named === undefined) throw new UsageError(`The manifest has no operator ${id}.`);
  if ((statSync(file).mode & 0o077) !== 0) throw new UsageError(`Others may read ${file}: chmod 600 it.`);
  const text = readFileSync(file, 'utf8').trim();
  const key: Hex = isHex(text) ? text : `0x${text}`;
  if (!/^0x[0-9a-fA-F]{64}$/.test(key))
    throw new UsageError(`${file} holds no private key of 32 bytes in hex.`);
  const account = privateKeyToAccount(key);
  if (account.address.toLowerCase() !== named.toLowerCase())
    throw new UsageError(`${file} is the key of ${account.address}; the manifest names ${named} for ${id}.`);
  return account;
}

/** All networks at once: one that hangs holds up no other. */
async function all<T>(jobs: readonly Job[], act: (rules: EvmRules) => Promise<T>): Promise<Outcome<T>[]> {
  return Promise.all(
    jobs.map(async ({ network, rules }) => {
      if (rules === undefined) return { network, error: 'no --node for it' };
      try {
        return { network, value: await act(rules) };
      } catch (error) {
        return { network, error: error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'failed' };
      }
    }),
  );
}

const plain = <T>({ network, value, error }: Outcome<T>): unknown =>
  error === undefined
    ? JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one)))
    : { network, error };

const amounts = (holdings: readonly Holding[]): string =>
  holdings.map(({ asset, amount }) => `${amount ?? '?'} ${asset}`).join('\n');

const planTable = (plans: readonly Outcome<EvmPlan>[]): string =>
  table(
    ['network', 'would move, base units', 'to', 'fee at most, gwei', 'guardian has, gwei'],
    plans.map(({ network, value, error }) =>
      value === undefined
        ? [network, `✗ ${error}`]
        : [
            network,
            amounts(value.holdings),
            value.cold,
            formatGwei(value.feeMaxWei),
            formatGwei(value.guardianWei),
          ],
    ),
    '',
  );

const resultTable = (results: readonly Outcome<EvmResult>[]): string =>
  table(
    ['network', '', 'moved, base units', 'left', 'paused'],
    results.map(({ network, value, error }) =>
      value === undefined
        ? [network, '✗', error]
        : [
            network,
            isEvacuated(value) ? '✓' : '✗',
            amounts(value.moved),
            amounts(value.left),
            value.paused ? 'yes' : 'no',
          ],
    ),
    '',
  );
