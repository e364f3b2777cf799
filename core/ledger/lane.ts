import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Express } from './express.ts';
import { LedgerError, type PostingOutcome } from './outcomes.ts';
import type { Posting } from './postings.ts';

/** One writer that gathers the postings of concurrent callers into batches. */
export interface LedgerLane {
  /** Resolves once the outcome is durable. Rejects with LedgerError when the books could not be asked. */
  readonly submit: (posting: Posting) => Promise<PostingOutcome>;
  /** Takes nothing new, and resolves when all that was submitted is answered. */
  readonly stop: () => Promise<void>;
}

export interface LaneLimits {
  /** Postings in one transaction, at most. */
  readonly batchMax: number;
  /** Postings that may wait; above that, LEDGER_OVERLOADED. */
  readonly queueMax: number;
}

export interface LaneWork {
  /** Holds a connection until closed. Undefined when there is none: `run` will say why. */
  readonly openExpress: () => Promise<Express | undefined>;
  /** Answers each posting of a batch, in order, with its outcome or its error; never rejects. */
  readonly run: (batch: readonly Posting[]) => Promise<readonly (PostingOutcome | Error)[]>;
}

interface Waiting {
  readonly posting: Posting;
  readonly resolve: (outcome: PostingOutcome) => void;
  readonly reject: (error: Error) => void;
}

interface Flight {
  readonly batch: readonly Waiting[];
  readonly landing: NonNullable<ReturnType<Express['send']>>;
}

/** One is written while the next one is decided and sent. */
const FLIGHTS_MAX = 2;

/** Fewer postings are not split over two statements. */
const FLIGHT_MIN = 16;

export function startWriterLane(work: LaneWork, limits: LaneLimits): LedgerLane {
  const queue: Waiting[] = [];
  let pumping: Promise<void> | undefined;
  let stopped = false;

  async function pump(): Promise<void> {
    let express: Express | undefined;
    const flights: Flight[] = [];
    // Callers whom the last batch woke join this one.
    await nextTurn();
    while (queue.length > 0 || flights.length > 0) {
      if (queue.length > 0 && flights.length < FLIGHTS_MAX) {
        express ??= await work.openExpress();
        if (takeOff(express, flights)) continue;
      } else if (await land(flights)) {
        await nextTurn();
        continue;
      }
      const grounded = await landAll(flights);
      // The long way takes a connection too: who holds one and waits for another may wait for ever.
      express?.close();
      express = undefined;
      if (grounded.length === 0) grounded.push(queue.splice(0, limits.batchMax));
      for (const batch of grounded) await takeTheLongWay(batch);
      await nextTurn();
    }
    express?.close();
    pumping = undefined;
  }

  function takeOff(express: Express | undefined, flights: Flight[]): boolean {
    const waiting = queue.length + flights.reduce((sum, { batch }) => sum + batch.length, 0);
    const size = Math.min(limits.batchMax, Math.max(FLIGHT_MIN, Math.ceil(waiting / FLIGHTS_MAX)));
    const batch = queue.slice(0, size);
    const landing = express?.send(batch.map(({ posting }) => posting));
    if (!landing) return false;
    queue.splice(0, batch.length);
    flights.push({ batch, landing });
    return true;
  }

  /** False when the first flight has to go the long way: it stays, for landAll. */
  async function land(flights: Flight[]): Promise<boolean> {
    const [first] = flights;
    const answers = await first?.landing;
    if (!first || !answers) return false;
    flights.shift();
    answerAll(first.batch, answers);
    return true;
  }

  async function takeTheLongWay(batch: readonly Waiting[]): Promise<void> {
    answerAll(batch, await work.run(batch.map(({ posting }) => posting)));
  }

  return {
    submit: (posting) =>
      new Promise((resolve, reject) => {
        if (stopped) return reject(new LedgerError('LEDGER_STOPPED', 'The ledger lane is stopped'));
        if (queue.length >= limits.queueMax) {
          return reject(new LedgerError('LEDGER_OVERLOADED', `${queue.length} postings are waiting already`));
        }
        queue.push({ posting, resolve, reject });
        pumping ??= pump();
      }),
    stop: async () => {
      stopped = true;
      await pumping;
    },
  };
}

/** Lands all; those that have to go the long way, in order. */
async function landAll(flights: Flight[]): Promise<(readonly Waiting[])[]> {
  const grounded: (readonly Waiting[])[] = [];
  for (const { batch, landing } of flights.splice(0)) {
    const answers = await landing;
    if (answers) answerAll(batch, answers);
    else grounded.push(batch);
  }
  return grounded;
}

function answerAll(batch: readonly Waiting[], answers: readonly (PostingOutcome | Error)[]): void {
  for (const [i, { resolve, reject }] of batch.entries()) {
    const answer = answers[i];
    if (answer === undefined || answer instanceof Error) {
      reject(answer ?? new LedgerError('LEDGER_UNAVAILABLE', 'The batch gave no answer'));
    } else resolve(answer);
  }
}
