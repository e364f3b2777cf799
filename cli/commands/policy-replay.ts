import { InvalidArgumentError, type Command } from 'commander';
import { duration, type Units } from '../../signer/ceremony/policy-diff.ts';
import {
  openReplay,
  type ReplayEntry,
  type ReplayedOrder,
  type ReplayResult,
  type WindowPeak,
} from '../../signer/ceremony/replay.ts';
import type { OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { table, type Output } from '../output.ts';
import { readPolicy } from '../policy/files.ts';
import { mergedJournals } from '../policy/journals.ts';
import { asOption } from './signers.ts';

const BLOCKS = 20;
/** People read so many; --json has all. */
const SHOWN_MAX = 20;
const DAY_MS = 86_400_000;

/** What no journal says. */
const NOT_REPLAYED = [
  'which credential signed an order: a longer hold refuses nothing here that was signed',
  'approvals by operators: an order that would need them counts as refused',
  'what goes to COLD: no policy bounds it',
  'attestations, freezes and signers’ own nodes, which are no rules of amounts',
  'that an order refused here would have been asked for again: it may pass later, when windows have emptied',
];

/** Past orders under a proposed policy, by the rules that signers go by. */
export function replayCommand(
  policy: Command,
  open: OpenTerminal,
  units: (command: Command) => Promise<Units>,
): void {
  policy
    .command('replay <file>')
    .description(
      'which past orders a policy would refuse, which refused ones it would pay, and how full windows get',
    )
    .addOption(asOption())
    .option('--days <number>', 'count those of the last days alone', daysOption)
    .action(async (file: string, options: { as: string; days?: number }, command: Command) => {
      const { output } = open(command);
      const rules = readPolicy(file).policy;
      const nowMs = Date.now();
      const fromMs = options.days === undefined ? 0 : nowMs - options.days * DAY_MS;
      const replay = openReplay(rules, fromMs);
      const read = await runThrough(readKit(options.as), output, (entry) => replay.take(entry));
      const result = replay.result();
      const said = await units(command);
      output.show(jsonOf(result, read), () => people(result, said, read));
    });
}

async function runThrough(
  kit: OperatorKit,
  output: Output,
  take: (entry: ReplayEntry) => void,
): Promise<number> {
  const progress = output.progress(BLOCKS);
  let entries = 0;
  try {
    const told = (done: number, total: number): void =>
      progress.at(Math.floor((BLOCKS * done) / Math.max(total, 1)), `${done} of ${total} entries`);
    for await (const entry of mergedJournals(kit, told)) {
      take(entry);
      entries += 1;
    }
  } finally {
    progress.stop();
  }
  return entries;
}

const jsonOf = (result: ReplayResult, entries: number): object => ({
  entries,
  orders: result.orders,
  refused: result.refused.map(orderJson),
  passing: result.passing.map(orderJson),
  still: result.still.map(orderJson),
  byCode: countsOf(result.refused),
  children: result.children,
  refusedChildren: result.refusedChildren,
  peaks: result.peaks.map(({ used, max, atMs, ...peak }) => ({
    ...peak,
    used: used.toString(),
    max: max.toString(),
    at: new Date(atMs).toISOString(),
  })),
  otherRefusals: result.otherRefusals,
  unnamedRefusals: result.unnamedRefusals,
  notReplayed: NOT_REPLAYED,
});

const orderJson = ({ amount, atMs, was, code, ...order }: ReplayedOrder): object => ({
  ...order,
  amount: amount.toString(),
  at: new Date(atMs).toISOString(),
  was: was ?? 'signed',
  now: code ?? 'signed',
});

function countsOf(orders: readonly ReplayedOrder[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of orders) if (code !== undefined) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

function people(result: ReplayResult, units: Units, entries: number): string {
  const { orders, refused, passing, still, children, refusedChildren, peaks } = result;
  const counts = Object.entries(countsOf(refused)).map(([code, count]) => `${count} by ${code}`);
  const others = Object.entries(result.otherRefusals).map(([code, count]) => `${count} ${code}`);
  return [
    `${orders} orders in ${entries} entries of the signers’ journals, all checked.`,
    `${refused.length} that were signed would be refused${counts.length > 0 ? `: ${counts.join(', ')}` : ''}.`,
    ...(refused.length > 0 ? [orderTable(refused, units)] : []),
    `${passing.length} that were refused would be signed; ${still.length} would still be refused.`,
    ...(passing.length > 0 ? [orderTable(passing, units)] : []),
    ...(children > 0 ? [`${refusedChildren} of ${children} children that pay fees would be refused.`] : []),
    '',
    'The fullest that each window would have been:',
    table(
      ['window', 'of', 'within', 'used', 'of at most', '%'],
      peaks.map((peak) => peakRow(peak, units)),
      'none was used',
    ),
    '',
    'Not replayed:',
    ...NOT_REPLAYED.map((line) => `- ${line}`),
    ...(result.unnamedRefusals > 0
      ? [`- ${result.unnamedRefusals} refusals by the policy, whose orders no journal names`]
      : []),
    ...(others.length > 0 ? [`- refusals by other rules, which stay: ${others.join(', ')}`] : []),
  ].join('\n');
}

const orderTable = (orders: readonly ReplayedOrder[], units: Units): string =>
  [
    table(
      ['order', 'at', 'asset', 'amount', 'was', 'would be'],
      orders
        .slice(0, SHOWN_MAX)
        .map(({ number, atMs, asset, amount, was, code, later, detail }) => [
          number,
          new Date(atMs).toISOString(),
          asset,
          units.amount(asset, amount),
          was ?? 'signed',
          code === undefined ? 'signed' : `${code}${later ? ', signed later' : ''}\n${detail}`,
        ]),
      '',
    ),
    ...(orders.length > SHOWN_MAX ? [`and ${orders.length - SHOWN_MAX} more: --json has all`] : []),
  ].join('\n');

function peakRow({ window, of, seconds, used, max }: WindowPeak, units: Units): string[] {
  const say = (amount: bigint): string => {
    if (window === 'orders') return amount.toString();
    return window === 'fees' ? units.fee(of, amount) : units.amount(of, amount);
  };
  const share = max === 0n ? '–' : ((used * 100n) / max).toString();
  return [window, of, duration(seconds), say(used), say(max), share];
}

function daysOption(text: string): number {
  const days = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (days < 1) throw new InvalidArgumentError('It takes a whole number from 1.');
  return days;
}
