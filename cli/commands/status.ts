import type { Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import { SaidError } from '../connection.ts';
import type { OpenSession } from '../main.ts';
import { state, table } from '../output.ts';

export function statusCommand(program: Command, open: OpenSession): void {
  program
    .command('status')
    .description('is it ready, what do the chains say, what is waiting')
    .action(async (_options: object, command: Command) => {
      const { client, url, output } = open(command);
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
      output.show({ ...readiness, ...waiting }, () =>
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
        ].join('\n'),
      );
      if (!readiness.ready) throw new SaidError('Not ready: see above.');
    });
}

function countBy(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
