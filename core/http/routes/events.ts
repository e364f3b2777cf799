import { Readable } from 'node:stream';
import { z } from 'zod';
import { eventsAfter, type RecordedEvent } from '../../audit/audit.ts';
import type { HttpDeps } from '../deps.ts';
import { Problem } from '../problems.ts';
import { event } from '../schemas.ts';
import type { Server } from '../server.ts';

/** A proxy must see something this often, or it takes the stream for dead. */
const HEARTBEAT_MS = 15_000;
const EVENTS_PER_READ_MAX = 500;
/** Each open stream reads on every event; consumers that want more share one. */
const STREAMS_MAX = 100;

const sequence = z.string().regex(/^[0-9]{1,18}$/);

/** GET /v1/events: all that happened, in one order, resumable after any sequence; the same as a live stream. */
export function eventRoutes(app: Server, deps: HttpDeps): void {
  app.get(
    '/v1/events',
    {
      config: { scope: 'events:read' },
      schema: {
        operationId: 'listEvents',
        tags: ['events'],
        summary: 'Events after a sequence, oldest first',
        querystring: z.strictObject({
          after: sequence.default('0').describe('The last sequence you have'),
          limit: z.coerce.number().int().min(1).max(EVENTS_PER_READ_MAX).default(100),
        }),
        response: {
          200: z.object({
            data: z.array(event),
            page: z.object({ next_after: z.string(), has_more: z.boolean() }),
          }),
        },
      },
    },
    async (request) => {
      const { after, limit } = request.query;
      const rows = await eventsAfter(deps.db, BigInt(after), limit + 1);
      const shown = rows.slice(0, limit);
      return {
        data: shown.map(render),
        page: { next_after: (shown.at(-1)?.seq ?? BigInt(after)).toString(), has_more: rows.length > limit },
      };
    },
  );
  streamRoute(app, deps);
}

function streamRoute(app: Server, deps: HttpDeps): void {
  const open = new Set<AbortController>();
  // A server that closes waits for its answers, and a stream never ends by itself.
  app.addHook('preClose', async () => {
    for (const closing of open) closing.abort();
  });
  app.get(
    '/v1/events/stream',
    {
      config: { scope: 'events:read', problems: ['TOO_MANY_STREAMS'] },
      schema: {
        operationId: 'streamEvents',
        tags: ['events'],
        summary: 'The same as server-sent events; resumes by Last-Event-ID or ?after=',
        produces: ['text/event-stream'],
        querystring: z.strictObject({ after: sequence.optional() }),
        headers: z.object({ 'last-event-id': sequence.optional() }),
      },
    },
    (request, reply) => {
      if (open.size >= STREAMS_MAX) throw new Problem('TOO_MANY_STREAMS');
      const from = request.headers['last-event-id'] ?? request.query.after ?? '0';
      const closing = new AbortController();
      open.add(closing);
      // The answer's close, not the request's: that one may close as soon as it has been read.
      reply.raw.on('close', () => {
        closing.abort();
        open.delete(closing);
      });
      return (
        reply
          .type('text/event-stream')
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          // Or a server that closes would wait for the connection to fall idle after its last answer.
          .header('connection', 'close')
          .send(Readable.from(stream(deps, BigInt(from), closing.signal)))
      );
    },
  );
}

async function* stream(deps: HttpDeps, from: bigint, signal: AbortSignal): AsyncGenerator<string> {
  let after = from;
  let waited = false;
  yield ': connected\n\n';
  while (!signal.aborted) {
    // Counted before reading: what is recorded meanwhile raises the count, and the wait ends at once.
    const seen = deps.eventNotices.count();
    const rows = await eventsAfter(deps.db, after, EVENTS_PER_READ_MAX);
    for (const row of rows) {
      yield `id: ${row.seq}\nevent: ${row.type}\ndata: ${JSON.stringify(render(row))}\n\n`;
      after = row.seq;
    }
    if (rows.length === 0 && waited) yield ': still here\n\n';
    waited = rows.length < EVENTS_PER_READ_MAX;
    if (waited) await deps.eventNotices.above(seen, HEARTBEAT_MS, signal);
  }
}

function render(row: RecordedEvent) {
  return {
    sequence: row.seq.toString(),
    at: row.at.toISOString(),
    type: row.type,
    subject: row.subject,
    data: row.data,
  };
}
