import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { isHex, parseGwei, type Hex } from 'viem';
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import { evacuateEvm, isEvacuated, planEvm, type EvmRules } from '../../evacuate/evm.ts';
import {
  evacuateBitcoin,
  isBitcoinEvacuated,
  planBitcoin,
  type BitcoinRules,
} from '../../evacuate/bitcoin.ts';
import { openSigner } from '../../client/signer.ts';
import { parseSignedManifest, type Manifest } from '../../signer/protocol/manifest.ts';
import { SaidError, UsageError } from '../connection.ts';
import type { OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import type { Output } from '../output.ts';
import {
  bitcoinPlanTable,
  bitcoinResultTable,
  planTable,
  resultTable,
  type Outcome,
} from './evacuate-tables.ts';

interface Options {
  readonly as: string;
  readonly node: string[];
  readonly plan: boolean;
  readonly escalateAfter: string;
  readonly within: string;
}

interface EvmOptions extends Options {
  readonly guardianKeyFile: string;
  readonly gasPriceMax: string;
}

interface BitcoinOptions extends Options {
  readonly indexMax: string;
}

/** What one operator does alone when everything hot has to go: it works with core and, on EVM, with signers down. */
export function evacuateCommands(program: Command, open: OpenTerminal): void {
  const evacuate = program
    .command('evacuate')
    .description('move what is hot to cold, now, by one operator')
    .addHelpText('after', HELP);
  evmOptions(common(evacuate.command('evm')))
    .description('pause every EVM vault and send what it holds to COLD, by the guardian key')
    .action(async (options: EvmOptions, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const manifest = manifestOf(kit);
      checkNodes(options.node, manifest.evm);
      if (manifest.evm.length === 0) throw new UsageError('The manifest has no EVM network.');
      await show(output, options.plan, await evmPart(manifest, kit, options, output));
    });
  bitcoinOptions(common(evacuate.command('bitcoin')))
    .description(
      'send what every Bitcoin wallet holds to the manifest’s cold address, by a quorum under a freeze',
    )
    .action(async (options: BitcoinOptions, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const manifest = manifestOf(kit);
      checkNodes(options.node, manifest.bitcoin);
      if (manifest.bitcoin.length === 0) throw new UsageError('The manifest has no Bitcoin network.');
      await show(output, options.plan, await bitcoinPart(manifest, kit, options, output));
    });
  bitcoinOptions(evmOptions(common(evacuate.command('all'))))
    .description('both at once')
    .action(async (options: EvmOptions & BitcoinOptions, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const manifest = manifestOf(kit);
      checkNodes(options.node, [...manifest.bitcoin, ...manifest.evm]);
      const parts = await Promise.all([
        bitcoinPart(manifest, kit, options, output),
        ...(manifest.evm.length === 0 ? [] : [evmPart(manifest, kit, options, output)]),
      ]);
      const networks = parts.flatMap((part) => part.networks);
      const tables = parts.map((part) => part.table).join('\n');
      const undone = parts.flatMap((part) => part.undone);
      await show(output, options.plan, { networks, table: tables, undone });
    });
}

const HELP = `
Freeze first: signers sign an evacuation of Bitcoin only while a freeze stands over its network, and what is signed
goes to the cold address of the manifest or nowhere. Without --plan it starts at once and asks no question.
`;

const common = (command: Command): Command =>
  command
    .addOption(
      new Option('--as <folder>', "the operator's kit").env('PORTCULLIS_OPERATOR').makeOptionMandatory(),
    )
    .requiredOption('--node <network=url...>', 'a node of your own for each network of the manifest')
    .option('--plan', 'say what would move and what it costs; send nothing', false)
    .option('--escalate-after <seconds>', 'offer more when it is in no block by then', '15')
    .option('--within <seconds>', 'give up waiting then', '1800');

const evmOptions = (command: Command): Command =>
  command
    .requiredOption('--guardian-key-file <file>', 'private key of the guardian, in hex; only you may read it')
    .option('--gas-price-max <gwei>', 'never offer more for one gas', '2000');

const bitcoinOptions = (command: Command): Command =>
  command.option('--index-max <number>', 'no address above it was given out', '20000');

/** What one kind of network came to. */
interface Part {
  readonly networks: readonly unknown[];
  readonly table: string;
  /** Networks of which something that can move is left. */
  readonly undone: readonly string[];
}

async function show(output: Output, isPlan: boolean, { networks, table: text, undone }: Part): Promise<void> {
  output.show({ networks }, () => text);
  if (undone.length > 0)
    throw new SaidError(
      isPlan
        ? `Not all of it can be reached: ${undone.join(', ')}.`
        : `Not all of it could be done: ${undone.join(', ')}. Repeat the command.`,
    );
}

async function evmPart(
  manifest: Manifest,
  kit: OperatorKit,
  options: EvmOptions,
  output: Output,
): Promise<Part> {
  const jobs = jobsOf(manifest, kit, options, (text) => output.line(text));
  if (options.plan) {
    const plans = await all(jobs, planEvm);
    const undone = plans.filter(({ value }) => value === undefined).map(({ network }) => network);
    return { networks: plans.map(plain), table: planTable(plans), undone };
  }
  const results = await all(jobs, evacuateEvm);
  const undone = results.filter(({ value }) => !value || !isEvacuated(value)).map(({ network }) => network);
  return { networks: results.map(plain), table: resultTable(results), undone };
}

async function bitcoinPart(
  manifest: Manifest,
  kit: OperatorKit,
  options: BitcoinOptions,
  output: Output,
): Promise<Part> {
  const jobs = bitcoinJobs(manifest, kit, options, (text) => output.line(text));
  if (options.plan) {
    const plans = await all(jobs, planBitcoin);
    const undone = plans.filter(({ value }) => value === undefined).map(({ network }) => network);
    return { networks: plans.map(plain), table: bitcoinPlanTable(plans), undone };
  }
  const results = await all(jobs, evacuateBitcoin);
  const undone = results
    .filter(({ value }) => !value || !isBitcoinEvacuated(value))
    .map(({ network }) => network);
  return { networks: results.map(plain), table: bitcoinResultTable(results), undone };
}

function bitcoinJobs(
  manifest: Manifest,
  kit: OperatorKit,
  options: BitcoinOptions,
  tell: (text: string) => void,
): Job<BitcoinRules>[] {
  const nodes = new Map(options.node.map(nodeOf));
  const signers = kit.signers.map((signer) => ({ id: signer.id, ask: openSigner(signer) }));
  const indexMax = Number(wholeNumber(options.indexMax, '--index-max'));
  return manifest.bitcoin.map((entry) => {
    const nodeUrl = nodes.get(entry.network);
    const least = Math.min(indexMax, entry.indexMax);
    const rules = { ...timing(options), manifest, entry, signers, indexMax: least, tell };
    return { network: entry.network, rules: nodeUrl === undefined ? undefined : { ...rules, nodeUrl } };
  });
}

const timing = ({ escalateAfter, within }: Options) => ({
  escalateAfterMs: 1000 * Number(wholeNumber(escalateAfter, '--escalate-after')),
  withinMs: 1000 * Number(wholeNumber(within, '--within')),
  nowMs: () => performance.now(),
  sleep: async (ms: number) => sleep(ms),
});

function checkNodes(node: readonly string[], known: readonly { readonly network: string }[]): void {
  const stranger = node
    .map((text) => nodeOf(text)[0])
    .find((name) => !known.some(({ network }) => network === name));
  if (stranger !== undefined) throw new UsageError(`The manifest has no such network here: ${stranger}.`);
}

interface Job<Rules> {
  readonly network: string;
  readonly rules: Rules | undefined;
}

/** Every EVM network of the manifest, also one without a node: what cannot be reached is named, not left out. */
function jobsOf(
  manifest: Manifest,
  kit: OperatorKit,
  options: EvmOptions,
  tell: (text: string) => void,
): Job<EvmRules>[] {
  const account = guardianOf(manifest, kit, options.guardianKeyFile);
  const nodes = new Map(options.node.map(nodeOf));
  const gasPriceMaxWei = parseGwei(wholeNumber(options.gasPriceMax, '--gas-price-max'));
  const rest = { ...timing(options), account, gasPriceMaxWei, tell };
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
async function all<Rules, T>(
  jobs: readonly Job<Rules>[],
  act: (rules: Rules) => Promise<T>,
): Promise<Outcome<T>[]> {
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
