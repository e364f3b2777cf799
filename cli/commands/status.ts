import type { Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import { SaidError } from '../connection.ts';
import type { OpenSession } from '../main.ts';
import { state, table } from '../output.ts';

const SENTINEL_WITHIN_MS = 5_000;

export function statusCommand(program: Command, open: OpenSession): void {
  program
    .command('status')
    .description('is it ready, what do the chains say, what is waiting')
    .action(async (_options: object, command: Command) => {
      const { client, url, output, sentinelUrl } = open(command);
      const readiness = (await (await fetch(`${url}/readyz`)).json()) as {
        ready: boolean;
        checks: { name: string; ok: boolean; detail: string }[];
      };
      const withdrawals = dataOf(await client.GET('/v1/withdrawals', { params: { query: { limit: 200 } } }));
      const deposits = dataOf(await client.GET('/v1/deposits', { params: { query: { limit: 200 } } }));
      const waiting = {
        withdrawals: countBy(withdrawals.data.map((line) => line.status)),
        deposits: countBy(deposits.data.map((line) => line.status)),
      };
      const sentinel = sentinelUrl === undefined ? undefined : await sentinelAt(sentinelUrl);
      const shown = { ...readiness, ...waiting, ...(sentinel === undefined ? {} : { sentinel }) };
      output.show(shown, () =>
        [
          table(
            ['part', '', 'detail'],
            readiness.checks.map((c) => [c.name, c.ok ? '✓' : '✗', c.detail]),
            '',
          ),
          table(
            ['last 200 withdrawals', 'count'],
            Object.entries(waiting.withdrawals).map(([name, n]) => [state(name), n]),
            'No withdrawals yet.',
          ),
          table(
            ['last 200 deposits', 'count'],
            Object.entries(waiting.deposits).map(([name, n]) => [state(name), n]),
            'No deposits yet.',
          ),
          ...(sentinel === undefined ? [] : [sentinelTable(sentinel)]),
        ].join('\n'),
      );
      if (!readiness.ready) throw new SaidError('Not ready: see above.');
    });
}

/** Read as it comes: this page says what there is and does not decide by it. */
interface SentinelSeen {
  readonly id?: string;
  readonly networks?: readonly {
    readonly network: string;
    readonly height: number;
    readonly error?: string;
    readonly withheld?: string;
    readonly attestation?: { readonly ageSeconds: number };
  }[];
  readonly findings?: readonly { readonly level: string; readonly code: string; readonly detail: string }[];
  readonly evacuate?: readonly { readonly network: string; readonly why: string }[];
  /** It could not be reached, and why. */
  readonly unreachable?: string;
}

async function sentinelAt(url: string): Promise<SentinelSeen> {
  try {
    const response = await fetch(`${url}/v1/status`, { signal: AbortSignal.timeout(SENTINEL_WITHIN_MS) });
    return (await response.json()) as SentinelSeen;
  } catch (error) {
    return { unreachable: `${url}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function sentinelTable({
  id,
  networks = [],
  findings = [],
  evacuate = [],
  unreachable,
}: SentinelSeen): string {
  const rows = networks.map(({ network, height, error, withheld, attestation }) => [
    network,
    attestation && error === undefined && withheld === undefined ? '✓' : '✗',
    `block ${height}`,
    error ??
      withheld ??
      (attestation ? `attested ${attestation.ageSeconds} s ago` : 'not attested since it started'),
  ]);
  const [last] = findings;
  if (unreachable !== undefined) rows.push(['not reached', '✗', '', unreachable]);
  if (last !== undefined) rows.push(['last finding', last.level, last.code, last.detail]);
  for (const { network, why } of evacuate)
    rows.push([network, '✗', 'evacuate now', `${why}; portcullis evacuate all --help`]);
  return table(
    [`sentinel ${id ?? ''}`.trim(), '', 'seen', 'detail'],
    rows,
    'The sentinel has seen nothing yet.',
  );
}

function countBy(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
