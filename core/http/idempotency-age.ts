import { setTimeout as delay } from 'node:timers/promises';
import { executorOf } from '../db/db.ts';
import type { HttpDeps } from './deps.ts';

/** Between two looks for keys that are old enough. */
const FORGET_EVERY_MS = 600_000;
/** Keys in one statement, and statements in one look: what is left over waits for the next look. */
const FORGET_MAX = 1_000;
const STATEMENTS_MAX = 50;

type ForgetDeps = Pick<HttpDeps, 'db' | 'config' | 'log' | 'now'>;

/**
 * Forgets Idempotency-Keys whose first request is longer ago than `http.idempotencyKeyHours`: when it starts, and
 * every ten minutes. An external_id is never forgotten, so a repetition after that still makes nothing twice.
 */
export function forgetOldKeys(
  deps: ForgetDeps,
  everyMs = FORGET_EVERY_MS,
): { readonly stop: () => Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await forgetOnce(deps, signal);
      } catch (error) {
        deps.log.warn({ err: error }, 'old idempotency keys were not forgotten; tried again');
      }
      await delay(everyMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/** One look. Answers how many were forgotten. */
export async function forgetOnce(deps: ForgetDeps, signal?: AbortSignal): Promise<number> {
  const before = new Date(deps.now().getTime() - deps.config.http.idempotencyKeyHours * 3_600_000);
  let forgotten = 0;
  for (let statement = 0; statement < STATEMENTS_MAX; statement += 1) {
    if (signal?.aborted === true) break;
    // Several API processes look at once: each takes what no other has in hand.
    const rows = await executorOf(deps.db).query(
      `delete from idempotency_key k using (
         select api_key_id, key from idempotency_key where created_at < $1
          order by created_at limit $2 for update skip locked) old
        where k.api_key_id = old.api_key_id and k.key = old.key
       returning 1 as forgotten`,
      [before, FORGET_MAX],
    );
    forgotten += rows.length;
    if (rows.length < FORGET_MAX) break;
  }
  return forgotten;
}
