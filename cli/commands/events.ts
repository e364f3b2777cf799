import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { dataOf } from '../../client/client.ts';
import type { OpenSession } from '../main.ts';
import { limitOption, table } from '../output.ts';

const FOLLOW_EVERY_MS = 500;

export function eventCommands(program: Command, open: OpenSession): void {
  program
    .command('events')
    .description('what happened, in order; resumable after any sequence')
    .option('--after <sequence>', 'the last sequence you have', '0')
    .option('--limit <n>', 'at most so many', limitOption, 50)
    .option('--follow', 'go on as they happen (Ctrl-C ends); with --json one event a line')
    .action(async (options: { after: string; limit: number; follow?: boolean }, command: Command) => {
      const { client, output } = open(command);
      const read = async (after: string) =>
        dataOf(await client.GET('/v1/events', { params: { query: { after, limit: options.limit } } }));
      if (options.follow !== true) {
        const page = await read(options.after);
        output.show(page, () =>
          table(
            ['sequence', 'at', 'type', 'subject'],
            page.data.map((e) => [e.sequence, e.at, e.type, e.subject]),
            'Nothing happened yet.',
          ),
        );
        return;
      }
      let after = options.after;
      for (;;) {
        const page = await read(after);
        for (const event of page.data) {
          process.stdout.write(
            output.json
              ? `${JSON.stringify(event)}\n`
              : `${event.sequence}  ${event.at}  ${event.type}  ${event.subject}\n`,
          );
        }
        after = page.page.next_after;
        if (!page.page.has_more) await sleep(FOLLOW_EVERY_MS);
      }
    });
}
